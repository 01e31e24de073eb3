/**
 * What keeps a disk in chunks of one size, each under its number (offset / chunk size). Errors are DiskErrors.
 *
 * Calls take effect and settle in the order in which they were made, each in a task of its own, later than the call.
 */
export interface ChunkStore {
  /** Answers in the order of `numbers`, all of which were saved before; the arrays are the caller's. */
  load(numbers: readonly number[]): Promise<Uint8Array[]>;
  /**
   * Takes the bytes as they are at the call, after it has removed the chunks in `removed` (some of which may not be there);
   * resolves when all is durable. All of it is done or nothing.
   */
  save(chunks: [number: number, data: Uint8Array][], removed: readonly number[]): Promise<void>;
  /** Durably notes another size of the disk in bytes. */
  setCapacity(bytes: number): Promise<void>;
  /** Lets go of the disk. What was not saved by then is lost. */
  close(): void;
}
