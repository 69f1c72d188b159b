// A view of statistics: what of the data it is of stands in the address, the newest
// answer is drawn, and it is read anew when days in its range are loaded.
import { html, type TemplateResult } from "lit-html";
import { follow } from "./live";
import type { Context, Page, View } from "./main";
import { day, type Range, rangeText } from "./range";
import { chosenRange, chosenTurbines, type Farm, hues, rangeControls, readFarm, sameRange, type Turbine, turbinePicker } from "./selection";
import { empty, failure } from "./ui";
import { linkTo } from "./url";

/** What the address chooses. */
export interface Chosen {
  farm: Farm;
  range: Range;
  turbines: Turbine[];
  hues: number[]; // of the turbines, in their order
}

export interface Analysis<Q, T> {
  view: View;
  title: string;
  heading: string;
  controls?: (chosen: Chosen) => TemplateResult;
  query: (chosen: Chosen) => Q;
  read: (query: Q, signal: AbortSignal) => Promise<T>;
  body: (value: T, chosen: Chosen) => TemplateResult;
  /** Called when what body returned is in the document; anew says that the value is another. */
  drawn?: (value: T, chosen: Chosen, anew: boolean) => void;
}

/** Reads what the newest query asks for. */
export class Loading<Q, T> {
  error: unknown;
  query: Q | undefined; // that value is of, or will be
  value: T | undefined;
  private reading: Promise<void> | undefined;
  private again = false;
  private abort = new AbortController();

  /** draw is called when any of it changes, with whether the value did. */
  constructor(
    private readonly read: (query: Q, signal: AbortSignal) => Promise<T>,
    private readonly draw: (anew: boolean) => void,
    signal: AbortSignal,
  ) {
    signal.addEventListener("abort", () => this.abort.abort());
  }

  get busy(): boolean {
    return this.reading !== undefined || this.query === undefined;
  }

  /** Reads unless it has; anew also then, but what is being read first to its end. */
  load(query: Q, anew = false): Promise<void> {
    if (JSON.stringify(query) === JSON.stringify(this.query)) {
      if (!anew) return this.reading ?? Promise.resolve();
      if (this.reading) {
        this.again = true;
        return this.reading;
      }
    }
    this.abort.abort();
    this.abort = new AbortController();
    this.query = query;
    this.again = false;
    this.reading = this.readAll(query, this.abort.signal);
    this.draw(false);
    return this.reading;
  }

  /** Has neither a value nor a query, as at first. */
  forget(): void {
    this.abort.abort();
    this.query = this.value = this.reading = undefined;
  }

  private async readAll(query: Q, mine: AbortSignal): Promise<void> {
    do {
      this.again = false;
      try {
        const value = await this.read(query, mine);
        if (mine.aborted) return;
        this.value = value;
        this.error = undefined;
        this.draw(true);
      } catch (cause) {
        if (mine.aborted) return;
        this.error = cause; // it is read again when somebody asks, or the server is back
      }
    } while (this.again);
    this.reading = undefined;
    this.draw(false);
  }
}

/** Calls again when a day of the range has been loaded, or when that is not known; never while it is at it, or a backfill would keep it from ending. */
export function followDays(range: () => Range, again: () => Promise<void>, signal: AbortSignal): void {
  let due: ReturnType<typeof setTimeout> | undefined;
  let missed = false;
  const soon = (): void => {
    missed = due !== undefined;
    due ??= setTimeout(() => {
      void again().finally(() => {
        due = undefined;
        if (missed && !signal.aborted) soon();
      });
    }, 1000);
  };
  follow((event) => {
    if (event !== "reset") {
      if (event.kind !== "partition" || event.day === undefined || ["queued", "running"].includes(event.state)) return;
      const at = Date.parse(event.day);
      if (at >= range().end || at + day <= range().start) return;
    }
    soon();
  }, signal);
  signal.addEventListener("abort", () => clearTimeout(due));
}

/** What is said when there is nothing to analyse yet. */
export function nothingLoaded(): TemplateResult {
  return empty("No turbine is known yet, because nothing was loaded. A first day brings turbines and values.", "delfos etl 2025-01-01");
}

/** What is said when the chosen turbines have no windows in the range. */
export function nothingInRange({ farm, range }: Chosen, view: View, of = "windows"): TemplateResult {
  return html`<div class="empty"><p>These turbines have no ${of} from ${rangeText(range)}.
    ${farm.span ? html`<a href=${linkTo(view)}>Show the last days that are loaded</a>` : ""}</p></div>`;
}

/** Makes the page of a view of statistics. */
export function analysis<Q, T>({ signal, update }: Context, view: Analysis<Q, T>): Page {
  let chosen: Chosen | undefined;
  let error: unknown; // that there is no farm of
  let fresh = false;
  const loading = new Loading<Q, T>(view.read, (anew) => {
    fresh ||= anew;
    update();
  }, signal);

  const begin = async (): Promise<void> => {
    error = undefined;
    try {
      choose(await readFarm(signal));
    } catch (cause) {
      if (signal.aborted) return;
      error = cause;
      update();
    }
  };
  const choose = (farm: Farm): void => {
    const turbines = chosenTurbines(farm);
    // A year, but a month of a large farm, so that the first look is quick.
    chosen = { farm, turbines, range: chosenRange(farm, farm.turbines.length > 10 ? 30 : 365), hues: hues(farm, turbines) };
    update();
    void load();
  };
  const load = async (anew = false): Promise<void> => {
    if (chosen && chosen.turbines.length > 0) await loading.load(view.query(chosen), anew);
  };
  followDays(() => chosen?.range ?? { start: 0, end: 0 }, () => load(true), signal);
  void begin();

  const body = (): TemplateResult => {
    if (!chosen) return error ? failure(error, () => void begin()) : html`<p class="loading">Loading …</p>`;
    if (chosen.turbines.length === 0) return nothingLoaded();
    return html`
      <div class="toolbar">${rangeControls(chosen.range, chosen.farm)}${turbinePicker(chosen.farm, chosen.turbines)}${view.controls?.(chosen)}</div>
      ${loading.error ? failure(loading.error, () => void load(true)) : ""}
      <div class="charts" aria-busy=${loading.busy}>${loading.value === undefined ? html`<p class="loading">${loading.error ? "" : "Loading …"}</p>` : view.body(loading.value, chosen)}</div>
      ${sameRange(view.view, chosen.range, chosen.turbines)}`;
  };

  return {
    title: view.title,
    render: () => html`<h1>${view.heading}</h1>${body()}`,
    moved: () => chosen && choose(chosen.farm),
    drawn: () => {
      if (!chosen || loading.value === undefined) return;
      view.drawn?.(loading.value, chosen, fresh);
      fresh = false;
    },
  };
}
