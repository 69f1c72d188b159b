// The dialog that signs a browser in, where the server asks who its clients are. What
// it was asked for stays in the address, which is read anew afterwards.
import { html, nothing, type TemplateResult } from "lit-html";
import { call } from "./api";
import { openDialog } from "./dialog";
import { failure } from "./ui";

/** Asks for a token, unless that is being asked already. */
export function askToken(): void {
  if (document.querySelector("#token")) return;
  let failed: unknown;
  let sending = false;
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    const token = document.querySelector<HTMLInputElement>("#token")?.value.trim() ?? "";
    sending = true;
    dialog.update();
    try {
      await call("post", "/session", { body: { token } });
      location.reload();
    } catch (error) {
      failed = error;
      sending = false;
      dialog.update();
    }
  };
  const content = (): TemplateResult => html`<form @submit=${send}>
    <h2 id="dialog-title">Sign in</h2>
    <p>This server wants to know who asks. Whoever runs it makes tokens with <code>delfos token create</code>.</p>
    <label>Token <input id="token" type="password" autocomplete="current-password" required maxlength="3800"></label>
    ${failed ? failure(failed) : nothing}
    <div class="buttons"><button type="submit" class="primary" ?disabled=${sending}>Sign in</button></div>
  </form>`;
  const dialog = openDialog(content, new AbortController().signal);
}
