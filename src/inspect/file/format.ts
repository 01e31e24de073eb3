/**
 * Our own file of a trace, "a recording": docs/TRACES.md has the format. It is a gzip file of JSON lines whose members (RFC 1952,
 * 2.2) say how long they are, so that they can be read one by one; `zcat` reads it too.
 */
import type { TraceStatistics, TracedDevice } from "../types.ts";

export const VERSION = 1;

/** Of one block, unpacked, as it is written: bytes of JSON lines, and one line more. */
export const BLOCK_BYTES = 256 << 10;
/** What a block may be at most, packed or unpacked: a writer's block with the longest line that there is. */
export const MAXIMUM_BLOCK = 4 << 20;
/** Bytes kept of a chain, a used element or a frame. */
export const MAXIMUM_SAMPLE = 64 << 10;
/** Buffers of a chain that an event may list. */
export const MAXIMUM_LISTED_BUFFERS = 4096;
export const MAXIMUM_DEVICES = 256;
/** Queues of one device: as many as virtio has numbers for. */
export const MAXIMUM_QUEUES = 1 << 16;
/** Characters. */
export const MAXIMUM_NAME = 256;
export const MAXIMUM_TEXT = 64 << 10;
/** Buckets of a histogram. */
export const MAXIMUM_BUCKETS = 64;

/** What a trace's file begins with, whatever its format. */
export interface TraceHead {
  /** Milliseconds since 1970 of time 0. */
  start: number;
  /** The machine's configuration as in a link; empty when nobody said. */
  config: string;
  devices: TracedDevice[];
}

/** What it ends with. */
export interface TraceEnd {
  /** Of the newest event, microseconds. */
  time: number;
  /** Events in the file. */
  events: number;
  /** Events of the trace that are not in it. */
  dropped: number;
  /** Of the whole trace, dropped events included. */
  statistics: TraceStatistics;
}

/** Why a file is no recording that can be read; the message is a plain sentence. */
export class RecordingError extends Error {
  override name = "RecordingError";
}
