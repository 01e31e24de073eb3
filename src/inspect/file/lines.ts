import type {
  DeviceStatistics,
  EventKind,
  Histogram,
  QueueStatistics,
  TraceEvent,
  TraceStatistics,
  TracedDevice,
} from "../types.ts";
import {
  bytes,
  type Check,
  hex,
  list,
  oneOf,
  optional,
  quantity,
  record,
  text,
  truth,
  whole,
} from "./check.ts";
import {
  MAXIMUM_BUCKETS,
  MAXIMUM_DEVICES,
  MAXIMUM_LISTED_BUFFERS,
  MAXIMUM_NAME,
  MAXIMUM_QUEUES,
  MAXIMUM_SAMPLE,
  MAXIMUM_TEXT,
  RecordingError,
  type TraceEnd,
  type TraceHead,
  VERSION,
} from "./format.ts";

/** One line of a recording. */
export type Line =
  | { is: "head"; head: TraceHead }
  | { is: "event"; event: TraceEvent }
  /** All of them, now that there are others. */
  | { is: "devices"; devices: TracedDevice[] }
  | { is: "end"; end: TraceEnd };

export function headLine({ start, config, devices }: TraceHead): string {
  return `${JSON.stringify({ recording: "ringside", version: VERSION, start, config, devices })}\n`;
}

export function devicesLine(devices: readonly TracedDevice[]): string {
  return `${JSON.stringify({ devices })}\n`;
}

export function eventLine(event: TraceEvent): string {
  // To the nanosecond: what a clock has beyond that is noise that does not pack.
  const time = Math.round(event.time * 1000) / 1000;
  const shown = "sample" in event ? { ...event, time, sample: hex(event.sample) } : { ...event, time };
  return `${JSON.stringify(shown)}\n`;
}

export function endLine({ time, events, dropped, statistics }: TraceEnd): string {
  return `${JSON.stringify({ end: { time, events, dropped }, statistics })}\n`;
}

/** @throws RecordingError when the line is none that a recording may have; the message says which field is wrong. */
export function parseLine(line: string): Line {
  const value = parseJson(line);
  if (Object.hasOwn(value, "kind")) return { is: "event", event: event(value) };
  if (Object.hasOwn(value, "recording")) return { is: "head", head: head(value) };
  if (Object.hasOwn(value, "end")) return { is: "end", end: end(value) };
  if (Object.hasOwn(value, "devices")) return { is: "devices", devices: devices(value, "").devices };
  throw new RecordingError("a line is neither an event nor anything else that is known");
}

function parseJson(line: string): object {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new RecordingError("a line is not JSON", { cause });
  }
  if (typeof value !== "object" || value === null) throw new RecordingError("a line is not an object");
  return value;
}

const name = text(MAXIMUM_NAME);
/** A guest can name any queue in a doorbell of 32 bits; -1 is none, of an interrupt for a configuration change. */
const queue = whole(-1, 0xffff_ffff);
const head16 = whole(0, 0xffff);
const sample = bytes(MAXIMUM_SAMPLE);
const cause = oneOf("queue", "config");
const status = whole(0, 0xff);

const devices = record({
  devices: list(
    record({ name, kind: name, transport: name, queues: list(name, MAXIMUM_QUEUES) }),
    MAXIMUM_DEVICES,
  ),
});

const DETAILS = {
  access: record({
    register: name,
    offset: whole(),
    width: whole(1, 8),
    write: truth,
    value: whole(Number.MIN_SAFE_INTEGER),
  }),
  status: record({ from: status, to: status }),
  features: record({ negotiated: text(64), refused: optional(text(MAXIMUM_TEXT)) }),
  queue: record({ queue, size: whole(0, 1 << 16), enabled: truth }),
  kick: record({ queue }),
  chain: record({
    queue,
    head: head16,
    readable: whole(),
    writable: whole(),
    buffers: list(record({ address: whole(), length: whole(), writable: truth }), MAXIMUM_LISTED_BUFFERS),
    sample,
  }),
  used: record({ queue, head: head16, written: whole(), sample }),
  interrupt: record({ cause, queue, suppressed: truth }),
  delivery: record({ cause, queue }),
  acknowledge: record({ isr: whole() }),
  frame: record({ direction: oneOf("in", "out"), length: whole(), sample }),
  reset: record({}),
  violation: record({
    rule: name,
    sentence: text(MAXIMUM_TEXT),
    what: text(MAXIMUM_TEXT),
    queue: optional(queue),
    descriptor: optional(whole()),
  }),
} satisfies Record<EventKind, Check<object>>;

const common = record({
  seq: whole(),
  time: quantity(),
  device: name,
  requests: optional(record({ first: whole(1), last: whole(1) })),
});

function event(value: object): TraceEvent {
  const { kind } = value as { kind: unknown };
  if (typeof kind !== "string" || !Object.hasOwn(DETAILS, kind)) {
    throw new RecordingError("an event is of no kind that is known");
  }
  const { requests, ...shared } = common(value, "event");
  if (requests && requests.first > requests.last) {
    throw new RecordingError("an event's requests end before they begin");
  }
  const detail = DETAILS[kind as EventKind](value, kind);
  return { ...shared, ...(requests && { requests }), kind, ...detail } as TraceEvent;
}

/** Milliseconds since 1970 that a Date can be. */
const LATEST = 8.64e15;

const headFields = record({
  recording: oneOf("ringside"),
  version: whole(1),
  start: quantity(LATEST),
  config: text(MAXIMUM_TEXT),
});

function head(value: object): TraceHead {
  const { version } = value as { version: unknown };
  if (Number.isSafeInteger(version) && (version as number) > VERSION) {
    throw new RecordingError(`it is of version ${version as number}, and this Ringside knows ${VERSION}`);
  }
  const { start, config } = headFields(value, "head");
  return { start, config, devices: devices(value, "head").devices };
}

const histogram: Check<Histogram> = record({
  counts: list(whole(), MAXIMUM_BUCKETS),
  total: quantity(),
  maximum: quantity(),
});

const queueStatistics: Check<QueueStatistics> = record({
  index: queue,
  name,
  requests: whole(),
  bytesRead: whole(),
  bytesWritten: whole(),
  kicks: whole(),
  interrupts: whole(),
  suppressedKicks: whole(),
  suppressedInterrupts: whole(),
  depth: whole(),
  maximumDepth: whole(),
  deviceLatency: histogram,
  guestLatency: histogram,
});

const deviceStatistics: Check<DeviceStatistics> = record({
  name,
  exits: whole(),
  kicks: whole(),
  interrupts: whole(),
  configInterrupts: whole(),
  violations: whole(),
  queues: list(queueStatistics, MAXIMUM_QUEUES),
});

const statistics: Check<TraceStatistics> = record({
  time: quantity(),
  devices: list(deviceStatistics, MAXIMUM_DEVICES),
});

const endFields = record({
  end: record({ time: quantity(), events: whole(), dropped: whole() }),
  statistics,
});

function end(value: object): TraceEnd {
  const { end: counts, statistics } = endFields(value, "end");
  return { ...counts, statistics };
}
