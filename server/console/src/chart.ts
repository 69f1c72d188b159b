// Charts by uPlot in the page's colours, with a cursor that is moved by keys and read out.
import { svg, html, type TemplateResult } from "lit-html";
import uPlot from "uplot";
import { minute, hour, day, toZone } from "./range";

const probe = document.createElement("span");
probe.hidden = true;

const resolved = new Map<string, string>();

/** A colour of the page as a canvas takes it: custom properties say light-dark(), which only an element resolves. */
export function color(name: string, alpha = 1): string {
  let found = resolved.get(name);
  if (!found) {
    if (!probe.isConnected) document.documentElement.append(probe);
    probe.style.color = `var(--${name})`;
    found = getComputedStyle(probe).color;
    resolved.set(name, found);
  }
  return alpha === 1 ? found : found.replace(/^rgb\((.*)\)$/, `rgb($1, ${alpha})`);
}

const dashes = [[], [7, 3], [2, 2], [9, 3, 2, 3], [4, 4], [12, 3], [2, 5], [6, 2, 2, 2, 2, 2]];

/** The stroke of the series with a hue from 0 to 7: dashed too, so that colour is never alone. */
export const stroke = (hue: number): { stroke: () => string; dash: number[]; width: number } => ({
  stroke: () => color(`series-${hue + 1}`),
  dash: dashes[hue]!,
  width: 1.5,
});

/** The same stroke for a legend. */
export function swatch(hue: number): TemplateResult {
  return html`<svg viewBox="0 0 30 12" aria-hidden="true" class="series-${hue + 1}">${svg`<path d="M0 6h30" stroke="currentColor" stroke-width="3" stroke-dasharray=${dashes[hue]!.join(" ")}/>`}</svg>`;
}

/** An axis in the page's colours. */
export function axis(more: uPlot.Axis = {}): uPlot.Axis {
  return {
    stroke: () => color("quiet"),
    font: "12px system-ui, sans-serif",
    labelFont: "12px system-ui, sans-serif",
    labelSize: 18,
    grid: { stroke: () => color("line", 0.6), width: 1 },
    ticks: { show: false },
    ...more,
  };
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Marks of a time axis, in the chosen zone: what does not change is said once. */
export function timeMarks(_: uPlot, marks: number[], __: number, ___: number, apart: number): string[] {
  let before = "";
  return marks.map((at) => {
    const local = new Date(toZone(at));
    const year = String(local.getUTCFullYear());
    const month = months[local.getUTCMonth()]!;
    const date = `${local.getUTCDate()} ${month}`;
    const time = local.toISOString().slice(11, 16);
    const context = apart >= 360 * day ? "" : apart >= day ? year : date;
    const [first, later] =
      apart >= 360 * day ? [year, year]
      : apart >= 28 * day ? [`${month} ${year}`, month]
      : apart >= day ? [`${date} ${year}`, date]
      : [time === "00:00" ? date : `${date} ${time}`, time];
    const shown = context === before ? later : first;
    before = context;
    return shown;
  });
}

/** The distances that marks of a time axis may have. */
export const timeApart = [10, 30].map((n) => n * minute).concat([1, 2, 3, 6, 12].map((n) => n * hour), [1, 2, 5, 10].map((n) => n * day), [30, 91, 182, 365, 730, 1826, 3652].map((n) => n * day));

/** Makes a chart in a place whose height is reserved; it follows the place's width and the theme until signal aborts. */
export function plot(place: HTMLElement, options: Omit<uPlot.Options, "width" | "height">, data: uPlot.AlignedData, signal: AbortSignal): uPlot {
  const size = (): { width: number; height: number } => ({ width: place.clientWidth, height: place.clientHeight });
  const chart = new uPlot({ legend: { show: false }, ...size(), ...options }, data, place);
  const observer = new ResizeObserver(() => {
    const { width, height } = size();
    if (width > 0 && (width !== chart.width || height !== chart.height)) chart.setSize({ width, height });
  });
  observer.observe(place);
  const redraw = (): void => {
    resolved.clear();
    chart.redraw(false, true);
  };
  addEventListener("themechange", redraw, { signal });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw, { signal });
  signal.addEventListener("abort", () => {
    observer.disconnect();
    chart.destroy();
  });
  return chart;
}

/** A hook of setCursor that puts the cursor of all charts where it is on one, and tells the point that it is on. */
export function together(charts: () => uPlot[], at: (index: number | null) => void): (from: uPlot) => void {
  let moving = false;
  return (from) => {
    if (moving) return;
    moving = true;
    const { left, idx, idxs } = from.cursor;
    const off = left === undefined || left < 0;
    for (const chart of charts()) if (chart !== from) chart.setCursor({ left: off ? -10 : left, top: off ? -10 : chart.over.clientHeight / 2 });
    moving = false;
    at(off ? null : (idxs?.[1] ?? idx ?? null));
  };
}

/** What keys do on a chart beside moving its cursor. */
export interface Keys {
  read: (index: number) => string; // what is said of a point
  place?: (index: number) => number; // where the cursor is put for it, if not at its x
  zoom?: (factor: number, about: number | undefined) => void;
  move?: (share: number) => void;
  back?: () => void;
  enter?: (index: number) => void;
}

/** Lets a chart be focused, and its cursor be moved from point to point by arrow keys; what it is on is read out. */
export function keys(chart: uPlot, place: HTMLElement, label: string, { read, place: where, zoom, move, back, enter }: Keys, signal: AbortSignal): void {
  place.tabIndex = 0;
  place.setAttribute("role", "application");
  place.setAttribute("aria-roledescription", "chart");
  place.setAttribute("aria-label", label);
  const said = document.createElement("p");
  said.className = "visually-hidden";
  said.setAttribute("aria-live", "polite");
  place.append(said);
  signal.addEventListener("abort", () => said.remove());
  const go = (index: number): void => {
    const [first, last] = chart.series[0]!.idxs!;
    const to = Math.min(Math.max(index, first), last);
    const left = chart.valToPos(where?.(to) ?? chart.data[0]![to]!, "x");
    chart.setCursor({ left: Math.min(Math.max(left, 0), chart.over.clientWidth), top: chart.over.clientHeight / 2 });
    said.textContent = read(to);
  };
  const press = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [first, last] = chart.series[0]!.idxs ?? [0, 0];
    const at = chart.cursor.idxs?.[1] ?? chart.cursor.idx;
    const stride = event.shiftKey ? 10 : 1;
    const actions: Record<string, (() => void) | undefined> = {
      ArrowRight: () => go((at ?? first - 1) + stride),
      ArrowLeft: () => go((at ?? last + 1) - stride),
      Home: () => go(first),
      End: () => go(last),
      "+": zoom && (() => zoom(0.5, at == null ? undefined : chart.data[0]![at])),
      "-": zoom && (() => zoom(2, at == null ? undefined : chart.data[0]![at])),
      PageUp: move && (() => move(-0.5)),
      PageDown: move && (() => move(0.5)),
      Backspace: back,
      Enter: enter && at != null ? () => enter(at) : undefined,
      Escape: () => chart.setCursor({ left: -10, top: -10 }),
    };
    const act = actions[event.key === "=" ? "+" : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };
  place.addEventListener("keydown", press, { signal });
}
