import type { TraceEvent, TracedDevice } from "../types.ts";
import type { TraceEnd, TraceHead } from "./format.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

/** Makes a file of a trace as its events come: each method answers the bytes that come next. One call at a time, in this order. */
export interface TraceWriter {
  begin(head: TraceHead): Promise<Bytes> | Bytes;
  /** The next events, oldest first. `devices`: all of them, when there are others than before. */
  add(events: readonly TraceEvent[], devices?: readonly TracedDevice[]): Promise<Bytes> | Bytes;
  /** What waits for more, so that a file has all that happened so far. */
  flush(): Promise<Bytes> | Bytes;
  end(end: TraceEnd): Promise<Bytes> | Bytes;
}
