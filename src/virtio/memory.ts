/**
 * Guest memory as the device side sees it: physical addresses from 0 to `size`, little-endian.
 *
 * The views are valid only until the guest runs again (its memory may move); read them anew from these
 * properties for every burst of work, never keep them.
 */
export interface GuestMemory {
  /** Bytes. */
  readonly size: number;
  readonly u8: Uint8Array;
  /** Index is address / 2. */
  readonly u16: Uint16Array;
  /** Index is address / 4. */
  readonly u32: Uint32Array;
  /** Must be called for every range [start, end) that the host wrote: code compiled from it is stale. */
  dirty(start: number, end: number): void;
}
