// The calendar: a row a month, a cell a day. State is icon and hue, completeness the
// height of the fill. The table is made once and patched cell by cell, because it may
// have 20,000 days.
import { html, nothing, type TemplateResult } from "lit-html";
import { live } from "lit-html/directives/live.js";
import { type Partition, type State } from "./api";
import { Days, type Range } from "./days";
import { Glance } from "./glance";
import { paintIcons } from "./icons";
import { openLoad } from "./load";
import type { Context } from "./main";
import { blankRow, draw, incomplete, sameDay } from "./month";
import { addDays, daysBetween } from "./time";
import { badge, days as inDays, empty, failure, number, states } from "./ui";
import { change, go, linkTo, parameters } from "./url";

const monthsOfYear = 12;
const monthsAtFirst = 26; // more than a screen has
const monthsAtOnce = 60;
const names = Object.keys(states) as State[];

/** The calendar as a part of a view; everything that it shows is in the address. */
export class Calendar {
  readonly days: Days;
  private readonly glance: Glance;
  private readonly table = document.createElement("table");
  private readonly counts = new Map<string, number>();
  private readonly blank = blankRow();
  private body = document.createElement("tbody");
  private cells: HTMLTableCellElement[] = []; // of the days from undrawn on
  private undrawn = 0;
  private range: Partial<Range> = {};
  private current = -1; // where the keyboard is
  private anchor = -1; // where a selection began
  private head = -1; // and where it ends
  private dragging = false;

  constructor(private readonly context: Context) {
    this.glance = new Glance(context);
    this.days = new Days(context.signal, {
      replaced: () => this.build(),
      prepended: (count) => this.extend(count),
      patched: (at) => this.patch(at),
      settled: () => this.settle(),
    }, true);
    this.table.className = "calendar";
    this.table.setAttribute("role", "grid");
    this.table.setAttribute("aria-label", "Days, a row a month, the newest first");
    this.table.setAttribute("aria-multiselectable", "true");
    const { signal } = context;
    paintIcons(".calendar", signal);
    this.table.addEventListener("keydown", (event) => this.key(event), { signal });
    this.table.addEventListener("pointerdown", (event) => this.press(event), { signal });
    this.table.addEventListener("pointerover", (event) => this.pointed(event), { signal });
    this.table.addEventListener("pointerleave", () => this.show(this.current), { signal });
    this.table.addEventListener("focusin", (event) => this.show(this.placeOf(event.target)), { signal });
    this.table.addEventListener("dblclick", (event) => this.openDay(this.placeOf(event.target)), { signal });
    this.table.addEventListener("click", (event) => this.tapped(event as PointerEvent), { signal });
    addEventListener("pointerup", () => this.release(), { signal });
    this.range = wanted();
    void this.days.read(this.range);
  }

  moved(): void {
    const range = wanted();
    if (range.from !== this.range.from || range.to !== this.range.to) {
      this.range = range;
      void this.days.read(range);
    }
    this.filter();
    this.restore();
  }

  render(): TemplateResult {
    const { days } = this;
    if (days.error) return failure(days.error, () => void days.read(this.range));
    if (!days.loaded) return html`<p class="loading">Loading …</p>`;
    if (days.list.length === 0) {
      return empty("No day is known in this range. Days are known once they are loaded or asked for:", "delfos runs start --from 2025-01-01 --to 2025-01-10");
    }
    return html`
      <div class="legend" role="group" aria-label="Show only days that are">${this.legend()}</div>
      <div class="calendar-with-glance">
        <div>
          <div class="scroll calendar-scroll">${this.table}</div>
          ${this.selectionBar()}
        </div>
        ${this.glance.render()}
      </div>`;
  }

  /** The range, to be chosen; for the view of the calendar alone. */
  chooser(): TemplateResult | typeof nothing {
    if (!this.days.loaded) return nothing;
    const { list, older, newer } = this.days;
    const first = this.range.from ?? list[0]?.day ?? "";
    const last = this.range.to ?? list.at(-1)?.day ?? "";
    const link = (to: Range | undefined, label: string): TemplateResult =>
      to ? html`<a class="button" href=${linkTo("calendar", { ...to })}>${label}</a>` : html`<span class="button" aria-disabled="true">${label}</span>`;
    const choose = (values: Partial<Range>): void => change({ from: first, to: last, ...values, select: undefined });
    return html`<div class="toolbar">
      <label>From <input type="date" .value=${first} max=${last} @change=${(event: Event) => choose({ from: (event.target as HTMLInputElement).value })}></label>
      <label>To <input type="date" .value=${last} min=${first} @change=${(event: Event) => choose({ to: (event.target as HTMLInputElement).value })}></label>
      ${link(older, "← Older days")} ${link(newer, "Newer days →")}
      ${this.range.from || this.range.to ? html`<a href=${linkTo("calendar")}>The newest days</a>` : nothing}
    </div>`;
  }

  private legend(): TemplateResult {
    const shown = filters();
    const button = (name: string, content: unknown, title: string): TemplateResult => {
      const pressed = shown.includes(name);
      const next = pressed ? shown.filter((one) => one !== name) : [...shown, name];
      return html`<button type="button" title=${title} aria-pressed=${pressed ? "true" : "false"} data-filter=${name}
        @click=${() => change({ only: next.join(",") }, true)}>${content} <b>${number(this.counts.get(name) ?? 0)}</b></button>`;
    };
    const there = [...new Set([...this.counts.keys(), ...shown])].filter((name): name is State => name in states);
    return html`${there.map((name) => button(name, badge(name), `The day ${states[name]}`))}
      ${button("incomplete", html`<span class="gauge" aria-hidden="true"></span>incomplete`, "Fewer samples than expected; the height of a cell's fill is their share")}
      ${button("warned", html`<span class="corner" aria-hidden="true"></span>with warnings`, "A data check did not pass")}`;
  }

  private selectionBar(): TemplateResult {
    const selected = this.selected();
    const count = selected ? daysBetween(selected.from, selected.to) + 1 : 0;
    return html`<div class="selection ${selected ? "chosen" : ""}">
      ${selected
        ? html`${this.bound("From", selected.from, (at) => this.select(at, Math.max(at, this.anchor, this.head)))}
            ${this.bound("To", selected.to, (at) => this.select(Math.min(at, this.anchor, this.head), at))}
            <span role="status">${inDays(count)}</span>
            <button type="button" class="primary" @click=${() => this.load()}>Load …</button>
            ${count === 1 ? html`<a class="button" href=${linkTo("day", { day: selected.from })}>Open the day</a>` : nothing}
            <a class="button" href=${linkTo("data", { start: selected.from, end: addDays(selected.to, 1) })}>See the data</a>
            <button type="button" @click=${() => this.select(-1, -1)}>Clear</button>`
        : html`<span class="quiet">Choose days to load: drag over them, tap one, or hold Shift and press the arrow keys. Enter opens a day.</span>`}
    </div>`;
  }

  // One end of the selection, for whoever can neither drag nor hold Shift.
  private bound(label: string, day: string, moved: (at: number) => void): TemplateResult {
    const { list } = this.days;
    const change = (event: Event): void => {
      const at = this.days.at((event.target as HTMLInputElement).value);
      if (at >= 0) moved(at);
    };
    return html`<label>${label} <input type="date" .value=${live(day)} min=${list[0]!.day} max=${list.at(-1)!.day} @change=${change}></label>`;
  }

  // What is drawn may be older than what is selected.
  private load(): void {
    const selected = this.selected();
    if (selected) openLoad(selected, this.inside(selected), this.context.signal);
  }

  // The days of a range, those that are known.
  private inside(range: Range): Partition[] {
    return this.days.list.filter(({ day }) => day >= range.from && day <= range.to);
  }

  private build(): void {
    const { list } = this.days;
    const head = document.createElement("thead");
    const row = head.insertRow();
    row.setAttribute("role", "row");
    for (let n = 0; n <= 31; n++) {
      const th = document.createElement("th");
      th.scope = "col";
      th.setAttribute("role", "columnheader");
      th.textContent = n === 0 ? "Month" : String(n);
      row.append(th);
    }
    head.setAttribute("role", "rowgroup");
    this.body = document.createElement("tbody");
    this.body.setAttribute("role", "rowgroup");
    this.cells = new Array<HTMLTableCellElement>(list.length);
    this.undrawn = list.length;
    this.counts.clear();
    this.drawMonths(monthsAtFirst);
    this.table.replaceChildren(head, this.body);
    this.drawLater(this.body);
    this.current = this.anchor = this.head = -1;
    this.rove(list.length - 1);
    this.restore();
    this.show(this.head >= 0 ? this.head : this.current);
    this.filter();
    this.settle();
  }

  // Makes room for days before those that are there. The month in which they meet is drawn anew.
  private extend(count: number): void {
    const { list } = this.days;
    const all = this.undrawn === 0;
    this.cells = [...new Array<HTMLTableCellElement>(count), ...this.cells];
    this.undrawn += count;
    for (const place of ["current", "anchor", "head"] as const) if (this[place] >= 0) this[place] += count;
    if (all) {
      const month = list[count]!.day.slice(0, 7);
      this.body.lastElementChild?.remove();
      while (list[this.undrawn]?.day.startsWith(month)) this.undrawn++;
      this.drawMonths(1);
      this.drawLater(this.body);
    }
    this.restore();
    this.settle();
  }

  // Appends the next months, the newest first.
  private drawMonths(count: number): void {
    const { list } = this.days;
    for (; count > 0 && this.undrawn > 0; count--) {
      const month = list[this.undrawn - 1]!.day.slice(0, 7);
      const line = this.blank.cloneNode(true) as HTMLTableRowElement;
      const places = line.children as HTMLCollectionOf<HTMLTableCellElement>;
      places[0]!.textContent = month;
      for (let at = this.undrawn - 1; at >= 0 && list[at]!.day.startsWith(month); at--) {
        const cell = places[Number(list[at]!.day.slice(8))]!;
        cell.removeAttribute("class");
        cell.dataset["day"] = list[at]!.day;
        this.cells[at] = cell;
        draw(cell, list[at]!);
        this.undrawn = at;
      }
      this.body.append(line);
    }
  }

  // What nobody sees yet is drawn while nobody waits.
  private drawLater(body: HTMLElement): void {
    setTimeout(() => {
      if (body !== this.body || this.undrawn === 0) return;
      this.drawMonths(monthsAtOnce);
      this.drawLater(body);
    });
  }

  private cell(at: number): HTMLTableCellElement | undefined {
    if (at >= 0 && at < this.undrawn) this.drawMonths(Infinity);
    return this.cells[at];
  }

  private patch(at: number): void {
    if (at >= this.undrawn) draw(this.cells[at]!, this.days.list[at]!);
  }

  private settle(): void {
    const found = new Map<string, number>();
    const add = (name: string): void => void found.set(name, (found.get(name) ?? 0) + 1);
    for (const day of this.days.list) {
      add(day.state);
      if (incomplete(day)) add("incomplete");
      if (day.warnings > 0) add("warned");
    }
    // A state that comes stands behind the others, and one that goes stays, so that nothing moves.
    for (const name of [...names, "incomplete", "warned"]) if (found.has(name) || this.counts.has(name)) this.counts.set(name, found.get(name) ?? 0);
    this.glance.refresh(this.days.list);
    this.context.update();
  }

  private filter(): void {
    const shown = filters();
    this.table.dataset["only"] = shown.join(" ");
  }

  private placeOf(target: EventTarget | null): number {
    const day = target instanceof Element ? target.closest<HTMLElement>("td[data-day]")?.dataset["day"] : undefined;
    return day ? this.days.at(day) : -1;
  }

  // One cell can be reached by Tab, the others by arrow keys.
  private rove(to: number): void {
    this.cell(this.current)?.setAttribute("tabindex", "-1");
    this.current = to;
    this.cell(to)?.setAttribute("tabindex", "0");
  }

  private key(event: KeyboardEvent): void {
    const { list } = this.days;
    const at = this.placeOf(event.target);
    if (at < 0 || event.altKey || event.metaKey) return;
    const day = list[at]!.day;
    const last = list.length - 1;
    const toMonth = (months: number): number => {
      const to = this.days.at(sameDay(day, months));
      if (to >= 0) return to;
      const end = months > 0 ? last : 0;
      return list[end]!.day.startsWith(day.slice(0, 7)) ? at : end;
    };
    const moves: Record<string, () => number> = {
      ArrowLeft: () => at - 1,
      ArrowRight: () => at + 1,
      ArrowUp: () => toMonth(1), // the newer month is above
      ArrowDown: () => toMonth(-1),
      PageUp: () => toMonth(monthsOfYear),
      PageDown: () => toMonth(-monthsOfYear),
      Home: () => (event.ctrlKey ? 0 : Math.max(0, at - Number(day.slice(8)) + 1)),
      End: () => (event.ctrlKey ? last : Math.min(last, at + daysBetween(day, addDays(sameDay(`${day.slice(0, 8)}01`, 1), -1)))),
    };
    const move = moves[event.key];
    if (move) {
      const to = Math.min(last, Math.max(0, move()));
      this.rove(to);
      if (event.shiftKey) this.select(this.anchor < 0 || this.head !== at ? at : this.anchor, to);
      this.cell(to)!.focus({ preventScroll: true });
      this.cell(to)!.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else if (event.key === "Enter") this.openDay(at);
    else if (event.key === " ") this.select(at, at);
    else if (event.key === "Escape") this.select(-1, -1);
    else return;
    event.preventDefault();
  }

  private press(event: PointerEvent): void {
    const at = this.placeOf(event.target);
    if (at < 0 || event.button !== 0 || event.pointerType !== "mouse") return;
    event.preventDefault(); // no selection of text
    this.rove(at);
    this.cell(at)!.focus({ preventScroll: true });
    this.dragging = true;
    this.mark(event.shiftKey && this.anchor >= 0 ? this.anchor : at, at);
  }

  // A finger scrolls where a mouse drags, so it selects by a tap.
  private tapped(event: PointerEvent): void {
    const at = this.placeOf(event.target);
    if (at < 0 || event.pointerType === "mouse") return;
    this.rove(at);
    this.show(at);
    this.select(at, at);
  }

  private pointed(event: PointerEvent): void {
    const at = this.placeOf(event.target);
    if (at < 0) return;
    this.show(at);
    if (this.dragging && at !== this.head) this.mark(this.anchor, at);
  }

  private release(): void {
    if (!this.dragging) return;
    this.dragging = false;
    this.select(this.anchor, this.head);
  }

  // Marks the days of a selection, and no other.
  private mark(anchor: number, head: number): void {
    const [from, to] = [Math.min(anchor, head), Math.max(anchor, head)];
    const [oldFrom, oldTo] = [Math.min(this.anchor, this.head), Math.max(this.anchor, this.head)];
    for (let at = Math.max(0, oldFrom); oldFrom >= 0 && at <= oldTo; at++) if (at < from || at > to) this.cell(at)?.removeAttribute("aria-selected");
    for (let at = Math.max(0, from); from >= 0 && at <= to; at++) if (oldFrom < 0 || at < oldFrom || at > oldTo) this.cell(at)?.setAttribute("aria-selected", "true");
    this.anchor = anchor;
    this.head = head;
    this.context.update();
  }

  // Marks days and keeps them in the address.
  private select(anchor: number, head: number): void {
    this.mark(anchor, head);
    const selected = this.selected();
    change({ select: selected ? `${selected.from},${selected.to}` : undefined }, true);
  }

  private selected(): Range | undefined {
    const from = this.days.list[Math.min(this.anchor, this.head)];
    const to = this.days.list[Math.max(this.anchor, this.head)];
    return from && to ? { from: from.day, to: to.day } : undefined;
  }

  // Marks what the address selects.
  private restore(): void {
    const [from = "", to = from] = (parameters().get("select") ?? "").split(",");
    const [anchor, head] = [this.days.at(from), this.days.at(to)];
    const selected = this.selected();
    if (selected?.from === from && selected.to === to) return; // also when it was made backwards
    if (anchor >= 0 && head >= 0) this.mark(anchor, head);
    else if (this.anchor >= 0) this.mark(-1, -1);
    if (head >= 0) this.rove(head);
  }

  private show(at: number): void {
    this.glance.show(this.days.list[at]);
  }

  private openDay(at: number): void {
    const day = this.days.list[at]?.day;
    if (day) go(linkTo("day", { day }));
  }
}

function wanted(): Partial<Range> {
  const named = parameters();
  const range: Partial<Range> = {};
  const from = named.get("from");
  const to = named.get("to");
  if (from) range.from = from;
  if (to) range.to = to;
  return range;
}

function filters(): string[] {
  return (parameters().get("only") ?? "").split(",").filter((name) => name !== "");
}
