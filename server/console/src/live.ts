// One stream of events for the whole page. The browser resumes it with Last-Event-ID by
// itself; when it gives up, or the server no longer keeps the events, everything is read
// anew.
import type { Schemas } from "./api";
import { address, get } from "./api";

export type Event = Schemas["Event"];
export type Status = "connecting" | "live" | "reconnecting";

type Listener = (event: Event | "reset") => void;

const listeners = new Set<Listener>();
let stream: EventSource | undefined;

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

/** Opens the stream; changed is called when the state of the connection does. */
export function connect(changed: () => void): void {
  const open = (): void => {
    stream?.close();
    if (document.hidden) return;
    stream = new EventSource(address("/events"));
    stream.onopen = () => {
      // It does not say what happened before, which some may have read already.
      if (listeners.size > 0) tell("reset");
      set("live");
    };
    stream.onerror = () => {
      set("reconnecting");
      if (stream?.readyState === EventSource.CLOSED) void refused();
    };
    for (const kind of ["partition", "run", "schedule"]) {
      stream.addEventListener(kind, (message: MessageEvent<string>) => tell(JSON.parse(message.data) as Event));
    }
    stream.addEventListener("reset", () => tell("reset"));
  };
  // The browser does not say why the stream was refused; an ended session is one reason.
  const refused = async (): Promise<void> => {
    const session = await get("/session").catch(() => undefined);
    if (session?.required && !session.actor) dispatchEvent(new Event("signin"));
    setTimeout(open, 2000);
  };
  const set = (status: Status): void => {
    if (status === "reconnecting" && connection.status === "live") connection.asOf = new Date();
    connection.status = status;
    changed();
  };
  // A page that nobody sees frees its connection, of which browsers have six for a server.
  document.addEventListener("visibilitychange", () => (document.hidden ? stream?.close() : open()));
  // So does one that is left; one that comes back from the cache opens another.
  addEventListener("pagehide", () => stream?.close());
  addEventListener("pageshow", (event) => event.persisted && open());
  open();
}
