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
  const step = stepFor(range, (turbines.length > 3 ? 2 : 4) * pixels);
  return {
    start: instantText(floor(range.start, step)),
    before: instantText(ceil(range.end, step)),
    step,
    ...(zone() === "UTC" ? {} : { tz: zone() }),
    turbines: ids(turbines),
    signals: variables.flatMap((variable) => signalsOf(variable, std)),
    wide: true,
  };
}

const signalsOf = (variable: string, std: boolean): Schemas["SignalName"][] =>
  ["mean", "min", "max", ...(std ? ["std"] : [])].map((statistic) => `${variable}_${statistic}` as Schemas["SignalName"]);

/** Reads what a query asks for: the variables at the same time, as the server rolls each up on a core. */
export async function readFrame(query: WindowsQuery, turbines: Turbine[], variables: string[], std: boolean, signal: AbortSignal): Promise<Frame> {
  const read = await Promise.all(variables.map((variable) => table("/windows", { ...query, signals: signalsOf(variable, std) }, signal)));
  return frame(read, query.step, turbines, variables);
}

function frame(tables: Table[], step: Step, turbines: Turbine[], variables: string[]): Frame {
  const length = steps[step].length;
  const present = Float64Array.from(new Set(tables.flatMap((read) => Array.from(read.column("timestamp") as ArrayLike<number>)))).sort();
  const starts: number[] = [];
  present.forEach((at, i) => {
    const before = present[i - 1];
    // Where a period is missing stands one of nulls, so that a cursor finds the gap.
    if (before !== undefined && at - before > 1.5 * length) starts.push(before + length);
    starts.push(at);
  });
  const ends = starts.map((at, i) => (starts[i + 1]! - at <= 1.5 * length ? starts[i + 1]! : at + length));
  const place = new Map(starts.map((at, i) => [at, i]));
  const rank = new Map(turbines.map((one, i) => [one.id, i]));
  const series = new Map<string, Series[]>();
  variables.forEach((variable, v) => {
    const read = tables[v]!;
    const times = read.column("timestamp") as ArrayLike<number>;
    const ids = read.column("turbine_id");
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
  });
  return { step, starts, ends, series, rows: Math.max(...tables.map((read) => read.rows)) };
}

/** The windows of the range that a check doubts. */
export async function readFlags(query: WindowsQuery, signal: AbortSignal): Promise<Flag[]> {
  const { start, before, turbines } = query;
  return (await get("/flags", { start, before, turbines }, signal)).flags;
}
