import type { TraceApi, TraceFormat } from "../api.ts";
import { MEDIA_TYPES, traceWriter } from "./writers.ts";

/** Of one question to the trace. */
const EVENTS_AT_ONCE = 1000;
/** Bytes that are put together before the browser has them. */
const PIECE = 4 << 20;

/**
 * A trace as a file. Events that the trace loses while it is made are missing from it, and counted among the dropped ones; those
 * that come meanwhile are not in it.
 */
export async function traceFile(
  trace: Pick<TraceApi, "summary" | "events" | "statistics">,
  format: TraceFormat,
): Promise<Blob> {
  const { start, config, devices, first, next } = trace.summary();
  const statistics = trace.statistics();
  const writer = traceWriter(format);
  const file = new Pieces(MEDIA_TYPES[format]);
  file.add(await writer.begin({ start, config, devices }));
  let written = 0;
  let time = 0;
  for (let from = first; from < next;) {
    const events = trace.events({ from, to: next, limit: EVENTS_AT_ONCE });
    const newest = events.at(-1);
    if (!newest) break;
    file.add(await writer.add(events));
    written += events.length;
    from = newest.seq + 1;
    time = newest.time;
    // The guest runs on meanwhile.
    await new Promise((resolve) => setTimeout(resolve));
  }
  file.add(await writer.end({ time, events: written, dropped: next - written, statistics }));
  return file.blob();
}

/** Bytes that go to the browser, which may keep a Blob on its disk, as they come. */
class Pieces {
  readonly #type: string;
  #blobs: Blob[] = [];
  #waiting: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;

  constructor(type: string) {
    this.#type = type;
  }

  add(piece: Uint8Array<ArrayBuffer>): void {
    this.#waiting.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes < PIECE) return;
    this.#blobs.push(new Blob(this.#waiting));
    this.#waiting = [];
    this.#bytes = 0;
  }

  blob(): Blob {
    return new Blob([...this.#blobs, ...this.#waiting], { type: this.#type });
  }
}
