// All runs, or the one that the address names.
import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import { call, get, type Run } from "../api";
import { follow, gathered } from "../live";
import type { Context, Open, Page } from "../main";
import { counts, oneRun, open as isOpen, stackedBar, stateOf } from "../run";
import { duration, instant, zone } from "../time";
import { empty, failure, wide } from "../ui";
import { linkTo, parameters } from "../url";

const page = 50;

export const open: Open = ({ signal, update }) => {
  let left = new AbortController();
  let part: Page;
  let shown: string | null | undefined;
  const settle = (): void => {
    const named = parameters();
    const wanted = named.get("run") ?? `before ${named.get("before")}`;
    if (wanted === shown) return;
    shown = wanted;
    left.abort();
    left = new AbortController();
    const context = { signal: AbortSignal.any([signal, left.signal]), update };
    const run = Number(named.get("run"));
    part = run > 0 ? oneRun(run, context) : allRuns(Number(named.get("before")) || undefined, context);
  };
  settle();
  return {
    get title() {
      return part.title;
    },
    render: () => part.render(),
    moved: settle,
    drawn: () => part.drawn?.(),
  };
};

function allRuns(before: number | undefined, { signal, update }: Context): Page {
  let runs: Run[] | undefined;
  let error: unknown;
  const read = async (): Promise<void> => {
    try {
      runs = (await get("/runs", { limit: page, ...(before ? { before } : {}) }, signal)).runs;
      error = undefined;
    } catch (cause) {
      if (!signal.aborted) error = cause;
    }
    update();
  };
  void read();

  // A run that is there is read alone; a new one, and a gap in the events, reads all.
  const changed = new Set<number>();
  const refresh = gathered(async () => {
    const ids = [...changed];
    changed.clear();
    if (ids.length > 3 || ids.length === 0 || !ids.every((id) => runs?.some((run) => run.id === id))) return read();
    const found = await Promise.all(ids.map((id) => call("get", "/runs/{id}", { path: { id }, signal })));
    runs = runs?.map((run) => found.find(({ id }) => id === run.id) ?? run);
    update();
  }, signal);
  follow((event) => {
    if (event === "reset") changed.clear();
    else if (event.run_id === undefined) return;
    else changed.add(event.run_id);
    refresh();
  }, signal);

  return {
    title: "Runs",
    render: () => html`<h1>Runs</h1>${error ? failure(error, () => void read()) : runs ? table(runs, before) : html`<p class="quiet">Loading …</p>`}`,
  };
}

function table(runs: Run[], before: number | undefined): TemplateResult {
  if (runs.length === 0) return empty("There are no runs. A run is a request for days:", "delfos runs start --from 2025-01-01 --to 2025-01-10");
  return html`${wide("Runs", html`<table class="runs">
      <thead><tr><th scope="col" class="number">Run</th><th scope="col">State</th><th scope="col">Days</th><th scope="col" class="wide">Progress</th><th scope="col">Asked for</th><th scope="col">By</th><th scope="col" class="number">Took</th></tr></thead>
      <tbody>${repeat(runs, ({ id }) => id, row)}</tbody>
    </table>`)}
    <p class="toolbar">
      ${before ? html`<a class="button" href=${linkTo("runs")}>The newest runs</a>` : nothing}
      ${runs.length === page && runs.at(-1)!.id > 1 ? html`<a class="button" href=${linkTo("runs", { before: runs.at(-1)!.id })}>Older runs →</a>` : nothing}
    </p>`;
}

function row(run: Run): TemplateResult {
  return html`<tr>
    <th scope="row" class="number"><a href=${linkTo("runs", { run: run.id })}>${run.id}</a></th>
    <td>${stateOf(run)}</td>
    <td class="days"><span class="nowrap">${run.from}</span>${run.from === run.to ? nothing : html` to <span class="nowrap">${run.to}</span>`}${run.only === "all" ? nothing : html`<br><span class="quiet">only ${run.only}</span>`}</td>
    <td class="wide">${stackedBar(run)}${counts(run)}</td>
    <td class="nowrap">${instant(run.created_at)} <span class="quiet">${zone()}</span></td>
    <td>${run.trigger}${run.actor ? html`<br><span class="quiet">${run.actor}</span>` : nothing}</td>
    <td class="number nowrap">${run.finished_at ? duration((Date.parse(run.finished_at) - Date.parse(run.created_at)) / 1000) : isOpen(run) ? "–" : nothing}</td>
  </tr>`;
}
