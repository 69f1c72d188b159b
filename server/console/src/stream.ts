// The stream of events, as it is read by a page or by the worker that all pages share.
// The browser resumes it with Last-Event-ID by itself, and this opens it anew when the
// browser gives up.
import type { Schemas } from "./api";

export type Event = Schemas["Event"];

/** What a stream tells: its state, that it was refused, that events are missing (reset), or an event. */
export type Told = "live" | "reconnecting" | "refused" | "reset" | Event;

const patience = 2000; // milliseconds

/** Reads the stream at an address until the function that it returns is called. */
export function listen(address: string, tell: (told: Told) => void): () => void {
  let source: EventSource;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const open = (): void => {
    source = new EventSource(address);
    source.onopen = () => tell("live");
    source.onerror = () => {
      tell("reconnecting");
      if (source.readyState !== EventSource.CLOSED) return;
      tell("refused");
      timer = setTimeout(open, patience);
    };
    for (const kind of ["partition", "run", "schedule"]) {
      source.addEventListener(kind, (message: MessageEvent<string>) => tell(JSON.parse(message.data) as Event));
    }
    source.addEventListener("reset", () => tell("reset"));
  };
  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
