import { Durations } from "./histogram.ts";
import type { DeviceStatistics, QueueStatistics } from "./types.ts";

/** Queues of a trace that are counted and whose requests are followed, over all its devices. */
export const MAXIMUM_QUEUES = 4096;

/** Requests of a queue that are followed at a time: as many as the largest ring has. */
const MAXIMUM_OPEN = 32768;

/** A request that the device has, or that no interrupt was decided about yet. Times in microseconds. */
export interface OpenRequest {
  id: number;
  /** When it was taken. */
  taken: number;
  /** The moment of its kick, or else when it was taken. */
  begun: number;
  /** When it was given back. */
  returned: number;
}

/** What stands for a request while it is in flight: its chain, or of a trace that was read its number. */
export type RequestKey = object | number;

/** What is counted of one queue, and where its requests are. */
export class QueueTrack {
  readonly index: number;
  name: string;
  requests = 0;
  bytesRead = 0;
  bytesWritten = 0;
  kicks = 0;
  interrupts = 0;
  suppressedKicks = 0;
  suppressedInterrupts = 0;
  maximumDepth = 0;
  readonly deviceLatency = new Durations();
  readonly guestLatency = new Durations();

  /** The newest kick; `claimed` by a request, while `round` was what the trace's was. */
  kick: { seq: number; time: number; claimed: boolean; round: number } | undefined;
  readonly inFlight = new Map<RequestKey, OpenRequest>();
  /** Given back since the last decision about an interrupt. */
  returned: OpenRequest[] = [];
  /** The requests that the newest interrupt announces, until the CPU takes it. */
  announced: { first: number; last: number; interrupt: number } | undefined;

  constructor(index: number, name: string) {
    this.index = index;
    this.name = name;
  }

  /** One more is in flight. */
  open(key: RequestKey, request: OpenRequest): void {
    // Only in a forged trace are there so many.
    if (this.inFlight.size === MAXIMUM_OPEN) this.inFlight.delete(this.inFlight.keys().next().value!);
    this.inFlight.set(key, request);
    this.maximumDepth = Math.max(this.maximumDepth, this.inFlight.size);
  }

  /** It was given back, and waits for the decision about an interrupt. */
  close(request: OpenRequest): void {
    if (this.returned.length < MAXIMUM_OPEN) this.returned.push(request);
  }

  /** What was in flight never comes back. */
  drop(): void {
    for (const { begun, returned } of this.returned) this.guestLatency.add(returned - begun);
    this.inFlight.clear();
    this.returned = [];
    this.kick = undefined;
    this.announced = undefined;
  }

  statistics(): QueueStatistics {
    return {
      index: this.index,
      name: this.name,
      requests: this.requests,
      bytesRead: this.bytesRead,
      bytesWritten: this.bytesWritten,
      kicks: this.kicks,
      interrupts: this.interrupts,
      suppressedKicks: this.suppressedKicks,
      suppressedInterrupts: this.suppressedInterrupts,
      depth: this.inFlight.size,
      maximumDepth: this.maximumDepth,
      deviceLatency: this.deviceLatency.histogram(),
      guestLatency: this.guestLatency.histogram(),
    };
  }
}

/** What is counted of one device. */
export class DeviceTrack {
  readonly name: string;
  /** Its number in the log. */
  readonly number: number;
  readonly queues = new Map<number, QueueTrack>();
  /** Somebody said which queues it has: a kick of another one is the guest's mistake. */
  listed = false;
  exits = 0;
  kicks = 0;
  interrupts = 0;
  configInterrupts = 0;
  violations = 0;

  constructor(name: string, number: number) {
    this.name = name;
    this.number = number;
  }

  statistics(): DeviceStatistics {
    const { name, exits, kicks, interrupts, configInterrupts, violations } = this;
    const queues = [...this.queues.values()]
      .sort((a, b) => a.index - b.index)
      .map((queue) => queue.statistics());
    return { name, exits, kicks, interrupts, configInterrupts, violations, queues };
  }
}
