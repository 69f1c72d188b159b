// Ranges of time as the views of data have them: from the address, in the chosen zone,
// and cut into the periods that a chart of some width can show.
import type { Schemas } from "./api";
import { instant, zone } from "./time";
import { parameters } from "./url";

/** From start to end, which is not included, in milliseconds. */
export interface Range {
  start: number;
  end: number;
}

export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;

export type Step = Schemas["Step"];

/** How long the periods are, months as the longest; what they are called. */
export const steps: Record<Step, { length: number; label: string }> = {
  "10m": { length: 10 * minute, label: "10 minutes" },
  "1h": { length: hour, label: "hours" },
  "6h": { length: 6 * hour, label: "6 hours" },
  "1d": { length: day, label: "days" },
  "1mo": { length: 31 * day, label: "months" },
};

/** The shortest periods of which at most so many are in the range. */
export function stepFor(range: Range, most: number): Step {
  const fits = (Object.keys(steps) as Step[]).find((step) => (range.end - range.start) / steps[step].length <= most);
  return fits ?? "1mo";
}

/** The chosen zone's clock at an instant, as if it were UTC. */
export function toZone(at: number): number {
  return zone() === "UTC" ? at : Date.parse(`${instant(at, true).replace(" ", "T")}Z`);
}

/** The instant at which the chosen zone's clock shows this. */
export function fromZone(local: number): number {
  const once = local - (toZone(local) - local);
  return local - (toZone(once) - once);
}

/** The start of the period that an instant is in. */
export function floor(at: number, step: Step): number {
  const local = toZone(at);
  if (step === "1mo") return fromZone(Date.parse(`${new Date(local).toISOString().slice(0, 7)}-01`));
  return fromZone(local - (local % steps[step].length));
}

/** The start of the first period that does not start before an instant. */
export function ceil(at: number, step: Step): number {
  const start = floor(at, step);
  // A little more than a period, as a day may have 25 hours.
  return start === at ? at : floor(start + steps[step].length * 1.1, step);
}

/** An instant of the address: one without a zone is UTC's. */
function parseInstant(text: string | null): number | undefined {
  if (!text) return undefined;
  const at = Date.parse(/^\d{4}-\d\d-\d\dT[\d:.]+$/.test(text) ? `${text}Z` : text);
  return Number.isNaN(at) ? undefined : at;
}

/** An instant as addresses have it, short where it is a day's start. */
export function instantText(at: number): string {
  const text = new Date(at).toISOString();
  return at % day === 0 ? text.slice(0, 10) : `${text.slice(0, 19)}Z`;
}

/** The range that the address names, or undefined. */
export function rangeOfAddress(): Range | undefined {
  const start = parseInstant(parameters().get("start"));
  const end = parseInstant(parameters().get("end"));
  return start !== undefined && end !== undefined && start < end ? { start, end } : undefined;
}

/** At least an hour, at most a century, from window to window. */
export function clamp({ start, end }: Range): Range {
  const width = Math.min(Math.max(end - start, hour), 36_525 * day);
  const middle = (start + end) / 2;
  const round = (at: number): number => Math.round(at / (10 * minute)) * 10 * minute;
  return { start: round(middle - width / 2), end: round(middle + width / 2) };
}

/** A range about the same middle, or about another instant of it, so many times as long. */
export function zoomed(range: Range, factor: number, about = (range.start + range.end) / 2): Range {
  return clamp({ start: about - (about - range.start) * factor, end: about + (range.end - about) * factor });
}

/** A range moved by a share of its length. */
export function moved(range: Range, share: number): Range {
  const by = Math.round(((range.end - range.start) * share) / minute) * minute;
  return { start: range.start + by, end: range.end + by };
}

/** 2025-01-01 00:00 to 2025-01-11 00:00, in the chosen zone. */
export function rangeText(range: Range): string {
  return `${instant(range.start)} to ${instant(range.end)} ${zone()}`;
}
