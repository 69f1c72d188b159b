// One stream of events for all pages of the browser, by a worker that they share; a page
// that cannot have the worker reads a stream of its own. After a gap in the events,
// everything is read anew.
import { address, get } from "./api";
import { type Event, listen, type Told } from "./stream";

export type { Event };
export type Status = "connecting" | "live" | "reconnecting" | "ended";

type Listener = (event: Event | "reset") => void;

const settled = 2000; // milliseconds

const listeners = new Set<Listener>();

/** Whether the page is up to date, and since when that is not known. */
export const connection: { status: Status; asOf: Date } = { status: "connecting", asOf: new Date() };

/** Calls each for every change until signal aborts. */
export function follow(each: Listener, signal: AbortSignal): void {
  listeners.add(each);
  signal.addEventListener("abort", () => listeners.delete(each));
}

/** A function that reads once for all its calls within wait milliseconds, and one read at a time. */
export function gathered(read: () => Promise<void>, signal: AbortSignal, wait = 300): () => void {
  let busy = false;
  let again = false;
  return function note(): void {
    again = true;
    if (busy) return;
    busy = true;
    setTimeout(async () => {
      again = false;
      // A failure is said by the connection's line, and all is read anew afterwards.
      if (!signal.aborted) await read().catch(() => undefined);
      busy = false;
      if (again) note();
    }, wait);
  };
}

function tell(event: Event | "reset"): void {
  connection.asOf = new Date();
  for (const each of [...listeners]) each(event);
}

// The page's policy lets one script become a worker: the one that its document names.
interface Trusting {
  trustedTypes?: { createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): { createScriptURL(url: string): string } };
}
const script = document.querySelector<HTMLElement>("script[data-worker]")!.dataset["worker"]!;
const trusted = (globalThis as Trusting).trustedTypes?.createPolicy("worker", { createScriptURL: () => script });
let shared = typeof SharedWorker !== "undefined";

// Who signs in or out has all pages of the browser begin anew, and none joins the stream
// of a session before.
const session = (): string => localStorage.getItem("session") ?? "";
const begun = session();

/** Begins the page anew, and all others of the browser, as who they are for has changed. */
export function beginAnew(): void {
  localStorage.setItem("session", String(Date.now()));
  location.reload();
}
addEventListener("storage", ({ key }) => key === "session" && location.reload());

/** Joins the stream that all pages share, or opens one; the function that it returns leaves it. */
function join(hear: (told: Told) => void): () => void {
  const alone = (): (() => void) => listen(address("/events"), hear);
  if (!shared) return alone();
  const worker = new SharedWorker(trusted?.createScriptURL(script) ?? script, { type: "module", name: `events ${begun}` });
  let leave = (): void => worker.port.postMessage("leave");
  worker.port.onmessage = ({ data }: MessageEvent<Told>) => hear(data);
  worker.onerror = () => {
    shared = false;
    leave = alone();
  };
  return () => {
    worker.port.onmessage = null;
    leave();
  };
}

// The browser does not say why the stream was refused; an ended session is one reason.
async function refused(): Promise<void> {
  const session = await get("/session").catch(() => undefined);
  if (session?.required && !session.actor) dispatchEvent(new Event("signin"));
}

let leave: (() => void) | undefined;

function close(): void {
  leave?.();
  leave = undefined;
}

/** Follows nothing any more. */
export function disconnect(): void {
  close();
  listeners.clear();
  connection.status = "ended";
}

/** Follows the stream; changed is called when the state of the connection does. */
export function connect(changed: () => void): void {
  const hear = (told: Told): void => {
    if (typeof told === "object" || told === "reset") return tell(told);
    if (told === "refused") return void refused();
    if (told === "reconnecting" && connection.status === "live") connection.asOf = new Date();
    // It does not say what happened before, which some may have read already: what is drawn
    // for the first time just now is read once more when the page is at rest.
    if (told === "live" && listeners.size > 0) {
      if (connection.status === "connecting") setTimeout(() => tell("reset"), settled);
      else tell("reset");
    }
    connection.status = told;
    changed();
  };
  const open = (): void => {
    close();
    if (!document.hidden && connection.status !== "ended") leave = join(hear);
  };
  // A page that nobody sees, or that is left, needs no events; when it is seen again, it reads all anew.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", ({ persisted }) => persisted && (session() === begun ? open() : location.reload()));
  open();
}
