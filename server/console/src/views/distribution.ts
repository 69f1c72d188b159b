// The distribution of wind speeds with the Weibull curve that fits it, turbulence by wind
// speed, and the profile by month and hour.
import { html, type TemplateResult } from "lit-html";
import uPlot from "uplot";
import { analysis, type Chosen, nothingInRange } from "../analysis";
import { get, type Schemas } from "../api";
import { axis, color, keys, plot, stroke, swatch, together } from "../chart";
import { colorHeat, heat } from "../heat";
import type { Open } from "../main";
import { instantText } from "../range";
import { exports, ids } from "../selection";
import { zone } from "../time";
import { empty, number, percent } from "../ui";
import { change, parameters } from "../url";

type Distribution = Schemas["Distribution"];
type Bin = Schemas["DistributionBin"];
type Variable = Schemas["ProfileVariable"];

interface Query {
  start: string;
  before: string;
  turbines: string[];
  variable: Variable;
  tz?: string;
}

interface Answer {
  list: Schemas["DistributionList"];
  profile: Schemas["Profile"];
}

const variables: Record<Variable, string> = { wind_speed: "wind speed, m/s", power: "power, kW", ambient_temperature: "ambient temperature, °C" };
const months = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

function query({ range, turbines }: Chosen): Query {
  const named = parameters().get("variable") ?? "";
  return {
    start: instantText(range.start),
    before: instantText(range.end),
    turbines: ids(turbines),
    variable: named in variables ? (named as Variable) : "wind_speed",
    ...(zone() === "UTC" ? {} : { tz: zone() }),
  };
}

export const open: Open = (context) => {
  let made = new AbortController();
  let madeIn: Element | null = null;
  context.signal.addEventListener("abort", () => made.abort());
  return analysis<Query, Answer>(context, {
    view: "distribution",
    title: "Distribution",
    heading: "Distribution of wind speeds",
    query,
    controls: () => html`<button type="button" aria-pressed=${parameters().has("table")} @click=${() => change({ table: !parameters().has("table") })}>Table</button>`,
    read: async ({ turbines, variable, tz, ...range }, signal) => {
      const of = { ...range, turbines };
      const [list, profile] = await Promise.all([get("/stats/distribution", of, signal), get("/stats/profile", { ...of, variable, ...(tz === undefined ? {} : { tz }) }, signal)]);
      return { list, profile };
    },
    body,
    drawn: (value, chosen, anew) => {
      colorHeat();
      const places = [...document.querySelectorAll<HTMLElement>("[data-distribution]")];
      if (!anew && places[0] === madeIn) return;
      made.abort();
      made = new AbortController();
      madeIn = places[0] ?? null;
      draw(places, value.list, chosen, made.signal);
    },
  });
};

function body({ list, profile }: Answer, chosen: Chosen): TemplateResult {
  const asked = query(chosen);
  const of = { start: asked.start, before: asked.before, turbines: asked.turbines };
  const found = chosen.turbines.map((one) => list.turbines.find((other) => other.turbine_id === one.id));
  if (found.every((one) => !one || one.windows === 0)) return nothingInRange(chosen, "distribution", "windows with a wind speed");
  return html`
    <div class="values" tabindex="0" role="region" aria-label="Fits"><table>
      <thead><tr><th scope="col">Turbine</th><th scope="col" class="number">Windows</th><th scope="col" class="number">Coverage</th><th scope="col" class="number">Mean <span class="unit">m/s</span></th>
        <th scope="col" class="number">Weibull A <span class="unit">m/s</span></th><th scope="col" class="number">Weibull k</th><th scope="col" class="number">Power density <span class="unit">W/m²</span></th></tr></thead>
      <tbody>${found.map((one, i) => html`<tr><th scope="row">${chosen.turbines[i]!.name}</th><td class="number">${one ? number(one.windows) : "–"}</td>
        <td class="number">${one && one.expected > 0 ? percent(Math.min(1, one.windows / one.expected)) : "–"}</td>
        ${[one?.mean, one?.weibull?.a, one?.weibull?.k].map((value) => html`<td class="number">${value == null ? "–" : number(value, 2)}</td>`)}
        <td class="number">${one?.power_density == null ? "–" : number(one.power_density)}</td></tr>`)}</tbody></table></div>
    <p class="quiet">A and k are fitted as by WAsP: the curve has the same mean cube and the same share above the mean. The power density takes air of 1.225 kg/m³.</p>
    ${parameters().has("table") ? table(found, chosen) : charts(list.bin, chosen)}
    <p class="quiet">IEC 61400-1 takes the turbulence of values each second, which is higher; nothing here is a class of it.</p>
    ${exports("/stats/distribution", of)}
    <h2>Profile by month and hour</h2>
    <div class="toolbar"><label class="above">Mean of <select @change=${(event: Event) => change({ variable: (event.target as HTMLSelectElement).value })}>
      ${Object.entries(variables).map(([name, label]) => html`<option value=${name} ?selected=${name === asked.variable}>${label}</option>`)}</select></label></div>
    ${profiles(profile, chosen)}
    ${exports("/stats/profile", { ...of, variable: asked.variable, ...(asked.tz ? { tz: asked.tz } : {}) })}
    <h2>Wind rose</h2>
    ${empty("A wind rose needs the wind's direction, which is not among the readings: they have wind speed, power and ambient temperature.")}`;
}

function charts(bin: number, chosen: Chosen): TemplateResult {
  return html`
    <p class="reading"></p>
    <figure class="plot"><figcaption><h2>Wind speed <span class="unit">% of the windows in a bin of ${bin} m/s; the thin line is the Weibull curve</span></h2>
      <span class="names">${chosen.turbines.map((one, i) => html`<span>${swatch(chosen.hues[i]!)}${one.name} <span class="value quiet" data-value="share-${one.id}"></span></span>`)}</span></figcaption>
      <div class="chart mid" data-distribution="share"></div></figure>
    <figure class="plot"><figcaption><h2>Turbulence <span class="unit">%, the deviation of one-minute values by their mean, from 3 m/s on; the thin line is what nine of ten windows stay below</span></h2>
      <span class="names">${chosen.turbines.map((one, i) => html`<span>${swatch(chosen.hues[i]!)}${one.name} <span class="value quiet" data-value="turbulence-${one.id}"></span></span>`)}</span></figcaption>
      <div class="chart mid" data-distribution="turbulence"></div></figure>`;
}

function table(found: (Distribution | undefined)[], chosen: Chosen): TemplateResult {
  return html`<div class="values" tabindex="0" role="region" aria-label="Bins"><table>
    <thead><tr><th scope="col">Turbine</th>${["From", "To"].map((name) => html`<th scope="col" class="number">${name} <span class="unit">m/s</span></th>`)}<th scope="col" class="number">Windows</th>
      ${["Share", "Turbulence", "Nine of ten below"].map((name) => html`<th scope="col" class="number">${name} <span class="unit">%</span></th>`)}</tr></thead>
    <tbody>${found.flatMap((one, i) => (one?.bins ?? []).map((bin) => html`<tr><th scope="row">${chosen.turbines[i]!.name}</th>
      <td class="number">${number(bin.lower, 2)}</td><td class="number">${number(bin.upper, 2)}</td><td class="number">${number(bin.count)}</td>
      ${[bin.count / one!.windows, bin.turbulence, bin.turbulence_representative].map((value) => html`<td class="number">${value === null ? "–" : number(100 * value, 2)}</td>`)}</tr>`))}</tbody></table></div>`;
}

function profiles({ variable, tz, rows }: Schemas["Profile"], chosen: Chosen): TemplateResult[] {
  const means = rows.map((row) => row.mean).filter((mean) => mean !== null);
  const [low, high] = [Math.min(...means), Math.max(...means)];
  const [name, unit] = variables[variable].split(", ") as [string, string];
  const digits = high - low < 30 ? 1 : 0;
  return chosen.turbines.map((one) => {
    const own = rows.filter((row) => row.turbine_id === one.id);
    return html`<h3>${one.name}</h3>${heat({
      label: `Mean ${name} of ${one.name} by month and hour`, corner: `Hour (${tz})`, fills: false,
      columns: Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, "0")),
      rows: months.flatMap((month, m) => {
        const hours = own.filter((row) => row.month === m + 1);
        return hours.length === 0 ? [] : [{ name: month, cells: hours.map(({ hour, mean, count }) => ({
          text: mean === null ? "–" : number(mean, digits),
          label: `${month}, ${hour} h: ${mean === null ? "nothing read" : `${number(mean, 2)} ${unit} by ${number(count)} readings`}`,
          share: mean === null ? undefined : high > low ? (mean - low) / (high - low) : 0.5,
        })) }];
      }),
    })}`;
  });
}

function draw(places: HTMLElement[], list: Schemas["DistributionList"], chosen: Chosen, signal: AbortSignal): void {
  const centre = (bin: Bin): number => Math.round((bin.lower + bin.upper) * 500) / 1000;
  const own = chosen.turbines.map((one) => list.turbines.find((other) => other.turbine_id === one.id));
  const top = Math.max(0, ...own.flatMap((one) => one?.bins.map(centre) ?? []));
  const centres = Array.from({ length: Math.round(top / list.bin) + 1 }, (_, i) => Math.round(i * list.bin * 1000) / 1000);
  const bins = own.map((one) => {
    const found = new Map(one?.bins.map((bin) => [centre(bin), bin]));
    return centres.map((at) => found.get(at));
  });
  if (top === 0) return;
  const kinds = {
    // A bin without windows has none of them, a turbine without windows no share.
    share: (bin: Bin | undefined, one: Distribution | undefined): number | null => (one && one.windows > 0 ? (100 * (bin?.count ?? 0)) / one.windows : null),
    turbulence: (bin: Bin | undefined): number | null => (bin?.turbulence == null ? null : 100 * bin.turbulence),
  };
  const texts = {
    share: (i: number, at: number): string => (own[i] ? `${number(kinds.share(bins[i]![at], own[i]) ?? 0, 2)} %, ${number(bins[i]![at]?.count ?? 0)} windows` : "no windows"),
    turbulence: (i: number, at: number): string => (bins[i]![at]?.turbulence == null ? "–" : `${number(100 * bins[i]![at]!.turbulence!, 1)} %, ${number(bins[i]![at]!.turbulence_count)} windows`),
  };
  const span = (at: number): string => `${number(Math.max(0, centres[at]! - list.bin / 2), 2)} to ${number(centres[at]! + list.bin / 2, 2)} m/s`;
  const made: uPlot[] = [];
  const point = together(() => made, (at) => {
    const line = document.querySelector(".reading");
    if (line) line.textContent = at === null ? "" : span(at);
    for (const kind of ["share", "turbulence"] as const) chosen.turbines.forEach((one, i) => {
      const place = document.querySelector(`[data-value="${kind}-${one.id}"]`);
      if (place) place.textContent = at === null ? "" : texts[kind](i, at);
    });
  });
  for (const place of places) {
    const kind = place.dataset["distribution"] as keyof typeof kinds;
    const chart = plot(
      place,
      {
        padding: [8, 16, 0, 0],
        scales: { x: { time: false, range: [0, top + list.bin] }, y: { range: [0, 1.05 * Math.max(1, ...own.flatMap((one, i) => bins[i]!.map((bin) => Math.max(kinds[kind](bin, one) ?? 0, kind === "turbulence" ? 100 * (bin?.turbulence_representative ?? 0) : 0))))] } },
        axes: [axis({ size: 28, label: "Wind speed, m/s" }), axis({ size: 56 })],
        series: [{}, ...chosen.hues.map((hue): uPlot.Series => ({
          ...stroke(hue), points: { show: false },
          ...(kind === "share" ? { fill: () => color(`series-${hue + 1}`, 0.12), paths: histogramPath(list.bin) } : {}),
        }))],
        cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
        hooks: { setCursor: [point], draw: [(u) => own.forEach((one, i) => one && drawThin(u, kind, one, list.bin, chosen.hues[i]!))] },
      },
      [centres, ...bins.map((all, i) => all.map((bin) => kinds[kind](bin, own[i])))],
      signal,
    );
    made.push(chart);
    keys(chart, place, kind === "share" ? "Wind speed, share of the windows by bin" : "Turbulence by wind speed", {
      read: (at) => `${span(at)}: ${chosen.turbines.map((one, i) => `${one.name} ${texts[kind](i, at)}`).join("; ")}`,
    }, signal);
  }
}

/** The outline of a histogram, each bin as wide as it is. */
function histogramPath(width: number): uPlot.Series.PathBuilder {
  return (chart, series) => {
    const path = new Path2D();
    const floor = chart.valToPos(0, "y", true);
    const x = (at: number): number => chart.valToPos(at, "x", true);
    const centres = chart.data[0]!;
    path.moveTo(x(centres[0]! - width / 2), floor);
    centres.forEach((at, i) => {
      const y = chart.valToPos(chart.data[series]![i] ?? 0, "y", true);
      path.lineTo(x(at - width / 2), y);
      path.lineTo(x(at + width / 2), y);
    });
    path.lineTo(x(centres.at(-1)! + width / 2), floor);
    return { stroke: path, fill: path, clip: null, band: null, gaps: [], flags: 0 };
  };
}

/** The thin line beside a series: the Weibull curve, or the representative turbulence. */
function drawThin(chart: uPlot, kind: "share" | "turbulence", one: Distribution, width: number, hue: number): void {
  const points: [number, number][] = [];
  if (kind === "turbulence") for (const bin of one.bins) bin.turbulence_representative !== null && points.push([(bin.lower + bin.upper) / 2, 100 * bin.turbulence_representative]);
  else if (one.weibull) {
    const { a, k } = one.weibull;
    const above = (u: number): number => Math.exp(-((Math.max(0, u) / a) ** k));
    for (let u = 0; u < chart.scales["x"]!.max!; u += width / 5) points.push([u, 100 * (above(u - width / 2) - above(u + width / 2))]);
  }
  const { ctx } = chart;
  ctx.save();
  ctx.strokeStyle = color(`series-${hue + 1}`);
  ctx.lineWidth = uPlot.pxRatio;
  ctx.setLineDash([]);
  ctx.beginPath();
  for (const [x, y] of points) ctx.lineTo(chart.valToPos(x, "x", true), chart.valToPos(y, "y", true));
  ctx.stroke();
  ctx.restore();
}
