import type { BlockBackend, BlockUnmap } from "../../virtio/block-backend.ts";
import { bytesText } from "../../virtio/view/bytes-text.ts";
import type { NamedValue } from "../../virtio/view/types.ts";
import { checkCapacity, sizeText } from "./capacity.ts";
import { DiskError } from "./errors.ts";

/** Unit of allocation, in bytes: large enough that requests rarely cross it, small enough that a sparse disk stays small. */
const CHUNK = 1024 * 1024;

/** A disk in memory, empty at first, gone with the machine. Takes memory only where something was written. */
export class MemoryDisk implements BlockBackend {
  readonly readOnly: boolean;
  readonly unmap: BlockUnmap = { unit: CHUNK, range: (offset, length) => this.#drop(offset, length) };
  #capacity: number;
  #chunks: (Uint8Array | undefined)[];
  /** How many there are. */
  #held = 0;
  #listeners: (() => void)[] = [];

  /** @param capacity bytes, a multiple of 512. Throws a DiskError "invalid" on any other size. */
  constructor(capacity: number, options: { readOnly?: boolean } = {}) {
    this.#capacity = checkCapacity(capacity, "A disk in memory");
    // With its length given, V8 keeps the array flat; filled from the far end it would become a hash table.
    this.#chunks = new Array<Uint8Array | undefined>(Math.ceil(capacity / CHUNK));
    this.readOnly = options.readOnly ?? false;
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** Memory that the disk takes now, in bytes. */
  get allocated(): number {
    return this.#held * CHUNK;
  }

  state(): NamedValue[] {
    return [
      { name: "store", value: "memory" },
      { name: "memory taken", value: bytesText(this.allocated) },
    ];
  }

  prepare(): undefined {
    return undefined;
  }

  read(offset: number, target: Uint8Array): void {
    let at = offset % CHUNK;
    let index = (offset - at) / CHUNK;
    for (let done = 0; done < target.length; at = 0, index++) {
      const count = Math.min(CHUNK - at, target.length - done);
      const chunk = this.#chunks[index];
      if (!chunk) target.fill(0, done, done + count);
      else target.set(chunk.subarray(at, at + count), done);
      done += count;
    }
  }

  write(offset: number, source: Uint8Array): void {
    this.#checkWritable();
    let at = offset % CHUNK;
    let index = (offset - at) / CHUNK;
    for (let done = 0; done < source.length; at = 0, index++) {
      const count = Math.min(CHUNK - at, source.length - done);
      const whole = done === 0 && count === source.length;
      (this.#chunks[index] ?? this.#allocate(index)).set(
        whole ? source : source.subarray(done, done + count),
        at,
      );
      done += count;
    }
  }

  /** Overwrites the range, for what a chunk held could be found in the host's memory until that is used again. */
  erase(offset: number, length: number): void {
    this.#checkWritable();
    for (let at = offset; at < offset + length;) {
      const index = Math.floor(at / CHUNK);
      const end = Math.min(offset + length, (index + 1) * CHUNK);
      this.#chunks[index]?.fill(0, at - index * CHUNK, end - index * CHUNK);
      if (at === index * CHUNK && end === Math.min(at + CHUNK, this.#capacity)) this.#free(index, index + 1);
      at = end;
    }
  }

  flush(): undefined {
    return undefined;
  }

  onResize(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Gives the disk another size in bytes. What lies beyond a smaller size is lost: growing again shows zeros. */
  resize(capacity: number): void {
    checkCapacity(capacity, "A disk in memory");
    this.#free(Math.ceil(capacity / CHUNK), this.#chunks.length);
    this.#chunks.length = Math.ceil(capacity / CHUNK);
    if (capacity % CHUNK !== 0) this.#chunks.at(-1)?.fill(0, capacity % CHUNK);
    this.#capacity = capacity;
    for (const listener of this.#listeners) listener();
  }

  dispose(): Promise<void> {
    this.#chunks = [];
    this.#held = 0;
    this.#listeners = [];
    return Promise.resolve();
  }

  #checkWritable(): void {
    if (this.readOnly) throw new DiskError("invalid", "The disk in memory is read-only.");
  }

  /** The chunks from `offset` on, which begins one; the last may be cut off by the disk's end. */
  #drop(offset: number, length: number): void {
    this.#checkWritable();
    this.#free(offset / CHUNK, Math.ceil((offset + length) / CHUNK));
  }

  /** Lets go of the chunks from number `from` up to `to`. */
  #free(from: number, to: number): void {
    for (let index = from; index < to; index++) {
      if (!this.#chunks[index]) continue;
      this.#chunks[index] = undefined;
      this.#held--;
    }
  }

  #allocate(index: number): Uint8Array {
    try {
      const chunk = new Uint8Array(CHUNK);
      this.#chunks[index] = chunk;
      this.#held++;
      return chunk;
    } catch (cause) {
      const held = sizeText(this.allocated);
      throw new DiskError("full", `There is no memory left for the disk in memory, which holds ${held}.`, {
        cause,
      });
    }
  }
}
