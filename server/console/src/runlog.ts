// The log of a run, which follows. The newest entries are drawn, however many there are.
import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import { call, type Schemas } from "./api";
import type { Context } from "./main";
import { clock, instant, zone } from "./time";
import { failure, number } from "./ui";
import { change, linkTo, parameters } from "./url";

type Entry = Schemas["LogEntry"];

const drawn = 1000;
const page = 10_000;
const late = 1500; // milliseconds after a change, when its entries are written at the latest

export class RunLog {
  private entries: Entry[] = [];
  private count = 0;
  private after = 0;
  private error: unknown;
  private reading = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private following = true; // unless somebody scrolled up

  constructor(
    private readonly id: number,
    private readonly context: Context,
  ) {
    context.signal.addEventListener("abort", () => clearTimeout(this.timer));
  }

  /** Reads what was logged since, and once more when a change has been written. */
  async read(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.more(), late);
    await this.more();
  }

  private async more(): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    const { signal } = this.context;
    try {
      for (let full = true; full; ) {
        const { entries } = await call("get", "/runs/{id}/log", { path: { id: this.id }, query: { after: this.after, limit: page }, signal });
        full = entries.length === page;
        this.after = entries.at(-1)?.id ?? this.after;
        this.count += entries.length;
        this.entries = [...this.entries, ...entries].slice(-page);
      }
      this.error = undefined;
    } catch (error) {
      this.error = error;
    } finally {
      this.reading = false;
    }
    if (!signal.aborted) this.context.update();
  }

  render(): TemplateResult {
    const only = parameters().get("log");
    const wanted = only ? this.entries.filter(({ level }) => level === "warn" || level === "error") : this.entries;
    const shown = wanted.slice(-drawn);
    return html`<section class="log">
      <div class="toolbar">
        <h2>Log</h2>
        <label><input type="checkbox" .checked=${only !== null} @change=${() => change({ log: only ? undefined : "faults" }, true)}> Only warnings and errors</label>
        ${this.count > shown.length ? html`<span class="quiet">The newest ${number(shown.length)} of ${number(this.count)} entries; <code>delfos runs logs ${this.id}</code> prints all.</span>` : nothing}
      </div>
      ${this.error ? failure(this.error, () => void this.read()) : nothing}
      <div class="entries" tabindex="0" role="log" aria-live="off" aria-label="Log of run ${this.id}, times in ${zone()}"
        @scroll=${(event: Event) => (this.following = atEnd(event.target as HTMLElement))}>
        ${shown.length === 0 ? html`<p class="quiet">Nothing was logged${only ? " of this kind" : ""}.</p>` : nothing}
        ${repeat(shown, ({ id }) => id, line)}
      </div>
    </section>`;
  }

  /** Keeps the newest entry in sight. */
  drawn(): void {
    const box = document.querySelector(".entries");
    if (box && this.following) box.scrollTop = box.scrollHeight;
  }
}

function atEnd(box: HTMLElement): boolean {
  return box.scrollTop + box.clientHeight >= box.scrollHeight - 4;
}

// Said by the columns already.
const left = new Set(["day", "outcome", "token"]);

function line({ at, day, level, message, attributes }: Entry): TemplateResult {
  const details = Object.entries(attributes)
    .filter(([name, value]) => !left.has(name) && value !== "")
    .map(([name, value]) => `${name}=${typeof value === "number" ? Number(value.toPrecision(4)) : String(value)}`);
  return html`<div class="entry ${level}"><time datetime=${at} title=${instant(at, true)}>${clock(at)}</time>
    <span class="level">${level}</span>
    <span>${day ? html`<a href=${linkTo("day", { day })}>${day}</a> ` : nothing}${message} <span class="quiet">${details.join(" ")}</span></span></div>`;
}
