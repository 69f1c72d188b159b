// Why windows are left out of the power curve: the flags that do it, and the windows.
import { html, nothing, type TemplateResult } from "lit-html";
import type { Chosen } from "../analysis";
import { get, type Query } from "../api";
import { type Flag, flagRuns } from "../flags";
import { hour, instantText } from "../range";
import { instant, zone } from "../time";
import { number } from "../ui";
import { linkTo } from "../url";

const shown = 100;

/** The flags that windows of the curve are left out for: all, or those of checks that block. */
export async function readFlags({ start, before, turbines, leave_out: all }: Query<"/stats/power-density">, signal: AbortSignal): Promise<Flag[]> {
  const { flags } = await get("/flags", { start, before, turbines } as Query<"/flags">, signal);
  const ofCurve = flags.filter(({ variable }) => variable === "wind_speed" || variable === "power");
  if (all) return ofCurve;
  const { checks } = await get("/checks", { status: "block", from: start.slice(0, 10), to: before!.slice(0, 10) }, signal);
  return ofCurve.filter((flag) => checks.some(({ check, variable }) => check === flag.check && variable === flag.variable));
}

/** "frozen 72, power_curve 2": how many windows of a turbine each check has flagged. */
export function reasons(flags: Flag[], turbine: number): string {
  const counts = new Map<string, Set<string>>();
  for (const flag of flags) if (flag.turbine_id === turbine) counts.set(flag.check, (counts.get(flag.check) ?? new Set()).add(flag.timestamp));
  return [...counts].map(([check, windows]) => `${check} ${number(windows.size)}`).join(", ");
}

/** The windows that are left out, those in a row together, each with its reason. */
export function leftOutWindows(flags: Flag[], { turbines }: Chosen): TemplateResult | typeof nothing {
  const runs = flagRuns(flags);
  if (runs.length === 0) return nothing;
  return html`<section aria-label="Left out"><h2>Left out, by reason</h2>
    ${runs.length > shown ? html`<p class="quiet">The first ${number(shown)} of ${number(runs.length)}.</p>` : nothing}
    <div class="values" tabindex="0" role="region" aria-label="Windows that are left out"><table>
      <thead><tr><th scope="col">From (${zone()})</th><th scope="col">To</th><th scope="col">Turbine</th><th scope="col" class="number">Windows</th><th scope="col">Check</th><th scope="col">Reason</th></tr></thead>
      <tbody>${runs.slice(0, shown).map(({ from, to, turbine_id: id, windows, check, variable, detail }) => html`<tr>
        <th scope="row"><a href=${linkTo("data", { start: instantText(from - hour), end: instantText(to + hour), turbines: id })}>${instant(from)}</a></th><td>${instant(to)}</td>
        <td>${turbines.find((one) => one.id === id)?.name ?? id}</td><td class="number">${number(windows)}</td><td>${check} of ${variable.replaceAll("_", " ")}</td><td>${detail}</td></tr>`)}</tbody></table></div>
  </section>`;
}
