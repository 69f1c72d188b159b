// The icons of states as pictures in their hues. A mask, which takes its hue from the
// style sheet, is drawn on a layer of its own: too slow for the cells of years.
import { type State } from "./api";
import { states } from "./ui";

/** Gives each data-state within the selector its picture as --icon, in the theme's hue. */
export function paintIcons(selector: string, signal: AbortSignal): void {
  const sheet = new CSSStyleSheet();
  const paint = (): void => {
    const probe = document.createElement("span");
    probe.className = "icon";
    document.body.append(probe);
    const rules = (Object.keys(states) as State[]).map((state) => {
      probe.dataset["state"] = state;
      const style = getComputedStyle(probe);
      return `${selector} [data-state="${state}"] { --icon: ${style.getPropertyValue("--shape").replaceAll("%23000", encodeURIComponent(style.backgroundColor))}; }`;
    });
    probe.remove();
    sheet.replaceSync(rules.join("\n"));
  };
  paint();
  document.adoptedStyleSheets.push(sheet);
  addEventListener("themechange", paint, { signal });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint, { signal });
  signal.addEventListener("abort", () => (document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet)));
}
