import { signal } from "@preact/signals";
import { Latest } from "./latest.ts";
import type { TraceSource } from "./source.ts";
import type { EventDetail } from "./time-model.ts";

/** The event that is selected, with its request and all that belongs to it; it changes as the request goes on. */
export class EventLook {
  readonly detail = signal<EventDetail | undefined>(undefined);
  readonly #source: TraceSource;
  readonly #work: Latest;
  readonly #ends: (() => void)[];

  constructor(source: TraceSource) {
    this.#source = source;
    this.#work = new Latest(() => this.#read(), {
      rest: 100,
      onError: () => (this.detail.value = undefined),
    });
    const ask = () => this.#work.ask();
    this.#ends = [source.selected.subscribe(ask), source.summary.subscribe(ask)];
  }

  dispose(): void {
    for (const end of this.#ends) end();
    this.#work.dispose();
  }

  async #read(): Promise<void> {
    const source = this.#source;
    const { seq } = source.selected.peek();
    const shown = this.detail.peek();
    if (seq === undefined) {
      this.detail.value = undefined;
      return;
    }
    const finished = shown?.request?.used !== undefined && shown.request.interrupt !== undefined;
    // Nothing is added to a request that is through.
    if (shown?.event.seq === seq && finished) return;
    const [[event], related] = await Promise.all([
      source.events({ from: seq, to: seq + 1, limit: 1 }),
      source.related(seq),
    ]);
    const request = event?.requests && (await source.request(event.requests.first));
    if (source.selected.peek().seq !== seq) return;
    this.detail.value = event && { event, related: related.length > 0 ? related : [event], request };
  }
}
