import { Trace } from "../trace.ts";
import { RecordingError } from "./format.ts";
import { type ByteSource, RecordingReader } from "./recording-reader.ts";

/** Of an opened recording, bytes in memory: the oldest events of a longer one are not there, and counted as dropped. */
const MAXIMUM_MEMORY = 256 << 20;
const LEAST_MEMORY = 16 << 20;
/** What an event takes up in memory is so many times what it takes up in a file, at most. */
const MEMORY_TO_FILE = 64;
/** Of its lines, bytes: reading more would take minutes. */
const MAXIMUM_UNPACKED = 1 << 30;
/** Bytes of its samples for which there is room in each event, on average. */
const SAMPLE = 256;
const PIECE = 1 << 20;

export interface OpenedRecording {
  trace: Trace;
  /** Why it is not all that was to be recorded, a sentence; undefined when it is whole. */
  note: string | undefined;
}

/**
 * Opens a recording, without a machine. Rejects with RecordingError, a plain sentence, when it is foreign, damaged or too long. Of one
 * that ends too early it has what is whole, and `note` says so.
 */
export async function readRecording(file: Blob | Uint8Array<ArrayBuffer>): Promise<OpenedRecording> {
  const blob = file instanceof Blob ? file : new Blob([file]);
  const reader = await RecordingReader.open(piecesOf(blob));
  const { start, config, devices } = reader.head;
  const bound = Math.min(MAXIMUM_MEMORY, Math.max(LEAST_MEMORY, MEMORY_TO_FILE * blob.size));
  const trace = new Trace({ bound, sample: SAMPLE, config, devices });
  let there = 0;
  for await (const events of reader.events()) {
    there += events.length;
    if (reader.unpacked > MAXIMUM_UNPACKED) {
      throw new RecordingError(
        "This recording is too long to be opened here. On the command line, ringside trace turns it into a file for Perfetto.",
      );
    }
    for (const event of events) trace.append(event);
  }
  const { end, cut: note } = reader;
  const origin = {
    start,
    config,
    devices: reader.devices,
    dropped: end?.dropped ?? trace.summary().next - there,
  };
  trace.readFrom(origin, end?.statistics);
  return { trace, note };
}

/** Not by `stream`, over which not every browser can iterate. */
async function* piecesOf(blob: Blob): AsyncGenerator<Uint8Array> & ByteSource {
  for (let from = 0; from < blob.size; from += PIECE) {
    yield new Uint8Array(await blob.slice(from, from + PIECE).arrayBuffer());
  }
}
