import type { VirtioEvent } from "../virtio/observer.ts";
import type { TraceApi, TraceFormat } from "./api.ts";
import { traceFile } from "./file/save.ts";
import { EVENT_BYTES, EventLog, KIND, KINDS } from "./log.ts";
import { REQUEST_BYTES, type Run, Requests } from "./requests.ts";
import { DeviceTrack, MAXIMUM_QUEUES, QueueTrack } from "./statistics.ts";
import { timelineOf } from "./timeline.ts";
import type {
  EventQuery,
  RequestRecord,
  Timeline,
  TracedDevice,
  TraceEvent,
  TraceStatistics,
  TraceSummary,
} from "./types.ts";

export interface TraceOptions {
  /** Bytes that the trace takes up at most, 16 MiB unless given; at least 64 KiB. */
  bound?: number;
  /** Bytes kept of each chain, used element and frame, 64 unless given; at most 64 KiB. */
  sample?: number;
  /** Milliseconds; performance.now unless given. */
  now?: () => number;
  /** The machine as in a link. */
  config?: string;
  devices: readonly TracedDevice[];
}

/** What is known of a trace that was read, besides its events. */
export interface TraceOrigin {
  /** Milliseconds since 1970 of time 0. */
  start: number;
  config: string;
  devices: readonly TracedDevice[];
  /** Events that the file does not have. */
  dropped?: number;
}

const DEFAULT_BOUND = 16 << 20;
const LEAST_BOUND = 64 << 10;
const DEFAULT_SAMPLE = 64;
const MAXIMUM_SAMPLE = 64 << 10;
/** Events that one question gets, and requests whose events it gets. */
const MAXIMUM_EVENTS = 1000;
const MAXIMUM_RELATED = 1000;

/**
 * A log of what crosses the line, with a hard bound: old events go for new ones. What is counted since the beginning stays exact.
 * One object is both the recorder of a machine (`record`) and a recording that was read (`from`).
 */
export class Trace implements TraceApi {
  readonly #log: EventLog;
  readonly #requests: Requests;
  readonly #bound: number;
  readonly #sample: number;
  readonly #now: () => number;
  readonly #config: string;
  readonly #begun: number;
  #start: number;
  /** Microseconds of the newest event. */
  #time = 0;
  #known: readonly TracedDevice[] = [];
  /** The machine's, and those of which there were events; by number in the log. */
  readonly #devices: DeviceTrack[] = [];
  #queues = 0;
  #missing = 0;
  /** Of a trace that was read, as its file says. */
  #statistics: TraceStatistics | undefined;

  constructor(options: TraceOptions) {
    const { bound = DEFAULT_BOUND, sample = DEFAULT_SAMPLE, config = "" } = options;
    this.#bound = Math.max(bound, LEAST_BOUND);
    this.#sample = Math.min(sample, MAXIMUM_SAMPLE, this.#bound / 16);
    this.#now = options.now ?? (() => performance.now());
    this.#config = config;
    this.#begun = this.#now();
    this.#start = Date.now();
    const sizes = sizesOf(this.#bound, this.#sample);
    this.#log = new EventLog(sizes);
    this.#requests = new Requests(sizes.requests);
    this.devices = options.devices;
  }

  /** A trace that was read. Whatever its file does not say is counted from the events. */
  static from(
    events: Iterable<TraceEvent>,
    origin: TraceOrigin,
    statistics?: TraceStatistics,
    options: Pick<TraceOptions, "bound" | "sample"> = {},
  ): Trace {
    const trace = new Trace({ ...options, config: origin.config, devices: origin.devices });
    for (const event of events) trace.append(event);
    trace.readFrom(origin, statistics);
    return trace;
  }

  /** What a file says of the trace of which all events have been appended. */
  readFrom({ start, devices, dropped = 0 }: TraceOrigin, statistics: TraceStatistics | undefined): void {
    this.#start = start;
    this.devices = devices;
    this.#missing = dropped;
    this.#statistics = statistics;
  }

  /** The machine's devices, now that there are others. */
  set devices(devices: readonly TracedDevice[]) {
    this.#known = devices;
    for (const { name, queues } of devices) {
      const device = this.#device(name);
      device.listed = queues.length > 0;
      queues.forEach((queue, index) => {
        const track = this.#queueOf(device, index, true);
        if (track) track.name = queue;
      });
    }
  }

  get devices(): readonly TracedDevice[] {
    return this.#known;
  }

  /** Whether the trace has been told of the device. */
  knows(device: string): boolean {
    return this.#known.some(({ name }) => name === device);
  }

  // ---- recording ----

  /** Adds what happens now. Returns the event's number. Reads the chain's bytes, and keeps neither it nor the packet. */
  record(event: VirtioEvent): number {
    const time = (this.#time = Math.max((this.#now() - this.#begun) * 1000, this.#time));
    const device = this.#device(event.device);
    const log = this.#log;
    const seq = log.nextSeq;
    log.add(KIND[event.type], device.number, time);
    switch (event.type) {
      case "access":
        this.#requests.guestActs();
        device.exits++;
        log.setRegister(event.register, event.width);
        log.setNumbers(event.value, event.offset);
        log.setFlag(event.write);
        break;
      case "kick":
        if (event.queue > 0x7fff_ffff)
          log.setObject({ seq, time, device: device.name, kind: "kick", queue: event.queue });
        else log.setQueue(event.queue);
        this.#kicked(device, event.queue, seq, time);
        break;
      case "chain": {
        const { queue, head, readable, writable, chain } = event;
        log.setQueue(queue);
        log.setHead(head);
        log.setNumbers(readable, writable);
        log.setChain(chain, this.#sample);
        this.#taken(device, queue, { key: chain, head, readable, writable }, seq, time);
        break;
      }
      case "used":
        log.setQueue(event.queue);
        log.setHead(event.head);
        log.setNumbers(event.written, 0);
        log.setWritten(event.chain, event.written, this.#sample);
        this.#returned(device, event.queue, event.chain, event.written, seq, time);
        break;
      case "interrupt":
        log.setQueue(event.queue, event.cause === "config");
        log.setFlag(event.suppressed);
        this.#interrupted(device, event, seq, time);
        break;
      case "delivery":
        log.setQueue(event.queue, event.cause === "config");
        this.#delivered(device, event, seq);
        break;
      case "acknowledge":
        log.setNumbers(event.isr, 0);
        break;
      case "frame":
        log.setNumbers(event.packet.length, 0);
        log.setFlag(event.direction === "in");
        log.setSample(event.packet, this.#sample);
        break;
      case "status":
        log.setNumbers(event.from, event.to);
        break;
      case "queue":
        log.setQueue(event.queue);
        log.setNumbers(event.size, 0);
        log.setFlag(event.enabled);
        device.queues.get(event.queue)?.drop();
        break;
      case "reset":
        dropAll(device);
        break;
      case "features": {
        const negotiated = event.negotiated.toString(16);
        log.setObject({
          seq,
          time,
          device: device.name,
          kind: "features",
          negotiated,
          refused: event.refused,
        });
        break;
      }
      case "violation":
        device.violations++;
        log.setObject({ seq, time, device: device.name, kind: "violation", ...event.violation });
    }
    return seq;
  }

  /** Adds an event that was recorded elsewhere; those of a trace come in the order of their numbers and times. */
  append(event: TraceEvent): void {
    if (event.seq < this.#log.nextSeq) throw new RangeError(`event ${event.seq} comes too late`);
    const { seq, requests } = event;
    const time = (this.#time = Math.max(event.time, this.#time));
    this.#log.append({ ...event, time });
    const device = this.#device(event.device);
    switch (event.kind) {
      case "access":
        this.#requests.guestActs();
        device.exits++;
        break;
      case "kick":
        this.#kicked(device, event.queue, seq, time);
        break;
      case "chain":
        if (requests)
          this.#taken(device, event.queue, { ...event, key: requests.first }, seq, time, requests.first);
        break;
      case "used":
        if (requests) this.#returned(device, event.queue, requests.first, event.written, seq, time);
        break;
      case "interrupt":
        this.#interrupted(device, event, seq, time);
        break;
      case "delivery":
        this.#delivered(device, event, seq);
        break;
      case "queue":
        device.queues.get(event.queue)?.drop();
        break;
      case "reset":
        dropAll(device);
        break;
      case "violation":
        device.violations++;
        break;
      case "status":
      case "features":
      case "acknowledge":
      case "frame":
    }
  }

  // ---- looking ----

  summary(): TraceSummary {
    const log = this.#log;
    return {
      start: this.#start,
      end: log.lastTime,
      first: log.firstSeq,
      next: log.nextSeq,
      firstTime: log.firstTime,
      dropped: this.#missing + log.oldest,
      bytes: log.size + this.#requests.size,
      bound: this.#bound,
      devices: [...this.#known],
      config: this.#config,
    };
  }

  events(query: EventQuery): TraceEvent[] {
    const log = this.#log;
    const matches = this.#filter(query);
    if (!matches) return [];
    const { from = 0, to = Infinity, fromTime = -Infinity, toTime = Infinity } = query;
    const begin = Math.max(log.placeFrom(from), log.placeAt(fromTime));
    const end = Math.min(log.placeFrom(to), log.placeAt(toTime));
    const limit = Math.min(query.limit, MAXIMUM_EVENTS);
    const places: number[] = [];
    if (query.newest) {
      for (let place = end - 1; place >= begin && places.length < limit; place--) {
        if (matches(place)) places.push(place);
      }
      places.reverse();
    } else {
      for (let place = begin; place < end && places.length < limit; place++) {
        if (matches(place)) places.push(place);
      }
    }
    return places.map((place) => log.event(place));
  }

  related(seq: number): TraceEvent[] {
    const place = this.#log.place(seq);
    const run = place === undefined ? undefined : this.#log.requests(place);
    if (!run) return [];
    return [...this.#requests.eventsWith(seq, run, MAXIMUM_RELATED)]
      .sort((a, b) => a - b)
      .map((other) => this.#log.place(other))
      .filter((other) => other !== undefined)
      .map((other) => this.#log.event(other));
  }

  request(id: number): RequestRecord | undefined {
    return this.#requests.record(id, this.#log.firstSeq, (device) => this.#log.devices.name(device));
  }

  /** The requests that an event belongs to, as in TraceEvent, without making one of it. */
  requestsOf(seq: number): { first: number; last: number } | undefined {
    const place = this.#log.place(seq);
    return place === undefined ? undefined : this.#log.requests(place);
  }

  timeline(fromTime: number, toTime: number, buckets: number): Timeline {
    const names = this.#devices.map(({ name }) => name);
    return timelineOf(this.#log, names, fromTime, toTime, buckets);
  }

  statistics(): TraceStatistics {
    if (this.#statistics) return this.#statistics;
    return { time: this.#log.lastTime, devices: this.#devices.map((device) => device.statistics()) };
  }

  file(format: TraceFormat): Promise<Blob> {
    return traceFile(this, format);
  }

  /** The events from that number on that are there now, oldest first. What the callback adds is not among them. */
  each(from: number, callback: (event: TraceEvent) => void): void {
    const { end } = this.#log;
    for (let place = this.#log.placeFrom(from); place < end; place++) {
      if (place >= this.#log.oldest) callback(this.#log.event(place));
    }
  }

  // ---- inside ----

  #kicked(device: DeviceTrack, index: number, seq: number, time: number): void {
    this.#requests.guestActs();
    device.kicks++;
    const queue = this.#queueOf(device, index);
    if (!queue) return;
    queue.kicks++;
    this.#requests.kick(queue, seq, time);
  }

  #taken(
    device: DeviceTrack,
    index: number,
    chain: Parameters<Requests["taken"]>[2],
    seq: number,
    time: number,
    as?: number,
  ): void {
    const queue = this.#queueOf(device, index, true);
    if (!queue) return;
    queue.requests++;
    queue.bytesRead += chain.readable;
    const { id, kick } = this.#requests.taken(device, queue, chain, seq, time, as);
    this.#log.setRequests(seq, id, id);
    const place = kick === undefined ? undefined : this.#log.place(kick);
    if (place !== undefined) {
      const before = this.#log.requests(place);
      this.#log.setRequests(kick!, before?.first ?? id, Math.max(before?.last ?? id, id));
    }
  }

  #returned(
    device: DeviceTrack,
    index: number,
    key: object | number,
    written: number,
    seq: number,
    time: number,
  ): void {
    const queue = this.#queueOf(device, index);
    if (!queue) return;
    queue.bytesWritten += written;
    const id = this.#requests.returned(queue, key, written, seq, time);
    if (id !== undefined) this.#log.setRequests(seq, id, id);
  }

  #interrupted(
    device: DeviceTrack,
    { cause, queue: index, suppressed }: { cause: "queue" | "config"; queue: number; suppressed: boolean },
    seq: number,
    time: number,
  ): void {
    if (cause === "config") {
      device.configInterrupts++;
      return;
    }
    if (!suppressed) device.interrupts++;
    const queue = this.#queueOf(device, index);
    if (!queue) return;
    if (!suppressed) queue.interrupts++;
    this.#belongs(seq, this.#requests.decided(queue, suppressed, seq, time));
  }

  #delivered(
    device: DeviceTrack,
    { cause, queue: index }: { cause: "queue" | "config"; queue: number },
    seq: number,
  ): void {
    const queue = cause === "queue" ? device.queues.get(index) : undefined;
    if (queue) this.#belongs(seq, this.#requests.delivered(queue, seq));
  }

  #belongs(seq: number, run: Run | undefined): void {
    if (run) this.#log.setRequests(seq, run.first, run.last);
  }

  #device(name: string): DeviceTrack {
    const { devices } = this.#log;
    const number = devices.number(name);
    return (this.#devices[number] ??= new DeviceTrack(devices.name(number), number));
  }

  /** @param exists a guest may kick queues that do not exist, billions of them: those are not followed, nor too many others */
  #queueOf(device: DeviceTrack, index: number, exists = !device.listed): QueueTrack | undefined {
    const known = device.queues.get(index);
    if (known || index < 0 || !exists || this.#queues >= MAXIMUM_QUEUES) return known;
    this.#queues++;
    const queue = new QueueTrack(index, `queue ${index}`);
    device.queues.set(index, queue);
    return queue;
  }

  /** Undefined when nothing can match. */
  #filter({ device, queue, kinds }: EventQuery): ((place: number) => boolean) | undefined {
    const log = this.#log;
    const number = device === undefined ? undefined : log.devices.find(device);
    if (device !== undefined && number === undefined) return undefined;
    const wanted = KINDS.map((kind) => !kinds || kinds.includes(kind));
    return (place) =>
      (number === undefined || log.device(place) === number) &&
      wanted[log.kind(place)]! &&
      (queue === undefined || log.queue(place) === queue);
  }
}

function dropAll(device: DeviceTrack): void {
  for (const queue of device.queues.values()) queue.drop();
}

/** Shares a bound out so that all parts run full at about the same time: of five events two have bytes, and one begins a request. */
function sizesOf(
  bound: number,
  sample: number,
): { events: number; bytes: number; rare: number; requests: number } {
  const rare = Math.floor(bound / 16);
  const bytesEach = 0.4 * sample + 16;
  const share = (bound - rare) / (EVENT_BYTES + REQUEST_BYTES / 4 + bytesEach);
  const bytes = Math.floor(share * bytesEach);
  const requests = Math.floor(share / 4);
  const events = Math.floor((bound - rare - bytes - requests * REQUEST_BYTES) / EVENT_BYTES);
  return { events, bytes, rare, requests };
}
