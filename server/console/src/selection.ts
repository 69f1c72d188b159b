// What the views of data are of: turbines, variables and a range, by the address, with
// the controls that choose them.
import { html, nothing, type TemplateResult } from "lit-html";
import { address, get, type Schemas } from "./api";
import type { View } from "./main";
import { clamp, day, floor, fromZone, instantText, moved, type Range, rangeOfAddress, toZone, zoomed } from "./range";
import { absolute, copyable } from "./ui";
import { change, linkTo, parameters } from "./url";

export type Turbine = Schemas["Turbine"];

/** The turbines, and the range that has windows, if there are any. */
export interface Farm {
  turbines: Turbine[];
  span: Range | undefined;
}

/** Reads the turbines and when their windows begin and end. */
export async function readFarm(signal: AbortSignal): Promise<Farm> {
  // A clock that was never set does not stretch the range.
  const turbines = await get("/turbines", { span: true, start: "1980-01-01T00:00:00Z" }, signal);
  const seen = turbines.filter((one) => one.first && one.last);
  if (seen.length === 0) return { turbines, span: undefined };
  return {
    turbines,
    span: {
      start: floor(Math.min(...seen.map((one) => Date.parse(one.first!))), "1d"),
      end: floor(Math.max(...seen.map((one) => Date.parse(one.last!))), "1d") + day,
    },
  };
}

/** The range of the address, or the last days that are loaded. */
export function chosenRange(farm: Farm, days = 10): Range {
  const end = farm.span?.end ?? Math.ceil(Date.now() / day) * day;
  return rangeOfAddress() ?? { start: Math.max(end - days * day, farm.span?.start ?? 0), end };
}

/** The most turbines that a chart has colours for. */
export const most = 8;

/** The turbines of the address, or the first few. */
export function chosenTurbines(farm: Farm, few = 4): Turbine[] {
  const named = new Set<number>();
  for (const part of (parameters().get("turbines") ?? "").split(",")) {
    const [first, last] = part.split("-").map(Number);
    for (let id = first || Infinity; id <= (last ?? first ?? 0) && named.size < 10_000; id++) named.add(id);
  }
  const found = farm.turbines.filter((one) => named.has(one.id));
  return found.length > 0 ? found.slice(0, most) : farm.turbines.slice(0, few);
}

/** Turbines as queries name them. */
export const ids = (turbines: Turbine[]): string[] => turbines.map((one) => String(one.id));

/** The colour of each turbine: its own as far as no two that are chosen share one. */
export function hues(farm: Farm, chosen: Turbine[]): number[] {
  const used = new Set<number>();
  return chosen.map((one) => {
    let hue = farm.turbines.indexOf(one) % most;
    while (used.has(hue)) hue = (hue + 1) % most;
    used.add(hue);
    return hue;
  });
}

/** A list of which some are chosen, folded away under its summary. */
export function picker(label: string, all: { value: string; label: string }[], chosen: string[], limit: number, each: (values: string[]) => void): TemplateResult {
  const toggle = (event: Event, value: string): void => {
    const on = (event.target as HTMLInputElement).checked;
    each(all.map((one) => one.value).filter((one) => (one === value ? on : chosen.includes(one))));
  };
  const names = all.filter((one) => chosen.includes(one.value)).map((one) => one.label);
  return html`<details class="picker" @keydown=${closeByEscape} @focusout=${closeWhenLeft}>
    <summary><span class="quiet">${label}</span> ${names.length > 3 ? `${names.length} of ${all.length}` : names.join(", ")}</summary>
    <fieldset>
      <legend class="visually-hidden">${label}</legend>
      ${all.map(({ value, label: name }) => {
        const on = chosen.includes(value);
        const disabled = on ? chosen.length === 1 : chosen.length >= limit;
        return html`<label><input type="checkbox" .checked=${on} ?disabled=${disabled} @change=${(event: Event) => toggle(event, value)}> ${name}</label>`;
      })}
      ${all.length > limit ? html`<p class="quiet">At most ${limit} at once.</p>` : nothing}
    </fieldset>
  </details>`;
}

function closeByEscape(event: KeyboardEvent): void {
  const details = event.currentTarget as HTMLDetailsElement;
  if (event.key !== "Escape" || !details.open) return;
  details.open = false;
  details.querySelector("summary")?.focus();
}

function closeWhenLeft(event: FocusEvent): void {
  const details = event.currentTarget as HTMLDetailsElement;
  if (event.relatedTarget instanceof Node && !details.contains(event.relatedTarget)) details.open = false;
}

/** The picker of turbines, which stand in the address. */
export function turbinePicker(farm: Farm, chosen: Turbine[]): TemplateResult {
  const all = farm.turbines.map((one) => ({ value: String(one.id), label: one.name }));
  return picker("Turbines", all, ids(chosen), most, (named) => change({ turbines: named.join(",") }));
}

/** Puts a range into the address. */
export function changeRange(range: Range, replace = false): void {
  const { start, end } = clamp(range);
  change({ start: instantText(start), end: instantText(end) }, replace);
}

const lengths: [string, number][] = [["Day", 1], ["Week", 7], ["Month", 30], ["Year", 365]];

/** The controls of the range: its ends, to move and to zoom it, and usual lengths. */
export function rangeControls(range: Range, farm: Farm): TemplateResult {
  const local = (at: number): string => new Date(toZone(at)).toISOString().slice(0, 16);
  const end = (which: "start" | "end") => (event: Event): void => {
    const at = fromZone(Date.parse(`${(event.target as HTMLInputElement).value}Z`));
    const next = { ...range, [which]: at };
    if (next.start < next.end) changeRange(next);
  };
  const within = (days: number): Range => {
    const wanted = zoomed(range, (days * day) / (range.end - range.start));
    const late = farm.span ? Math.max(0, wanted.end - farm.span.end) : 0;
    const start = floor(wanted.start - late, "1d");
    return { start, end: start + days * day };
  };
  return html`
    <label class="above">From <input type="datetime-local" .value=${local(range.start)} @change=${end("start")}></label>
    <label class="above">To, not included <input type="datetime-local" .value=${local(range.end)} @change=${end("end")}></label>
    <div class="group" role="group" aria-label="Range">
      <button type="button" aria-label="Earlier" @click=${() => changeRange(moved(range, -0.5))}>◀</button>
      <button type="button" aria-label="Later" @click=${() => changeRange(moved(range, 0.5))}>▶</button>
      <button type="button" aria-label="Zoom in" @click=${() => changeRange(zoomed(range, 0.5))}>+</button>
      <button type="button" aria-label="Zoom out" @click=${() => changeRange(zoomed(range, 2))}>−</button>
      ${lengths.map(([label, days]) => html`<button type="button" @click=${() => changeRange(within(days))}>${label}</button>`)}
      ${farm.span ? html`<button type="button" @click=${() => changeRange(farm.span!)}>All</button>` : nothing}
    </div>`;
}

const views: [View, string][] = [["data", "series"], ["power-curve", "power curve"], ["energy", "energy"], ["distribution", "distribution"]];

/** Links to the other views of the same range and turbines. */
export function sameRange(view: View, range: Range, turbines: Turbine[]): TemplateResult {
  const values = { start: instantText(range.start), end: instantText(range.end), turbines: ids(turbines).join(",") };
  return html`<p class="quiet">The same range as
    ${views.filter(([one]) => one !== view).map(([one, label], i) => html`${i > 0 ? ", " : ""}<a href=${linkTo(one, values)}>${label}</a>`)}.</p>`;
}

/** What is seen, as files and as an address to read it from. */
export function exports(path: Parameters<typeof address>[0], query: object): TemplateResult {
  const as = (format: string): string => address(path, { ...query, format });
  return html`<div class="export">
    <span>What is seen, as</span>
    ${["csv", "parquet", "arrow", "json"].map((format) => html`<a href=${as(format)} download>${format.length < 5 ? format.toUpperCase() : format[0]!.toUpperCase() + format.slice(1)}</a>`)}
    ${copyable(`curl "${absolute(address(path, query))}"`)}
  </div>`;
}
