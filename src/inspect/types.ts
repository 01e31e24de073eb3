/** A trace of what crossed the line, as plain values: they can be cloned, kept and written to a file. */
import type { VirtioEvent } from "../virtio/observer.ts";

export type EventKind = VirtioEvent["type"];

/** One crossing. */
export type TraceEvent = {
  /** Counts the events of a trace from 0; never reused. */
  seq: number;
  /** Microseconds since the trace began. */
  time: number;
  device: string;
  /**
   * The requests it belongs to, as numbers of RequestRecords: for `chain` and `used` one; a `kick` those that were taken because
   * of it, an `interrupt` or `delivery` those that it announces; first and last of a run of the same queue. Absent: none (yet).
   */
  requests?: { first: number; last: number };
} & TraceDetail;

export type TraceDetail =
  | { kind: "access"; register: string; offset: number; width: number; write: boolean; value: number }
  | { kind: "status"; from: number; to: number }
  /** As hexadecimal digits: bigint is no JSON. */
  | { kind: "features"; negotiated: string; refused: string | undefined }
  | { kind: "queue"; queue: number; size: number; enabled: boolean }
  | { kind: "kick"; queue: number }
  | {
      kind: "chain";
      queue: number;
      head: number;
      /** Bytes. */
      readable: number;
      writable: number;
      /** Those kept: at most MAXIMUM_BUFFERS. */
      buffers: { address: number; length: number; writable: boolean }[];
      /** The first readable bytes. */
      sample: Uint8Array;
    }
  /** `sample`: the first bytes that the device wrote. */
  | { kind: "used"; queue: number; head: number; written: number; sample: Uint8Array }
  | { kind: "interrupt"; cause: "queue" | "config"; queue: number; suppressed: boolean }
  | { kind: "delivery"; cause: "queue" | "config"; queue: number }
  | { kind: "acknowledge"; isr: number }
  /** `length`: of the packet, its 12-byte header included; `sample` its first bytes. */
  | { kind: "frame"; direction: "in" | "out"; length: number; sample: Uint8Array }
  | { kind: "reset" }
  | {
      kind: "violation";
      rule: string;
      /** The sentence of the specification itself. */
      sentence: string;
      what: string;
      queue: number | undefined;
      descriptor: number | undefined;
    };

/** One request: a chain's way from the driver to the device and back. */
export interface RequestRecord {
  /** Counts the requests of a trace from 1. */
  id: number;
  device: string;
  queue: number;
  head: number;
  readable: number;
  writable: number;
  written: number;
  /** Numbers of its events. `kick`: undefined when none was needed; `interrupt`: none came, or was suppressed. */
  kick: number | undefined;
  chain: number;
  used: number | undefined;
  interrupt: number | undefined;
  delivery: number | undefined;
}

/** What a trace holds and what it has lost. */
export interface TraceSummary {
  /** Milliseconds since 1970 of time 0. */
  start: number;
  /** Of the newest event, microseconds. */
  end: number;
  /** The oldest event that is still there, and the one after the newest. */
  first: number;
  next: number;
  /** Of the oldest that is still there, microseconds. */
  firstTime: number;
  /** Events that had to go for newer ones. */
  dropped: number;
  /** What the trace takes up, and the most it may: bytes. */
  bytes: number;
  bound: number;
  devices: TracedDevice[];
  /** The machine's configuration as in a link; empty when nobody said. */
  config: string;
}

export interface TracedDevice {
  name: string;
  kind: string;
  transport: string;
  queues: string[];
}

export interface EventQuery {
  /** From this number on (or time), up to and without that one. */
  from?: number;
  to?: number;
  fromTime?: number;
  toTime?: number;
  device?: string;
  queue?: number;
  kinds?: readonly EventKind[];
  /** The newest that match rather than the oldest. */
  newest?: boolean;
  /** At most 1,000. */
  limit: number;
}

/** Counts of events over time: `counts[device][bucket]`, of equal width from `from` to `to` microseconds. */
export interface Timeline {
  from: number;
  to: number;
  devices: { name: string; events: number[]; kicks: number[]; interrupts: number[]; bytes: number[] }[];
}

/** Since the trace began, also for events that are no longer there. */
export interface TraceStatistics {
  /** Microseconds since the trace began. */
  time: number;
  devices: DeviceStatistics[];
}

export interface DeviceStatistics {
  name: string;
  /** Register accesses, doorbells included: exits from the guest. */
  exits: number;
  kicks: number;
  interrupts: number;
  configInterrupts: number;
  violations: number;
  queues: QueueStatistics[];
}

export interface QueueStatistics {
  index: number;
  name: string;
  requests: number;
  /** Bytes that the device could read, and those it wrote. */
  bytesRead: number;
  bytesWritten: number;
  kicks: number;
  interrupts: number;
  /** Chains that were taken without a kick of their own. */
  suppressedKicks: number;
  /** Completions that were shown without an interrupt. */
  suppressedInterrupts: number;
  /** Requests in flight: now and at most. */
  depth: number;
  maximumDepth: number;
  /** From taken to given back. */
  deviceLatency: Histogram;
  /** From the kick, or else from taken, to the interrupt, or else to given back. */
  guestLatency: Histogram;
}

/** Durations: bucket `i` counts those from 2^(i-1) up to 2^i microseconds, bucket 0 those below 1. */
export interface Histogram {
  counts: number[];
  /** Microseconds. */
  total: number;
  maximum: number;
}

/** Where to stop. Whatever is given has to match; an empty one matches every event. */
export interface Breakpoint {
  id: string;
  enabled: boolean;
  device?: string;
  queue?: number;
  kind?: EventKind;
  /** The end of a register's name, as in `device_status`. */
  register?: string;
  /** A block request that touches one of these sectors, first and last. */
  sectors?: { first: number; last: number };
  /** Of a frame, or a packet in a chain of a network device: 0x0806 is ARP. */
  etherType?: number;
}

export type Step =
  /** To the next event. */
  | { to: "crossing" }
  /** Until this request is given back. */
  | { to: "used"; request: number }
  /** Until the CPU takes the interrupt that announces it. */
  | { to: "delivery"; request: number };

/** Why the machine stands still. */
export type StopReason =
  | { by: "person" }
  | { by: "breakpoint"; breakpoint: string; event: number }
  | { by: "step"; event: number }
  /** The step's end cannot come any more: the machine was reset, say. A sentence. */
  | { by: "end"; why: string };

/** What a command in the guest cost. */
export interface Account {
  command: string;
  status: number;
  stdout: string;
  stderr: string;
  /** Wall time, milliseconds; guest instructions. */
  milliseconds: number;
  instructions: number;
  devices: {
    name: string;
    exits: number;
    kicks: number;
    interrupts: number;
    requests: number;
    bytesRead: number;
    bytesWritten: number;
  }[];
}
