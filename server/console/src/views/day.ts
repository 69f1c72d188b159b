// One day: its state, what its loads changed, what the checks found, and its windows.
import { html, nothing, svg, type TemplateResult } from "lit-html";
import { get, type Partition, type Schemas } from "../api";
import { Days } from "../days";
import { type Flag, flagRuns } from "../flags";
import { openForget } from "../forget";
import { gathered } from "../live";
import { openLoad } from "../load";
import type { Open } from "../main";
import { dayWindows, readDay, rough, signals, sparkline, windowsOfDay, type DayOfTurbine } from "../sparkline";
import { addDays, clock, dayOf, duration, instant, zone } from "../time";
import { badge, by, failure, number, percent, states, wide } from "../ui";
import { change, linkTo, linkToDays, parameters } from "../url";

interface Found {
  checks: Schemas["CheckResult"][];
  revisions: Schemas["Revision"][];
  flags: Flag[];
  turbines: Schemas["Turbine"][];
  windows: DayOfTurbine | undefined;
}

export const open: Open = ({ signal, update }) => {
  let day = "";
  let turbine: number | undefined;
  let found: Found | undefined;
  let error: unknown;
  let values = false; // whether the table of values is open

  const read = async (): Promise<void> => {
    const [mine, of] = [day, turbine];
    try {
      const range = { from: day, to: day };
      const flags = get("/flags", { start: day, before: addDays(day, 1) }, signal);
      const turbines = await get("/turbines", {}, signal);
      const [checks, revisions, windows] = await Promise.all([
        get("/checks", range, signal),
        get("/revisions", range, signal),
        signals().then((all) => readDay(mine, all, signal, of ?? turbines[0]?.id)),
      ]);
      if (mine !== day || of !== turbine) return;
      found = { checks: checks.checks, revisions: revisions.revisions, flags: (await flags).flags, turbines, windows };
      error = undefined;
    } catch (cause) {
      if (!signal.aborted) error = cause;
    }
    update();
  };
  const changed = gathered(read, signal);
  const days = new Days(signal, { replaced: update, patched: changed, settled: update });

  const moved = (): void => {
    const named = parameters();
    const next = named.get("day") ?? addDays(dayOf(), -1);
    const of = Number(named.get("turbine")) || undefined;
    if (next === day && of === turbine) return;
    if (next !== day) {
      found = undefined;
      void days.read({ from: next, to: next });
    }
    [day, turbine] = [next, of];
    void read();
  };
  moved();

  const facts = (of: Partition): TemplateResult => html`<dl class="card">
    ${fact("Samples", of.samples !== undefined && of.expected !== undefined && html`${number(of.samples)} of ${number(of.expected)}${of.expected > 0 ? ` (${percent(of.samples / of.expected)})` : ""}`)}
    ${fact("Windows", of.windows !== undefined && html`${number(of.windows)}, ${number(of.rows)} values`)}
    ${fact("Checks", of.warnings > 0 && `${number(of.warnings)} did not pass`)}
    ${fact("Loaded", of.loaded_at && `${instant(of.loaded_at, true)} ${zone()}`)}
    ${fact("Last attempt", of.started_at && html`${instant(of.started_at, true)} ${zone()}${of.run_id ? html`, <a href=${linkTo("runs", { run: of.run_id })}>run ${of.run_id}</a>` : nothing}${of.attempt > 1 ? `, attempt ${of.attempt}` : ""}`)}
    ${fact("Tried again", of.next_attempt_at && `${instant(of.next_attempt_at, true)} ${zone()}`)}
    ${fact("Source pruned", of.source_pruned_at && html`${instant(of.source_pruned_at)} ${zone()}; the values stay`)}
    ${fact("Digest loaded", of.state === "stale" && html`<code>${of.source_digest ?? "of a part of the day"}</code>`)}
    ${fact("Digest now", of.state === "stale" && html`<code>${of.source_digest_seen}</code>${of.looked_at ? html`, looked at ${instant(of.looked_at)} ${zone()}` : nothing}`)}
  </dl>`;

  const strips = (of: Found): TemplateResult => html`<section class="day">
    <div class="toolbar">
      <h2>Windows</h2>
      <label>Turbine
        <select @change=${(event: Event) => change({ turbine: (event.target as HTMLSelectElement).value }, true)}>
          ${of.turbines.map(({ id, name }) => html`<option value=${id} ?selected=${id === (turbine ?? of.turbines[0]?.id)}>${id} ${name}</option>`)}
        </select>
      </label>
      <a href=${linkTo("data", { start: day, end: addDays(day, 1), turbines: turbine ?? of.turbines[0]?.id })}>See the data</a>
      <a href=${dayWindows(day, turbine ?? of.turbines[0]?.id, undefined, "csv")} download="${day}.csv">CSV</a>
      <a href=${dayWindows(day, turbine ?? of.turbines[0]?.id, undefined, "parquet")} download="${day}.parquet">Parquet</a>
    </div>
    ${of.windows ? of.windows.series.filter(({ signal: { statistic } }) => statistic === "mean").map((one) => strip(one, of.flags.filter((flag) => flag.turbine_id === of.windows?.turbine && flag.variable === one.signal.variable))) : html`<p class="quiet">The target holds no values of this turbine on this day.</p>`}
    ${of.windows ? html`<details @toggle=${(event: Event) => { values = (event.target as HTMLDetailsElement).open; update(); }}><summary>Values</summary>${values ? table(day, of.windows) : nothing}</details>` : nothing}
  </section>`;

  return {
    get title() {
      return day;
    },
    moved,
    render: () => {
      const of = days.list[0];
      return html`
        <p class="back"><a href=${linkTo("day", { day: addDays(day, -1), turbine })}>← ${addDays(day, -1)}</a> <a href=${linkTo("day", { day: addDays(day, 1), turbine })}>${addDays(day, 1)} →</a> <a href=${linkToDays(day)}>Calendar</a></p>
        <h1>${day} ${of ? badge(of.state) : nothing}</h1>
        ${days.error ? failure(days.error, () => void days.read({ from: day, to: day })) : nothing}
        ${of && (found || error)
          ? html`<p>${of.error && of.state === "failed" ? `The last attempt failed: ${of.error}` : `The day ${states[of.state]}${of.over ? "" : "; it was not over yet"}.`}</p>
              ${facts(of)}
              <div class="buttons">
                <button type="button" class="primary" @click=${() => openLoad({ from: day, to: day }, [of], signal)}>Run again …</button>
                <button type="button" ?disabled=${of.state === "missing" && of.attempt === 0} @click=${() => openForget(day, signal)}>Forget …</button>
              </div>`
          : nothing}
        ${error ? failure(error, () => void read()) : found ? html`${strips(found)}${flagged(found.flags)}${checked(found.checks)}${loads(found.revisions)}` : html`<p class="quiet">Loading …</p>`}`;
    },
  };
};

function fact(name: string, value: unknown): TemplateResult | typeof nothing {
  return value ? html`<dt>${name}</dt><dd>${value}</dd>` : nothing;
}

// A variable over the day, its flags under it.
function strip(series: DayOfTurbine["series"][number], flags: Flag[]): TemplateResult {
  const there = series.values.filter((value) => value !== undefined);
  const ticks = flags.map((flag) => svg`<rect x=${placeOf(flag)} y="0" width="1" height="1"><title>${flag.check}: ${flag.detail}</title></rect>`);
  return html`<figure class="strip">
    <figcaption>${series.signal.variable.replaceAll("_", " ")} <span class="quiet">${there.length > 0 ? `${rough(Math.min(...there))} to ${rough(Math.max(...there))} ${series.signal.unit}, ` : ""}${there.length} of ${windowsOfDay} windows${flags.length > 0 ? html`, <b>${flags.length} flagged</b>` : nothing}</span></figcaption>
    ${sparkline(series, 60)}
    <svg class="flags" viewBox="0 0 ${windowsOfDay} 1" preserveAspectRatio="none" aria-hidden="true">${ticks}</svg>
    <div class="hours quiet" aria-hidden="true">${["00", "06", "12", "18", "24 UTC"].map((hour) => html`<span>${hour}</span>`)}</div>
  </figure>`;
}

function placeOf({ timestamp }: Flag): number {
  return (Date.parse(timestamp) % 86_400_000) / 600_000;
}

// Flags in a row are one line.
function flagged(flags: Flag[]): TemplateResult {
  const rows = flagRuns(flags);
  if (rows.length === 0) return html``;
  return html`<section><h2>Flags</h2>${wide("Flags", html`<table>
    <thead><tr><th scope="col">Turbine</th><th scope="col">Variable</th><th scope="col">From</th><th scope="col">To</th><th scope="col" class="number">Windows</th><th scope="col">Check</th><th scope="col">Reason</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr>
      <td><a href=${linkTo("day", { day: row.timestamp.slice(0, 10), turbine: row.turbine_id })}>${row.turbine_id}</a></td><td>${row.variable}</td>
      <td>${clock(row.from).slice(0, 5)}</td><td>${clock(row.to).slice(0, 5)}</td>
      <td class="number">${row.windows}</td><td>${row.check}</td><td class="text">${row.detail}</td></tr>`)}</tbody>
  </table>`)}<p class="quiet">Times in ${zone()}. A flagged value stays as it is.</p></section>`;
}

const grave: Schemas["CheckStatus"][] = ["block", "warn", "pass"];

function checked(checks: Schemas["CheckResult"][]): TemplateResult {
  const passed = checks.filter(({ status }) => status === "pass");
  const rows = (of: Schemas["CheckResult"][]): TemplateResult => wide("Checks", html`<table>
    <thead><tr><th scope="col">Check</th><th scope="col">Variable</th><th scope="col">Status</th><th scope="col" class="number">Faults</th><th scope="col">Finding</th></tr></thead>
    <tbody>${of.map((one) => html`<tr><td>${one.check}</td><td>${one.variable || "all"}</td><td class="check ${one.status}">${one.status}</td><td class="number">${number(one.faults)}</td><td class="text">${one.detail}</td></tr>`)}</tbody>
  </table>`);
  const faults = grave.slice(0, 2).flatMap((status) => checks.filter((one) => one.status === status));
  return html`<section><h2>Checks</h2>
    ${checks.length === 0 ? html`<p class="quiet">No check has looked at this day.</p>` : nothing}
    ${faults.length > 0 ? rows(faults) : nothing}
    ${passed.length > 0 ? html`<details><summary>${passed.length} passed</summary>${rows(passed)}</details>` : nothing}
  </section>`;
}

const causes: Record<Schemas["RevisionCause"], string> = {
  first_load: "the day had no values",
  source_changed: "the source had changed",
  target_changed: "the values had been changed",
  requested: "it was asked for; nothing had changed",
  pruned: "its values were pruned",
  source_pruned: "its samples were pruned from the source",
};

function loads(revisions: Schemas["Revision"][]): TemplateResult {
  if (revisions.length === 0) return html`<section><h2>Loads</h2><p class="quiet">The day was never loaded.</p></section>`;
  const change = (count: number | undefined): string => (count === undefined ? "–" : number(count));
  return html`<section><h2>Loads, and what each changed</h2>${wide("Loads", html`<table>
    <thead><tr><th scope="col">Began</th><th scope="col">Run</th><th scope="col">Why</th><th scope="col">Outcome</th><th scope="col" class="number">Samples</th><th scope="col" class="number">Inserted</th><th scope="col" class="number">Updated</th><th scope="col" class="number">Deleted</th><th scope="col" class="number">Took</th><th scope="col">Source digest</th></tr></thead>
    <tbody>${revisions.map((one) => html`<tr>
      <td class="nowrap">${instant(one.started_at, true)}</td>
      <td class="nowrap"><a href=${linkTo("runs", { run: one.run_id })}>${one.run_id}</a> ${one.trigger}${by(one.actor)}</td>
      <td>${causes[one.cause]}</td>
      <td class="text">${one.outcome === "lost" ? "lost: its worker ended" : badge(one.outcome)}${one.error ? html`<br><span class="quiet">${one.error}</span>` : nothing}</td>
      <td class="number">${change(one.samples)}</td><td class="number">${change(one.inserted)}</td><td class="number">${change(one.updated)}</td><td class="number">${change(one.deleted)}</td>
      <td class="number nowrap">${one.finished_at ? duration((Date.parse(one.finished_at) - Date.parse(one.started_at)) / 1000) : "–"}</td>
      <td><code>${one.source_before && one.source_before !== one.source_after ? html`${one.source_before} → ` : nothing}${one.source_after ?? nothing}</code></td></tr>`)}</tbody>
  </table>`)}</section>`;
}

function table(day: string, { series }: DayOfTurbine): TemplateResult {
  const rows = Array.from({ length: windowsOfDay }, (_, at) => at).filter((at) => series.some(({ values }) => values[at] !== undefined));
  return html`<div class="scroll values" tabindex="0" role="region" aria-label="Values of ${day}"><table>
    <thead><tr><th scope="col">Window (${zone()})</th>${series.map(({ signal }) => html`<th scope="col" class="number">${signal.name.replaceAll("_", " ")}${signal.unit === "1" ? nothing : html`<br><span class="quiet">${signal.unit}</span>`}</th>`)}</tr></thead>
    <tbody>${rows.map((at) => html`<tr><th scope="row">${clock(Date.parse(day) + at * 600_000).slice(0, 5)}</th>${series.map(({ values }) => html`<td class="number">${values[at] === undefined ? "" : number(values[at], Number.isInteger(values[at]) ? 0 : 3)}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}
