import type { TraceUpdate } from "./api.ts";
import type { Trace } from "./trace.ts";

/** Milliseconds between two updates; and after one with so many events that nobody reads along any more. */
const INTERVAL = 100;
const BUSY_INTERVAL = 250;
const BUSY_EVENTS = 200;
/** Events that an update has. */
const NEWEST = 100;

/** An InspectorListener. Through comlink what it returns is a promise, of the moment when the page has heard. */
interface Listener {
  onUpdate(update: TraceUpdate): unknown;
}

/**
 * Tells of what a trace gets: at most ten times a second (four, while much happens), only after something happened, and not before
 * the last time has been heard. A listener that is slow is told less often, not more later.
 */
export class Updates {
  readonly #listener: Listener;
  #trace: Trace;
  /** The first event that nobody was told of. */
  #next = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #interval = INTERVAL;
  #telling = false;
  #waiting = false;
  #closed = false;

  constructor(listener: Listener, trace: Trace) {
    this.#listener = listener;
    this.#trace = trace;
  }

  /** Another trace begins; its listener hears of it although it has no events yet. */
  follow(trace: Trace): void {
    this.#trace = trace;
    this.#next = 0;
    this.happened();
  }

  /** Something happened. Called for each event: nothing but a look at a field, mostly. */
  happened(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => this.#due(), this.#interval);
  }

  /** Tells at once, for what a person waits to see. */
  now(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#due();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #due(): void {
    this.#timer = undefined;
    if (this.#telling) this.#waiting = true;
    else void this.#tell();
  }

  async #tell(): Promise<void> {
    this.#telling = true;
    try {
      const summary = this.#trace.summary();
      const count = summary.next - this.#next;
      const newest = this.#trace.events({ from: this.#next, newest: true, limit: NEWEST });
      this.#next = summary.next;
      this.#interval = count > BUSY_EVENTS ? BUSY_INTERVAL : INTERVAL;
      await this.#listener.onUpdate({ summary, statistics: this.#trace.statistics(), count, newest });
    } catch {
      // Who does not want to hear is told again when there is more.
    }
    this.#telling = false;
    if (this.#waiting) {
      this.#waiting = false;
      this.happened();
    }
  }
}
