// What is known of the day that is pointed at or focused: at once what the list of days
// says, and a moment later the rest and its windows.
import { html, nothing, type TemplateResult } from "lit-html";
import { get, type Partition } from "./api";
import type { Context } from "./main";
import { readDay, rough, signals, sparkline, type DayOfTurbine } from "./sparkline";
import { instant, zone } from "./time";
import { badge, number, percent, states } from "./ui";
import { linkTo } from "./url";

const pause = 120; // milliseconds that a day is looked at before its windows are read
const kept = 200; // days whose windows are kept

export class Glance {
  private day: Partition | undefined; // as it is listed
  private known: Partition | undefined; // and all of it, once that was read
  private readonly windows = new Map<string, DayOfTurbine | undefined>();
  private reading = new AbortController();

  constructor(private readonly context: Context) {
    context.signal.addEventListener("abort", () => this.reading.abort());
  }

  show(day: Partition | undefined): void {
    if (!day || day === this.day) return;
    this.day = day;
    if (day.day !== this.known?.day) this.known = undefined;
    this.context.update();
    void this.read(day);
  }

  /** Shows the day anew if it is another one in the list than before. */
  refresh(list: Partition[]): void {
    const { day } = this;
    if (day) this.show(list.find((one) => one.day === day.day));
  }

  private async read(day: Partition): Promise<void> {
    this.reading.abort();
    const mine = new AbortController();
    this.reading = mine;
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (mine.signal.aborted) return;
    try {
      const { partitions } = await get("/partitions", { from: day.day, to: day.day }, mine.signal);
      const known = (this.known = partitions[0] ?? day);
      this.context.update();
      if (known.rows === 0 || this.windows.has(keyOf(known))) return;
      const means = (await signals()).filter(({ statistic }) => statistic === "mean");
      const windows = await readDay(day.day, means, mine.signal);
      if (this.windows.size >= kept) this.windows.clear();
      this.windows.set(keyOf(known), windows);
      this.context.update();
    } catch {
      // The day is shown without its windows; its page says what is wrong.
    }
  }

  render(): TemplateResult {
    const day = this.day && { ...this.known, ...this.day };
    if (!day) return html`<aside class="glance card" aria-label="The day pointed at"></aside>`;
    const windows = this.windows.get(keyOf(day));
    return html`<aside class="glance card" aria-label="The day pointed at">
      <h2><a href=${linkTo("day", { day: day.day })}>${day.day}</a> ${badge(day.state)}</h2>
      <p class="quiet">${day.state === "failed" && day.error ? day.error : `The day ${states[day.state]}${day.over ? "" : "; it is not over yet"}.`}</p>
      <div class="lines">${windows
        ? html`${windows.series.slice(0, 2).map(
            (series) => html`<div>${sparkline(series)}<span class="quiet">${series.signal.variable.replaceAll("_", " ")}, up to ${rough(Math.max(...series.values.filter((value) => value !== undefined)))} ${series.signal.unit}</span></div>`,
          )}<span class="quiet">Turbine ${windows.turbine}, 144 windows of 10 minutes.</span>`
        : nothing}</div>
      <dl>
        ${day.samples !== undefined && day.expected !== undefined
          ? html`<dt>Samples</dt><dd>${number(day.samples)} of ${number(day.expected)}${day.expected > 0 ? ` (${percent(day.samples / day.expected)})` : ""}</dd>`
          : nothing}
        ${day.windows ? html`<dt>Windows</dt><dd>${number(day.windows)}, ${number(day.rows)} values</dd>` : nothing}
        ${day.warnings > 0 ? html`<dt>Warnings</dt><dd>${number(day.warnings)} ${day.warnings === 1 ? "check" : "checks"} did not pass</dd>` : nothing}
        ${day.loaded_at ? html`<dt>Loaded</dt><dd>${instant(day.loaded_at)} ${zone()}</dd>` : nothing}
        ${day.looked_at ? html`<dt>Changed</dt><dd>seen ${instant(day.looked_at)} ${zone()}: ${digest(day.source_digest)} then, ${digest(day.source_digest_seen)} now</dd>` : nothing}
        ${day.next_attempt_at ? html`<dt>Tried again</dt><dd>${instant(day.next_attempt_at)} ${zone()}</dd>` : nothing}
      </dl>
    </aside>`;
  }
}

// Enough of a digest to tell it from another.
function digest(whole: string | undefined): TemplateResult {
  return html`<code>${whole?.slice(0, 7) ?? "–"}</code>`;
}

// The windows of a day are others after another load.
function keyOf(day: Partition): string {
  return `${day.day} ${day.loaded_at ?? ""}`;
}
