// The console: one document, whose views are loaded when they are first shown. What is
// shown follows from the address (url.ts); what changes arrives by one stream (live.ts).
import { html, render, type TemplateResult } from "lit-html";
import { guard } from "lit-html/directives/guard.js";
import "./style.css";
import { call, get, type Schemas } from "./api";
import { beginAnew, connect, connection, disconnect } from "./live";
import { clock, zone } from "./time";
import { failure } from "./ui";
import { change, go, linkTo, parameters } from "./url";

export type View = "overview" | "calendar" | "runs" | "day" | "data" | "power-curve" | "energy" | "distribution" | "farm";

/** What a view is given: signal aborts when it is left, update draws it anew. */
export interface Context {
  signal: AbortSignal;
  update: () => void;
}

/** A view: render returns what is seen now; moved is told of an address of the same view. */
export interface Page {
  title: string;
  render: () => TemplateResult;
  moved?: () => void;
  /** Called after what render returned is in the document. */
  drawn?: () => void;
}

export type Open = (context: Context) => Page;

interface Entry {
  label: string;
  load: () => Promise<{ open: Open }>;
  hidden?: boolean; // from the navigation
}

// A view's file has its name, so that its page can name the scripts that it needs.
const views: Record<View, Entry> = {
  overview: { label: "Overview", load: () => import("./views/overview") },
  calendar: { label: "Calendar", load: () => import("./views/calendar") },
  runs: { label: "Runs", load: () => import("./views/runs") },
  day: { label: "Day", load: () => import("./views/day"), hidden: true },
  data: { label: "Data", load: () => import("./views/data") },
  "power-curve": { label: "Power curve", load: () => import("./views/power-curve") },
  energy: { label: "Energy", load: () => import("./views/energy") },
  distribution: { label: "Distribution", load: () => import("./views/distribution") },
  farm: { label: "Farm", load: () => import("./views/farm") },
};

let shown: View | undefined;
let page: Page | undefined;
let left = new AbortController();
let drawing = false;

/** Draws the page before the next frame, however often it is called until then. */
function update(): void {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(draw);
}

function draw(): void {
  drawing = false;
  render(shell(), document.body);
  page?.drawn?.();
}

function wanted(): View {
  const name = parameters().get("view") ?? "overview";
  return name in views ? (name as View) : "overview";
}

/** Shows the view that the address names. */
async function show(): Promise<void> {
  const view = wanted();
  if (asking || (view === shown && page)) {
    shown = view;
    page?.moved?.();
    if (page) document.title = `${page.title} – Delfos`;
    update();
    return;
  }
  shown = view;
  await place(views[view].label, views[view].load);
}

/** Puts a page in the place of the one that is shown. */
async function place(label: string, load: () => Promise<{ open: Open }>): Promise<void> {
  left.abort();
  const mine = new AbortController();
  left = mine;
  page = undefined;
  update();
  const opened = await load().then(({ open }) => open, () => undefined);
  if (mine.signal.aborted) return;
  const missing = (): TemplateResult => html`<h1>${label}</h1>${failure("The server does not answer, or is another version than this page.", () => location.reload())}`;
  page = opened?.({ signal: mine.signal, update }) ?? { title: label, render: missing };
  document.title = `${page.title} – Delfos`;
  update();
}

const themes = ["auto", "light", "dark"] as const;
type Theme = (typeof themes)[number];

function theme(): Theme {
  const kept = localStorage.getItem("theme");
  return themes.find((one) => one === kept) ?? "auto";
}

function setTheme(to: Theme): void {
  localStorage.setItem("theme", to);
  document.documentElement.dataset["theme"] = to;
  update();
  dispatchEvent(new Event("themechange"));
}

// The hundreds of zones are listed when nothing else is to be done, or somebody looks for one.
let allZones = false;

function listZones(): void {
  if (allZones) return;
  allZones = true;
  draw(); // before the next key
}

function zones(): string[] {
  const chosen = zone();
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return [...new Set(["UTC", chosen, here, ...(allZones ? Intl.supportedValuesOf("timeZone") : [])])];
}

function state(): TemplateResult {
  const said = {
    connecting: "connecting …",
    live: "live",
    reconnecting: `reconnecting; as of ${clock(connection.asOf)}`, // in the zone that stands beside it
    ended: "signed out",
  }[connection.status];
  return html`<span class="connection ${connection.status}" role="status">${said}</span>`;
}

function shell(): TemplateResult {
  return html`
    <a class="skip" href="#content" @click=${skip}>Skip to content</a>
    <header>
      <a class="brand" href=${linkTo("overview")}>Delfos</a>
      <nav aria-label="Views">
        ${(Object.entries(views) as [View, Entry][]).map(([view, { label, hidden }]) =>
          hidden ? "" : html`<a href=${linkTo(view)} aria-current=${view === shown ? "page" : "false"}>${label}</a>`,
        )}
      </nav>
      <div class="settings">
        ${state()}
        <label>Times in
          <select class="zone" @focus=${listZones} @pointerdown=${listZones} @change=${(event: Event) => change({ tz: (event.target as HTMLSelectElement).value === "UTC" ? undefined : (event.target as HTMLSelectElement).value })}>
            ${guard([zone(), allZones], () => zones().map((name) => html`<option ?selected=${name === zone()}>${name}</option>`))}
          </select>
        </label>
        <label><span class="visually-hidden">Theme</span>
          <select @change=${(event: Event) => setTheme((event.target as HTMLSelectElement).value as Theme)}>
            ${themes.map((one) => html`<option ?selected=${one === theme()}>${one}</option>`)}
          </select>
        </label>
      </div>
    </header>
    <main id="content" tabindex="-1" aria-busy=${page ? "false" : "true"}>${page?.render() ?? html`<p class="loading">Loading …</p>`}</main>
    <footer>
      <a href="docs">API</a> <a href="openapi.yaml">openapi.yaml</a> <a href="river/">Job queue</a>
      <span>Days are UTC. Times are ${zone()}.</span>
      ${session?.actor ? html`<span>Signed in as ${session.actor} (${session.scope ?? "no scope"}) <button type="button" @click=${signOut}>Sign out</button></span>` : ""}
      ${stayed ? failure(stayed) : ""}
    </footer>`;
}

// Who is signed in, where the server asks; whether it asks now; and why who signed out was not.
let session: Schemas["Session"] | undefined;
let asking = false;
let stayed: unknown;

/** Asks who is there, in the place of the view: nothing is seen that the server would refuse. */
async function askToken(): Promise<void> {
  if (asking) return;
  asking = true;
  const ended = session?.actor;
  session = undefined;
  disconnect();
  await place("Sign in", async () => {
    await call("delete", "/session").catch(() => undefined); // a cookie that was refused is of no use
    const { askFor } = await import("./signin");
    return { open: askFor(ended) };
  });
}

function signOut(): void {
  void call("delete", "/session").then(beginAnew, (error: unknown) => { stayed = error; update(); });
}

function skip(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>("#content")?.focus();
}

// A link within the page changes the address alone.
document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest("a");
  if (!link || link.target || link.hasAttribute("download")) return;
  const to = new URL(link.href, location.href);
  if (to.origin !== location.origin || to.pathname !== location.pathname || to.hash) return;
  event.preventDefault();
  go(to.href);
  scrollTo(0, 0);
});
addEventListener("popstate", () => void show());
addEventListener("addresschange", () => void show());

document.documentElement.dataset["theme"] = theme();
document.body.replaceChildren();
// What the view reads first may be older than the stream, which says so when it opens.
void show().then(() => asking || connect(update));
addEventListener("load", () => setTimeout(listZones, 1000));
addEventListener("signin", () => void askToken());
void get("/session").then((known) => {
  session = known;
  if (known.required && !known.actor) void askToken();
  else update();
}, () => undefined);
