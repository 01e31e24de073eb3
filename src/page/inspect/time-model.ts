import { batch, computed, type ReadonlySignal, signal, untracked } from "@preact/signals";
import type { EventKind, RequestRecord, Timeline, TraceEvent } from "../../inspect/types.ts";
import { Latest } from "./latest.ts";
import type { TraceSource } from "./source.ts";
import { nearest, type Span, type TimeWindow, windowOf } from "./time-window.ts";

/** Which events the list shows; what is undefined says nothing. */
export interface EventFilter {
  device: string | undefined;
  kind: EventKind | undefined;
}

/** The event that is looked at, and the request that it belongs to. */
export interface EventDetail {
  event: TraceEvent;
  request: RequestRecord | undefined;
  /** Of all requests that it belongs to, oldest first. */
  related: TraceEvent[];
}

/** Events on each side of the one that is looked at. */
const AROUND = 400;
/** While the newest ones are followed, fewer: nobody reads them. */
const FOLLOWED = 100;
const BUCKETS = 240;
/** Milliseconds between two questions to a trace that grows. */
const REST = 250;

/** What the time view shows: a window of the trace, the events around the one that is looked at, and that one. */
export class TimeModel {
  readonly span = signal<Span>(5);
  readonly filter = signal<EventFilter>({ device: undefined, kind: undefined });
  readonly window = signal<TimeWindow | undefined>(undefined);
  readonly timeline = signal<Timeline | undefined>(undefined);
  readonly rows = signal<readonly TraceEvent[]>([]);
  readonly detail = signal<EventDetail | undefined>(undefined);
  /** Why what is shown is old: a sentence. */
  readonly problem = signal<string | undefined>(undefined);
  readonly selectedSeq = computed(() => this.#source.selected.value.seq);
  readonly following = computed(() => this.selectedSeq.value === undefined);
  readonly #source: TraceSource;
  /** The list is around this event, which is the one that is looked at, or where somebody has scrolled to. */
  readonly #anchor = signal<number | undefined>(undefined);
  readonly #timelineWork: Latest;
  readonly #rowsWork: Latest;
  readonly #detailWork: Latest;
  readonly #scrubWork: Latest;
  readonly #ends: (() => void)[] = [];
  /** How many events there are on the sides of the anchor, and how many the trace had seen, when the list was read. */
  #read = { before: 0, after: 0, next: 0 };
  #scrubTo = 0;

  constructor(source: TraceSource) {
    this.#source = source;
    const onError = (error: unknown): void => {
      this.problem.value = error instanceof Error ? error.message : String(error);
    };
    this.#timelineWork = new Latest(() => this.#readTimeline(), { rest: REST, onError });
    this.#rowsWork = new Latest(() => this.#readRows(), { rest: REST, onError });
    this.#detailWork = new Latest(() => this.#readDetail(), { rest: 50, onError });
    this.#scrubWork = new Latest(() => this.#selectNearest(), { onError });
    const { summary, selected } = source;
    this.#on([summary, this.span, this.detail], () => this.#timelineWork.ask());
    this.#on([selected], () => this.#moveAnchor());
    this.#on([this.#anchor, this.filter], () => this.#rowsWork.ask());
    // Around an event nothing changes when newer ones come.
    this.#on([summary], () => this.#anchor.peek() === undefined && this.#rowsWork.ask());
    // What is selected gets more events as its requests go on.
    this.#on([selected, summary], () => this.#detailWork.ask());
  }

  /** Looks at an event; undefined: follows the newest ones. */
  select(seq: number | undefined): void {
    const { selected } = this.#source;
    if (selected.peek().seq !== seq) selected.value = { ...selected.peek(), seq };
  }

  /** Looks at the event that is nearest to a moment (microseconds) among those that the filter lets through. */
  scrub(time: number): void {
    this.#scrubTo = time;
    this.#scrubWork.ask();
  }

  /** Looks at the next event of the list, or the one before. */
  async step(by: -1 | 1): Promise<void> {
    const { seq } = this.#source.selected.peek();
    const all = this.#query();
    const query =
      seq === undefined
        ? { ...all, newest: true, limit: 1 }
        : by > 0
          ? { ...all, from: seq + 1, limit: 1 }
          : { ...all, to: seq, newest: true, limit: 1 };
    const [event] = await this.#source.events(query).catch(() => []);
    if (event) this.select(event.seq);
  }

  /** Goes to the trace's first or last event. */
  async stepToEnd(end: "first" | "last"): Promise<void> {
    const query = { ...this.#query(), newest: end === "last", limit: 1 };
    const [event] = await this.#source.events(query).catch(() => []);
    if (event) this.select(event.seq);
  }

  /** Somebody has scrolled to an end of the list: what lies beyond is read, if there is any. What is looked at stays. */
  scrolledTo(seq: number, beyond: "before" | "after"): void {
    if (this.#isWhole(beyond)) return;
    this.#anchor.value = seq;
    this.#rowsWork.ask();
  }

  dispose(): void {
    for (const end of this.#ends) end();
    for (const work of [this.#timelineWork, this.#rowsWork, this.#detailWork, this.#scrubWork])
      work.dispose();
  }

  #on(signals: readonly ReadonlySignal<unknown>[], act: () => void): void {
    for (const signal of signals) this.#ends.push(signal.subscribe(() => untracked(act)));
  }

  #moveAnchor(): void {
    const { seq } = this.#source.selected.peek();
    // One that is listed needs no other list.
    const listed = seq !== undefined && this.#anchor.peek() !== undefined && this.#isInside(seq);
    if (!listed) this.#anchor.value = seq;
  }

  async #readTimeline(): Promise<void> {
    const summary = this.#source.summary.peek();
    if (!summary) return;
    const time = this.following.peek() ? undefined : this.detail.peek()?.event.time;
    const looking = time === undefined ? undefined : { time, before: this.window.peek() };
    const window = windowOf(summary, this.span.peek(), looking);
    const timeline = await this.#source.timeline(window.from, window.to, BUCKETS);
    batch(() => {
      this.window.value = window;
      this.timeline.value = timeline;
      this.problem.value = undefined;
    });
  }

  async #readRows(): Promise<void> {
    const anchor = this.#anchor.peek();
    const all = this.#query();
    if (anchor === undefined) {
      this.rows.value = await this.#source.events({ ...all, newest: true, limit: FOLLOWED });
      return;
    }
    const next = this.#source.summary.peek()?.next ?? 0;
    const [before, after] = await Promise.all([
      this.#source.events({ ...all, to: anchor, newest: true, limit: AROUND }),
      this.#source.events({ ...all, from: anchor, limit: AROUND }),
    ]);
    this.#read = { before: before.length, after: after.length, next };
    this.rows.value = [...before, ...after];
  }

  #isInside(seq: number): boolean {
    const rows = this.rows.peek();
    const at = rows.findIndex((event) => event.seq === seq);
    if (at < 0) return false;
    return (
      (at > AROUND / 4 || this.#isWhole("before")) &&
      (at < rows.length - AROUND / 4 || this.#isWhole("after"))
    );
  }

  /** Nothing that matches lies beyond this end of the list. */
  #isWhole(end: "before" | "after"): boolean {
    if (this.#read[end] === AROUND) return false;
    return end === "before" || this.#read.next === this.#source.summary.peek()?.next;
  }

  async #readDetail(): Promise<void> {
    const { seq } = this.#source.selected.peek();
    if (seq === undefined) {
      this.detail.value = undefined;
      return;
    }
    const [event] = await this.#source.events({ from: seq, to: seq + 1, limit: 1 });
    if (!event) {
      this.detail.value = undefined;
      return;
    }
    const [related, request] = await Promise.all([
      this.#source.related(seq),
      event.requests ? this.#source.request(event.requests.first) : undefined,
    ]);
    const known = this.detail.peek();
    const same = known?.event.seq === seq && known.related.length === related.length;
    // A request that goes on shows in its events.
    if (!same) this.detail.value = { event, request, related };
  }

  async #selectNearest(): Promise<void> {
    const time = this.#scrubTo;
    const all = this.#query();
    const [before, after] = await Promise.all([
      this.#source.events({ ...all, toTime: time, newest: true, limit: 1 }),
      this.#source.events({ ...all, fromTime: time, limit: 1 }),
    ]);
    const event = nearest(time, before[0], after[0]);
    if (event) this.select(event.seq);
  }

  #query(): { device?: string; kinds?: readonly EventKind[] } {
    const { device, kind } = this.filter.peek();
    return { ...(device !== undefined && { device }), ...(kind && { kinds: [kind] }) };
  }
}
