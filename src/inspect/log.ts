import type { DescriptorChain } from "../virtio/ring/chain.ts";
import { Names } from "./names.ts";
import type { EventKind, TraceEvent } from "./types.ts";

/** Buffers kept of each chain that is recorded. */
export const MAXIMUM_BUFFERS = 64;
/** Different names of devices and registers; others share one. */
const MAXIMUM_DEVICES = 1024;
const MAXIMUM_REGISTERS = 4096;
/** Characters kept of a text in an event. */
const MAXIMUM_TEXT = 512;

export const KINDS: readonly EventKind[] = [
  "access",
  "status",
  "features",
  "queue",
  "kick",
  "chain",
  "used",
  "interrupt",
  "delivery",
  "acknowledge",
  "frame",
  "reset",
  "violation",
];
export const KIND = Object.fromEntries(KINDS.map((kind, number) => [kind, number])) as Record<
  EventKind,
  number
>;

/** Bytes of an event in the columns below. */
export const EVENT_BYTES = 72;
/** Bytes of a buffer among the kept bytes: address and length. */
const BUFFER_BYTES = 8;
/** About what an object takes up, without its texts. */
const OBJECT_BYTES = 256;

/** `write`, `enabled`, `suppressed` or `in`, as the kind has it. */
const FLAG = 1;
/** Of an interrupt or a delivery: for the configuration. */
const CONFIG = 2;
/** The event is an object in `#rare`. */
const RARE = 4;

export interface LogSizes {
  /** The most there can be of each. */
  events: number;
  /** Samples and buffers, bytes. */
  bytes: number;
  /** Objects, bytes. */
  rare: number;
}

/**
 * The newest events in a ring, as a structure of arrays: what happens 20,000 times a second must be no object. An event's place is
 * counted from the beginning and never reused; its slot is that modulo the ring. What does not fit the columns is kept as an object.
 */
export class EventLog {
  readonly devices = new Names(MAXIMUM_DEVICES, "other devices");
  readonly #registers = new Names(MAXIMUM_REGISTERS, "another register");
  readonly #capacity: number;
  readonly #seqs: Float64Array;
  readonly #times: Float64Array;
  readonly #kinds: Uint8Array;
  readonly #flags: Uint8Array;
  readonly #devices: Uint16Array;
  readonly #queues: Int32Array;
  /** What they mean depends on the kind: see `event`. */
  readonly #first: Float64Array;
  readonly #second: Float64Array;
  readonly #heads: Uint16Array;
  readonly #registerOf: Uint16Array;
  readonly #firstRequests: Float64Array;
  readonly #requestCounts: Uint32Array;
  /** Where its bytes begin, counted from the beginning of the log; those of an event that has none as well. */
  readonly #starts: Float64Array;
  readonly #samples: Uint32Array;
  readonly #bufferCounts: Uint16Array;
  readonly #readableCounts: Uint16Array;

  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #written = 0;
  readonly #rare = new Map<number, TraceEvent>();
  readonly #rareBound: number;
  #rareBytes = 0;

  /** The places of the oldest event, and after the newest. */
  #oldest = 0;
  #end = 0;
  #nextSeq = 0;

  constructor({ events, bytes, rare }: LogSizes) {
    this.#capacity = events;
    this.#rareBound = rare;
    this.#bytes = new Uint8Array(bytes);
    this.#view = new DataView(this.#bytes.buffer);
    this.#seqs = new Float64Array(events);
    this.#times = new Float64Array(events);
    this.#kinds = new Uint8Array(events);
    this.#flags = new Uint8Array(events);
    this.#devices = new Uint16Array(events);
    this.#queues = new Int32Array(events);
    this.#first = new Float64Array(events);
    this.#second = new Float64Array(events);
    this.#heads = new Uint16Array(events);
    this.#registerOf = new Uint16Array(events);
    this.#firstRequests = new Float64Array(events);
    this.#requestCounts = new Uint32Array(events);
    this.#starts = new Float64Array(events);
    this.#samples = new Uint32Array(events);
    this.#bufferCounts = new Uint16Array(events);
    this.#readableCounts = new Uint16Array(events);
  }

  /** Places of the oldest event and after the newest. */
  get oldest(): number {
    return this.#oldest;
  }

  get end(): number {
    return this.#end;
  }

  /** The number of the oldest event, and the one that the next one gets. */
  get firstSeq(): number {
    return this.#end === this.#oldest ? this.#nextSeq : this.#seqs[this.#oldest % this.#capacity]!;
  }

  get nextSeq(): number {
    return this.#nextSeq;
  }

  /** Microseconds; 0 when there is none. */
  get firstTime(): number {
    return this.#end === this.#oldest ? 0 : this.#times[this.#oldest % this.#capacity]!;
  }

  get lastTime(): number {
    return this.#end === 0 ? 0 : this.#times[(this.#end - 1) % this.#capacity]!;
  }

  /** What the events that are there take up. */
  get size(): number {
    const bytes =
      this.#end === this.#oldest ? 0 : this.#written - this.#starts[this.#oldest % this.#capacity]!;
    return (this.#end - this.#oldest) * EVENT_BYTES + bytes + this.#rareBytes;
  }

  // ---- adding: `add`, and then what its kind has ----

  /** @param seq greater than all before; what follows the newest unless given */
  add(kind: number, device: number, time: number, seq = this.#nextSeq): void {
    if (this.#end - this.#oldest === this.#capacity) this.#evict();
    const slot = this.#end++ % this.#capacity;
    this.#nextSeq = seq + 1;
    this.#seqs[slot] = seq;
    this.#times[slot] = time;
    this.#kinds[slot] = kind;
    this.#flags[slot] = 0;
    this.#devices[slot] = device;
    this.#queues[slot] = -1;
    this.#first[slot] = 0;
    this.#second[slot] = 0;
    this.#firstRequests[slot] = 0;
    this.#starts[slot] = this.#written;
    this.#samples[slot] = 0;
    this.#bufferCounts[slot] = 0;
  }

  setNumbers(first: number, second: number): void {
    const slot = (this.#end - 1) % this.#capacity;
    this.#first[slot] = first;
    this.#second[slot] = second;
  }

  setFlag(on: boolean): void {
    if (on) this.#flags[(this.#end - 1) % this.#capacity]! |= FLAG;
  }

  setRegister(name: string, width: number): void {
    const slot = (this.#end - 1) % this.#capacity;
    this.#registerOf[slot] = this.#registers.number(name);
    this.#heads[slot] = width;
  }

  setQueue(queue: number, config = false): void {
    const slot = (this.#end - 1) % this.#capacity;
    this.#queues[slot] = queue;
    if (config) this.#flags[slot]! |= CONFIG;
  }

  setHead(head: number): void {
    this.#heads[(this.#end - 1) % this.#capacity] = head;
  }

  setSample(sample: Uint8Array, most: number): void {
    const slot = (this.#end - 1) % this.#capacity;
    const length = Math.min(sample.length, most, this.#bytes.length);
    const at = this.#room(slot, length);
    this.#bytes.set(length === sample.length ? sample : sample.subarray(0, length), at);
    this.#samples[slot] = length;
  }

  /** Its buffers, and the first bytes that the device may read. */
  setChain(chain: DescriptorChain, most: number): void {
    const slot = (this.#end - 1) % this.#capacity;
    const { buffers, readableBuffers, writableBuffers } = chain;
    const count = Math.min(readableBuffers + writableBuffers, MAXIMUM_BUFFERS);
    const length = Math.min(most, chain.reader.total);
    let at = this.#room(slot, count * BUFFER_BYTES + length);
    for (let i = 0; i < 2 * count; i++, at += 4) this.#view.setUint32(at, buffers[i]!, true);
    this.#samples[slot] = chain.peek("readable", this.#bytes.subarray(at, at + length));
    this.#bufferCounts[slot] = count;
    this.#readableCounts[slot] = Math.min(readableBuffers, count);
  }

  /** The first bytes that the device wrote. */
  setWritten(chain: DescriptorChain, written: number, most: number): void {
    const slot = (this.#end - 1) % this.#capacity;
    const length = Math.min(most, written, chain.writer.total);
    const at = this.#room(slot, length);
    this.#samples[slot] = chain.peek("writable", this.#bytes.subarray(at, at + length));
  }

  /** Keeps it as an object instead. Its number, time and requests stand in the columns. */
  setObject(event: TraceEvent): void {
    const kept = withShortTexts(event);
    const bytes = objectBytes(kept);
    while (this.#rareBytes + bytes > this.#rareBound && this.#end - this.#oldest > 1) this.#evict();
    this.#flags[(this.#end - 1) % this.#capacity]! |= RARE;
    this.#rare.set(this.#end - 1, kept);
    this.#rareBytes += bytes;
  }

  /** An event as it was read; see `setObject` for what the columns cannot hold. */
  append(event: TraceEvent): void {
    this.add(KIND[event.kind], this.devices.number(event.device), event.time, event.seq);
    if (event.requests) this.setRequests(event.seq, event.requests.first, event.requests.last);
    if (!fits(event, this.#bytes.length)) {
      this.setObject(event);
      return;
    }
    switch (event.kind) {
      case "access":
        this.setRegister(event.register, event.width);
        this.setNumbers(event.value, event.offset);
        this.setFlag(event.write);
        break;
      case "status":
        this.setNumbers(event.from, event.to);
        break;
      case "queue":
        this.setQueue(event.queue);
        this.setNumbers(event.size, 0);
        this.setFlag(event.enabled);
        break;
      case "kick":
        this.setQueue(event.queue);
        break;
      case "chain":
        this.setQueue(event.queue);
        this.setHead(event.head);
        this.setNumbers(event.readable, event.writable);
        this.#setBuffers(event.buffers, event.sample);
        break;
      case "used":
        this.setQueue(event.queue);
        this.setHead(event.head);
        this.setNumbers(event.written, 0);
        this.setSample(event.sample, event.sample.length);
        break;
      case "interrupt":
        this.setQueue(event.queue, event.cause === "config");
        this.setFlag(event.suppressed);
        break;
      case "delivery":
        this.setQueue(event.queue, event.cause === "config");
        break;
      case "acknowledge":
        this.setNumbers(event.isr, 0);
        break;
      case "frame":
        this.setNumbers(event.length, 0);
        this.setFlag(event.direction === "in");
        this.setSample(event.sample, event.sample.length);
        break;
      case "reset":
      case "features":
      case "violation":
    }
  }

  /** Says to which requests an event belongs; nothing when it is gone. */
  setRequests(seq: number, first: number, last: number): void {
    const place = this.place(seq);
    if (place === undefined) return;
    this.#firstRequests[place % this.#capacity] = first;
    this.#requestCounts[place % this.#capacity] = Math.min(last - first, 0xffff_ffff);
  }

  // ---- looking ----

  /** Of the event of that number; undefined when it is not there. */
  place(seq: number): number | undefined {
    // Mostly no numbers are missing.
    const near = this.#end - (this.#nextSeq - seq);
    if (near >= this.#oldest && near < this.#end && this.#seqs[near % this.#capacity] === seq) return near;
    const place = this.placeFrom(seq);
    return place < this.#end && this.#seqs[place % this.#capacity] === seq ? place : undefined;
  }

  /** Of the first event of this number or a greater one; `end` when there is none. */
  placeFrom(seq: number): number {
    return this.#search(this.#seqs, seq);
  }

  /** Of the first event at this time or later. */
  placeAt(time: number): number {
    return this.#search(this.#times, time);
  }

  time(place: number): number {
    return this.#times[place % this.#capacity]!;
  }

  kind(place: number): number {
    return this.#kinds[place % this.#capacity]!;
  }

  device(place: number): number {
    return this.#devices[place % this.#capacity]!;
  }

  /** The queue that it is about; undefined: none. */
  queue(place: number): number | undefined {
    const slot = place % this.#capacity;
    if (this.#flags[slot]! & RARE) {
      const event = this.#rare.get(place)!;
      return "queue" in event ? event.queue : undefined;
    }
    const queue = this.#queues[slot]!;
    return queue < 0 ? undefined : queue;
  }

  /** Bytes that it moved: those that the device may read, once it takes a chain, and those that it wrote. */
  moved(place: number): number {
    const kind = this.kind(place);
    if (kind !== KIND.chain && kind !== KIND.used) return 0;
    const slot = place % this.#capacity;
    if (!(this.#flags[slot]! & RARE)) return this.#first[slot]!;
    const event = this.#rare.get(place)!;
    return event.kind === "chain" ? event.readable : event.kind === "used" ? event.written : 0;
  }

  suppressed(place: number): boolean {
    return (this.#flags[place % this.#capacity]! & FLAG) !== 0;
  }

  requests(place: number): { first: number; last: number } | undefined {
    const slot = place % this.#capacity;
    const first = this.#firstRequests[slot]!;
    return first === 0 ? undefined : { first, last: first + this.#requestCounts[slot]! };
  }

  /** The event as a value of its own. */
  event(place: number): TraceEvent {
    const slot = place % this.#capacity;
    const requests = this.requests(place);
    const flags = this.#flags[slot]!;
    const common = {
      seq: this.#seqs[slot]!,
      time: this.#times[slot]!,
      device: this.devices.name(this.#devices[slot]!),
      ...(requests && { requests }),
    };
    if (flags & RARE) return { ...this.#rare.get(place)!, ...common };
    const flag = (flags & FLAG) !== 0;
    const queue = this.#queues[slot]!;
    const cause = flags & CONFIG ? "config" : "queue";
    const first = this.#first[slot]!;
    const second = this.#second[slot]!;
    const head = this.#heads[slot]!;
    const kind = KINDS[this.#kinds[slot]!]!;
    switch (kind) {
      case "access": {
        const register = this.#registers.name(this.#registerOf[slot]!);
        return { ...common, kind, register, offset: second, width: head, write: flag, value: first };
      }
      case "status":
        return { ...common, kind, from: first, to: second };
      case "queue":
        return { ...common, kind, queue, size: first, enabled: flag };
      case "kick":
        return { ...common, kind, queue };
      case "chain": {
        const [buffers, sample] = [this.#buffers(slot), this.#sample(slot)];
        return { ...common, kind, queue, head, readable: first, writable: second, buffers, sample };
      }
      case "used":
        return { ...common, kind, queue, head, written: first, sample: this.#sample(slot) };
      case "interrupt":
        return { ...common, kind, cause, queue, suppressed: flag };
      case "delivery":
        return { ...common, kind, cause, queue };
      case "acknowledge":
        return { ...common, kind, isr: first };
      case "frame":
        return {
          ...common,
          kind,
          direction: flag ? "in" : "out",
          length: first,
          sample: this.#sample(slot),
        };
      case "reset":
        return { ...common, kind };
      case "features":
      case "violation":
        throw new Error("an event that is always an object is none");
    }
  }

  #search(column: Float64Array, value: number): number {
    let low = this.#oldest;
    let high = this.#end;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (column[middle % this.#capacity]! < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #evict(): void {
    const place = this.#oldest++;
    if (!(this.#flags[place % this.#capacity]! & RARE)) return;
    this.#rareBytes -= objectBytes(this.#rare.get(place)!);
    this.#rare.delete(place);
  }

  /** Offset of room in one piece for the newest event's bytes; the oldest events make it. */
  #room(slot: number, length: number): number {
    const size = this.#bytes.length;
    let at = this.#written % size;
    if (at + length > size) {
      this.#written += size - at;
      at = 0;
    }
    this.#starts[slot] = this.#written;
    this.#written += length;
    while (this.#written - this.#starts[this.#oldest % this.#capacity]! > size) this.#evict();
    return at;
  }

  #setBuffers(
    buffers: readonly { address: number; length: number; writable: boolean }[],
    sample: Uint8Array,
  ): void {
    const slot = (this.#end - 1) % this.#capacity;
    let at = this.#room(slot, buffers.length * BUFFER_BYTES + sample.length);
    for (const { address, length } of buffers) {
      this.#view.setUint32(at, address, true);
      this.#view.setUint32(at + 4, length, true);
      at += BUFFER_BYTES;
    }
    this.#bytes.set(sample, at);
    this.#samples[slot] = sample.length;
    this.#bufferCounts[slot] = buffers.length;
    this.#readableCounts[slot] = buffers.filter(({ writable }) => !writable).length;
  }

  #buffers(slot: number): { address: number; length: number; writable: boolean }[] {
    let at = this.#starts[slot]! % this.#bytes.length;
    return Array.from({ length: this.#bufferCounts[slot]! }, (_, i) => {
      const address = this.#view.getUint32(at, true);
      const length = this.#view.getUint32(at + 4, true);
      at += BUFFER_BYTES;
      return { address, length, writable: i >= this.#readableCounts[slot]! };
    });
  }

  #sample(slot: number): Uint8Array {
    const at = (this.#starts[slot]! % this.#bytes.length) + this.#bufferCounts[slot]! * BUFFER_BYTES;
    return this.#bytes.slice(at, at + this.#samples[slot]!);
  }
}

/** Whether the columns can hold all of it. */
function fits(event: TraceEvent, bytes: number): boolean {
  if (event.kind === "features" || event.kind === "violation") return false;
  if ("queue" in event && event.queue > 0x7fff_ffff) return false;
  if (event.kind === "access" && event.register.length > 256) return false;
  if (event.kind !== "chain") return !("sample" in event) || event.sample.length <= bytes;
  const readable = event.buffers.filter(({ writable }) => !writable).length;
  return (
    event.buffers.length * BUFFER_BYTES + event.sample.length <= bytes &&
    event.buffers.length <= 0xffff &&
    event.buffers.every(
      ({ address, length, writable }, i) =>
        address <= 0xffff_ffff && length <= 0xffff_ffff && writable === i >= readable,
    )
  );
}

function withShortTexts(event: TraceEvent): TraceEvent {
  const entries = Object.entries(event).map(([key, value]: [string, unknown]) => {
    if (typeof value === "string") return [key, shortened(value)];
    if (value instanceof Uint8Array) return [key, value.slice(0, MAXIMUM_TEXT)];
    return [key, Array.isArray(value) ? value.slice(0, MAXIMUM_BUFFERS) : value];
  });
  return Object.fromEntries(entries) as TraceEvent;
}

/** A copy: a part that an engine has cut off by itself keeps all of the text in memory. */
function shortened(text: string): string {
  return text.length <= MAXIMUM_TEXT ? text : Array.from(text.slice(0, MAXIMUM_TEXT)).join("");
}

function objectBytes(event: TraceEvent): number {
  let bytes = OBJECT_BYTES;
  for (const value of Object.values(event) as unknown[]) {
    if (typeof value === "string") bytes += 2 * value.length;
    else if (value instanceof Uint8Array) bytes += value.length;
    else if (Array.isArray(value)) bytes += 48 * value.length;
  }
  return bytes;
}
