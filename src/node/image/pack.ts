import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import {
  chunkCount,
  chunkSizeProblem,
  formatIndex,
  FORMAT,
  identityOf,
  tableLength,
  DIGEST_SIZE,
  type ImageIndex,
} from "../../backends/disk/image/format.ts";
import { checkCapacity } from "../../backends/disk/capacity.ts";
import { asError, DiskError } from "../../backends/disk/errors.ts";
import { ImageFolder } from "./folder.ts";
import { openRawDisk } from "./raw-disk.ts";

export interface PackOptions {
  /** Bytes, a power of two from 4096 to 4 MiB. */
  chunkSize?: number | undefined;
  /** How far a step is. Bytes of the disk. */
  onProgress?: ((step: "convert" | "pack", done: number, total: number) => void) | undefined;
  /** Ends the work; what was begun is taken away, and an image that was in the folder before is as it was. */
  signal?: AbortSignal | undefined;
}

export interface PackedImage extends ImageIndex {
  /** DiskBase.identity. */
  identity: string;
  /** Path of its index.json. */
  path: string;
  /** Chunks of the disk that have only zeros. */
  zeroChunks: number;
  /** Files that were in the folder already. */
  reused: number;
  /** Files of an image before that were removed. */
  removed: number;
}

/**
 * Bytes of a chunk. Larger ones take fewer requests, smaller ones fetch less that nobody asked for. The 121 reads (9.6 MB) of
 * the debian image's boot to its prompt, read again one after the other as they came:
 *
 *     chunk     requests   fetched   at once   with 40 ms for each request
 *      32 KiB      315     3.86 MB   0.70 s    4.6 s
 *      64 KiB      178     3.95 MB   0.53 s    3.8 s
 *     128 KiB      110     4.56 MB   0.48 s    2.6 s
 *     256 KiB       67     5.32 MB   0.40 s    1.9 s
 *
 * What 128 KiB are compressed to is mostly below 64 KiB, from where on Chromium's IndexedDB keeps each value in a file.
 */
export const STANDARD_CHUNK = 128 * 1024;

/** Chunks that are compressed at a time: libuv has four threads. */
const PARALLEL = 6;

/**
 * Packs the disk in the file `disk` (raw, or what qemu-img can read) into `folder`, which is made when it is not there. The
 * same disk gives the same files. The index is written last: until then the folder holds the image that it held before, or
 * none.
 * Rejects with a DiskError, or the signal's reason.
 */
export async function packImage(
  disk: string,
  folder: string,
  options: PackOptions = {},
): Promise<PackedImage> {
  const { chunkSize = STANDARD_CHUNK, onProgress, signal } = options;
  const output = await ImageFolder.open(folder);
  const raw = await openRawDisk(disk, folder, {
    onProgress: (done, total) => onProgress?.("convert", done, total),
    signal,
  });
  try {
    const size = checkCapacity(raw.size, `The disk ${disk}`);
    const problem = chunkSizeProblem(size, chunkSize);
    if (problem !== undefined)
      throw new DiskError("invalid", `The disk ${disk} cannot be packed: ${problem}.`);

    const packer = new Packer({ size, chunkSize }, output);
    await packer.read(raw.handle, {
      onProgress: (done) => onProgress?.("pack", done, size),
      signal,
    });
    await raw.checkUnchanged();
    signal?.throwIfAborted();
    const table = await packer.storeTable();
    const index: ImageIndex = {
      format: FORMAT,
      size,
      chunkSize,
      encoding: "gzip",
      table,
      chunks: packer.stored - 1,
      storedSize: output.storedSize,
    };
    const path = await output.publish(formatIndex(index));
    const removed = await output.removeUnused();
    const { zeroChunks } = packer;
    return { ...index, identity: identityOf(index), path, zeroChunks, reused: output.reused, removed };
  } finally {
    await raw.close();
    await output.discardUnfinished();
  }
}

/** Bytes that are read from the disk at a time, at least: most of a sparse one is only looked at. */
const READ_SIZE = 4 * 1024 ** 2;

class Packer {
  zeroChunks = 0;
  readonly #shape: Pick<ImageIndex, "size" | "chunkSize">;
  readonly #output: ImageFolder;
  readonly #table: Buffer;
  readonly #digests = new Set<string>();
  readonly #writing = new Set<Promise<void>>();
  #failure: Error | undefined;

  constructor(shape: Pick<ImageIndex, "size" | "chunkSize">, output: ImageFolder) {
    this.#shape = shape;
    this.#output = output;
    this.#table = Buffer.alloc(tableLength(shape));
  }

  /** Different files so far. */
  get stored(): number {
    return this.#digests.size;
  }

  async read(
    disk: FileHandle,
    { onProgress, signal }: { onProgress: (done: number) => void; signal: AbortSignal | undefined },
  ): Promise<void> {
    const { size, chunkSize } = this.#shape;
    const block = Buffer.alloc(Math.max(READ_SIZE, chunkSize));
    const zeros = Buffer.alloc(block.length);
    try {
      for (let at = 0; at < size; at += block.length) {
        signal?.throwIfAborted();
        const bytes = block.subarray(0, Math.min(block.length, size - at));
        await readFully(disk, bytes, at);
        if (bytes.equals(zeros.subarray(0, bytes.length))) {
          this.zeroChunks += Math.ceil(bytes.length / chunkSize);
        } else {
          await this.#chunks(bytes, at / chunkSize, zeros);
        }
        onProgress(at + bytes.length);
      }
    } finally {
      await Promise.allSettled(this.#writing);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  async storeTable(): Promise<string> {
    await this.#store(digestOf(this.#table), this.#table);
    return digestOf(this.#table).toString("hex");
  }

  async #chunks(bytes: Buffer, first: number, zeros: Buffer): Promise<void> {
    const { size, chunkSize } = this.#shape;
    const last = Math.min(first + Math.ceil(bytes.length / chunkSize), chunkCount(this.#shape));
    for (let number = first; number < last; number++) {
      const length = Math.min(chunkSize, size - number * chunkSize);
      const at = (number - first) * chunkSize;
      const chunk = bytes.subarray(at, at + length);
      if (chunk.equals(zeros.subarray(0, length))) {
        this.zeroChunks++;
        continue;
      }
      const digest = digestOf(chunk);
      digest.copy(this.#table, number * DIGEST_SIZE);
      if (this.#digests.has(digest.toString("hex"))) continue;
      while (this.#writing.size >= PARALLEL) await Promise.race(this.#writing);
      if (this.#failure !== undefined) throw this.#failure;
      // A copy: the block is used again while this one is compressed.
      const work = this.#store(digest, Buffer.from(chunk))
        .catch((error: unknown) => void (this.#failure ??= asError(error)))
        .finally(() => this.#writing.delete(work));
      this.#writing.add(work);
    }
  }

  async #store(digest: Buffer, content: Buffer): Promise<void> {
    const name = digest.toString("hex");
    this.#digests.add(name);
    await this.#output.store(name, content);
  }
}

function digestOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

async function readFully(disk: FileHandle, into: Buffer, position: number): Promise<void> {
  for (let filled = 0; filled < into.length;) {
    const { bytesRead } = await disk.read(into, filled, into.length - filled, position + filled);
    if (bytesRead === 0) throw new DiskError("io", "The disk became shorter while it was packed.");
    filled += bytesRead;
  }
}
