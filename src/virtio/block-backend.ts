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
  /** Resolves when every write before the call is durable; undefined when it already is. Rejection = I/O error to the guest. */
  flush(): Promise<void> | undefined;
  /** Called by the device to learn of capacity changes. */
  onResize(listener: () => void): void;
  /** Flushes what can be flushed and closes. */
  dispose(): Promise<void>;
}
