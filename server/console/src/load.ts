// The dialog that loads days: what a dry run says by reason, then the run.
import { html, nothing, type TemplateResult } from "lit-html";
import { absolute, days as inDays, failure, number, sameElsewhere } from "./ui";
import { call, type Partition, type Schemas } from "./api";
import type { Range } from "./days";
import { openDialog, type Dialog } from "./dialog";
import { daysBetween } from "./time";
import { go, linkTo } from "./url";

type Scope = Schemas["RunScope"];
type Plan = Schemas["RunPlan"];

const reasons = ["missing", "failed", "stale"] as const satisfies Scope[];
const said: Record<Scope, string> = {
  missing: "never loaded, or not since they ended",
  failed: "the last attempt failed",
  stale: "the source has changed since they were loaded",
  all: "every day; what is unchanged writes nothing",
};

/** Asks how to load a range of days; days are those of the range that are known here. */
export function openLoad(range: Range, days: Partition[], left: AbortSignal): void {
  void new Load(range, days, left);
}

class Load {
  private readonly dialog: Dialog;
  private readonly total: number;
  private chosen: Scope | "behind" = "behind";
  private allowEmpty = false;
  private stopOnFailure = false;
  private parallel: number | undefined;
  private plans = new Map<Scope, Plan | "asking" | { error: unknown }>();
  private sending = false;
  private failed: unknown;

  constructor(
    private readonly range: Range,
    private readonly days: Partition[],
    private readonly left: AbortSignal,
  ) {
    this.total = daysBetween(range.from, range.to) + 1;
    const wanted = days.length < this.total || days.some(({ state }) => (reasons as readonly string[]).includes(state) || state === "cancelled");
    if (!wanted) this.chosen = "all";
    this.dialog = openDialog(() => this.content(), left);
    // The source is asked each time, so a long range is not asked for what nobody chose.
    this.plan();
  }

  private scopes(): Scope[] {
    return this.chosen === "behind" ? [...reasons] : [this.chosen];
  }

  private body(only: Scope): Schemas["RunRequest"] {
    const body: Schemas["RunRequest"] = { ...this.range, only, dry_run: false, allow_empty: this.allowEmpty, allow_dates: false, stop_on_failure: this.stopOnFailure };
    if (this.parallel) body.parallel = this.parallel;
    return body;
  }

  private plan(): void {
    for (const scope of this.scopes()) {
      if (this.plans.has(scope)) continue;
      this.plans.set(scope, "asking");
      call("post", "/runs", { body: { ...this.body(scope), dry_run: true }, signal: this.left })
        .then((plan) => this.plans.set(scope, plan), (error: unknown) => this.plans.set(scope, { error }))
        .finally(() => this.dialog.update());
    }
    this.dialog.update();
  }

  private async start(): Promise<void> {
    this.sending = true;
    this.failed = undefined;
    this.dialog.update();
    const started: number[] = [];
    try {
      for (const scope of this.scopes()) {
        const plan = this.plans.get(scope);
        if (this.chosen === "behind" && typeof plan === "object" && "partitions" in plan && plan.partitions === 0) continue;
        const { id } = await call("post", "/runs", { body: this.body(scope) });
        if (id !== undefined) started.push(id);
      }
      this.dialog.close();
      go(linkTo("runs", { run: started.length === 1 ? started[0] : undefined }));
    } catch (error) {
      this.failed = error;
      this.sending = false;
      this.dialog.update();
    }
  }

  private content(): TemplateResult {
    const { from, to } = this.range;
    const plans = this.scopes().map((scope) => this.plans.get(scope));
    const known = plans.filter((plan): plan is Plan => typeof plan === "object" && "partitions" in plan);
    const refused = plans.find((plan) => typeof plan === "object" && "error" in plan);
    const asking = plans.includes("asking");
    const sum = (of: (plan: Plan) => number | undefined): number => known.reduce((total, plan) => total + (of(plan) ?? 0), 0);
    const wanted = sum((plan) => plan.partitions);
    return html`<form method="dialog" @submit=${(event: Event) => { event.preventDefault(); void this.start(); }}>
      <h2 id="dialog-title">Load ${from === to ? from : `${from} to ${to}`}</h2>
      <fieldset>
        <legend>Which of the ${inDays(this.total)}</legend>
        ${this.choice("behind", "Not up to date", "missing, failed and stale")}
        ${[...reasons, "all" as const].map((scope) => this.choice(scope, `${scope[0]!.toUpperCase()}${scope.slice(1)}`, said[scope]))}
      </fieldset>
      <div class="plan" role="status">
        ${refused
          ? failure((refused as { error: unknown }).error, () => { this.plans.clear(); this.plan(); })
          : asking
            ? html`<p class="quiet">Asking the source and the ledger …</p>`
            : html`<p><b class="figure">${number(wanted)}</b> ${wanted === 1 ? "day" : "days"} would be loaded${this.chosen === "behind" ? html`: ${reasons.map((reason, at) => `${at > 0 ? ", " : ""}${reason} ${number(known.find((plan) => plan.only === reason)?.partitions ?? 0)}`)}` : nothing}.</p>
                ${this.removal(known, sum)}`}
      </div>
      <fieldset>
        <legend>How</legend>
        ${this.option("Remove values that the source no longer has samples of", "allowEmpty")}
        ${this.option("Stop at the first day that fails", "stopOnFailure")}
        <label>At once, at most <input type="number" min="1" max="1000" placeholder="all workers" .value=${String(this.parallel ?? "")} @input=${(event: Event) => { this.parallel = (event.target as HTMLInputElement).valueAsNumber || undefined; this.dialog.update(); }}> days</label>
      </fieldset>
      ${this.failed ? failure(this.failed) : nothing}
      <div class="buttons">
        <button type="submit" class="primary" ?disabled=${this.sending || asking || refused !== undefined || wanted === 0}>${this.sending ? "Starting …" : "Confirm"}</button>
        <button type="button" @click=${() => this.dialog.close()}>Close</button>
      </div>
      ${this.elsewhere()}
    </form>`;
  }

  private removal(known: Plan[], sum: (of: (plan: Plan) => number | undefined) => number): TemplateResult | typeof nothing {
    if (known.some((plan) => plan.removed_values === undefined)) return html`<p class="quiet">The source cannot tell now whether values would be removed.</p>`;
    const removed = sum((plan) => plan.removed_values);
    if (removed === 0) return html`<p class="quiet">No values would be removed.</p>`;
    const days = sum((plan) => plan.refused_days);
    return html`<p>The source has no samples any more of ${number(removed)} values. ${
      this.allowEmpty ? "They will be removed." : `They stay${days > 0 ? `, and ${inDays(days)} will fail` : ""}, unless you permit their removal below.`
    }</p>`;
  }

  private choice(scope: Scope | "behind", label: string, meaning: string): TemplateResult {
    const count = this.days.filter(({ state }) => scope === "all" || matches(state, scope)).length;
    return html`<label class="choice"><input type="radio" name="only" .checked=${this.chosen === scope} @change=${() => { this.chosen = scope; this.plan(); }}>
      <span>${label} <b>${this.days.length < this.total ? nothing : number(count)}</b> <span class="quiet">${meaning}</span></span></label>`;
  }

  private option(label: string, name: "allowEmpty" | "stopOnFailure"): TemplateResult {
    const change = (event: Event): void => {
      this[name] = (event.target as HTMLInputElement).checked;
      this.dialog.update();
    };
    return html`<label><input type="checkbox" .checked=${this[name]} @change=${change}> ${label}</label>`;
  }

  private elsewhere(): TemplateResult {
    const scopes = this.scopes();
    const curl = (scope: Scope): string => `curl "${absolute("runs")}" -H "Content-Type: application/json" -d '${JSON.stringify(trimmed(this.body(scope)))}'`;
    const delfos = (scope: Scope): string =>
      `delfos runs start --from ${this.range.from} --to ${this.range.to}${scope === "all" ? "" : ` --only ${scope}`}${this.allowEmpty ? " --allow-empty" : ""}${this.stopOnFailure ? " --stop-on-failure" : ""}${this.parallel ? ` --parallel ${this.parallel}` : ""}`;
    return sameElsewhere(...scopes.map(curl), ...scopes.map(delfos));
  }
}

function matches(state: Partition["state"], scope: Scope | "behind"): boolean {
  const reason = state === "cancelled" ? "missing" : state;
  return scope === "behind" ? (reasons as readonly string[]).includes(reason) : reason === scope;
}

// Without what is as it would be anyway.
function trimmed(body: Schemas["RunRequest"]): object {
  return Object.fromEntries(Object.entries(body).filter(([name, value]) => value !== false && !(name === "only" && value === "all")));
}
