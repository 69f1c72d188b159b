// Flags: windows that a data check doubts.
import type { Schemas } from "./api";
import { minute } from "./range";

export type Flag = Schemas["Flag"];

const window = 10 * minute;

/** Flags of windows that follow one another, from the start of the first to the end of the last. */
export interface FlagRun extends Flag {
  windows: number;
  from: number;
  to: number;
}

/** Flags, in the order that the server has them, as runs. */
export function flagRuns(flags: Flag[]): FlagRun[] {
  const runs: FlagRun[] = [];
  for (const flag of flags) {
    const last = runs.at(-1);
    const from = Date.parse(flag.timestamp);
    if (last && last.turbine_id === flag.turbine_id && last.variable === flag.variable && last.check === flag.check && last.to === from) {
      last.windows++;
      last.to += window;
    } else runs.push({ ...flag, windows: 1, from, to: from + window });
  }
  return runs;
}
