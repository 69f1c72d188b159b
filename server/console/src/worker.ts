// The worker that reads the events for all tabs and windows of the page: a browser has
// six connections for a server, however many pages it shows.
import { listen, type Told } from "./stream";

const pages = new Set<MessagePort>();
let state: Told | undefined;
let end: (() => void) | undefined;

addEventListener("connect", (event) => {
  const page = (event as MessageEvent).ports[0]!;
  pages.add(page);
  // All that a page ever says is that it leaves.
  page.onmessage = () => {
    pages.delete(page);
    if (pages.size > 0) return;
    end?.();
    end = state = undefined;
  };
  if (state) page.postMessage(state);
  end ??= listen("../events", (told) => {
    if (told === "live" || told === "reconnecting") state = told;
    for (const each of pages) each.postMessage(told);
  });
});
