// The days of a range, the newest years first, kept up to date: a change reads the days
// that changed, however many there are at once.
import { address, send, type Partition, type Schemas } from "./api";
import { follow, gathered } from "./live";
import { daysBetween } from "./time";

export interface Range {
  from: string;
  to: string;
}

const daysAtFirst = 800; // what a screen shows and more; the page preloads it

interface Listener {
  /** Other days are shown than before, or none could be read. */
  replaced: () => void;
  /** So many older days stand before the others now. */
  prepended?: (count: number) => void;
  /** The day at this place is another one than before. */
  patched: (at: number) => void;
  /** After some were patched. */
  settled: () => void;
}

export class Days {
  list: Partition[] = [];
  /** The nearest known days before and after. */
  older?: Range | undefined;
  newer?: Range | undefined;
  error: unknown;
  loaded = false;

  private asked: Partial<Range> = {};
  private tag: string | null = null; // of the answer that list is
  private changed: Range | "all" | undefined;
  private readonly gather: () => void;

  constructor(
    private readonly signal: AbortSignal,
    private readonly listener: Listener,
    private readonly brief = false, // without times, errors and digests
  ) {
    this.gather = gathered(() => this.refresh(), signal);
    follow((event) => {
      if (event === "reset" || event.kind === "run") this.note("all");
      else if (event.kind === "partition" && event.day) this.note({ from: event.day, to: event.day });
    }, signal);
  }

  at(day: string): number {
    const first = this.list[0];
    const at = first ? daysBetween(first.day, day) : -1;
    return at < this.list.length ? at : -1;
  }

  /** Reads a range, without bounds the one that the server chooses. */
  async read(asked: Partial<Range>): Promise<void> {
    this.asked = asked;
    this.list = [];
    this.tag = null;
    try {
      await this.readFirst();
    } catch (error) {
      if (this.signal.aborted || asked !== this.asked) return;
      this.error = error;
      this.listener.replaced();
    }
  }

  // Reads the newest days, and then the others.
  private async readFirst(): Promise<void> {
    const asked = this.asked;
    const response = await this.fetch(asked, null, daysAtFirst);
    const days = await daysOf(response);
    if (asked !== this.asked) return; // another range was asked for meanwhile
    this.take(response, days);
    const { older: rest } = this;
    if (!asked.from || !rest || rest.to < asked.from) return;
    const others = await this.fetch(rest);
    const before = await daysOf(others);
    if (asked !== this.asked || this.list[0]?.day !== days[0]?.day) return;
    this.tag = null; // it is of the newest alone
    this.older = rangeOf(others, "prev");
    this.list = [...before, ...this.list];
    this.listener.prepended?.(before.length);
  }

  private async readAll(): Promise<void> {
    const asked = this.asked;
    const response = await this.fetch(asked, this.tag);
    if (response.status === 304) return;
    const days = await daysOf(response);
    if (asked === this.asked) this.take(response, days);
  }

  private take(response: Response, days: Partition[]): void {
    this.tag = response.headers.get("ETag");
    this.older = rangeOf(response, "prev");
    this.newer = rangeOf(response, "next");
    this.loaded = true;
    this.error = undefined;
    if (days.length > 0 && days[0]?.day === this.list[0]?.day && days.length === this.list.length) {
      this.patch(days);
    } else {
      this.list = days;
      this.listener.replaced();
    }
  }

  // The parameters stand in the order in which the page that preloads an answer has them.
  private fetch({ from, to }: Partial<Range>, tag: string | null = null, limit?: number): Promise<Response> {
    const query = { brief: this.brief || undefined, from, limit, to };
    return send(address("/partitions", query), { signal: this.signal, headers: tag === null ? {} : { "If-None-Match": tag } });
  }

  private note(days: Range | "all"): void {
    const before = this.changed;
    if (days === "all" || before === "all") this.changed = "all";
    else this.changed = { from: before && before.from < days.from ? before.from : days.from, to: before && before.to > days.to ? before.to : days.to };
    this.gather();
  }

  private async refresh(): Promise<void> {
    const { changed, asked } = this;
    this.changed = undefined;
    const first = this.list[0]?.day;
    const last = this.list.at(-1)?.day;
    if (!changed || changed === "all" || first === undefined || last === undefined || (changed.to > last && !asked.to)) return this.readAll();
    const from = changed.from < first ? first : changed.from;
    const to = changed.to > last ? last : changed.to;
    if (from > to) return;
    const days = await daysOf(await this.fetch({ from, to }));
    if (asked !== this.asked) return;
    this.tag = null;
    this.patch(days);
  }

  private patch(days: Partition[]): void {
    for (const day of days) {
      const at = this.at(day.day);
      if (at < 0 || same(this.list[at], day)) continue;
      this.list[at] = day;
      this.listener.patched(at);
    }
    this.listener.settled();
  }
}

function same(a: Partition | undefined, b: Partition): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

const daysOf = async (response: Response): Promise<Partition[]> => ((await response.json()) as Schemas["PartitionList"]).partitions;

// The range that a link of an answer leads to.
function rangeOf(answer: Response, rel: string): Range | undefined {
  const found = new RegExp(`<([^>]*)>;\\s*rel="?${rel}"?`).exec(answer.headers.get("Link") ?? "");
  if (!found?.[1]) return undefined;
  const { searchParams } = new URL(found[1], location.href);
  const from = searchParams.get("from");
  const to = searchParams.get("to");
  return from && to ? { from, to } : undefined;
}
