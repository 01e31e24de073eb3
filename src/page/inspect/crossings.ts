import { batch, signal } from "@preact/signals";
import type { TraceEvent } from "../../inspect/types.ts";
import { Latest } from "./latest.ts";
import type { TraceSource } from "./source.ts";

/** A crossing in the list. */
export interface Crossing {
  event: TraceEvent;
  /** Events between it and the row before it that are not in the list. */
  before: number;
  /** It has just crossed, and so few with it that each can be seen. */
  fresh: boolean;
}

/** Rows of the list: always as many places. */
export const ROWS = 12;
/** Milliseconds between two questions to the trace. */
const REST = 100;
/** Of the requests that an event belongs to. */
const MOST_RELATED = 200;

/** Which side of the line an event comes from. */
export function sideOf(event: TraceEvent): "guest" | "device" {
  switch (event.kind) {
    case "used":
    case "interrupt":
    case "delivery":
      return "device";
    case "frame":
      return event.direction === "in" ? "device" : "guest";
    default:
      return "guest";
  }
}

/**
 * What crosses the line: the newest, or, while an event is selected, that one among its request's others. Sampled: the trace is
 * asked ten times a second at most, and what is not listed is counted.
 */
export class Crossings {
  readonly rows = signal<readonly Crossing[]>([]);
  /** Events since the last look that are not listed. */
  readonly notListed = signal(0);
  /** Somebody is about to choose one: the list stands still. */
  readonly held = signal(false);
  /** Only those of the selected device. */
  readonly onlyDevice = signal(false);
  readonly #source: TraceSource;
  readonly #work: Latest;
  readonly #ends: (() => void)[];
  /** How many events the trace had seen at the last look, and which trace that was. */
  #seen = { start: 0, next: 0 };

  constructor(source: TraceSource) {
    this.#source = source;
    this.#work = new Latest(() => this.#read(), { rest: REST, onError: () => this.#show([], 0) });
    const ask = () => this.#work.ask();
    this.#ends = [source.summary, source.selected, this.onlyDevice, this.held].map((signal) =>
      signal.subscribe(ask),
    );
  }

  dispose(): void {
    for (const end of this.#ends) end();
    this.#work.dispose();
  }

  async #read(): Promise<void> {
    const source = this.#source;
    const { seq, device } = source.selected.peek();
    if (seq === undefined && this.held.peek()) return;
    if (seq === undefined) await this.#readNewest(this.onlyDevice.peek() ? device : undefined);
    else await this.#readAround(seq);
  }

  async #readNewest(device: string | undefined): Promise<void> {
    const source = this.#source;
    const summary = source.summary.peek();
    if (!summary) {
      this.#show([], 0);
      return;
    }
    const { start, next } = summary;
    const events = await source.events({
      newest: true,
      to: next,
      limit: ROWS,
      ...(device !== undefined && { device }),
    });
    if (source.selected.peek().seq !== undefined) return;
    const from = this.#seen.start === start ? this.#seen.next : 0;
    // Asked again for another reason than a new event: what was said of those stays true.
    if (next > from) {
      const listed = events.filter(({ seq }) => seq >= from).length;
      this.#seen = { start, next };
      this.#show(spaced(events, next - from <= ROWS ? from : next), next - from - listed);
    } else this.#show(spaced(events), this.notListed.peek());
  }

  async #readAround(seq: number): Promise<void> {
    const source = this.#source;
    const [near, related] = await Promise.all([
      source.events({ from: Math.max(0, seq - ROWS), to: seq + ROWS, limit: 2 * ROWS }),
      source.related(seq),
    ]);
    if (source.selected.peek().seq !== seq) return;
    // While the machine is stepped, what it stops at has just crossed.
    this.#show(spaced(choose(seq, related.slice(0, MOST_RELATED), near), this.#seen.next), 0);
  }

  #show(rows: Crossing[], notListed: number): void {
    batch(() => {
      this.rows.value = rows;
      this.notListed.value = notListed;
    });
  }
}

/** The rows around an event: it, the others of its requests that are nearest, and its neighbours as far as there is room. */
export function choose(
  seq: number,
  related: readonly TraceEvent[],
  near: readonly TraceEvent[],
): TraceEvent[] {
  const distance = (event: TraceEvent) => Math.abs(event.seq - seq);
  const nearest = (events: readonly TraceEvent[]) => [...events].sort((a, b) => distance(a) - distance(b));
  const chosen = new Map<number, TraceEvent>();
  for (const event of [...near.filter((event) => event.seq === seq), ...nearest(related), ...nearest(near)]) {
    if (chosen.size < ROWS) chosen.set(event.seq, event);
  }
  return [...chosen.values()].sort((a, b) => a.seq - b.seq);
}

/** @param freshFrom events from this number on have just crossed */
function spaced(events: readonly TraceEvent[], freshFrom = Infinity): Crossing[] {
  return events.map((event, at) => ({
    event,
    before: at === 0 ? 0 : event.seq - events[at - 1]!.seq - 1,
    fresh: event.seq >= freshFrom,
  }));
}
