/** A disk's content on its way out: raw or gzip, a piece at a time. */
import { DiskError } from "../errors.ts";
import type { Piece } from "./source.ts";

export type ExportFormat = "raw" | "gzip";

/** A file that is written at any place. Offsets in bytes. Errors are DiskErrors. */
export interface ExportTarget {
  write(offset: number, data: Uint8Array): Promise<void>;
  /** What was not written by then is zeros. */
  setSize(bytes: number): Promise<void>;
}

export interface ExportOptions {
  /** Bytes of the disk. */
  size: number;
  signal: AbortSignal;
  /** Told how far on the disk we are, from 0 to 1. */
  onProgress: (progress: number) => void;
}

/** Writes the pieces into `target`. Rejects with a DiskError, or with the signal's reason. */
export async function exportTo(
  target: ExportTarget,
  format: ExportFormat,
  pieces: AsyncIterable<Piece>,
  options: ExportOptions,
): Promise<void> {
  if (format === "raw") await writeRaw(target, pieces, options);
  else await writeGzip(target, pieces, options);
  options.onProgress(1);
}

/** Zeros are not written: the file has holes where the system can make them. */
async function writeRaw(
  target: ExportTarget,
  pieces: AsyncIterable<Piece>,
  { size, signal, onProgress }: ExportOptions,
): Promise<void> {
  await target.setSize(size);
  for await (const { offset, data } of pieces) {
    signal.throwIfAborted();
    await target.write(offset, data);
    onProgress(offset / size);
  }
}

async function writeGzip(
  target: ExportTarget,
  pieces: AsyncIterable<Piece>,
  options: ExportOptions,
): Promise<void> {
  let written = 0;
  const sink = new WritableStream<Uint8Array>({
    async write(data) {
      await target.write(written, data);
      written += data.length;
    },
  });
  // One signal ends all: whichever end fails, the other must not wait for it.
  await inOrder(pieces, options)
    .pipeThrough(new CompressionStream("gzip"))
    .pipeTo(sink, { signal: options.signal });
}

const ZEROS = new Uint8Array(256 * 1024);

/** The whole disk from its beginning to its end, zeros included. */
export function inOrder(
  pieces: AsyncIterable<Piece>,
  { size, signal, onProgress }: ExportOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const iterator = pieces[Symbol.asyncIterator]();
  let at = 0;
  let next: Piece | undefined;
  let ended = false;
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        signal.throwIfAborted();
        if (!next && !ended) {
          const result = await iterator.next();
          if (result.done === true) ended = true;
          else next = result.value;
        }
        const end = next?.offset ?? size;
        if (end < at) throw new DiskError("io", "The disk's content came in a wrong order.");
        if (at < end) {
          const zeros = ZEROS.slice(0, Math.min(ZEROS.length, end - at));
          at += zeros.length;
          controller.enqueue(zeros);
        } else if (next) {
          at += next.data.length;
          controller.enqueue(next.data as Uint8Array<ArrayBuffer>);
          next = undefined;
        } else {
          controller.close();
        }
        onProgress(at / size);
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 1 },
  );
}
