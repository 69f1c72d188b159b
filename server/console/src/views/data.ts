// The series of signals: what turbines read, by window or by the periods that fit the
// width, with everything that is chosen in the address.
import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import { followDays, Loading, nothingLoaded } from "../analysis";
import { get, type Schemas } from "../api";
import { swatch } from "../chart";
import type { Open, Page } from "../main";
import { day, type Range, steps } from "../range";
import { changeRange, chosenRange, chosenTurbines, exports, type Farm, hues, picker, rangeControls, readFarm, sameRange, turbinePicker, type Turbine } from "../selection";
import { type Flag, type Frame, readFlags, readFrame, windowsQuery, type WindowsQuery } from "../series";
import { instant, zone } from "../time";
import { TimeCharts, type Track } from "../timechart";
import { failure, number } from "../ui";
import { change, linkTo, parameters } from "../url";

const rowsAtOnce = 500;

/** 12.34, 1,234: as many digits as help. */
function short(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return number(value, Math.abs(value) < 100 ? 2 : Math.abs(value) < 1000 ? 1 : 0);
}

function tracksOf(signals: Schemas["Signal"][]): Track[] {
  const found = new Map<string, Track>();
  for (const { variable, unit, statistic } of signals) {
    if (statistic !== "mean") continue; // a count has another unit
    const words = variable.replaceAll("_", " ");
    found.set(variable, { variable, unit, label: words[0]!.toUpperCase() + words.slice(1) });
  }
  return [...found.values()];
}

export const open: Open = ({ signal, update }): Page => {
  let farm: Farm | undefined;
  let all: Track[] = [];
  let range: Range = { start: 0, end: day };
  let turbines: Turbine[] = [];
  let tracks: Track[] = [];
  let colors: number[] = [];
  let error: unknown; // that there is no farm of
  let charts: TimeCharts | undefined;
  let of = ""; // what the values are of
  let drawnAs = ""; // what the charts were made for
  let made = new AbortController();
  let shownRows = rowsAtOnce;
  let pointed: number | null = null; // the period that the cursor is on
  let rangeBefore: Range | undefined; // where a movement began
  let settle: ReturnType<typeof setTimeout> | undefined;
  const earlier: Range[] = []; // ranges to go back to
  signal.addEventListener("abort", () => (made.abort(), clearTimeout(settle)));
  const loading = new Loading<WindowsQuery, [Frame, Flag[]]>(
    (query, mine) => Promise.all([readFrame(query, turbines, tracks.map((track) => track.variable), std(), mine), readFlags(query, mine)]),
    (anew) => {
      if (anew) charts?.draw(loading.value![0]);
      update();
    },
    signal,
  );
  const frame = (): Frame | undefined => loading.value?.[0];
  const flags = (): Flag[] => loading.value?.[1] ?? [];

  const begin = async (): Promise<void> => {
    error = undefined;
    try {
      const [read, { signals }] = await Promise.all([readFarm(signal), get("/signals", undefined, signal)]);
      farm = read;
      all = tracksOf(signals);
      choose();
    } catch (cause) {
      error = cause;
    }
    if (!signal.aborted) update();
  };

  // Takes what the address says.
  const choose = (): void => {
    if (!farm) return;
    range = chosenRange(farm);
    turbines = chosenTurbines(farm);
    colors = hues(farm, turbines);
    const named = (parameters().get("variables") ?? "").split(",");
    tracks = all.filter((track) => named.includes(track.variable));
    if (tracks.length === 0) tracks = all;
    shownRows = rowsAtOnce;
    const wanted = JSON.stringify([turbines.map((one) => one.id), tracks.map((track) => track.variable), std()]);
    if (wanted === of) return;
    of = wanted; // values of others are not shown under these names
    loading.forget();
  };
  const std = (): boolean => parameters().has("std");
  const asTable = (): boolean => parameters().has("table");

  // Reads what is chosen, unless it is there.
  const load = async (anew = false): Promise<void> => {
    if (turbines.length === 0) return;
    const width = (document.querySelector(".charts")?.clientWidth ?? 1000) - 64;
    await loading.load(windowsQuery(range, width, turbines, tracks.map((track) => track.variable), std()), anew);
  };

  // The range as it is moved is drawn at once; the address and the values follow when it rests.
  const chosen = (to: Range, lasting: boolean): void => {
    if (lasting) earlier.push(rangeBefore ?? range);
    rangeBefore = lasting ? undefined : (rangeBefore ?? range);
    range = to;
    charts?.move();
    clearTimeout(settle);
    if (lasting) changeRange(range);
    else settle = setTimeout(() => changeRange(range, true), 150);
  };
  const back = (): void => {
    const to = earlier.pop();
    if (to) changeRange(to);
    else if (farm) change({ start: undefined, end: undefined });
  };

  const flagsAt = (index: number): Flag[] => {
    const [from, to] = [frame()?.starts[index] ?? 0, frame()?.ends[index] ?? 0];
    return flags().filter((flag) => Date.parse(flag.timestamp) >= from && Date.parse(flag.timestamp) < to);
  };
  const nameOf = (id: number): string => farm?.turbines.find((one) => one.id === id)?.name ?? `turbine ${id}`;
  const words = (of: Flag[]): string => of.slice(0, 3).map((flag) => `${nameOf(flag.turbine_id)}, ${flag.variable.replaceAll("_", " ")}, ${flag.check}: ${flag.detail}`).join("; ") + (of.length > 3 ? `; and ${of.length - 3} more` : "");

  // What the cursor is on is written beside the names, without drawing the page anew.
  const legends = (index: number | null): void => {
    for (const { variable } of tracks) {
      frame()?.series.get(variable)?.forEach(({ mean, min, max, std: deviation }, i) => {
        const place = document.querySelector(`[data-value="${variable}-${turbines[i]!.id}"]`);
        if (!place) return;
        if (index === null) place.textContent = extent(min, max);
        else if (mean[index] == null) place.textContent = "no value";
        else place.textContent = `${short(mean[index])} (${short(min[index])} to ${short(max[index])})${deviation ? ` ± ${short(deviation[index])}` : ""}`;
      });
    }
    const line = document.querySelector(".reading");
    if (!line) return;
    const shown = frame();
    if (index === null || !shown) line.textContent = line.getAttribute("data-rest");
    else {
      const doubted = flagsAt(index);
      line.textContent = `${instant(shown.starts[index]!)} to ${instant(shown.ends[index]!).slice(shown.step === "10m" ? 11 : 0)} ${zone()}${doubted.length > 0 ? ` · flagged: ${words(doubted)}` : ""}`;
    }
  };

  const read = (track: Track, index: number): string => {
    const values = (frame()?.series.get(track.variable) ?? []).map(({ mean, min, max }, i) =>
      mean[index] == null ? `${turbines[i]!.name} no value` : `${turbines[i]!.name} ${short(mean[index])}, from ${short(min[index])} to ${short(max[index])}`);
    const doubted = flagsAt(index).filter((flag) => flag.variable === track.variable);
    return `${instant(frame()!.starts[index]!)}. ${track.label} in ${track.unit}: ${values.join("; ")}.${doubted.length > 0 ? ` Flagged: ${words(doubted)}.` : ""}`;
  };

  // Makes the charts when their places are there, and again when they are of something else.
  const drawn = (): void => {
    const wanted = asTable() ? "" : JSON.stringify([turbines.map((one) => one.id), tracks.map((track) => track.variable)]);
    if (wanted !== drawnAs) {
      made.abort();
      made = new AbortController();
      charts = undefined;
      drawnAs = wanted;
      loading.forget();
      pointed = null;
      const places = tracks.map((track) => ({ track, place: document.querySelector<HTMLElement>(`[data-chart="${track.variable}"]`)! })).filter(({ place }) => place);
      if (wanted && places.length > 0) {
        charts = new TimeCharts(places, turbines.length, {
          range: () => range,
          hues: () => colors,
          flags: (variable) => flags().filter((flag) => flag.variable === variable).map((flag) => ({ flag, hue: colors[turbines.findIndex((one) => one.id === flag.turbine_id)] ?? 0 })),
          chosen, back, read,
          at: (index) => legends((pointed = index)),
        }, made.signal);
      }
    }
    if (pointed === null) legends(null);
    void load();
  };

  followDays(() => range, () => load(true), signal);
  void begin();

  const toolbar = (): TemplateResult => html`<div class="toolbar">
    ${rangeControls(range, farm!)}
    ${turbinePicker(farm!, turbines)}
    ${picker("Variables", all.map((track) => ({ value: track.variable, label: track.label })), tracks.map((track) => track.variable), all.length, (names) => change({ variables: names.join(",") }))}
    <div class="group">
      <button type="button" aria-pressed=${std()} @click=${() => change({ std: !std() })}>Deviation</button>
      <button type="button" aria-pressed=${asTable()} @click=${() => change({ table: !asTable() })}>Table</button>
    </div>
  </div>`;

  const figure = (track: Track): TemplateResult => html`<figure class="plot series">
    <figcaption><h2>${track.label} <span class="unit">${track.unit}</span></h2>
      <span class="names">${turbines.map((one, i) => html`<span>${swatch(colors[i]!)}${one.name} <span class="value quiet" data-value="${track.variable}-${one.id}"></span></span>`)}</span>
    </figcaption>
    <div class="chart" data-chart=${track.variable} aria-describedby="chart-keys"></div>
  </figure>`;

  const statistics = (): string[] => ["mean", "min", "max", ...(std() ? ["std"] : [])];
  const values = (): TemplateResult => {
    const shown = frame();
    if (!shown) return html`<div class="values whole"></div><p>Loading …</p>`;
    const rows: TemplateResult[] = [];
    let total = 0;
    shown.starts.forEach((at, index) => turbines.forEach((one, i) => {
      const cells = tracks.flatMap((track) => statistics().map((name) => shown.series.get(track.variable)?.[i]?.[name as "mean"]?.[index]));
      if (cells.every((value) => value === null || value === undefined) || total++ >= shownRows) return;
      rows.push(html`<tr><th scope="row">${instant(at)}</th><td>${one.name}</td>${cells.map((value) => html`<td class="number">${short(value)}</td>`)}</tr>`);
    }));
    return html`<div class="values whole" tabindex="0" role="region" aria-label="Values"><table>
      <thead><tr><th scope="col">From (${zone()})</th><th scope="col">Turbine</th>${tracks.flatMap((track) => statistics().map((name) => html`<th scope="col" class="number">${track.label}, ${name} <span class="unit">${track.unit}</span></th>`))}</tr></thead>
      <tbody>${rows}</tbody></table></div>
      <p>${number(rows.length)} of ${number(total)} rows. ${total > shownRows ? html`<button type="button" @click=${() => ((shownRows += rowsAtOnce), update())}>Show more</button>` : nothing}</p>`;
  };

  const flagList = (): TemplateResult => html`<details><summary>${flags().length === 0 ? "No window is flagged" : `${number(flags().length)} ${flags().length === 1 ? "window is" : "windows are"} flagged`}</summary>
    <div class="values" tabindex="0" role="region" aria-label="Flags"><table>
      <thead><tr><th scope="col">Window (${zone()})</th><th scope="col">Turbine</th><th scope="col">Variable</th><th scope="col">Check</th><th scope="col">Why</th></tr></thead>
      <tbody>${flags().slice(0, rowsAtOnce).map((flag) => html`<tr><th scope="row"><a href=${linkTo("day", { day: flag.timestamp.slice(0, 10) })}>${instant(flag.timestamp)}</a></th><td>${nameOf(flag.turbine_id)}</td><td>${flag.variable.replaceAll("_", " ")}</td><td>${flag.check}</td><td>${flag.detail}</td></tr>`)}</tbody>
    </table></div></details>`;

  const rest = (): string => `${instant(range.start)} to ${instant(range.end)} ${zone()}, by ${steps[loading.query?.step ?? "10m"].label}: the line is the mean, the band reaches from the least to the greatest reading${std() ? ", the darker one a deviation to each side" : ""}`;

  const body = (): TemplateResult => {
    if (!farm) return error ? failure(error, () => void begin()) : html`<p class="loading">Loading …</p>`;
    if (farm.turbines.length === 0) return nothingLoaded();
    const nothingHere = !loading.busy && !loading.error && frame()?.rows === 0;
    return html`
      ${toolbar()}
      <p class="reading" data-rest=${rest()}>${nothing}</p>
      ${loading.error ? failure(loading.error, () => void load(true)) : nothing}
      <div class="charts" aria-busy=${loading.busy}>${nothingHere ? html`<div class="empty over"><p>No values of these turbines from ${instant(range.start)} to ${instant(range.end)}.
        ${farm.span ? html`<a href=${linkTo("data")}>Show the last days that are loaded</a>` : nothing}</p></div>` : nothing}
        ${asTable() ? values() : repeat(tracks, (track) => track.variable, figure)}</div>
      <p class="quiet" id="chart-keys" ?hidden=${asTable()}>Drag to zoom, shift-drag or turn the wheel sideways to move, ctrl-wheel to zoom, double-click to go back. By keys: arrows move the cursor, + and − zoom, Page Up and Page Down move, Home and End go to the ends, Backspace goes back.</p>
      ${flagList()}
      ${loading.query ? exports("/windows", loading.query) : nothing}
      ${sameRange("data", range, turbines)}`;
  };

  return {
    title: "Data",
    render: () => html`<h1>Data</h1>${body()}`,
    moved: () => {
      const before = range;
      choose();
      if (before.start !== range.start || before.end !== range.end) charts?.move();
    },
    drawn: () => farm && farm.turbines.length > 0 && drawn(),
  };
};

/** The least and the greatest of what is seen. */
function extent(min: (number | null)[], max: (number | null)[]): string {
  let [low, high] = [Infinity, -Infinity];
  for (const value of min) if (value !== null && value < low) low = value;
  for (const value of max) if (value !== null && value > high) high = value;
  return low > high ? "no values" : `${short(low)} to ${short(high)}`;
}
