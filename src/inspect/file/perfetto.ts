import type { TraceEvent, TracedDevice } from "../types.ts";
import { blockRequest } from "./block-request.ts";
import type { TraceEnd, TraceHead } from "./format.ts";
import { PerfettoRows, type Track } from "./perfetto-rows.ts";
import type { Bytes, TraceWriter } from "./writer.ts";

/** Requests in flight of which we know; the oldest go then. More than all queues of a large machine hold. */
const MAXIMUM_OPEN = 1 << 17;
/** Buffers of a chain that its arguments list. */
const LISTED_BUFFERS = 16;

/**
 * The Trace Event Format of Chrome, as a JSON array, for ui.perfetto.dev and chrome://tracing. A device is a process, the driver's side
 * and each queue are threads of it, and a request is an asynchronous slice from its kick to its interrupt. Times in microseconds;
 * rows are not quite sorted, as the format allows: a request's beginning is written when it is taken.
 */
export class PerfettoWriter implements TraceWriter {
  readonly #encoder = new TextEncoder();
  readonly #rows = new PerfettoRows();
  readonly #devices = new Map<string, DeviceRows>();
  readonly #known = new Map<string, TracedDevice>();
  readonly #inFlight: InFlight = { requests: new Set(), ids: 0 };
  #time = 0;

  begin({ start, config, devices }: TraceHead): Bytes {
    this.#learn(devices);
    const recorder = this.#rows.process("Ringside", "the trace").track("trace");
    this.#rows.mark(recorder, "the trace begins", 0, { at: new Date(start).toISOString(), config });
    return this.#take("[\n");
  }

  add(events: readonly TraceEvent[], devices?: readonly TracedDevice[]): Bytes {
    if (devices) this.#learn(devices);
    for (const event of events) {
      // A clock of a page stands still for a while. Rows of the same time have no order of their own, and arrows would go astray.
      this.#time = Math.max(this.#time + 0.001, event.time);
      this.#device(event.device).add({ ...event, time: this.#time });
    }
    return this.#take();
  }

  flush(): Bytes {
    return this.#take();
  }

  end({ time: newest, events, dropped }: TraceEnd): Bytes {
    const time = Math.max(this.#time, newest);
    for (const device of this.#devices.values()) device.abandonAll(time, "the trace ends");
    this.#rows.mark(this.#rows.process("Ringside", "").track("trace"), "the trace ends", time, {
      events,
      dropped,
    });
    return this.#take("", "\n]\n");
  }

  #learn(devices: readonly TracedDevice[]): void {
    for (const device of devices) this.#known.set(device.name, device);
  }

  #device(name: string): DeviceRows {
    let device = this.#devices.get(name);
    if (!device) {
      device = new DeviceRows(this.#rows, name, this.#known.get(name), this.#inFlight);
      this.#devices.set(name, device);
    }
    return device;
  }

  #take(before = "", after = ""): Bytes {
    return this.#encoder.encode(`${before}${this.#rows.take()}${after}`);
  }
}

/** Of all devices. */
interface InFlight {
  /** Oldest first. */
  requests: Set<Request>;
  ids: number;
}

/** A request that has not ended. */
interface Request {
  owner: DeviceRows;
  id: string;
  name: string;
  queue: QueueRows;
  head: number;
  used: { time: number; written: number } | undefined;
}

interface QueueRows {
  track: Track;
  label: string;
  name: string;
  kick: { time: number; first: number; last: number } | undefined;
  inFlight: Map<number, Request>;
  /** Given back, and not announced. */
  given: Request[];
}

class DeviceRows {
  readonly #rows: PerfettoRows;
  readonly #traced: TracedDevice | undefined;
  readonly #process: ReturnType<PerfettoRows["process"]>;
  readonly #driver: Track;
  readonly #queues = new Map<number, QueueRows>();
  readonly #inFlight: InFlight;
  readonly #isDisk: boolean;

  constructor(rows: PerfettoRows, name: string, traced: TracedDevice | undefined, inFlight: InFlight) {
    this.#rows = rows;
    this.#traced = traced;
    this.#inFlight = inFlight;
    this.#isDisk = (traced?.kind ?? name.split(" ")[0]) === "blk";
    this.#process = rows.process(name, traced ? `virtio-${traced.kind} on ${traced.transport}` : "");
    this.#driver = this.#process.track("driver");
  }

  add(event: TraceEvent): void {
    const { time } = event;
    switch (event.kind) {
      case "access": {
        const { register, offset, width, write, value } = event;
        this.#instant(`${write ? "write" : "read"} ${register}`, time, { value: hex(value), offset, width });
        break;
      }
      case "status":
        this.#instant(`status ${hex(event.to)}`, time, { from: hex(event.from), to: hex(event.to) });
        break;
      case "features":
        this.#instant(event.refused === undefined ? "features" : "features refused", time, {
          negotiated: `0x${event.negotiated}`,
          ...(event.refused !== undefined && { refused: event.refused }),
        });
        break;
      case "queue":
        this.#instant(`queue ${event.queue} ${event.enabled ? "enabled" : "disabled"}`, time, {
          size: event.size,
        });
        if (!event.enabled) this.#abandon(event.queue, time, "the queue was disabled");
        break;
      case "reset":
        this.#instant("reset", time, {});
        this.abandonAll(time, "the device was reset");
        break;
      case "acknowledge":
        this.#instant("interrupt acknowledged", time, { isr: hex(event.isr) });
        break;
      case "violation": {
        const { rule, sentence, what, queue, descriptor } = event;
        this.#instant(`violation of ${rule}`, time, { what, sentence, queue, descriptor }, "p");
        break;
      }
      case "frame":
        this.#rows.instant(this.#process.track("wire"), `frame ${event.direction}`, time, {
          bytes: event.length,
        });
        break;
      case "kick":
        this.#kick(event);
        break;
      case "chain":
        this.#chain(event);
        break;
      case "used":
        this.#used(event);
        break;
      case "interrupt":
        this.#interrupt(event);
        break;
      case "delivery":
        this.#rows.mark(this.#driver, "interrupt taken", time, { cause: event.cause, queue: event.queue });
        break;
    }
  }

  abandonAll(time: number, why: string): void {
    for (const queue of this.#queues.keys()) this.#abandon(queue, time, why);
  }

  #kick({ time, queue, requests }: Event<"kick">): void {
    this.#rows.mark(this.#driver, `kick ${this.#label(queue)}`, time, { queue });
    const known = requests === undefined ? this.#queues.get(queue) : this.#queue(queue);
    if (known) known.kick = requests && { time, ...requests };
  }

  #chain({ time, queue: index, head, readable, writable, buffers, sample, requests }: Event<"chain">): void {
    const queue = this.#queue(index);
    // A head that is in flight is taken again only where its end is not in the trace.
    const before = queue.inFlight.get(head);
    if (before) this.#finish(before, time, { unfinished: "its end is not in the trace" });
    this.#makeRoom(time);

    const block = this.#isDisk ? blockRequest(sample) : undefined;
    const name = block?.name ?? queue.name;
    const id = `0x${(++this.#inFlight.ids).toString(16)}`;
    const number = requests?.first;
    const { kick } = queue;
    const kicked = kick && number !== undefined && number >= kick.first && number <= kick.last;
    const request: Request = { owner: this, id, name, queue, head, used: undefined };
    queue.inFlight.set(head, request);
    this.#inFlight.requests.add(request);

    this.#rows.begin(queue.track, name, id, kicked ? kick.time : time, {
      request: number,
      queue: index,
      head,
      readable,
      writable,
      ...(block?.sector !== undefined && { sector: block.sector }),
      buffers: buffers
        .slice(0, LISTED_BUFFERS)
        .map((buffer) => `${hex(buffer.address)} ${buffer.writable ? "write" : "read"} ${buffer.length}`),
      ...(buffers.length > LISTED_BUFFERS && { moreBuffers: buffers.length - LISTED_BUFFERS }),
    });
    this.#rows.begin(queue.track, inDevice(name), id, time, { head });
    this.#rows.mark(queue.track, "taken", time, { request: number, head });
    if (kicked) {
      this.#rows.flow("s", this.#driver, id, kick.time);
      this.#rows.flow("t", queue.track, id, time);
    } else {
      this.#rows.flow("s", queue.track, id, time);
    }
    this.#count(queue, time);
  }

  #used({ time, queue: index, head, written, requests }: Event<"used">): void {
    const queue = this.#queue(index);
    this.#rows.mark(queue.track, "used", time, { request: requests?.first, head, written });
    const request = queue.inFlight.get(head);
    if (!request) return;
    queue.inFlight.delete(head);
    request.used = { time, written };
    queue.given.push(request);
    this.#rows.finish(queue.track, inDevice(request.name), request.id, time, { written });
    this.#count(queue, time);
  }

  #interrupt({ time, cause, queue: index, suppressed }: Event<"interrupt">): void {
    if (cause === "config") {
      this.#rows.mark(this.#driver, "configuration interrupt", time, {});
      return;
    }
    const queue = this.#queue(index);
    this.#rows.mark(queue.track, suppressed ? "interrupt suppressed" : "interrupt", time, {
      requests: queue.given.length,
    });
    for (const request of queue.given) {
      const { used, id } = request;
      if (suppressed) {
        this.#rows.flow("f", queue.track, id, used!.time);
      } else {
        this.#rows.flow("t", queue.track, id, used!.time);
        this.#rows.flow("f", queue.track, id, time);
      }
      this.#finish(request, suppressed ? used!.time : time, { written: used!.written });
    }
    queue.given = [];
  }

  /** A queue's requests end without having been finished. */
  #abandon(index: number, time: number, why: string): void {
    const queue = this.#queues.get(index);
    if (!queue) return;
    for (const request of queue.inFlight.values()) this.#finish(request, time, { unfinished: why });
    for (const request of queue.given) this.#finish(request, request.used!.time, {});
    const any = queue.inFlight.size > 0;
    queue.inFlight.clear();
    queue.given = [];
    queue.kick = undefined;
    if (any) this.#count(queue, time);
  }

  #finish(request: Request, time: number, args: object): void {
    const { id, name, queue, used } = request;
    if (!used) this.#rows.finish(queue.track, inDevice(name), id, time, {});
    this.#rows.finish(queue.track, name, id, time, args);
    this.#inFlight.requests.delete(request);
  }

  #makeRoom(time: number): void {
    if (this.#inFlight.requests.size < MAXIMUM_OPEN) return;
    const [oldest] = this.#inFlight.requests;
    if (oldest) oldest.owner.#forget(oldest, time);
  }

  #forget(request: Request, time: number): void {
    const { queue, head } = request;
    if (queue.inFlight.get(head) === request) queue.inFlight.delete(head);
    queue.given = queue.given.filter((given) => given !== request);
    this.#finish(request, time, { unfinished: "too many requests in flight" });
  }

  #count(queue: QueueRows, time: number): void {
    this.#rows.counter(queue.track, `${queue.label} in flight`, time, queue.inFlight.size);
  }

  #instant(name: string, time: number, args: object, scope: "t" | "p" = "t"): void {
    this.#rows.instant(this.#driver, name, time, args, scope);
  }

  #label(index: number): string {
    return `queue ${index} ${this.#traced?.queues[index] ?? ""}`.trimEnd();
  }

  #queue(index: number): QueueRows {
    let queue = this.#queues.get(index);
    if (!queue) {
      const label = this.#label(index);
      const name = this.#traced?.queues[index] ?? label;
      const track = this.#process.track(label);
      queue = { track, label, name, kick: undefined, inFlight: new Map(), given: [] };
      this.#queues.set(index, queue);
    }
    return queue;
  }
}

type Event<K extends TraceEvent["kind"]> = Extract<TraceEvent, { kind: K }>;

/** Of the slice from taken to given back. */
function inDevice(name: string): string {
  return `${name}, in the device`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
