import type { OverlayIo } from "../../src/backends/disk/overlay-file/io.ts";

/** What a file was told: a write, or that a sync has ended. */
export type Recorded = { write: Uint8Array; position: number } | "synced";

/** A file in memory that records what it is told, and fails on request. */
export class MemoryIo implements OverlayIo {
  bytes: Uint8Array;
  readonly log: Recorded[];
  syncs = 0;
  /** Calls of write that work from now on. */
  failAfter = Infinity;
  failSync = false;

  /** @param log what was done to `bytes` before, and is in the recording */
  constructor(bytes: Uint8Array = new Uint8Array(0), log: readonly Recorded[] = []) {
    this.bytes = bytes.slice();
    this.log = [...log];
    for (const record of log) {
      if (record !== "synced") this.bytes = put(this.bytes, record.write, record.position);
    }
  }

  size(): number {
    return this.bytes.length;
  }

  read(target: Uint8Array, position: number): number {
    const some = this.bytes.subarray(position, position + target.length);
    target.set(some);
    return some.length;
  }

  write(buffers: readonly Uint8Array[], position: number): void {
    const whole = Uint8Array.from(Buffer.concat(buffers));
    const fails = this.failAfter-- <= 0;
    // A write that fails has written something, mostly.
    const written = fails ? whole.subarray(0, whole.length >> 1) : whole;
    this.log.push({ write: written.slice(), position });
    this.bytes = put(this.bytes, written, position);
    if (fails) throw new Error("no space left");
  }

  async sync(): Promise<void> {
    this.syncs++;
    await new Promise((resolve) => setImmediate(resolve));
    if (this.failSync) throw new Error("sync failed");
    this.log.push("synced");
  }

  close(): void {
    // Nothing is held.
  }
}

const SECTOR = 512;

/**
 * The file that a crash leaves after the first `at` records: all that was synced, and of every write after that nothing, all,
 * or some of its sectors, or its beginning.
 */
export function afterCrash(
  before: Uint8Array,
  log: readonly Recorded[],
  at: number,
  random: Random,
): Uint8Array {
  const done = log.slice(0, at);
  const synced = done.lastIndexOf("synced");
  // Of what reached the disk, most or little: else a crash would hardly ever leave nearly all, or nearly nothing.
  const chance = random.below(5);
  let bytes: Uint8Array = before.slice();
  for (const [index, record] of done.entries()) {
    if (record === "synced") continue;
    const { write, position } = record;
    if (index <= synced || random.below(4) < chance) bytes = put(bytes, write, position);
    else if (random.below(2) === 0) bytes = torn(bytes, write, position, random);
  }
  return bytes;
}

function torn(bytes: Uint8Array, write: Uint8Array, position: number, random: Random): Uint8Array {
  if (random.below(2) === 0) return put(bytes, write.subarray(0, random.below(write.length)), position);
  for (let at = 0; at < write.length; at += SECTOR) {
    if (random.below(2) === 0) bytes = put(bytes, write.subarray(at, at + SECTOR), position + at);
  }
  return bytes;
}

function put(bytes: Uint8Array, some: Uint8Array, position: number): Uint8Array {
  if (some.length === 0) return bytes;
  let target: Uint8Array = bytes;
  if (position + some.length > bytes.length) {
    target = new Uint8Array(position + some.length);
    target.set(bytes);
  }
  target.set(some, position);
  return target;
}

/** Random numbers that a seed repeats (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }
}
