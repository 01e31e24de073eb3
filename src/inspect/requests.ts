import type { DeviceTrack, OpenRequest, QueueTrack, RequestKey } from "./statistics.ts";
import type { RequestRecord } from "./types.ts";

/** Bytes of a request in the columns below. */
export const REQUEST_BYTES = 81;
/** No event. */
const NONE = -1;

/** The numbers of a run of requests. */
export interface Run {
  first: number;
  last: number;
}

/**
 * The newest requests in a ring, as a structure of arrays, and what makes requests of events: the chain begins one, and claims
 * its queue's kick; the used element, the decision about an interrupt and its delivery are added as they come.
 */
export class Requests {
  readonly #capacity: number;
  #next = 1;
  readonly #ids: Float64Array;
  readonly #devices: Uint16Array;
  readonly #queues: Int32Array;
  readonly #heads: Uint16Array;
  readonly #readable: Float64Array;
  readonly #writable: Float64Array;
  readonly #written: Float64Array;
  readonly #kicks: Float64Array;
  readonly #chains: Float64Array;
  readonly #used: Float64Array;
  /** The decision about an interrupt, which may have been to leave it. */
  readonly #decisions: Float64Array;
  readonly #suppressed: Uint8Array;
  readonly #deliveries: Float64Array;
  /** Counts what the guest does by itself: a kick that was claimed before it belongs to no request that comes after. */
  #round = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#ids = new Float64Array(capacity);
    this.#devices = new Uint16Array(capacity);
    this.#queues = new Int32Array(capacity);
    this.#heads = new Uint16Array(capacity);
    this.#readable = new Float64Array(capacity);
    this.#writable = new Float64Array(capacity);
    this.#written = new Float64Array(capacity);
    this.#kicks = new Float64Array(capacity);
    this.#chains = new Float64Array(capacity);
    this.#used = new Float64Array(capacity);
    this.#decisions = new Float64Array(capacity);
    this.#suppressed = new Uint8Array(capacity);
    this.#deliveries = new Float64Array(capacity);
  }

  /** Bytes. */
  get size(): number {
    return Math.min(this.#next - 1, this.#capacity) * REQUEST_BYTES;
  }

  // ---- events ----

  guestActs(): void {
    this.#round++;
  }

  kick(queue: QueueTrack, seq: number, time: number): void {
    queue.kick = { seq, time, claimed: false, round: this.#round };
  }

  /**
   * A request begins. Returns its number and that of the kick that led to it: the queue's newest, which the requests share that
   * are taken before the guest goes on.
   *
   * @param id as a trace says that was read; its own events may have named its kick already
   */
  taken(
    device: DeviceTrack,
    queue: QueueTrack,
    chain: { key: RequestKey; head: number; readable: number; writable: number },
    seq: number,
    time: number,
    id = this.#next,
  ): { id: number; kick: number | undefined } {
    const slot = this.#open(id, device.number, queue.index);
    this.#chains[slot] = seq;
    this.#heads[slot] = chain.head;
    this.#readable[slot] = chain.readable;
    this.#writable[slot] = chain.writable;
    const kick = this.#claim(queue);
    if (kick) this.#kicks[slot] = kick.seq;
    queue.open(chain.key, { id, taken: time, begun: kick?.time ?? time, returned: time });
    return { id, kick: kick?.seq };
  }

  /** Returns the request's number; undefined: the trace began after it did. */
  returned(
    queue: QueueTrack,
    key: RequestKey,
    written: number,
    seq: number,
    time: number,
  ): number | undefined {
    const open = queue.inFlight.get(key);
    if (!open) {
      queue.close({ id: 0, taken: time, begun: time, returned: time });
      return undefined;
    }
    queue.inFlight.delete(key);
    open.returned = time;
    queue.close(open);
    queue.deviceLatency.add(time - open.taken);
    const slot = this.#slot(open.id);
    if (slot !== undefined) {
      this.#used[slot] = seq;
      this.#written[slot] = written;
    }
    return open.id;
  }

  /** A decision about an interrupt, for all that was given back since the last one. Returns their numbers. */
  decided(queue: QueueTrack, suppressed: boolean, seq: number, time: number): Run | undefined {
    const { returned } = queue;
    queue.returned = [];
    for (const open of returned) {
      if (open.id === 0) continue;
      queue.guestLatency.add((suppressed ? open.returned : time) - open.begun);
      const slot = this.#slot(open.id);
      if (slot === undefined) continue;
      this.#decisions[slot] = seq;
      this.#suppressed[slot] = suppressed ? 1 : 0;
    }
    queue.suppressedInterrupts += suppressed ? Math.max(returned.length, 1) : 0;
    const run = runOf(returned);
    if (!suppressed) queue.announced = run && { ...run, interrupt: seq };
    return run;
  }

  /** The CPU takes the queue's newest interrupt. Returns the requests that it announces. */
  delivered(queue: QueueTrack, seq: number): Run | undefined {
    const { announced } = queue;
    queue.announced = undefined;
    if (!announced) return undefined;
    for (const slot of this.#slotsOf(announced)) {
      if (this.#decisions[slot] === announced.interrupt) this.#deliveries[slot] = seq;
    }
    return { first: announced.first, last: announced.last };
  }

  // ---- looking ----

  /** @param oldest number of the oldest event: a request whose events are all gone is gone with them */
  record(id: number, oldest: number, deviceName: (device: number) => string): RequestRecord | undefined {
    const slot = this.#slot(id);
    if (slot === undefined || this.#events(slot).every((seq) => seq < oldest)) return undefined;
    const given = (seq: number): number | undefined => (seq === NONE ? undefined : seq);
    return {
      id,
      device: deviceName(this.#devices[slot]!),
      queue: this.#queues[slot]!,
      head: this.#heads[slot]!,
      readable: this.#readable[slot]!,
      writable: this.#writable[slot]!,
      written: this.#written[slot]!,
      kick: given(this.#kicks[slot]!),
      chain: this.#chains[slot]!,
      used: given(this.#used[slot]!),
      interrupt: this.#suppressed[slot] ? undefined : given(this.#decisions[slot]!),
      delivery: given(this.#deliveries[slot]!),
    };
  }

  /** The events of those requests of a run that have event `seq`, of at most `most` requests; in no order. */
  eventsWith(seq: number, run: Run, most: number): Set<number> {
    const all = new Set<number>();
    let requests = 0;
    for (const slot of this.#slotsOf(run)) {
      const events = this.#events(slot);
      if (!events.includes(seq)) continue;
      for (const event of events) if (event !== NONE) all.add(event);
      if (++requests === most) break;
    }
    return all;
  }

  #claim(queue: QueueTrack): QueueTrack["kick"] {
    const { kick } = queue;
    if (kick && !kick.claimed) {
      kick.claimed = true;
      kick.round = this.#round;
      return kick;
    }
    queue.suppressedKicks++;
    return kick?.round === this.#round ? kick : undefined;
  }

  #open(id: number, device: number, queue: number): number {
    const slot = id % this.#capacity;
    this.#next = Math.max(this.#next, id + 1);
    this.#ids[slot] = id;
    this.#devices[slot] = device;
    this.#queues[slot] = queue;
    this.#written[slot] = 0;
    this.#kicks[slot] = NONE;
    this.#used[slot] = NONE;
    this.#decisions[slot] = NONE;
    this.#suppressed[slot] = 0;
    this.#deliveries[slot] = NONE;
    return slot;
  }

  #slot(id: number): number | undefined {
    if (!(id >= 1)) return undefined;
    const slot = id % this.#capacity;
    return this.#ids[slot] === id ? slot : undefined;
  }

  /** Of the requests of a run that are still there. */
  *#slotsOf({ first, last }: Run): Generator<number> {
    const to = Math.min(last, this.#next - 1);
    for (let id = Math.max(first, to - this.#capacity + 1); id <= to; id++) {
      const slot = this.#slot(id);
      if (slot !== undefined) yield slot;
    }
  }

  #events(slot: number): number[] {
    return [
      this.#kicks[slot]!,
      this.#chains[slot]!,
      this.#used[slot]!,
      this.#decisions[slot]!,
      this.#deliveries[slot]!,
    ];
  }
}

function runOf(requests: readonly OpenRequest[]): Run | undefined {
  let first = Infinity;
  let last = 0;
  for (const { id } of requests) {
    if (id === 0) continue;
    first = Math.min(first, id);
    last = Math.max(last, id);
  }
  return last === 0 ? undefined : { first, last };
}
