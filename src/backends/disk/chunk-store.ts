import type { NamedValue } from "../../virtio/view/types.ts";
import type { DiskError } from "./errors.ts";

/** What keeps a disk in chunks of one size, each under its number (offset / chunk size). Errors are DiskErrors. */
export interface ChunkStore {
  /**
   * Answers in the order of `numbers`, all of which the store has: for each chunk its bytes, in an array that is the caller's,
   * or why it cannot be read. Rejects when none can be. Any number of loads may be under way.
   */
  load(numbers: readonly number[]): Promise<(Uint8Array | DiskError)[]>;
  /**
   * Takes the bytes as they are at the call, and removes the chunks in `removed` (some of which may not be there, or be in
   * `chunks` again); resolves when all is durable. All of it is done or nothing. One save at a time.
   */
  save(chunks: [number: number, data: Uint8Array][], removed: readonly number[]): Promise<void>;
  /** Durably notes another size of the disk in bytes. */
  setCapacity(bytes: number): Promise<void>;
  /**
   * Whether the chunk comes from where it may take long, so that nothing else should wait for it: it is loaded by itself, with
   * its neighbours at most, beside other loads. Without this, chunks are loaded many at a time, one load after the other.
   */
  isRemote?(number: number): boolean;
  /** What it is, and what it has done, for people. */
  state?(): NamedValue[];
  /** Lets go of the disk. What was not saved by then is lost. */
  close(): void | Promise<void>;
}

/** The own store of a disk over a base. */
export interface HoleStore extends ChunkStore {
  /**
   * As a ChunkStore's, and the chunks in `holes`, of which none is in another list, are removed and noted as such: zeros that
   * cover what the base has. A chunk that is saved later is no hole any more.
   */
  save(
    chunks: [number: number, data: Uint8Array][],
    removed: readonly number[],
    holes?: readonly number[],
  ): Promise<void>;
}

/** Which chunks there are, of whatever store. */
export interface ChunkSet {
  has(number: number): boolean;
  add(number: number): unknown;
  /** Returns whether it was there. */
  delete(number: number): boolean;
}
