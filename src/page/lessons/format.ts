/** A lesson as its file says it. lessons/README.md tells a teacher how to write one; parse.ts reads it. */
import type { EventKind } from "../../inspect/types.ts";

export interface Lesson {
  /** The file's name without `.md`: `?lesson=NAME`. */
  name: string;
  title: string;
  summary: string;
  /** Its place among the others. */
  order: number;
  /** The configuration that it wants, as after `#` in a link; empty: the default machine. */
  machine: string;
  /** At least one. */
  steps: LessonStep[];
}

export interface LessonStep {
  title: string;
  /** The line of its heading in the file, from 1. */
  line: number;
  /** As they stand in the file. */
  parts: LessonPart[];
  /** One after the other; at least one. Each waits for what comes after the one before it. */
  waits: Wait[];
  /** What to bring up in the inspector when the step begins. */
  show: ViewPlace | undefined;
}

export type LessonPart =
  | { type: "text"; markdown: string }
  /** Lines to type into the terminal. */
  | { type: "run"; commands: string[] }
  /** Another machine in the place of this one. */
  | { type: "machine"; config: string }
  /** Another machine in a tab beside this one; at a step of the same lesson (from 0) if it says one. */
  | { type: "open"; config: string; step: number | undefined };

export interface ViewPlace {
  tab: string | undefined;
  device: string | undefined;
  queue: number | undefined;
}

export type Wait = { say: string } & WaitCondition;

export type WaitCondition =
  | { for: "event"; event: EventWait }
  /** The last phase's event, of a request that has them all. */
  | { for: "request"; phases: RequestPhase[]; where: EventWait }
  /** Once more than when the wait began. */
  | { for: "terminal"; text: string }
  /** Typed at a prompt, and the prompt is back. */
  | { for: "command"; command: string }
  | { for: "state"; state: string }
  | { for: "view"; view: ViewPlace }
  | { for: "machine"; config: string }
  | { for: "next" };

export const REQUEST_PHASES = ["kick", "chain", "used", "interrupt", "delivery"] as const;
export type RequestPhase = (typeof REQUEST_PHASES)[number];

/** Whatever is given has to match. */
export interface EventWait {
  kind: EventKind;
  /** An event's device, or the first word of it: `net` is also `net net0`. */
  device?: string;
  queue?: number;
  /** The end of a register's name. */
  register?: string;
  write?: boolean;
  /** Of a register access. */
  value?: number;
  /** Bits that a status gains. */
  status?: number;
  /** Negotiated, or with `without` not: name or number of a feature bit. */
  feature?: string;
  without?: string;
  sectors?: { first: number; last: number };
  operation?: BlockOperation;
  etherType?: number;
  /** Of an IPv4 packet in a frame: 1 is ICMP. */
  protocol?: number;
  direction?: "in" | "out";
  suppressed?: boolean;
  enabled?: boolean;
  /** Text among the bytes that the trace has kept of a chain, of what was written into one, or of a frame. */
  contains?: string;
  /** How a violation's section, or the name of its sentence, begins. */
  rule?: string;
}

/** VIRTIO_BLK_T_* of a request's header (5.2.6). */
export const BLOCK_OPERATIONS = {
  read: 0,
  write: 1,
  flush: 4,
  id: 8,
  discard: 11,
  "write zeroes": 13,
} as const;
export type BlockOperation = keyof typeof BLOCK_OPERATIONS;

/** The device status field's bits (2.1). */
export const STATUS_BITS = {
  ACKNOWLEDGE: 1,
  DRIVER: 2,
  DRIVER_OK: 4,
  FEATURES_OK: 8,
  DEVICE_NEEDS_RESET: 64,
  FAILED: 128,
} as const;
