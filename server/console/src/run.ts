// One run: how far its days are, why they wait, what can be done about it, and its log.
import { html, nothing, svg, type TemplateResult } from "lit-html";
import { call, Problem, type Run, type State } from "./api";
import { follow, gathered } from "./live";
import type { Context, Page } from "./main";
import { RunLog } from "./runlog";
import { clock, duration, instant, zone } from "./time";
import { absolute, badge, by, days, empty, failure, number, sameElsewhere } from "./ui";
import { linkTo } from "./url";

const counted = ["done", "empty", "running", "queued", "failed", "cancelled"] as const satisfies (State & keyof Run["partitions"])[];

/** The days of a run by state, as a bar; a single day of many is still seen. */
export function stackedBar({ partitions }: Run): TemplateResult {
  const least = partitions.total / 100;
  let at = 0;
  const part = (state: (typeof counted)[number]): TemplateResult => {
    const x = at;
    const width = partitions[state] > 0 ? Math.max(partitions[state], least) : 0;
    at += width;
    return svg`<rect data-state=${state} x=${x} y="0" width=${width} height="1"/>`;
  };
  const parts = counted.map(part);
  const label = counted.filter((state) => partitions[state] > 0).map((state) => `${state} ${partitions[state]}`).join(", ");
  return html`<svg class="stacked" viewBox="0 0 ${at || 1} 1" preserveAspectRatio="none" role="img" aria-label=${label || "no days"}>${parts}</svg>`;
}

/** The days of a run by state, in words; those that come and go as it goes on stay if it is followed. */
export function counts({ partitions }: Run, followed = false): TemplateResult {
  const there = counted.filter((state) => partitions[state] > 0 || (followed && ["done", "running", "queued"].includes(state)));
  return html`<span class="counts">${there.map((state) => badge(state, ` ${number(partitions[state])}`))}${there.length === 0 ? "no days" : nothing}</span>`;
}

/** Whether days of the run are yet to end. */
export function open({ state }: Run): boolean {
  return state === "queued" || state === "running";
}

/** How the state of a run is called: a cancelled one stops until its last day has. */
export function stateOf(run: Run): TemplateResult {
  return run.cancelled_at && open(run) ? html`${badge("running")} <span class="quiet">stopping</span>` : badge(run.state);
}

export function range({ from, to }: { from: string; to: string }): string {
  return from === to ? from : `${from} to ${to}`;
}

const triggers: Record<Run["trigger"], string> = {
  command: "by “delfos etl”",
  backfill: "as a backfill",
  schedule: "by the schedule",
  sweep: "by the search for late data",
  prune_target: "to prune old days of the target",
  prune_source: "to prune old days of the source",
  today: "by the schedule, for the running day",
};

export function oneRun(id: number, { signal, update }: Context): Page {
  let run: Run | undefined;
  let error: unknown;
  let acted: unknown; // why an action failed
  let acting = false;
  const log = new RunLog(id, { signal, update });

  const read = async (): Promise<void> => {
    try {
      run = await call("get", "/runs/{id}", { path: { id }, signal });
      error = undefined;
    } catch (cause) {
      if (!signal.aborted) error = cause;
    }
    update();
  };
  const changed = gathered(async () => {
    await Promise.all([read(), log.read()]);
  }, signal);
  follow((event) => {
    if (event === "reset" || event.run_id === id || (event.run_id !== undefined && run && open(run))) changed();
  }, signal);
  void read();
  void log.read();

  const act = async (what: "/runs/{id}/cancel" | "/runs/{id}/retry"): Promise<void> => {
    acting = true;
    acted = undefined;
    update();
    try {
      run = await call("post", what, { path: { id } });
    } catch (cause) {
      acted = cause;
    }
    acting = false;
    changed();
    update();
  };

  const actions = (of: Run): TemplateResult => {
    const left = of.partitions.failed + of.partitions.cancelled;
    const here = absolute(`runs/${id}`);
    return html`<div class="buttons">
        <button type="button" ?disabled=${acting || !open(of) || of.cancelled_at !== undefined} @click=${() => act("/runs/{id}/cancel")}>Cancel the run</button>
        <button type="button" ?disabled=${acting || left === 0} @click=${() => act("/runs/{id}/retry")}>Retry what is not done${left > 0 ? ` (${number(left)})` : ""}</button>
        <a class="button" href=${linkTo("calendar", { from: of.from, to: of.to })}>Its days on the calendar</a>
        ${of.partitions.failed > 0 ? html`<a class="button" href=${linkTo("calendar", { from: of.from, to: of.to, only: "failed" })}>The failed ones</a>` : nothing}
      </div>
      ${acted ? failure(acted) : nothing}
      ${sameElsewhere(
        ...(open(of) ? [`curl -X POST "${here}/cancel"`, `delfos runs cancel ${id}`] : []),
        ...(left > 0 ? [`curl -X POST "${here}/retry"`, `delfos runs retry ${id}`] : []),
        `curl "${here}/log"`,
        `delfos runs logs ${id} -f`,
      )}`;
  };

  return {
    title: `Run ${id}`,
    render: () => {
      if (error instanceof Problem && error.status === 404) return html`<h1>Run ${id}</h1>${empty("There is no such run. Runs are forgotten after RUN_RETENTION_DAYS.", "delfos runs list")}`;
      if (error) return html`<h1>Run ${id}</h1>${failure(error, () => void read())}`;
      if (!run) return html`<h1>Run ${id}</h1><p class="quiet">Loading …</p>`;
      const { partitions } = run;
      const ended = partitions.total - partitions.queued - partitions.running;
      return html`
        <p class="back"><a href=${linkTo("runs")}>All runs</a></p>
        <h1>Run ${id} ${stateOf(run)}</h1>
        <p>${range(run)}${run.only === "all" ? "" : `, only ${run.only} days`}; asked for ${triggers[run.trigger]}${by(run.actor)} at ${instant(run.created_at, true)} ${zone()}.
          ${run.cancelled_at ? html`Cancelled${by(run.cancelled_by)} at ${instant(run.cancelled_at, true)}.` : nothing}
          ${run.retried_at ? html`Last retried${by(run.retried_by)} at ${instant(run.retried_at, true)}.` : nothing}
          ${run.turbines ? html`Turbines ${run.turbines}.` : nothing}
          ${run.parallel ? html`At most ${days(run.parallel)} at once.` : nothing}
          ${run.allow_empty ? html`It may remove values that the source no longer has samples of.` : nothing}
          ${run.stop_on_failure ? html`The first day that fails ends it.` : nothing}</p>
        ${run.request_id ? html`<p class="quiet">Request <code>${run.request_id}</code>; the log of requests has more under this id.</p>` : nothing}
        ${run.trace_id ? html`<p class="quiet">Trace <code>${run.trace_id}</code>; the logs have more under this id, and so has what takes the traces.</p>` : nothing}
        <section class="progress" aria-label="Progress">
          ${stackedBar(run)}
          <p>${counts(run, open(run))}</p>
          <p class="quiet">${`${number(ended)} of ${number(partitions.total)} days have ended${timing(run)}.`}</p>
          ${waiting(run)}
          ${cancelling(run)}
        </section>
        ${actions(run)}
        ${log.render()}`;
    },
    drawn: () => log.drawn(),
  };
}

// How long it took, or takes.
function timing(run: Run): string {
  if (run.finished_at) return `, in ${duration((Date.parse(run.finished_at) - Date.parse(run.created_at)) / 1000)}`;
  if (run.eta) return `; expected to end at ${clock(run.eta)} ${zone()}, in ${duration(Math.max(0, (Date.parse(run.eta) - Date.now()) / 1000))}`;
  return "";
}

// Why days of the run are not loaded yet.
function waiting({ waiting: why, partitions, parallel }: Run): TemplateResult {
  if (!why) return html`<p class="why quiet">No day waits.</p>`;
  const ahead = why.ahead.reduce((sum, other) => sum + other.days, 0);
  return html`<p class="why"><b>Why ${number(partitions.queued)} ${partitions.queued === 1 ? "day waits" : "days wait"}:</b>
    ${why.position === undefined
      ? why.next_attempt_at
        ? nothing
        : html`${parallel ? `the run loads at most ${days(parallel)} at once.` : "its turn has not come."}`
      : ahead > 0
        ? html`${number(ahead)} ${ahead === 1 ? "day is" : "days are"} ahead of them, of ${why.ahead.map((other, at) => html`${at > 0 ? ", " : ""}<a href=${linkTo("runs", { run: other.run_id })}>run ${other.run_id}</a> (${other.trigger}, ${number(other.days)})`)}.`
        : html`the next is first in the queue.`}
    ${why.workers_free > 0 ? html`${number(why.workers_free)} more could be loaded now.` : html`All workers are busy, or none is alive.`}
    ${why.next_attempt_at ? html`A failed day is tried again at ${clock(why.next_attempt_at)} ${zone()}.` : nothing}</p>`;
}

// A cancel, step by step: no day starts after it was requested.
function cancelling(run: Run): TemplateResult | typeof nothing {
  const { partitions, cancelled_at: at } = run;
  if (!at && run.state !== "cancelled") return nothing;
  const stopping = open(run);
  return html`<ol class="steps" aria-label="Cancelling">
    <li>requested${at ? ` at ${clock(at)} ${zone()}` : ""}: no day starts any more</li>
    <li aria-current=${stopping ? "step" : "false"}>stopping: ${partitions.running === 0 ? "none is in flight any more" : `${days(partitions.running)} in flight; what is stopped keeps the values that it had`}</li>
    <li aria-current=${stopping ? "false" : "step"} class=${stopping ? "quiet" : ""}>${stopping ? "cancelled" : html`cancelled: ${number(partitions.done + partitions.empty)} loaded, ${number(partitions.cancelled)} not`}</li>
  </ol>`;
}
