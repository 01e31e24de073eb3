import type { DiskBase } from "./base.ts";
import { checkCapacity } from "./capacity.ts";
import { ChunkedDisk, type MessageLevel } from "./chunked.ts";
import { MemoryStore } from "./memory-store.ts";
import { sizeOver } from "./overlay-base.ts";
import { OverlayContents, OverlayStore } from "./overlay.ts";

/** Bytes in a chunk: what a base has to give for the first byte that is written to it. */
const CHUNK_SIZE = 32 * 1024;

/** Bounds on the cache in bytes: it stands before memory, and only bridges the copy. */
const BOUNDS = { cache: 16 * 2 ** 20, writeBack: 4 * 2 ** 20, unsaved: 8 * 2 ** 20 };

export interface MemoryOverlayOptions {
  /** Bytes, a multiple of 512, not less than the base's, which is the standard. */
  size?: number | undefined;
  readOnly?: boolean | undefined;
  /** Messages for the person. */
  onMessage?: ((level: MessageLevel, text: string) => void) | undefined;
}

/**
 * A disk that shows a base, and keeps what is written to it in memory, as long as the machine runs. Takes over the base, unless
 * it throws: a DiskError "invalid" for sizes that cannot be.
 *
 * @param disk as messages call it: `The disk "home"`
 */
export function memoryOverlay(disk: string, base: DiskBase, options: MemoryOverlayOptions = {}): ChunkedDisk {
  const capacity = checkCapacity(sizeOver(disk, base, options.size), disk);
  const contents = new OverlayContents(base, CHUNK_SIZE, { chunks: new Set(), holes: new Set() });
  return new ChunkedDisk(new OverlayStore(new MemoryStore(), base, contents), {
    name: disk,
    capacity,
    readOnly: options.readOnly ?? false,
    chunkSize: CHUNK_SIZE,
    stored: contents,
    onMessage: options.onMessage ?? (() => undefined),
    bounds: BOUNDS,
  });
}
