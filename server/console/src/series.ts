// Series of windows, or of the longer periods that they are rolled up to, of several
// turbines on one axis of time.
import { table, type Table } from "./arrow";
import { get, type Query, type Schemas } from "./api";
import { ceil, floor, instantText, type Range, type Step, stepFor, steps } from "./range";
import { ids, type Turbine } from "./selection";
import { zone } from "./time";

export type Values = (number | null)[];
export type Flag = Schemas["Flag"];

/** What a chart draws of one variable of one turbine. */
export interface Series {
  min: Values;
  max: Values;
  mean: Values;
  std: Values | undefined;
}

/** The periods in order, and the series of each turbine by variable. A gap is a period of nulls. */
export interface Frame {
  step: Step;
  starts: number[];
  ends: number[];
  series: Map<string, Series[]>;
  rows: number;
}

export type WindowsQuery = Required<Pick<Query<"/windows">, "start" | "before" | "step" | "turbines" | "signals" | "wide">> & { tz?: string };

/** What is asked of /windows for a range on so many pixels: whole periods, and the statistics that are drawn. */
export function windowsQuery(range: Range, pixels: number, turbines: Turbine[], variables: string[], std: boolean): WindowsQuery {
  const step = stepFor(range, 4 * pixels);
  const statistics = ["mean", "min", "max", ...(std ? ["std"] : [])];
  return {
    start: instantText(floor(range.start, step)),
    before: instantText(ceil(range.end, step)),
    step,
    ...(zone() === "UTC" ? {} : { tz: zone() }),
    turbines: ids(turbines),
    signals: variables.flatMap((variable) => statistics.map((statistic) => `${variable}_${statistic}` as Schemas["SignalName"])),
    wide: true,
  };
}

/** Reads what a query asks for. */
export async function readFrame(query: WindowsQuery, turbines: Turbine[], variables: string[], signal: AbortSignal): Promise<Frame> {
  return frame(await table("/windows", query, signal), query.step, turbines, variables);
}

function frame(read: Table, step: Step, turbines: Turbine[], variables: string[]): Frame {
  const length = steps[step].length;
  const times = read.column("timestamp") as ArrayLike<number>;
  const ids = read.column("turbine_id");
  const present = Float64Array.from(new Set(Array.from(times))).sort();
  const starts: number[] = [];
  present.forEach((at, i) => {
    const before = present[i - 1];
    // Where a period is missing stands one of nulls, so that a cursor finds the gap.
    if (before !== undefined && at - before > 1.5 * length) starts.push(before + length);
    starts.push(at);
  });
  const ends = starts.map((at, i) => Math.min(starts[i + 1] ?? Infinity, at + 1.1 * length));
  const place = new Map(starts.map((at, i) => [at, i]));
  const rank = new Map(turbines.map((one, i) => [one.id, i]));
  const series = new Map<string, Series[]>();
  for (const variable of variables) {
    const blank = (): Values => new Array<number | null>(starts.length).fill(null);
    const spread = (statistic: string): Values[] | undefined => {
      const name = `${variable}_${statistic}`;
      if (!read.names.includes(name)) return undefined;
      const values = read.column(name);
      const out = turbines.map(blank);
      for (let row = 0; row < read.rows; row++) {
        const of = out[rank.get(ids[row]!)!];
        if (of) of[place.get(times[row]!)!] = values[row]!;
      }
      return out;
    };
    const [min, max, mean, std] = ["min", "max", "mean", "std"].map(spread);
    series.set(variable, turbines.map((_, i) => ({ min: min![i]!, max: max![i]!, mean: mean![i]!, std: std?.[i] })));
  }
  return { step, starts, ends, series, rows: read.rows };
}

/** The windows of the range that a check doubts. */
export async function readFlags(query: WindowsQuery, signal: AbortSignal): Promise<Flag[]> {
  const { start, before, turbines } = query;
  return (await get("/flags", { start, before, turbines }, signal)).flags;
}
