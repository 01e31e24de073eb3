/** What a view of a trace asks for: of a live machine through the worker, or of a file in the page itself. */
import type { DeviceView, QueueView } from "../virtio/view/types.ts";
import type {
  Account,
  Breakpoint,
  EventQuery,
  RequestRecord,
  Step,
  StopReason,
  Timeline,
  TraceEvent,
  TraceStatistics,
  TraceSummary,
} from "./types.ts";

export type * from "../virtio/view/types.ts";

/** Each answer holds for the moment of the question; nothing throws for an event that is no longer there. */
export interface TraceApi {
  summary(): TraceSummary;
  /** Oldest first. */
  events(query: EventQuery): TraceEvent[];
  /** All events of the requests that an event belongs to that are still there, oldest first. */
  related(seq: number): TraceEvent[];
  request(id: number): RequestRecord | undefined;
  /** @param buckets 1 to 2,000 */
  timeline(fromTime: number, toTime: number, buckets: number): Timeline;
  statistics(): TraceStatistics;
  /**
   * The trace as a file: our own (docs/TRACES.md), for Perfetto and chrome://tracing (JSON), or its frames as pcapng. Made piece
   * by piece, so that the guest runs on; what happens meanwhile is not in it. `traceFile` (file/save.ts) does it for any trace.
   */
  file(format: TraceFormat): Promise<Blob>;
}

export type TraceFormat = "ringside" | "perfetto" | "pcapng";

/** The live machine. Its methods reject with a plain sentence when there is none. */
export interface InspectorApi extends TraceApi {
  /** What the devices are now. */
  devices(): DeviceView[];
  /** A queue's rings; undefined when it is not enabled. */
  queue(device: string, queue: number): QueueView | undefined;
  /** Guest memory, at most 64 KiB; less at its end. */
  memory(address: number, length: number): Uint8Array;
  setBreakpoints(breakpoints: readonly Breakpoint[]): void;
  /** From a machine that stands still. It is paused again when the step is done; `onStop` tells. */
  step(step: Step): void;
  /** Milliseconds of waiting after each crossing: slow motion. 0 ends it. */
  slowMotion(milliseconds: number): void;
  /** Runs a command in the guest and counts what crosses the line meanwhile. */
  account(command: string): Promise<Account>;
  /** Ends the inspection: nothing is recorded any more, breakpoints are gone, and a machine that stands still goes on. */
  close(): void;
}

export interface InspectorListener {
  /** At most ten times a second, and only when something happened. */
  onUpdate(update: TraceUpdate): void;
  /** The machine stands still, or (undefined) goes on. */
  onStop(stop: StopReason | undefined): void;
}

/** What happened since the last update. */
export interface TraceUpdate {
  summary: TraceSummary;
  statistics: TraceStatistics;
  /** How many events there were; `newest` are the last of them, at most 100. */
  count: number;
  newest: TraceEvent[];
}
