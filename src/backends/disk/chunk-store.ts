/**
 * What keeps a disk in chunks of one size, each under its number (offset / chunk size). Errors are DiskErrors.
 *
 * Calls take effect and settle in the order in which they were made, each in a task of its own, later than the call.
 */
export interface ChunkStore {
  /** Answers in the order of `numbers`, all of which were saved before; the arrays are the caller's. */
  load(numbers: readonly number[]): Promise<Uint8Array[]>;
  /** Takes the bytes as they are at the call; resolves when all are durable. All of them are saved or none. */
  save(chunks: [number: number, data: Uint8Array][]): Promise<void>;
  /** Durably notes another size of the disk in bytes. */
  setCapacity(bytes: number): Promise<void>;
  /** Lets go of the disk. What was not saved by then is lost. */
  close(): void;
}
