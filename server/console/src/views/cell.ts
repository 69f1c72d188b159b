// The windows of one place of the power curve: a bin of wind speed, or a part of it.
import { html, nothing, type TemplateResult } from "lit-html";
import type { Chosen } from "../analysis";
import { get } from "../api";
import { table } from "../arrow";
import type { Flag } from "../flags";
import type { Context } from "../main";
import { hour, instantText } from "../range";
import { ids } from "../selection";
import { instant, zone } from "../time";
import { failure, number } from "../ui";
import { change, linkTo, parameters } from "../url";

/** A range of wind speed, and of power unless all of it is meant; the upper ends are not included. */
export interface Cell {
  lower: number;
  upper: number;
  least?: number;
  most?: number;
}

/** A cell as the address has it. */
export function cellText({ lower, upper, least, most }: Cell): string {
  return [lower, upper, least, most].filter((one) => one !== undefined).map((one) => Number(one.toFixed(3))).join(",");
}

/** The cell of the address, if it has one. */
function cellOfAddress(): Cell | undefined {
  const [lower, upper, least, most] = (parameters().get("cell") ?? "").split(",").map(Number);
  if (upper === undefined || !(lower! < upper)) return undefined;
  return most === undefined ? { lower: lower!, upper } : { lower: lower!, upper, least: least!, most };
}

interface Found {
  at: number;
  turbine: number;
  speed: number;
  power: number;
  flags: Flag[];
}

const shown = 100;

/** Reads what the checks say against the windows. */
async function addFlags(windows: Found[], signal: AbortSignal): Promise<void> {
  if (windows.length === 0) return;
  const times = windows.map(({ at }) => at);
  const turbines = [...new Set(windows.map(({ turbine }) => turbine))].map(String);
  const { flags } = await get("/flags", { start: instantText(Math.min(...times)), end: instantText(Math.max(...times)), turbines }, signal);
  const byWindow = new Map(windows.map((one) => [`${one.turbine} ${one.at}`, one]));
  for (const flag of flags) {
    if (flag.variable === "wind_speed" || flag.variable === "power") byWindow.get(`${flag.turbine_id} ${Date.parse(flag.timestamp)}`)?.flags.push(flag);
  }
}

/** Reads and shows the windows of the cell that the address names. */
export function cellWindows({ signal, update }: Context): { load: (chosen: Chosen) => void; render: (chosen: Chosen) => TemplateResult | typeof nothing } {
  let found: Found[] | undefined;
  let error: unknown;
  let asked = "";
  let loading = new AbortController();
  signal.addEventListener("abort", () => loading.abort());

  const load = async ({ range, turbines }: Chosen): Promise<void> => {
    const cell = cellOfAddress();
    const query = { start: instantText(range.start), before: instantText(range.end), turbines: ids(turbines), signals: ["wind_speed_mean", "power_mean"], wide: true };
    const wanted = cell ? JSON.stringify([query, cell]) : "";
    if (wanted === asked) return;
    asked = wanted;
    found = error = undefined;
    loading.abort();
    loading = new AbortController();
    const mine = loading.signal;
    update();
    if (!cell) return;
    try {
      const read = await table("/windows", query, mine);
      const [times, ids, speeds, powers] = ["timestamp", "turbine_id", "wind_speed_mean", "power_mean"].map(read.column);
      found = [];
      for (let row = 0; row < read.rows; row++) {
        const [speed, power] = [speeds![row]!, powers![row]!];
        // A value that is null is in no cell.
        if (speed >= cell.lower && speed < cell.upper && speeds![row] !== null && powers![row] !== null && power >= (cell.least ?? -Infinity) && power < (cell.most ?? Infinity))
          found.push({ at: times![row]!, turbine: ids![row]!, speed, power, flags: [] });
      }
      // What is odd comes first.
      const mean = found.reduce((sum, one) => sum + one.power, 0) / found.length;
      found.sort((a, b) => Math.abs(b.power - mean) - Math.abs(a.power - mean));
      await addFlags(found.slice(0, shown), mine);
    } catch (cause) {
      if (mine.aborted) return;
      error = cause;
    }
    update();
  };

  const render = ({ turbines }: Chosen): TemplateResult | typeof nothing => {
    const cell = cellOfAddress();
    if (!cell) return nothing;
    const where = `${number(cell.lower, 2)} to ${number(cell.upper, 2)} m/s${cell.most === undefined ? "" : ` and ${number(cell.least!)} to ${number(cell.most)} kW`}`;
    return html`<section aria-label="Windows of a place"><h2>Windows of ${where} <button type="button" @click=${() => change({ cell: undefined })}>Close</button></h2>
      ${error ? failure(error, () => ((asked = ""), update())) : !found ? html`<p>Reading the windows …</p>` : html`
        <p>${found.length === 0 ? "There are none of these turbines; click nearer to the curve." : found.length > shown ? `${number(found.length)} windows; the ${shown} whose power is farthest from their mean:` : `${number(found.length)} ${found.length === 1 ? "window" : "windows, by their distance from their mean power"}`}</p>
        ${found.length === 0 ? nothing : html`<div class="values" tabindex="0" role="region" aria-label="Windows"><table>
          <thead><tr><th scope="col">Window (${zone()})</th><th scope="col">Turbine</th><th scope="col" class="number">Wind speed <span class="unit">m/s</span></th><th scope="col" class="number">Power <span class="unit">kW</span></th><th scope="col">Flagged</th></tr></thead>
          <tbody>${found.slice(0, shown).map(({ at, turbine, speed, power, flags }) => html`<tr>
            <th scope="row"><a href=${linkTo("data", { start: instantText(at - 6 * hour), end: instantText(at + 6 * hour), turbines: turbine })}>${instant(at)}</a></th>
            <td>${turbines.find((one) => one.id === turbine)?.name}</td><td class="number">${number(speed, 2)}</td><td class="number">${number(power, 1)}</td><td>${flags.map(({ check, detail }) => `${check}: ${detail}`).join("; ")}</td></tr>`)}</tbody></table></div>`}`}
    </section>`;
  };
  return { load: (chosen) => void load(chosen), render };
}
