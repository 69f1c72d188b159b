// A question that has to be answered before anything else.
import { render, type TemplateResult } from "lit-html";

export interface Dialog {
  update: () => void;
  close: () => void;
}

/** Opens a dialog over the page; signal, or Escape, closes it. */
export function openDialog(content: () => TemplateResult, signal: AbortSignal): Dialog {
  const element = document.createElement("dialog");
  const update = (): void => void render(content(), element);
  const close = (): void => element.close();
  const left = new AbortController();
  signal.addEventListener("abort", close, { signal: left.signal });
  element.addEventListener("close", () => {
    left.abort();
    element.remove();
  });
  element.setAttribute("aria-labelledby", "dialog-title");
  document.body.append(element);
  update();
  element.showModal();
  return { update, close };
}
