// The dialog that forgets a day.
import { html, nothing, type TemplateResult } from "lit-html";
import { call } from "./api";
import { openDialog } from "./dialog";
import { absolute, failure, sameElsewhere } from "./ui";
import { go, linkToDays } from "./url";

/** Asks whether a day is to be forgotten, and forgets it. */
export function openForget(day: string, left: AbortSignal): void {
  let force = false;
  let sending = false;
  let failed: unknown;
  const forget = async (): Promise<void> => {
    [sending, failed] = [true, undefined];
    dialog.update();
    try {
      await call("delete", "/partitions/{day}", { path: { day }, query: { force } });
      dialog.close();
      go(linkToDays(day));
    } catch (error) {
      [sending, failed] = [false, error];
      dialog.update();
    }
  };
  const content = (): TemplateResult => html`<form method="dialog" @submit=${(event: Event) => { event.preventDefault(); void forget(); }}>
    <h2 id="dialog-title">Forget ${day}</h2>
    <p>Its values, its state, its attempts and the results of its checks are removed, and what waits to load it leaves the queue. The day is missing afterwards, and the schedule does not ask for it.</p>
    <label><input type="checkbox" .checked=${force} @change=${(event: Event) => { force = (event.target as HTMLInputElement).checked; dialog.update(); }}> Even if the source has samples of it, so that a run would load it again</label>
    ${failed ? failure(failed) : nothing}
    <div class="buttons">
      <button type="submit" class="primary" ?disabled=${sending}>${sending ? "Forgetting …" : "Forget the day"}</button>
      <button type="button" @click=${() => dialog.close()}>Close</button>
    </div>
    ${sameElsewhere(`curl -X DELETE "${absolute(`partitions/${day}${force ? "?force=true" : ""}`)}"`, `delfos partitions forget ${day}${force ? " --force" : ""}`)}
  </form>`;
  const dialog = openDialog(content, left);
}
