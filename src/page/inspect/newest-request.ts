import { batch, signal } from "@preact/signals";
import { Latest } from "./latest.ts";
import type { TraceSource } from "./source.ts";
import type { EventDetail } from "./time-model.ts";

/** Milliseconds that a request is shown at least: it is there to be read. */
const STAYS = 1000;
/** Milliseconds between two questions to the trace. */
const REST = 100;
/** Of the newest events, as many are looked through. */
const LOOKED_THROUGH = 20_000;

/** While nobody has selected an event: the newest request of the selected queue that is through. */
export class NewestRequest {
  readonly detail = signal<EventDetail | undefined>(undefined);
  /** It was looked for, and there is none. */
  readonly none = signal(false);
  /** Somebody reads it: it stays. */
  readonly held = signal(false);
  readonly #source: TraceSource;
  readonly #work: Latest;
  readonly #ends: (() => void)[];
  /** What was found last: of which trace and queue, how many requests were through then, and when that was. */
  #found = { place: "", through: 0, at: 0 };
  #later: ReturnType<typeof setTimeout> | undefined;

  constructor(source: TraceSource) {
    this.#source = source;
    this.#work = new Latest(() => this.#read(), { rest: REST, onError: () => this.#show("", 0, undefined) });
    const ask = () => this.#work.ask();
    this.#ends = [source.selected, source.statistics, this.held].map((signal) => signal.subscribe(ask));
  }

  dispose(): void {
    clearTimeout(this.#later);
    for (const end of this.#ends) end();
    this.#work.dispose();
  }

  async #read(): Promise<void> {
    const { summary, selected } = this.#source;
    const { device, queue = 0, seq } = selected.peek();
    const now = summary.peek();
    if (seq !== undefined || this.held.peek() || !now || device === undefined) return;
    const place = `${now.start} ${queue} ${device}`;
    const through = this.#through(device, queue);
    const found = this.#found;
    if (place === found.place) {
      if (through === found.through) return;
      const left = found.at + STAYS - performance.now();
      if (left > 0 && this.detail.peek()) {
        clearTimeout(this.#later);
        this.#later = setTimeout(() => this.#work.ask(), left);
        return;
      }
    }
    const detail = through > 0 ? await this.#newestOf(device, queue, now.next) : undefined;
    const then = selected.peek();
    const still = then.device === device && (then.queue ?? 0) === queue && then.seq === undefined;
    if (still) this.#show(place, through, detail);
  }

  async #newestOf(device: string, queue: number, next: number): Promise<EventDetail | undefined> {
    const source = this.#source;
    const from = Math.max(0, next - LOOKED_THROUGH);
    const [event] = await source.events({
      from,
      device,
      queue,
      kinds: ["used"],
      newest: true,
      limit: 1,
    });
    if (!event?.requests) return undefined;
    const [related, request] = await Promise.all([
      source.related(event.seq),
      source.request(event.requests.first),
    ]);
    return request && { event, related, request };
  }

  /** How many of a queue's requests are through. */
  #through(device: string, queue: number): number {
    const counted = this.#source.statistics.peek()?.devices.find(({ name }) => name === device);
    const { requests, depth } = counted?.queues.find(({ index }) => index === queue) ?? {
      requests: 0,
      depth: 0,
    };
    return requests - depth;
  }

  #show(place: string, through: number, detail: EventDetail | undefined): void {
    this.#found = { place, through, at: performance.now() };
    batch(() => {
      this.detail.value = detail;
      this.none.value = detail === undefined;
    });
  }
}
