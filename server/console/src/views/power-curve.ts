// The operational power curve: the bins of each turbine on the density of its windows,
// what differs from the fleet's median, and the windows behind a place of it.
import { html, nothing, type TemplateResult } from "lit-html";
import uPlot from "uplot";
import { analysis, type Chosen, nothingInRange } from "../analysis";
import { get, type Schemas } from "../api";
import { axis, color, keys, plot, stroke, swatch, together } from "../chart";
import { byMedian, medians } from "../fleet";
import type { Flag } from "../flags";
import type { Open } from "../main";
import { instantText } from "../range";
import { exports, ids } from "../selection";
import { number, percent } from "../ui";
import { change, linkTo, parameters } from "../url";
import { cellText, type Cell, cellWindows } from "./cell";
import { leftOutWindows, readFlags, reasons } from "./leftout";

type Bin = Schemas["PowerCurveBin"];
type Curve = Schemas["PowerCurve"];

interface Answer {
  list: Schemas["PowerCurveList"]; // of the whole farm, as its median is wanted
  density: Schemas["PowerDensity"]; // of the turbines that are chosen
  flags: Flag[]; // that windows of them are left out for
}

interface Query {
  turbines: string[];
  start: string;
  before: string;
  bin: number;
  leave_out?: "flagged";
}

const widths = [0.25, 0.5, 1];
const bars = { std: "deviation", error: "standard error", none: "nothing" } as const;
type Bars = keyof typeof bars;

const chosenBars = (): Bars => (parameters().get("bars") ?? "std") in bars ? ((parameters().get("bars") ?? "std") as Bars) : "std";

export const open: Open = (context) => {
  let made = new AbortController();
  let madeAs = "";
  const windows = cellWindows(context);
  context.signal.addEventListener("abort", () => made.abort());

  const query = ({ range, turbines }: Chosen): Query => ({
    turbines: ids(turbines),
    start: instantText(range.start),
    before: instantText(range.end),
    bin: widths.find((one) => String(one) === parameters().get("bin")) ?? 0.5,
    ...(parameters().has("flagged") ? { leave_out: "flagged" } : {}),
  });

  const controls = (): TemplateResult => html`
    <label class="above">Bin <select @change=${(event: Event) => change({ bin: (event.target as HTMLSelectElement).value })}>
      ${widths.map((one) => html`<option value=${one} ?selected=${String(one) === (parameters().get("bin") ?? "0.5")}>${one} m/s</option>`)}</select></label>
    <label class="above">Bars show <select @change=${(event: Event) => change({ bars: (event.target as HTMLSelectElement).value })}>
      ${Object.entries(bars).map(([name, label]) => html`<option value=${name} ?selected=${name === chosenBars()}>${label}</option>`)}</select></label>
    <div class="group">
      <button type="button" aria-pressed=${parameters().has("flagged")} @click=${() => change({ flagged: !parameters().has("flagged") })}>Leave out flagged</button>
      <button type="button" aria-pressed=${parameters().has("table")} @click=${() => change({ table: !parameters().has("table") })}>Table</button>
    </div>`;

  const body = ({ list, flags }: Answer, chosen: Chosen): TemplateResult => {
    const curves = chosen.turbines.map((one) => list.curves.find((curve) => curve.turbine_id === one.id));
    if (curves.every((curve) => !curve || curve.windows + Object.keys(curve.left_out).length === 0)) return nothingInRange(chosen, "power-curve", "windows with wind speed and power");
    return html`
      <p class="quiet">Not a test by IEC: the wind speed is that of each turbine's own anemometer, and nothing is corrected. A bin stands at the means of its windows; one of fewer than three windows is hollow. Bars show ${bars[chosenBars()]}.</p>
      ${parameters().has("table") ? table(curves, chosen) : charts(curves, chosen, list.curves.length, flags)}
      ${windows.render(chosen)}
      ${leftOutWindows(flags, chosen)}
      ${list.curves.length > 1 ? fleet(list.curves, chosen) : nothing}
      ${exports("/stats/power-curve", query(chosen))}`;
  };

  const drawn = (value: Answer, chosen: Chosen, anew: boolean): void => {
    windows.load(chosen);
    const places = [...document.querySelectorAll<HTMLElement>("[data-curve]")];
    const wanted = places.length > 0 ? JSON.stringify([chosen.turbines.map((one) => one.id), chosenBars()]) : "";
    if (wanted === madeAs && !anew) return;
    made.abort();
    made = new AbortController();
    madeAs = wanted;
    if (places.length > 0) draw(places, value, chosen, made.signal);
  };

  return analysis<Query, Answer>(context, {
    view: "power-curve",
    title: "Power curve",
    heading: "Operational power curve, binned as IEC 61400-12-1",
    controls,
    query,
    read: async ({ turbines, bin, ...asked }, signal) => {
      const [list, density] = await Promise.all([get("/stats/power-curve", { ...asked, bin }, signal), get("/stats/power-density", { ...asked, turbines }, signal)]);
      const flags = Object.keys(density.left_out).length > 0 ? await readFlags({ ...asked, turbines }, signal) : [];
      return { list, density, flags };
    },
    body,
    drawn,
  });
};

function signed(value: number, text: string): string {
  return value > 0 ? `+${text}` : value < 0 ? `−${text}` : text;
}

function coverage(curve: Curve | undefined, flags: Flag[]): string {
  if (!curve) return "no windows";
  const left = Object.entries(curve.left_out).map(([reason, count]) => `${number(count)} ${reason} (${reasons(flags, curve.turbine_id!)})`);
  return `${number(curve.windows)} of ${number(curve.expected)} windows${left.length > 0 ? `; left out: ${left.join(", ")}` : ""}`;
}

const rest = "Shaded by the number of windows of these turbines; × where some are left out, for the reasons below. Click on a place, or press Enter on a bin, to list its windows.";

function charts(curves: (Curve | undefined)[], chosen: Chosen, fleetSize: number, flags: Flag[]): TemplateResult {
  return html`<p class="reading" data-rest=${rest}>${rest}</p>
    <figure class="plot">
      <figcaption><h2>Power <span class="unit">kW</span></h2><span class="names">${chosen.turbines.map((one, i) => html`<span>${swatch(chosen.hues[i]!)}${one.name}
        <span class="quiet wide" data-value=${one.id} data-rest=${coverage(curves[i], flags)}>${coverage(curves[i], flags)}</span></span>`)}</span></figcaption>
      <div class="chart tall" data-curve="power"></div>
    </figure>
    <figure class="plot">
      <figcaption><h2>Difference from the fleet's median <span class="unit">kW</span></h2></figcaption>
      ${fleetSize > 1 ? html`<div class="chart low" data-curve="difference"></div>` : html`<div class="empty"><p>A median needs two turbines with values; the farm has one.</p></div>`}
    </figure>`;
}

function table(curves: (Curve | undefined)[], chosen: Chosen): TemplateResult {
  return html`<div class="values" tabindex="0" role="region" aria-label="Bins"><table>
    <thead><tr><th scope="col">Turbine</th>${["From", "To", "Wind speed"].map((name) => html`<th scope="col" class="number">${name} <span class="unit">m/s</span></th>`)}
      ${["Power", "Deviation", "Standard error"].map((name) => html`<th scope="col" class="number">${name} <span class="unit">kW</span></th>`)}<th scope="col" class="number">Windows</th><th scope="col">Complete</th></tr></thead>
    <tbody>${curves.flatMap((curve, i) => (curve?.bins ?? []).map((bin) => html`<tr><th scope="row">${chosen.turbines[i]!.name}</th>
      ${[bin.lower, bin.upper, bin.wind_speed].map((one) => html`<td class="number">${number(one, 2)}</td>`)}
      ${[bin.power, bin.power_std, bin.power_standard_error].map((one) => html`<td class="number">${one === null ? "–" : number(one, 1)}</td>`)}
      <td class="number">${number(bin.count)}</td><td>${bin.complete ? "yes" : "no"}</td></tr>`))}</tbody></table></div>`;
}

/** Each turbine of the farm against the median of all, the one that differs most first. */
function fleet(curves: Curve[], chosen: Chosen): TemplateResult {
  const rows = byMedian(curves).sort((a, b) => Math.abs(b.difference ?? 0) - Math.abs(a.difference ?? 0));
  return html`<section><h2>Turbines against the fleet's median</h2>
    <p class="quiet">The power of a turbine's complete bins above or below the median of all turbines in the same bins, weighted by its windows.</p>
    <div class="values" tabindex="0" role="region" aria-label="Turbines against the fleet's median"><table>
      <thead><tr><th scope="col">Turbine</th><th scope="col" class="number">Difference</th><th scope="col" class="number">Windows</th><th scope="col" class="number">Coverage</th><th scope="col" class="number">Left out</th></tr></thead>
      <tbody>${rows.map(({ curve, difference }) => {
        const one = chosen.farm.turbines.find((turbine) => turbine.id === curve.turbine_id);
        const left = Object.values(curve.left_out).reduce((sum, count) => sum + count, 0);
        return html`<tr><th scope="row"><a href=${linkTo("power-curve", { ...Object.fromEntries(parameters()), view: "power-curve", cell: undefined, turbines: curve.turbine_id })}>${one?.name ?? curve.turbine_id}</a></th>
          <td class="number">${difference === undefined ? "–" : signed(difference, percent(Math.abs(difference)))}</td>
          <td class="number">${number(curve.windows)}</td><td class="number">${curve.expected > 0 ? percent((curve.windows + left) / curve.expected) : "–"}</td><td class="number">${number(left)}</td></tr>`;
      })}</tbody></table></div></section>`;
}

function draw(places: HTMLElement[], { list: value, density }: Answer, chosen: Chosen, signal: AbortSignal): void {
  const centre = (bin: Bin): number => Math.round((bin.lower + bin.upper) * 500) / 1000;
  const centres = [...new Set(value.curves.flatMap((curve) => curve.bins.map(centre)))].sort((a, b) => a - b);
  if (centres.length === 0) return;
  const median = medians(value.curves);
  const bins = chosen.turbines.map((one) => {
    const found = new Map(value.curves.find((curve) => curve.turbine_id === one.id)?.bins.map((bin) => [centre(bin), bin]));
    return centres.map((at) => found.get(at));
  });
  const difference = (bin: Bin): number | undefined => {
    const of = median.get(bin.lower);
    return of === undefined || !bin.complete ? undefined : bin.power - of;
  };
  const made: uPlot[] = [];
  const span = (index: number): string => `${number(centres[index]! - value.bin / 2, 2)} to ${number(centres[index]! + value.bin / 2, 2)} m/s`;
  const ofTurbine = (i: number, index: number): string => {
    const bin = bins[i]![index];
    if (!bin) return "no windows";
    const off = difference(bin);
    return `${number(bin.power)} kW${bin.power_std === null ? "" : ` ± ${number(bin.power_std)}`}, ${number(bin.count)} windows${off === undefined ? "" : `, ${signed(off, number(Math.abs(off)))} to the median`}`;
  };
  const said = (index: number): string => `${span(index)}: ${chosen.turbines.map((one, i) => `${one.name} ${ofTurbine(i, index)}`).join("; ")}`;
  const point = together(() => made, (index) => {
    chosen.turbines.forEach((one, i) => {
      const place = document.querySelector(`[data-value="${one.id}"]`);
      if (place) place.textContent = index === null ? place.getAttribute("data-rest") : ofTurbine(i, index);
    });
    const line = document.querySelector(".reading");
    if (line) line.textContent = index === null ? rest : span(index);
  });
  const choose = (cell: Cell): void => change({ cell: cellText(cell) });

  for (const place of places) {
    const y = place.dataset["curve"] === "power" ? (bin: Bin): number | undefined => bin.power : difference;
    const chart = plot(
      place,
      {
        padding: [8, 16, 0, 0],
        scales: { x: { time: false, range: [0, centres.at(-1)! + value.bin] }, y: { range: (_, low, high) => uPlot.rangeNum(low ?? 0, high ?? 1, 0.1, true) } },
        axes: [axis({ size: 28, ...(y === difference ? {} : { label: "Wind speed, m/s" }) }), axis({ size: 56 })],
        series: [{}, ...chosen.hues.map((hue, i): uPlot.Series => ({ ...stroke(hue), points: { show: false }, paths: curvePath(bins[i]!, y) }))],
        cursor: { y: true, drag: { x: false, y: false }, points: { show: false } },
        hooks: {
          setCursor: [point],
          drawAxes: y === difference ? [] : [(u) => drawDensity(u, density)],
          draw: [(u) => chosen.hues.forEach((hue, i) => drawBins(u, bins[i]!, y, hue, y === difference ? "none" : chosenBars()))],
        },
      },
      [centres, ...bins.map((one) => one.map((bin) => (bin ? (y(bin) ?? null) : null)))],
      signal,
    );
    made.push(chart);
    const label = y === difference ? "Difference from the fleet's median, kW by wind speed" : "Power curve, kW by wind speed";
    keys(chart, place, label, { read: said, enter: (index) => choose({ lower: centres[index]! - value.bin / 2, upper: centres[index]! + value.bin / 2 }) }, signal);
    if (y === difference) continue;
    chart.over.addEventListener("click", (event) => {
      const [speed, power] = [chart.posToVal(event.offsetX, "x"), chart.posToVal(event.offsetY, "y")];
      const [width, height] = [density.wind_speed_size ?? 1, density.power_size ?? 1];
      const [lower, least] = [Math.floor(speed / width) * width, Math.floor(power / height) * height];
      choose({ lower, upper: lower + width, least, most: least + height });
    });
  }
}

/** A line through the complete bins, broken where one is missing. */
function curvePath(bins: (Bin | undefined)[], y: (bin: Bin) => number | undefined): uPlot.Series.PathBuilder {
  return (chart) => {
    const path = new Path2D();
    let on = false;
    for (const bin of bins) {
      const value = bin?.complete ? y(bin) : undefined;
      if (bin && value !== undefined) path[on ? "lineTo" : "moveTo"](chart.valToPos(bin.wind_speed, "x", true), chart.valToPos(value, "y", true));
      on = value !== undefined;
    }
    return { stroke: path, fill: null, clip: null, band: null, gaps: [], flags: 0 };
  };
}

/** The cells of the density, darker where they have more windows, and crosses where windows are left out. */
function drawDensity(chart: uPlot, { cells, left_out_cells: leftOut, wind_speed_size: width = 1, power_size: height = 1 }: Schemas["PowerDensity"]): void {
  const { ctx } = chart;
  const most = Math.log1p(Math.max(...cells.map(({ count }) => count), 1));
  const box = (speed: number, power: number): [number, number, number, number] => {
    const [left, bottom] = [chart.valToPos(speed, "x", true), chart.valToPos(power, "y", true)];
    return [left, bottom, chart.valToPos(speed + width, "x", true) - left, chart.valToPos(power + height, "y", true) - bottom];
  };
  ctx.save();
  for (const { wind_speed: speed, power, count } of cells) {
    ctx.fillStyle = color("accent", 0.08 + 0.42 * (Math.log1p(count) / most));
    ctx.fillRect(...box(speed, power));
  }
  ctx.strokeStyle = color("missing");
  ctx.lineWidth = uPlot.pxRatio;
  ctx.beginPath();
  for (const { wind_speed: speed, power } of leftOut) {
    const [left, bottom, across, up] = box(speed, power);
    const [x, y, arm] = [left + across / 2, bottom + up / 2, 3 * uPlot.pxRatio];
    ctx.moveTo(x - arm, y - arm);
    ctx.lineTo(x + arm, y + arm);
    ctx.moveTo(x - arm, y + arm);
    ctx.lineTo(x + arm, y - arm);
  }
  ctx.stroke();
  ctx.restore();
}

function drawBins(chart: uPlot, bins: (Bin | undefined)[], y: (bin: Bin) => number | undefined, hue: number, as: Bars): void {
  const { ctx } = chart;
  const unit = uPlot.pxRatio;
  ctx.save();
  ctx.setLineDash([]);
  ctx.strokeStyle = color(`series-${hue + 1}`);
  for (const bin of bins) {
    const value = bin && y(bin);
    if (!bin || value === undefined) continue;
    const at = chart.valToPos(bin.wind_speed, "x", true);
    const off = as === "none" ? null : as === "std" ? bin.power_std : bin.power_standard_error;
    if (off !== null) {
      ctx.lineWidth = unit;
      ctx.beginPath();
      ctx.moveTo(at, chart.valToPos(value - off, "y", true));
      ctx.lineTo(at, chart.valToPos(value + off, "y", true));
      ctx.stroke();
    }
    ctx.lineWidth = 1.5 * unit;
    ctx.fillStyle = bin.complete ? ctx.strokeStyle : color("ground");
    ctx.beginPath();
    ctx.arc(at, chart.valToPos(value, "y", true), 3 * unit, 0, 2 * Math.PI);
    ctx.fill();
    ctx.stroke();
  }
  ctx.restore();
}
