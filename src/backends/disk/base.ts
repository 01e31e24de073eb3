import type { NamedValue } from "../../virtio/view/types.ts";

/**
 * What a copy-on-write disk shows where nothing was written to it: bytes that never change. Offsets and sizes in bytes.
 */
export interface DiskBase {
  /** As messages call it, at the beginning of a sentence: `The image "debian"`. */
  readonly label: string;
  /** A multiple of 512. */
  readonly size: number;
  /** Stands for the content: two bases with the same identity have the same bytes. */
  readonly identity: string;
  /** False when the range is known to be zeros, so that nothing has to be read; it may be beyond the end. Cheap. */
  holds(offset: number, length: number): boolean;
  /**
   * Resolves with a new array of the range's bytes; what lies beyond the end reads as zeros. Any number of calls may be under
   * way. May take as long as a network does; rejects with a DiskError.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** What a person who looks at the machine may want to know besides. */
  state?(): NamedValue[];
  dispose(): Promise<void>;
}
