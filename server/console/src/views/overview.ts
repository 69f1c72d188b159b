// How it stands: what needs somebody, then the figures, then the days.
import { html, nothing, svg, type TemplateResult } from "lit-html";
import { get, type Partition, type Schemas } from "../api";
import { Calendar } from "../calendar";
import { follow, gathered } from "../live";
import { openLoad } from "../load";
import type { Open } from "../main";
import { clock, dayOf, duration, instant, zone } from "../time";
import { badge, days as inDays, failure, number, percent, spoken } from "../ui";
import { linkTo } from "../url";

type Status = Schemas["Status"];

const often = 60_000; // milliseconds, for what changes without an event, such as a worker that is lost
const seldom = 1000; // for the events of a backfill

export const open: Open = (context) => {
  const { signal, update } = context;
  const calendar = new Calendar(context);
  let status: Status | undefined;
  let error: unknown;

  const read = async (): Promise<void> => {
    try {
      status = await get("/status", undefined, signal);
      error = undefined;
    } catch (cause) {
      if (!signal.aborted) error = cause;
    }
    update();
  };
  void read();
  follow(gathered(read, signal, seldom), signal);
  const timer = setInterval(() => void read(), often);
  signal.addEventListener("abort", () => clearInterval(timer));

  const load = (range: { from: string; to: string }, days: Partition[]): void => openLoad(range, days, signal);

  return {
    title: "Overview",
    moved: () => calendar.moved(),
    render: () => {
      if (error && !status) return html`<h1>Overview</h1>${failure(error, () => void read())}`;
      if (!status || !calendar.days.loaded) return html`<h1>Overview</h1><p class="quiet">Loading …</p>`;
      return html`<h1>Overview</h1>
        <div class="status">
          ${attention(status, load)}
          <div class="figures">${figures(status, calendar.days.list)}</div>
        </div>
        <section><h2>Days</h2>${calendar.render()}</section>`;
    },
  };
};

function attention(of: Status, load: (range: { from: string; to: string }, days: Partition[]) => void): TemplateResult {
  const { stale, failed, states, source, schedule } = of;
  const row = (day: Partition): TemplateResult => html`<li>
    <a href=${linkTo("day", { day: day.day })}>${day.day}</a> ${badge(day.state)}
    <button type="button" aria-label="Load ${day.day} again" @click=${() => load({ from: day.day, to: day.day }, [day])}>Load …</button>
    <p>${day.state === "stale"
      ? html`Digest <code>${day.source_digest ?? "of a part"}</code> then, <code>${day.source_digest_seen}</code> now${day.looked_at ? html` <span class="quiet">(looked at ${instant(day.looked_at)} ${zone()})</span>` : nothing}`
      : html`${day.error}${day.next_attempt_at ? html` <span class="quiet">Tried again at ${instant(day.next_attempt_at)} ${zone()}.</span>` : nothing}`}</p>
  </li>`;
  const listed = [...stale, ...failed].sort((one, other) => one.day.localeCompare(other.day));
  const more = states.stale + states.failed - stale.length - failed.length;
  const hindrances = schedule.hindrances.filter(({ cause }) => cause !== "days_left_out");
  const late = schedule.left_out;
  const calm = stale.length + failed.length + hindrances.length === 0 && !late && source.answers !== false;
  return html`<section class="attention card" tabindex="0" aria-labelledby="attention">
    <h2 id="attention">${calm ? html`${badge("done", "")} Nothing needs you` : "Needs attention"}</h2>
    ${calm ? html`<p>Every day that is due is as the source has it.</p>` : nothing}
    <ul>${[...stale].reverse().map(row)}${[...failed].reverse().map(row)}</ul>
    ${listed.length > 1 ? html`<p><button type="button" @click=${() => load({ from: listed[0]!.day, to: listed.at(-1)!.day }, [])}>Load what is not up to date …</button></p>` : nothing}
    ${more > 0 ? html`<p><a href=${linkTo("calendar", { from: of.from, to: of.to, only: "stale,failed" })}>${number(more)} more</a></p>` : nothing}
    ${late
      ? html`<p>${number(late.days)} ${late.days === 1 ? "day was" : "days were"} never loaded from ${late.from} to ${late.to}, and ${late.days === 1 ? "is" : "are"} older than the ${number(schedule.catch_up_days)} days that the schedule reaches back.
          <button type="button" @click=${() => load(late, [])}>Load …</button></p>`
      : nothing}
    ${hindrances.map(({ detail }) => html`<p>${spoken(detail)}</p>`)}
    ${source.answers === false ? html`<p>The source API does not answer${source.asked_at ? html` (asked at ${instant(source.asked_at)} ${zone()})` : nothing}. What is loaded is shown as it is; no day can be loaded until it is back.</p>` : nothing}
  </section>`;
}

function figures(of: Status, days: Partition[]): TemplateResult[] {
  const { schedule, workers, last_30_days: recent } = of;
  const places = workers.reduce((sum, worker) => sum + worker.workers, 0);
  const busy = workers.reduce((sum, worker) => sum + worker.busy, 0);
  const left = of.waiting + of.running;
  const needs = of.median_seconds !== undefined && places > 0 ? duration((left * of.median_seconds) / places) : undefined;
  return [
    card("Newest day loaded", of.newest_done ? html`<a href=${linkTo("day", { day: of.newest_done })}>${of.newest_done}</a>` : "none", lag(of)),
    card("Stale", number(of.states.stale), html`<a href=${linkTo("calendar", { only: "stale" })}>changed at the source</a>`),
    card("Failed", number(of.states.failed), html`<a href=${linkTo("calendar", { only: "failed" })}>at their last attempt</a>`),
    card("Warnings", number(of.warnings), html`<a href=${linkTo("calendar", { only: "warned" })}>of data checks</a>`),
    card("Samples of the last 30 days", recent.expected > 0 ? html`${percent(recent.samples / recent.expected)} <small>of ${number(recent.days)} loaded</small>` : "–", bars(days)),
    card("Next by the schedule", schedule.paused ? "paused" : schedule.next_at ? clock(schedule.next_at).slice(0, 5) : "–",
      schedule.paused ? html`<a href=${linkTo("farm")}>resume it</a>` : schedule.next_at ? html`${schedule.next_day}, in ${duration((Date.parse(schedule.next_at) - Date.parse(of.now)) / 1000)}` : nothing),
    card("Beyond the catch-up", number(schedule.left_out?.days ?? 0), schedule.left_out ? "missing days" : `older than ${number(schedule.catch_up_days)} days`),
    card("Queue", number(left), left > 0 ? html`${number(of.running)} in work${needs ? `, ${needs} at this rate` : ""}` : "nothing waits"),
    card("Workers alive", number(workers.length), workers.length > 0 ? html`<a href=${linkTo("farm")}>${number(busy)} of ${number(places)} places busy</a>` : html`<code>delfos orchestrate</code>`),
  ];
}

function card(name: string, figure: unknown, more: unknown): TemplateResult {
  return html`<div class="card"><h3>${name}</h3><div class="figure">${figure}</div><div class="quiet">${more}</div></div>`;
}

function lag({ lag_days: days, schedule }: Status): string {
  if (days === undefined) return "no day was loaded yet";
  return days === 0 ? "up to yesterday" : `${inDays(days)} behind yesterday${schedule.paused ? "; the schedule is paused" : ""}`;
}

const shown = 30;

// The share of the samples of each of the last days, none for a day that is not loaded.
function bars(days: Partition[]): TemplateResult {
  const ended = days.filter(({ day }) => day < dayOf()).slice(-shown);
  const shares = ended.map(({ samples, expected }) => (samples !== undefined && expected ? samples / expected : 0));
  const lowest = shares.length > 0 ? Math.min(...shares) : 0;
  return html`<svg class="bars" viewBox="0 0 ${shown * 4} 24" preserveAspectRatio="none" role="img" aria-label="Share of the samples of each day, at least ${percent(lowest)}">
    ${ended.map((day, at) => svg`<rect data-state=${day.state} x=${at * 4} y=${24 - shares[at]! * 24} width="3" height=${shares[at]! * 24}/><rect class="ground" x=${at * 4} y="23" width="3" height="1"/>`)}</svg>`;
}
