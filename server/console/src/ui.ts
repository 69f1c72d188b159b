// What the views share: states as icon, hue and word; what is said when there is nothing
// or something fails; actions with the lines that do the same elsewhere.
import { html, nothing, type TemplateResult } from "lit-html";
import { Problem, type State } from "./api";

/** The states of a day, in the order of a legend, with what each means. */
export const states: Record<State, string> = {
  done: "holds the windows of what the source held",
  stale: "the source has changed since it was loaded",
  failed: "the last attempt failed",
  running: "is being loaded",
  queued: "waits to be loaded",
  missing: "was never loaded",
  empty: "the source held no samples",
  cancelled: "was cancelled before it was loaded",
  pruned: "was removed on purpose, its retention over",
};

/** The icon of a state; the word stands beside it or in a label. */
export function icon(state: State): TemplateResult {
  return html`<span class="icon" data-state=${state} aria-hidden="true"></span>`;
}

/** A state as icon, hue and word. */
export function badge(state: State, more = ""): TemplateResult {
  return html`<span class="badge" data-state=${state}>${icon(state)}${state}${more}</span>`;
}

/** Who did something, if that is known. */
export function by(actor: string | undefined): string {
  return actor ? ` by ${actor}` : "";
}

/** What is said where there is nothing to see: why, and the command that changes it. */
export function empty(why: string, command?: string): TemplateResult {
  return html`<div class="empty"><p>${why}</p>${command ? copyable(command) : nothing}</div>`;
}

/** What is said when something fails, with the request's id for whoever reads the log. */
export function failure(error: unknown, again?: () => void): TemplateResult {
  const known = error instanceof Problem ? error : undefined;
  return html`<div class="failure" role="alert">
    <p>${error instanceof Error ? error.message : String(error)}</p>
    ${known?.requestId ? html`<p class="quiet">Request <code>${known.requestId}</code>; the server's log has more under this id.</p>` : nothing}
    ${again ? html`<button type="button" @click=${again}>Try again</button>` : nothing}
  </div>`;
}

/** What may be wider than the page, and scrolls then, by keys too. */
export function wide(label: string, content: TemplateResult): TemplateResult {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${label}>${content}</div>`;
}

/** A sentence in which commands stand between backticks. */
export function spoken(text: string): (string | TemplateResult)[] {
  return text.split("`").map((part, at) => (at % 2 === 1 ? html`<code>${part}</code>` : part));
}

/** A line to copy. */
export function copyable(line: string): TemplateResult {
  const copy = async (event: Event): Promise<void> => {
    const button = event.currentTarget as HTMLButtonElement;
    getSelection()?.selectAllChildren(button.previousElementSibling!);
    // Without TLS a browser has no clipboard for other hosts than this one.
    if (isSecureContext) await navigator.clipboard.writeText(line);
    else document.execCommand("copy");
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  };
  return html`<div class="copyable"><code>${line}</code><button type="button" aria-label="Copy ${line}" @click=${copy}>Copy</button></div>`;
}

/** The lines that do the same as an action of the page, by curl and by delfos. */
export function sameElsewhere(...lines: string[]): TemplateResult {
  return html`<details class="elsewhere"><summary>Do it elsewhere</summary>${lines.map(copyable)}</details>`;
}

/** The absolute address of a path of the API, for lines to copy. */
export function absolute(path: string): string {
  return new URL(path, location.href).href;
}

const formats = new Map<number, Intl.NumberFormat>();

/** 1,234,567, with as many digits after the point. */
export function number(value: number, digits = 0): string {
  let format = formats.get(digits);
  if (!format) formats.set(digits, (format = new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })));
  return format.format(value);
}

/** 1 day, 12 days. */
export function days(count: number): string {
  return `${number(count)} ${count === 1 ? "day" : "days"}`;
}

/** 99.3 %, never rounded up to a whole that is not one. */
export function percent(share: number): string {
  if (share > 0.9995 && share < 1) return "99.9\u00a0%";
  return `${(share * 100).toFixed(share === 1 || share === 0 ? 0 : 1)}\u00a0%`;
}
