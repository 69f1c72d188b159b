// The windows of a day as small lines.
import { html, svg, type TemplateResult } from "lit-html";
import { address, get, send, type Schemas } from "./api";
import { addDays } from "./time";

export const windowsOfDay = 144;

/** What one turbine's windows of a day hold of one signal; a window without a value is undefined. */
export interface Series {
  signal: Schemas["Signal"];
  values: (number | undefined)[];
}

export interface DayOfTurbine {
  turbine: number;
  series: Series[];
}

let known: Promise<Schemas["Signal"][]> | undefined;

/** The signals, which do not change while the page is open. */
export function signals(): Promise<Schemas["Signal"][]> {
  known ??= get("/signals").then((list) => list.signals);
  known.catch(() => (known = undefined));
  return known;
}

/** The address of the windows of a day, of one turbine if it is named. */
export function dayWindows(day: string, turbine?: number, names?: string[], format?: string): string {
  return address("/windows", { start: day, before: addDays(day, 1), wide: true, turbines: turbine, signals: names, format, limit: format ? undefined : windowsOfDay });
}

/** The values of a day, of one turbine: the first that has any unless one is named. */
export async function readDay(day: string, wanted: Schemas["Signal"][], signal: AbortSignal, turbine?: number): Promise<DayOfTurbine | undefined> {
  const response = await send(dayWindows(day, turbine, wanted.map(({ name }) => name)), { signal, headers: { Accept: "application/json" } });
  const rows = (await response.json()) as Record<string, number | string | null>[];
  const first = rows[0]?.["turbine_id"];
  if (first === undefined) return undefined;
  const series = wanted.map((one) => ({ signal: one, values: new Array<number | undefined>(windowsOfDay).fill(undefined) }));
  for (const row of rows) {
    if (row["turbine_id"] !== first) break;
    const at = (Date.parse(String(row["timestamp"])) - Date.parse(day)) / 600_000;
    for (const { signal: one, values } of series) values[at] = (row[one.name] as number | null) ?? undefined;
  }
  return { turbine: Number(first), series };
}

/** A line of values, as wide as its place; gaps stay gaps. */
export function sparkline({ signal, values }: Series, height = 36): TemplateResult {
  const there = values.filter((value) => value !== undefined);
  const low = Math.min(...there);
  const high = Math.max(...there);
  const y = (value: number): number => (high > low ? 1 + ((high - value) / (high - low)) * (height - 2) : height / 2);
  let path = "";
  let open = false;
  values.forEach((value, at) => {
    // A single value between gaps is a dot: a line of no length with round ends.
    if (value !== undefined) path += open ? `L${at} ${y(value).toFixed(1)}` : `M${at} ${y(value).toFixed(1)}h0`;
    open = value !== undefined;
  });
  return html`<svg class="sparkline" viewBox="0 0 ${windowsOfDay - 1} ${height}" preserveAspectRatio="none" role="img"
    aria-label="${signal.variable} from ${rough(low)} to ${rough(high)} ${signal.unit}">${svg`<path d=${path} vector-effect="non-scaling-stroke"/>`}</svg>`;
}

const three = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const four = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

/** 6.71, 1,234: as many digits as a label has use for. */
export function rough(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return (Math.abs(value) >= 1000 ? four : three).format(value);
}
