// The page that signs a browser in, where the server asks who its clients are. It stands in
// the place of the view that was asked for, of which nothing is seen meanwhile; the
// address stays, and is read anew afterwards.
import { html, nothing, type TemplateResult } from "lit-html";
import { call } from "./api";
import { beginAnew } from "./live";
import type { Open } from "./main";
import { failure } from "./ui";

/** Asks for a token; ended is whose session was over, if it was one's. */
export const askFor = (ended: string | undefined): Open => ({ update }) => {
  let failed: unknown;
  let sending = false;
  let focused = false;
  const field = (): HTMLInputElement => document.querySelector<HTMLInputElement>("#token")!;
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    sending = true;
    update();
    try {
      await call("post", "/session", { body: { token: field().value.trim() } });
      beginAnew();
    } catch (error) {
      failed = error;
      sending = false;
      update();
    }
  };
  const render = (): TemplateResult => html`<form class="card signin" @submit=${send}>
    <h1>Sign in</h1>
    ${ended ? html`<p role="alert">The session of ${ended} has ended: its token was revoked, or its time has run out. What was shown comes back when you sign in.</p>` : nothing}
    <p>This server wants to know who asks. Whoever runs it makes tokens with <code>delfos token create</code>.</p>
    <label>Token <input id="token" type="password" autocomplete="current-password" required maxlength="3800"></label>
    ${failed ? failure(failed) : nothing}
    <div class="buttons"><button type="submit" class="primary" ?disabled=${sending}>Sign in</button></div>
  </form>`;
  const drawn = (): void => {
    if (!focused) field().focus();
    focused = true;
  };
  return { title: "Sign in", render, drawn };
};
