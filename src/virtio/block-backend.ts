import type { NamedValue } from "./view/types.ts";

/** What stands behind a virtio-blk device. Offsets and sizes in bytes; requests never cross `capacity` (the device checks). */
export interface BlockBackend {
  /** Bytes, a multiple of 512. May change while running: call the listener given to onResize. */
  readonly capacity: number;
  readonly readOnly: boolean;
  /** Makes the range ready for a synchronous `read` or `write` that follows at once; undefined when it already is.
   *  Also the place for back-pressure: with `write`, may wait until enough dirty data went out. Rejection = I/O error. */
  prepare(offset: number, length: number, write: boolean): Promise<void> | undefined;
  /** Fills `target` (a view of guest memory: do not keep it). Throws a DiskError on an I/O error. */
  read(offset: number, target: Uint8Array): void;
  /** Takes the bytes (copy what you keep). */
  write(offset: number, source: Uint8Array): void;
  /** How storage is given back, where it can be. Without it the device offers no discard, and zeroes are written. */
  readonly unmap?: BlockUnmap;
  /** Destroys what the range held, so that no copy of it is left anywhere, and lets it read as zeros. Only a backend that
   *  is sure of that has it. Needs no `prepare`; any range of whole sectors. Throws a DiskError on an I/O error. */
  erase?(offset: number, length: number): void;
  /** Resolves when every write and unmap before the call is durable; undefined when it already is.
   *  Rejection = I/O error to the guest. */
  flush(): Promise<void> | undefined;
  /** Called by the device to learn of capacity changes. */
  onResize(listener: () => void): void;
  /** What it is and does, for people who look at the machine. Called often: cheap. */
  state?(): NamedValue[];
  /** Flushes what can be flushed and closes. */
  dispose(): Promise<void>;
}

/** Storage that a backend can give back. */
export interface BlockUnmap {
  /** Bytes that are kept, or not, together: a power of two from 512. */
  readonly unit: number;
  /** Lets whole units read as zeros from now on and gives back their storage, as durably as a write: at the next flush.
   *  `offset` is a multiple of `unit`; so is `offset + length`, unless it is the capacity. Needs no `prepare`.
   *  Throws a DiskError on an I/O error. */
  range(offset: number, length: number): void;
}
