import { signal } from "@preact/signals";
import { Latest } from "./latest.ts";
import type { TraceSource } from "./source.ts";
import type { EventDetail } from "./time-model.ts";

/** Milliseconds that a request is shown at least: it is there to be read. */
const REST = 900;
/** Of the newest events, as many are looked through. */
const LOOKED_THROUGH = 20_000;

/** While nobody has selected an event: the newest request of the selected device that is through. */
export class NewestRequest {
  readonly detail = signal<EventDetail | undefined>(undefined);
  /** Somebody reads it: it stays. */
  readonly held = signal(false);
  readonly #source: TraceSource;
  readonly #work: Latest;
  readonly #ends: (() => void)[];
  /** Of which trace and device, and how many requests were through at the last look. */
  #seen = "";

  constructor(source: TraceSource) {
    this.#source = source;
    this.#work = new Latest(() => this.#read(), { rest: REST, onError: () => this.#forget() });
    const ask = () => this.#work.ask();
    this.#ends = [source.selected, source.statistics, this.held].map((signal) => signal.subscribe(ask));
  }

  dispose(): void {
    for (const end of this.#ends) end();
    this.#work.dispose();
  }

  async #read(): Promise<void> {
    const { summary, statistics, selected } = this.#source;
    const { device, seq } = selected.peek();
    const now = summary.peek();
    if (seq !== undefined || this.held.peek()) return;
    if (!now || device === undefined) {
      this.#forget();
      return;
    }
    const counted = statistics.peek()?.devices.find(({ name }) => name === device);
    const through = counted?.queues.reduce((sum, { requests, depth }) => sum + requests - depth, 0) ?? 0;
    const place = `${now.start} ${device}`;
    const seen = `${place} ${through}`;
    if (seen === this.#seen) return;
    if (!this.#seen.startsWith(`${place} `)) this.detail.value = undefined;
    this.#seen = seen;
    if (through <= 0) return;
    const from = Math.max(now.first, now.next - LOOKED_THROUGH);
    const [event] = await this.#source.events({ from, device, kinds: ["used"], newest: true, limit: 1 });
    if (!event?.requests) return;
    const [related, request] = await Promise.all([
      this.#source.related(event.seq),
      this.#source.request(event.requests.first),
    ]);
    const { device: still, seq: chosen } = selected.peek();
    if (still === device && chosen === undefined && request) this.detail.value = { event, related, request };
  }

  #forget(): void {
    this.#seen = "";
    this.detail.value = undefined;
  }
}
