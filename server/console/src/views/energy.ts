// Energy and coverage: what each turbine gave by day, month or year, and how much of the
// farm's data is there.
import { html, nothing, type TemplateResult } from "lit-html";
import { analysis, type Chosen, nothingInRange } from "../analysis";
import { get, type Schemas } from "../api";
import { swatch } from "../chart";
import { colorHeat, heat, type HeatCell } from "../heat";
import type { Open } from "../main";
import { day } from "../range";
import { exports, ids, type Turbine } from "../selection";
import { addDays, dayOf } from "../time";
import { copyable, number, percent } from "../ui";
import { change, linkTo, parameters } from "../url";

type Energy = Schemas["Energy"];
type By = Schemas["EnergyBy"];

interface Answer {
  energy: Energy[];
  coverage: Schemas["Coverage"][]; // of the whole farm
}

interface Query {
  from: string;
  to: string;
  turbines: string[];
  by: By;
  coverageBy: Schemas["CoverageBy"];
}

const mostRows = 400;

function query({ farm, range, turbines }: Chosen): Query {
  const days = (range.end - range.start) / day;
  const named = parameters().get("by");
  return {
    from: dayOf(range.start),
    to: dayOf(range.end - 1),
    turbines: ids(turbines),
    by: named === "day" || named === "month" || named === "year" ? named : days > 1100 ? "year" : days > 62 ? "month" : "day",
    // A table of more cells is neither read nor drawn in time.
    coverageBy: days <= 92 && days * farm.turbines.length <= 6000 ? "day" : "month",
  };
}

export const open: Open = (context) =>
  analysis<Query, Answer>(context, {
    view: "energy",
    title: "Energy",
    heading: "Energy and coverage",
    controls: (chosen) => html`<label class="above">By <select @change=${(event: Event) => change({ by: (event.target as HTMLSelectElement).value })}>
      ${["day", "month", "year"].map((one) => html`<option ?selected=${one === query(chosen).by}>${one}</option>`)}</select></label>`,
    query,
    read: async ({ from, to, turbines, by, coverageBy }, signal) => {
      const [energy, coverage] = await Promise.all([get("/stats/energy", { from, to, by, turbines }, signal), get("/stats/coverage", { from, to, by: coverageBy }, signal)]);
      return { energy: energy.rows, coverage: coverage.rows };
    },
    body: (value, chosen) => html`${totals(value, chosen)}${value.energy.every((row) => row.energy_kwh === null) ? nothingInRange(chosen, "energy", "readings of power") : bars(value.energy, chosen)}${coverageMap(value.coverage, chosen)}`,
    drawn: colorHeat,
  });

/** 12.3 kWh, MWh or GWh. */
function energyText(kwh: number | null | undefined): string {
  if (kwh === null || kwh === undefined) return "–";
  if (kwh === 0) return "0 kWh";
  const [by, unit] = kwh >= 1e7 ? [1e6, "GWh"] : kwh >= 1e4 ? [1e3, "MWh"] : [1, "kWh"];
  const value = kwh / by;
  return `${number(value, value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
}

const sum = (rows: Energy[], of: "energy_kwh" | "consumed_kwh" | "covered_hours"): number | null => {
  const values = rows.map((row) => row[of]).filter((value) => value !== null);
  return values.length > 0 ? values.reduce((all, value) => all + value, 0) : null;
};

/** A card for each turbine: what it gave in the whole range. */
function totals({ energy: rows, coverage }: Answer, { turbines, hues }: Chosen): TemplateResult {
  return html`<div class="grid totals">${turbines.map((one, i) => {
    const own = rows.filter((row) => row.turbine_id === one.id);
    const [energy, consumed, hours] = [sum(own, "energy_kwh"), sum(own, "consumed_kwh"), sum(own, "covered_hours") ?? 0];
    const samples = coverage.reduce((all, row) => all + (row.turbine_id === one.id ? row.expected : 0), 0);
    const expected = (samples * one.sample_interval) / 3600;
    return html`<section class="card"><h2>${swatch(hues[i]!)} ${one.name}</h2>
      <p class="figure">${energyText(energy)}</p>
      <p>${consumed ? `${energyText(consumed)} consumed. ` : ""}Power was read in ${number(hours)} of ${number(expected)} hours${expected > 0 ? `, ${percent(Math.min(1, hours / expected))}` : ""}.</p>
      ${factor(one, energy, hours)}</section>`;
  })}</div>`;
}

function factor(one: Turbine, energy: number | null, hours: number): TemplateResult {
  if (one.rated_power === null) return html`<p>The capacity factor needs the rated power:</p>${copyable(`delfos turbine set ${one.id} --rated-power 2050`)}`;
  if (energy === null || hours === 0) return html`<p>No capacity factor, because no power was read.</p>`;
  return html`<p>Capacity factor ${percent(energy / (one.rated_power * hours))} in these hours, of ${number(one.rated_power)} kW.</p>`;
}

/** A row for each period and turbine, with a bar: what was read, what filling the gaps inside windows adds, what was consumed. */
function bars(rows: Energy[], chosen: Chosen): TemplateResult {
  const periods = [...new Set(rows.map((row) => row.period))].sort().reverse();
  const most = Math.max(...rows.map((row) => Math.max(row.energy_filled_kwh ?? 0, row.consumed_kwh ?? 0)), 1);
  const seen = periods.slice(0, Math.floor(mostRows / chosen.turbines.length));
  const asked = query(chosen);
  return html`<h2>Energy by ${asked.by}</h2>
    <p class="quiet">Mean power over the time that has readings. Filled: as if each of these windows had all its ten minutes. Consumed: what a turbine took while it gave none. The capacity factor is of the hours covered. Periods are UTC.</p>
    <div class="values" tabindex="0" role="region" aria-label="Energy"><table class="energy">
      <thead><tr><th scope="col">Period</th><th scope="col">Turbine</th><th scope="col" class="bar"><span class="visually-hidden">Bar of energy</span></th>
        ${["Energy", "Filled", "Consumed", "Capacity factor", "Hours", "Coverage"].map((name) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
      ${seen.map((period) => html`<tbody>${chosen.turbines.map((one, i) => {
        const row = rows.find((other) => other.period === period && other.turbine_id === one.id);
        return html`<tr>${i === 0 ? html`<th scope="rowgroup" rowspan=${chosen.turbines.length}><a href=${linkTo("data", { ...rangeOf(period), turbines: asked.turbines.join(",") })}>${period}</a></th>` : nothing}
          <td>${one.name}</td><td class="bar">${row ? bar(row, most, chosen.hues[i]!) : nothing}</td>
          ${[row?.energy_kwh, row?.energy_filled_kwh, row?.consumed_kwh].map((value) => html`<td class="number">${energyText(value)}</td>`)}
          <td class="number">${row?.capacity_factor == null ? "–" : percent(row.capacity_factor)}</td>
          <td class="number">${row ? number(row.covered_hours, 1) : "–"}</td>
          <td class="number">${row?.coverage == null ? "–" : percent(row.coverage)}</td></tr>`;
      })}</tbody>`)}
    </table></div>
    ${seen.length < periods.length ? html`<p>The last ${seen.length} of ${number(periods.length)} periods; the files have all.</p>` : nothing}
    ${exports("/stats/energy", { from: asked.from, to: asked.to, by: asked.by, turbines: asked.turbines })}`;
}

function bar(row: Energy, most: number, hue: number): TemplateResult {
  const [read, filled, consumed] = [row.energy_kwh ?? 0, row.energy_filled_kwh ?? 0, row.consumed_kwh ?? 0].map((value) => (100 * value) / most);
  return html`<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" class="series-${hue + 1}">
    <rect class="filled" width=${filled!} height="8"></rect><rect width=${read!} height="8"></rect><rect class="consumed" y="8.6" width=${consumed!} height="1.4"></rect></svg>`;
}

/** The days of a period, 2025, 2025-01 or 2025-01-31, as a range of the address. */
function rangeOf(period: string): { start: string; end: string } {
  const start = period + "-01-01".slice(Math.max(0, period.length - 4));
  if (period.length === 10) return { start, end: addDays(start, 1) };
  const next = new Date(start);
  if (period.length === 4) next.setUTCFullYear(next.getUTCFullYear() + 1);
  else next.setUTCMonth(next.getUTCMonth() + 1);
  return { start, end: dayOf(next) };
}

function coverageMap(rows: Schemas["Coverage"][], chosen: Chosen): TemplateResult {
  const { from, to, coverageBy: by } = query(chosen);
  const periods = [...new Set(rows.map((row) => row.period))].sort();
  const found = new Map(rows.map((row) => [`${row.turbine_id} ${row.period}`, row]));
  const cell = (one: Turbine, period: string): HeatCell => {
    const row = found.get(`${one.id} ${period}`);
    const share = row?.coverage ?? undefined;
    const text = share === undefined ? "–" : by === "month" || periods.length <= 31 ? String(Math.floor(share * 100)) : "";
    const said = share === undefined ? "nothing expected" : `${percent(share)}, ${number(row!.both)} of ${number(row!.expected)} samples`;
    return {
      text, share: share === undefined ? undefined : Math.min(1, share), label: `${one.name}, ${period}: ${said}`,
      href: by === "month" ? linkTo("energy", { ...Object.fromEntries(parameters()), view: "energy", ...rangeOf(period) }) : linkTo("data", { ...rangeOf(period), turbines: one.id }),
    };
  };
  return html`<h2>Coverage by ${by}</h2>
    <p class="quiet">How much of the samples that are expected has both wind speed and power, in %. ${by === "month" ? "A month leads to its days." : "A day leads to its series."}</p>
    ${heat({
      label: `Coverage by turbine and ${by}`, corner: "Turbine", fills: true,
      columns: periods.map((period, i) => (by === "month" ? period : i === 0 || period.endsWith("-01") ? period.slice(5) : period.slice(8))),
      rows: chosen.farm.turbines.map((one) => ({ name: one.name, cells: periods.map((period) => cell(one, period)) })),
    })}
    ${exports("/stats/coverage", { from, to, by })}`;
}
