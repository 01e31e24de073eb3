import type { TraceHead } from "../../src/inspect/file/format.ts";
import type {
  EventQuery,
  Histogram,
  TraceEvent,
  TraceStatistics,
  TraceSummary,
} from "../../src/inspect/types.ts";

export const head: TraceHead = {
  start: 1_790_000_000_000.25,
  config: "memory=128M&device=blk,id=root,store=memory,size=8M",
  devices: [
    { name: "blk root", kind: "blk", transport: "pci", queues: ["requestq"] },
    { name: "net net0", kind: "net", transport: "mmio", queues: ["receiveq1", "transmitq1"] },
  ],
};

const histogram: Histogram = { counts: [0, 1, 2], total: 9, maximum: 3.5 };

export const statistics: TraceStatistics = {
  time: 90,
  devices: [
    {
      name: "blk root",
      exits: 2,
      kicks: 1,
      interrupts: 1,
      configInterrupts: 0,
      violations: 1,
      queues: [
        {
          index: 0,
          name: "requestq",
          requests: 1,
          bytesRead: 16,
          bytesWritten: 513,
          kicks: 1,
          interrupts: 1,
          suppressedKicks: 0,
          suppressedInterrupts: 0,
          depth: 0,
          maximumDepth: 1,
          deviceLatency: histogram,
          guestLatency: histogram,
        },
      ],
    },
  ],
};

const device = "blk root";
const requests = { first: 1, last: 1 };
/** A block request for 1 sector from number 0x1234. */
const readHeader = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0x34, 0x12, 0, 0, 0, 0, 0, 0);
export const frame = Uint8Array.from({ length: 76 }, (_, i) => i);

const details = [
  { device, kind: "access", register: "common.device_status", offset: 20, width: 1, write: true, value: 15 },
  { device, kind: "status", from: 11, to: 15 },
  { device, kind: "features", negotiated: "100000000", refused: undefined },
  { device, kind: "features", negotiated: "", refused: "no VERSION_1" },
  { device, kind: "queue", queue: 0, size: 256, enabled: true },
  { device, requests, kind: "kick", queue: 0 },
  {
    device,
    requests,
    kind: "chain",
    queue: 0,
    head: 7,
    readable: 16,
    writable: 513,
    buffers: [
      { address: 0x1000, length: 16, writable: false },
      { address: 0xffff_f000, length: 512, writable: true },
      { address: 0x3000, length: 1, writable: true },
    ],
    sample: readHeader,
  },
  { device, requests, kind: "used", queue: 0, head: 7, written: 513, sample: Uint8Array.of(0xab, 0) },
  { device, requests, kind: "interrupt", cause: "queue", queue: 0, suppressed: false },
  { device, requests, kind: "delivery", cause: "queue", queue: 0 },
  { device, kind: "interrupt", cause: "config", queue: -1, suppressed: false },
  { device, kind: "acknowledge", isr: 2 },
  { device: "net net0", kind: "frame", direction: "out", length: 1526, sample: frame },
  {
    device,
    kind: "violation",
    rule: "2.6.1",
    sentence: "2.6.1 negotiated",
    what: "a “quoted” thing",
    queue: undefined,
    descriptor: 3,
  },
  { device, kind: "reset" },
] as const;

/** One event of each kind. */
export const everyKind: TraceEvent[] = details.map((detail, seq) => {
  // What is undefined is absent: so a file gives it back.
  const present = Object.fromEntries(Object.entries(detail).filter(([, value]) => value !== undefined));
  return { seq: seq + 3, time: 10 + seq * 5.125, ...present } as unknown as TraceEvent;
});

/** A trace that grows, and loses its oldest events beyond a bound. */
export class Growing {
  readonly #all: TraceEvent[] = [];
  lost = 0;

  add(): void {
    const seq = this.#all.length;
    this.#all.push({ ...everyKind[seq % everyKind.length]!, seq, time: seq });
  }

  summary(): TraceSummary {
    const next = this.#all.length;
    const bounds = { first: this.lost, next, firstTime: 0, dropped: this.lost, bytes: 0, bound: 0 };
    return { ...head, end: next, ...bounds };
  }

  events({ from = 0, to = Infinity, limit }: EventQuery): TraceEvent[] {
    return this.#all.slice(Math.max(from, this.lost), to).slice(0, limit);
  }

  statistics(): TraceStatistics {
    return statistics;
  }
}
