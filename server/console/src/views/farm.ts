// The farm: its turbines and signals, and when its days are loaded.
import { html, nothing, type TemplateResult } from "lit-html";
import { call, get, type Schemas } from "../api";
import { follow, gathered } from "../live";
import type { Open } from "../main";
import { signals } from "../sparkline";
import { duration, instant, zone } from "../time";
import { absolute, by, copyable, days, empty, failure, number, sameElsewhere, spoken, wide } from "../ui";
import { linkTo } from "../url";

type Schedule = Schemas["Schedule"];
type Turbine = Schemas["Turbine"];

export const open: Open = ({ signal, update }) => {
  let found: { turbines: Turbine[]; signals: Schemas["Signal"][]; schedule: Schedule; status: Schemas["Status"] } | undefined;
  let error: unknown;
  let acted: unknown;
  let acting = false;

  const read = async (): Promise<void> => {
    try {
      const [turbines, all, status] = await Promise.all([get("/turbines", { span: true }, signal), signals(), get("/status", undefined, signal)]);
      found = { turbines, signals: all, schedule: status.schedule, status };
      error = undefined;
    } catch (cause) {
      if (!signal.aborted) error = cause;
    }
    update();
  };
  void read();
  const changed = gathered(read, signal);
  // A run that ends may have brought turbines, or attributes of them.
  follow((event) => (event === "reset" || event.kind !== "partition") && changed(), signal);

  const pause = async (paused: boolean): Promise<void> => {
    [acting, acted] = [true, undefined];
    update();
    try {
      const schedule = await call("patch", "/schedule", { body: { paused } });
      if (found) found = { ...found, schedule };
    } catch (cause) {
      acted = cause;
    }
    acting = false;
    update();
  };

  const timetable = (of: Schedule): TemplateResult => html`<section>
    <h2>Schedule</h2>
    <ul class="hindrances">${of.hindrances.length === 0 ? html`<li class="none">Nothing keeps days from being loaded.</li>` : of.hindrances.map(({ detail }) => html`<li>${spoken(detail)}</li>`)}</ul>
    <div class="columns">
      <dl>
        <dt>Days are queued</dt><dd><code>${of.cron}</code>${of.cron.includes("TZ=") ? "" : " UTC"}${of.paused ? html`, <b>paused</b>` : of.changed_at ? ", resumed" : nothing}${of.changed_at ? `${by(of.changed_by)} at ${instant(of.changed_at)} ${zone()}` : nothing}</dd>
        <dt>Missing days</dt><dd>of the last ${number(of.catch_up_days)} days are loaded${of.partition_start ? html`, from ${of.partition_start} on` : nothing}</dd>
        <dt>Late data</dt><dd>${of.stale_days > 0 ? `is searched for in the last ${number(of.stale_days)} days` : "is not searched for"}${of.swept_at ? html`; last at ${instant(of.swept_at)} ${zone()}` : nothing}</dd>
        <dt>The running day</dt><dd>${of.today_every_seconds > 0 ? `is loaded every ${duration(of.today_every_seconds)}` : "is not loaded before it is over"}</dd>
        <dt>The source keeps</dt><dd>${of.source_retention_days > 0 ? `the last ${days(of.source_retention_days)}` : "all days"}</dd>
        <dt>At once</dt><dd>${days(of.workers)}, by all workers${of.queue_paused ? html`; <b>the queue is paused</b> in <a href="river/">River's pages</a>` : nothing}</dd>
      </dl>
      <div>
        <h3>The next times</h3>
        ${of.next.length > 0
          ? html`<table><thead><tr><th scope="col">At (${zone()})</th><th scope="col">Day</th></tr></thead><tbody>${of.next.map(({ at, day }) => html`<tr><td>${instant(at)}</td><td><a href=${linkTo("day", { day })}>${day}</a></td></tr>`)}</tbody></table>`
          : html`<p class="quiet">None: the schedule is paused.</p>`}
      </div>
    </div>
    <div class="buttons">
      <button type="button" ?disabled=${acting} @click=${() => pause(!of.paused)}>${of.paused ? "Resume the schedule" : "Pause the schedule"}</button>
      <a class="button" href="river/">The queue in River's pages</a>
    </div>
    ${acted ? failure(acted) : nothing}
    ${sameElsewhere(`curl -X PATCH "${absolute("schedule")}" -H "Content-Type: application/json" -d '{"paused":${!of.paused}}'`, `delfos schedule ${of.paused ? "resume" : "pause"}`)}
  </section>`;

  return {
    title: "Farm",
    render: () => html`<h1>Farm</h1>
      ${error ? failure(error, () => void read()) : nothing}
      ${found ? html`${machines(found.turbines)}${timetable(found.schedule)}${workers(found.status)}${measured(found.signals)}` : error ? nothing : html`<p class="quiet">Loading …</p>`}`,
  };
};

const attributes: [keyof Turbine, string, string, string][] = [
  ["rated_power", "Rated power", "kW", "--rated-power 2050"],
  ["cut_in", "Cut-in", "m/s", "--cut-in 3.5"],
  ["cut_out", "Cut-out", "m/s", "--cut-out 25"],
  ["rotor_diameter", "Rotor", "m", "--rotor-diameter 82"],
  ["hub_height", "Hub", "m", "--hub-height 80"],
  ["altitude", "Altitude", "m", "--altitude 410"],
  ["latitude", "Latitude", "°", "--latitude 48.45"],
  ["longitude", "Longitude", "°", "--longitude 5.59"],
  ["commissioned", "Commissioned", "", "--commissioned 2009-03-01"],
];

function machines(turbines: Turbine[]): TemplateResult {
  if (turbines.length === 0) return empty("No turbine is known. One comes with the first day that is loaded; the source has it from an import, or by", "delfos turbine set 1 --name T1");
  const lacking = turbines.find((turbine) => attributes.some(([name]) => turbine[name] === null));
  const missing = attributes.filter(([name]) => lacking?.[name] === null);
  return html`<section class="farm"><h2>Turbines</h2>${wide("Turbines", html`<table>
      <thead><tr><th scope="col" class="number">Id</th><th scope="col">Name</th><th scope="col" class="number">A sample every</th>${attributes.map(([, label, unit]) => html`<th scope="col" class="number">${label}${unit ? html` <span class="quiet">${unit}</span>` : nothing}</th>`)}<th scope="col" class="number">Decommissioned</th><th scope="col">First window</th><th scope="col">Last window</th></tr></thead>
      <tbody>${turbines.map((turbine) => html`<tr>
        <th scope="row" class="number">${turbine.id}</th><td><a href=${linkTo("data", { turbines: turbine.id })}>${turbine.name}</a></td><td class="number">${duration(turbine.sample_interval)}</td>
        ${attributes.map(([name]) => html`<td class="number">${turbine[name] ?? html`<span class="unknown">not known</span>`}</td>`)}
        <td class="number">${turbine.decommissioned ?? "–"}</td>
        <td>${turbine.first ? instant(turbine.first) : "–"}</td><td>${turbine.last ? instant(turbine.last) : "–"}</td></tr>`)}</tbody>
    </table>`)}
    ${lacking ? html`<p>What is not known of a turbine can be told, and the next load brings it here:</p>${copyable(`delfos turbine set ${lacking.id} ${missing.map(([, , , flag]) => flag).join(" ")}`)}` : nothing}
  </section>`;
}

function workers({ workers: alive, running }: Schemas["Status"]): TemplateResult {
  return html`<section><h2>Workers</h2>
    ${alive.length === 0
      ? empty("No worker is alive, so no day is loaded:", "delfos orchestrate")
      : wide("Workers", html`<table>
          <thead><tr><th scope="col">Host</th><th scope="col" class="number">Process</th><th scope="col" class="number">Days at once</th><th scope="col" class="number">In work</th><th scope="col">Since (${zone()})</th></tr></thead>
          <tbody>${alive.map((one) => html`<tr><th scope="row">${one.host}</th><td class="number">${one.pid}</td><td class="number">${number(one.workers)}</td><td class="number">${number(one.busy)}</td><td>${instant(one.started_at)}</td></tr>`)}</tbody>
        </table>`)}
    ${running > 0 ? html`<p class="quiet">${number(running)} ${running === 1 ? "day is" : "days are"} being loaded.</p>` : nothing}
  </section>`;
}

function measured(all: Schemas["Signal"][]): TemplateResult {
  const variables = [...new Set(all.map(({ variable }) => variable))];
  return html`<section><h2>Signals</h2>${wide("Signals", html`<table>
      <thead><tr><th scope="col">Variable</th><th scope="col">Unit</th><th scope="col">Signals</th></tr></thead>
      <tbody>${variables.map((variable) => {
        const of = all.filter((one) => one.variable === variable);
        return html`<tr><th scope="row"><a href=${linkTo("data", { variables: variable })}>${variable}</a></th><td>${of[0]!.unit}</td><td>${of.map(({ name }, at) => html`${at > 0 ? ", " : ""}<code>${name}</code>`)}</td></tr>`;
      })}</tbody>
    </table>`)}
    <p class="quiet">A window is ten minutes, labelled by its start. std is the sample deviation (n − 1) and count the number of readings; a reading that is missing does not count.</p>
  </section>`;
}
