import type { BlockBackend, BlockUnmap } from "../../virtio/block-backend.ts";
import { bytesText } from "../../virtio/view/bytes-text.ts";
import type { NamedValue } from "../../virtio/view/types.ts";
import { checkCapacity, sizeText } from "./capacity.ts";
import { type Chunk, ChunkCache } from "./chunk-cache.ts";
import { ChunkLoader } from "./chunk-loader.ts";
import type { ChunkSet, ChunkStore } from "./chunk-store.ts";
import { ChunkWriter } from "./chunk-writer.ts";
import { DiskError, asError } from "./errors.ts";

const MiB = 1024 * 1024;

/**
 * Bounds on what the disk holds in memory, in bytes. What counts for the worker is `cache`, the copy of a save that IndexedDB
 * makes (`unsaved` at most) and a load under way (`batch`): together less than 96 MiB, with what waits for the garbage collector
 * (test/browser/disk-memory.test.ts measures it).
 */
export const BOUNDS = {
  /** All chunks in memory, saved or not: the guest has a page cache of its own, so this only has to bridge its gaps. */
  cache: 48 * MiB,
  /** Unsaved data from which on it is saved without a flush: large enough to make good use of a transaction. */
  writeBack: 8 * MiB,
  /** Unsaved data from which on writers wait: one save under way, one filling up. */
  unsaved: 16 * MiB,
  /** What one load fetches at most for requests that wait in parallel; and what remote loads have under way. */
  batch: 8 * MiB,
  /** How far a load runs ahead of a sequential reader: measured, more gains nothing (see idb-database.ts). */
  readAhead: 1 * MiB,
  /** What one load from a base asks for at most: a long request is loaded in several at once. */
  remoteRun: 256 * 1024,
};

/** Milliseconds that a write stays in memory without a flush. A real disk empties its cache by itself, too. */
const WRITE_BACK_AFTER = 1000;

/** Chunks that are evicted beyond what a write needs. */
const SLACK = 32;

export type MessageLevel = "info" | "warning" | "error";

export interface ChunkedDiskOptions {
  /** As messages call it: `The disk "home"`. */
  name: string;
  capacity: number;
  readOnly: boolean;
  /** Bytes in a chunk, a power of two. */
  chunkSize: number;
  /** The chunks that the store has. Taken over. */
  stored: ChunkSet;
  /** Messages for the person. */
  onMessage: (level: MessageLevel, text: string) => void;
  /** Gives up what can be had again when the store is full; resolves with whether there is more room now. Never rejects. */
  makeRoom?: (() => Promise<boolean>) | undefined;
  bounds?: Partial<typeof BOUNDS>;
}

/** What a disk has asked of its store since it was opened. */
export interface DiskStatistics {
  /** Loads of chunks (in IndexedDB: transactions for reading). */
  loads: number;
  loadedBytes: number;
  /** Loads of chunks from a base. */
  baseLoads: number;
  baseBytes: number;
  /** Saves that were begun (in IndexedDB: transactions for writing): one for each flush that had something to save. */
  saves: number;
  savedBytes: number;
}

/**
 * A disk whose bytes live in a store that answers later, chunk by chunk, with a cache in front of it: what is in the cache is
 * read and written synchronously, writes are collected and saved by flushes.
 *
 * After a crash at any time the store holds the disk as it was at some moment after the last flush that returned.
 */
export class ChunkedDisk implements BlockBackend {
  readonly readOnly: boolean;
  readonly unmap: BlockUnmap;
  readonly #name: string;
  readonly #store: ChunkStore;
  readonly #chunkSize: number;
  readonly #stored: ChunkSet;
  readonly #cache: ChunkCache;
  /** Chunks that the cache may hold. */
  readonly #limit: number;
  readonly #loader: ChunkLoader;
  readonly #writer: ChunkWriter;
  readonly #onMessage: (level: MessageLevel, text: string) => void;
  readonly #statistics: DiskStatistics = {
    loads: 0,
    loadedBytes: 0,
    baseLoads: 0,
    baseBytes: 0,
    saves: 0,
    savedBytes: 0,
  };
  #capacity: number;
  #listeners: (() => void)[] = [];
  /** Why no more I/O is possible. */
  #failure: DiskError | undefined;
  #disposed: Promise<void> | undefined;
  /** The range that was prepared last for writing. Chunks wholly inside need not be loaded to be written. */
  #writableFrom = 0;
  #writableTo = 0;

  /** Takes over the store and closes it. */
  constructor(store: ChunkStore, options: ChunkedDiskOptions) {
    const { chunkSize } = options;
    const bounds = { ...BOUNDS, ...options.bounds };
    const chunks = (bytes: number): number => Math.max(1, Math.floor(bytes / chunkSize));
    const limit = chunks(bounds.cache);

    this.#limit = limit;
    this.#cache = new ChunkCache(chunkSize);
    this.#name = options.name;
    this.#store = store;
    this.#chunkSize = chunkSize;
    this.#stored = options.stored;
    this.#capacity = options.capacity;
    this.readOnly = options.readOnly;
    this.unmap = { unit: chunkSize, range: (offset, length) => this.#drop(offset, length) };
    this.#onMessage = options.onMessage;
    this.#writer = new ChunkWriter(store, {
      writeBack: chunks(bounds.writeBack),
      writeBackAfterMs: WRITE_BACK_AFTER,
      limit: chunks(bounds.unsaved),
      onSaved: (saved) => {
        for (const { number } of saved) this.#stored.add(number);
        this.#cache.evict(limit);
      },
      onSave: (count) => {
        this.#statistics.saves++;
        this.#statistics.savedBytes += count * chunkSize;
      },
      makeRoom: options.makeRoom ?? (() => Promise.resolve(false)),
      onTrouble: (error) => this.#trouble(error),
    });
    this.#loader = new ChunkLoader(store, this.#cache, this.#stored, {
      batch: chunks(bounds.batch),
      readAhead: Math.floor(bounds.readAhead / chunkSize),
      remoteRun: chunks(bounds.remoteRun),
      limit,
      onLoad: (count, remote) => {
        this.#statistics[remote ? "baseLoads" : "loads"]++;
        this.#statistics[remote ? "baseBytes" : "loadedBytes"] += count * chunkSize;
      },
    });
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** Bytes of chunks in memory, and how many of them are not saved. */
  get memory(): { total: number; unsaved: number } {
    return {
      total: this.#cache.size * this.#chunkSize,
      unsaved: this.#writer.unsaved * this.#chunkSize,
    };
  }

  get statistics(): Readonly<DiskStatistics> {
    return this.#statistics;
  }

  state(): NamedValue[] {
    const { loads, loadedBytes, baseLoads, baseBytes, saves, savedBytes } = this.#statistics;
    const { total, unsaved } = this.memory;
    const based = baseLoads > 0 || this.#store.isRemote !== undefined;
    return [
      ...(this.#store.state?.() ?? []),
      ...(this.#failure ? [{ name: "failure", value: this.#failure.message }] : []),
      { name: "cached", value: `${bytesText(total)} of ${bytesText(this.#limit * this.#chunkSize)}` },
      { name: "dirty", value: bytesText(unsaved) },
      { name: "loads", value: `${loads}, ${bytesText(loadedBytes)}` },
      ...(based ? [{ name: "loads from the base", value: `${baseLoads}, ${bytesText(baseBytes)}` }] : []),
      { name: "saves", value: `${saves}, ${bytesText(savedBytes)}` },
    ];
  }

  prepare(offset: number, length: number, write: boolean): Promise<void> | undefined {
    if (this.#failure) return Promise.reject(this.#failure);
    if (length === 0) return undefined;
    const first = Math.floor(offset / this.#chunkSize);
    const last = Math.floor((offset + length - 1) / this.#chunkSize);
    if (!write) return this.#need(first, last, 1);

    const wait = this.#writer.room(last - first + 1);
    if (wait) return wait;
    this.#makeRoom(last - first + 1);
    const ends = this.#needEnds(offset, offset + length, first, last);
    if (ends) return ends;
    this.#writableFrom = offset;
    this.#writableTo = offset + length;
    return undefined;
  }

  read(offset: number, target: Uint8Array): void {
    if (this.#failure) throw this.#failure;
    const size = this.#chunkSize;
    let at = offset % size;
    let number = (offset - at) / size;
    for (let done = 0; done < target.length; at = 0, number++) {
      const count = Math.min(size - at, target.length - done);
      const chunk = this.#cache.get(number);
      if (chunk) target.set(chunk.data.subarray(at, at + count), done);
      else if (!this.#stored.has(number)) target.fill(0, done, done + count);
      else throw this.#unprepared(number);
      done += count;
    }
  }

  write(offset: number, source: Uint8Array): void {
    if (this.#failure) throw this.#failure;
    if (this.readOnly) throw new DiskError("invalid", `${this.#name} is open read-only.`);
    const size = this.#chunkSize;
    let at = offset % size;
    let number = (offset - at) / size;
    for (let done = 0; done < source.length; at = 0, number++) {
      const count = Math.min(size - at, source.length - done);
      const whole = done === 0 && count === source.length;
      const chunk = this.#cache.get(number) ?? this.#blank(number);
      chunk.data.set(whole ? source : source.subarray(done, done + count), at);
      this.#writer.mark(chunk);
      done += count;
    }
  }

  /** Chunks that the guest gives back read as zeros now, and leave the store with the next save. */
  #drop(offset: number, length: number): void {
    if (this.#failure) throw this.#failure;
    if (this.readOnly) throw new DiskError("invalid", `${this.#name} is open read-only.`);
    const end = Math.ceil((offset + length) / this.#chunkSize);
    for (let number = offset / this.#chunkSize; number < end; number++) {
      const chunk = this.#cache.drop(number);
      this.#loader.forget(number);
      // What is neither in memory nor stored was never there.
      if (this.#stored.delete(number) || chunk) this.#writer.remove(number, chunk);
    }
  }

  flush(): Promise<void> | undefined {
    if (this.#failure) return Promise.reject(this.#failure);
    return this.#writer.flush();
  }

  onResize(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Grows the disk to `bytes`, a multiple of 512; resolves when that is durable. The new part reads as zeros.
   * Rejects with a DiskError: shrinking is refused, for it would cut off data.
   */
  async resize(bytes: number): Promise<void> {
    if (this.#failure) throw this.#failure;
    checkCapacity(bytes, this.#name);
    if (this.readOnly) throw new DiskError("invalid", `${this.#name} is open read-only.`);
    if (bytes < this.#capacity) throw shrinking(this.#name, this.#capacity, bytes);
    await this.#store.setCapacity(bytes);
    this.#capacity = bytes;
    for (const listener of this.#listeners) listener();
  }

  /** Saves what can be saved and closes. Does not reject: what could not be saved is told as a message. */
  dispose(): Promise<void> {
    return (this.#disposed ??= this.#failure ? Promise.resolve() : this.#dispose());
  }

  /** Ends all I/O, now and later, with `error`: the store is lost. Tells the person. */
  fail(error: DiskError): void {
    if (this.#failure) return;
    this.#failure = error;
    void this.#close(error);
    this.#onMessage("error", error.message);
  }

  async #dispose(): Promise<void> {
    const closed = new DiskError("gone", `${this.#name} is closed.`);
    this.#failure = closed;
    try {
      await this.#writer.flush();
    } catch (error) {
      const lost = sizeText(this.memory.unsaved);
      this.#onMessage(
        "error",
        `${this.#name} was closed with ${lost} that could not be saved: ${asError(error).message}`,
      );
    }
    await this.#close(closed);
  }

  /** Never rejects: what could be lost by closing is saved before. */
  async #close(reason: DiskError): Promise<void> {
    this.#listeners = [];
    this.#writer.close();
    this.#loader.close(reason);
    this.#cache.clear();
    try {
      await this.#store.close();
    } catch (error) {
      this.#onMessage("warning", `${this.#name} was not closed in order: ${asError(error).message}`);
    }
  }

  /** Lets go of clean chunks for so many that are about to be written; of some more, so that not every write has to. */
  #makeRoom(count: number): void {
    if (this.#cache.size + count <= this.#limit) return;
    this.#cache.evict(this.#limit - count - Math.min(SLACK, this.#limit >> 3));
  }

  /** Waits for every `step`-th chunk from `first` to `last`, unless none has to be loaded. */
  #need(first: number, last: number, step: number): Promise<void> | undefined {
    for (let number = first; number <= last; number += step) {
      if (!this.#cache.get(number) && this.#stored.has(number)) return this.#loader.want(first, last, step);
    }
    return undefined;
  }

  /** Of the chunks that a write touches, only the first and the last keep old bytes, and only if it covers them in part. */
  #needEnds(from: number, to: number, first: number, last: number): Promise<void> | undefined {
    const head = from % this.#chunkSize !== 0;
    const tail = to % this.#chunkSize !== 0;
    if (!head && !tail) return undefined;
    const start = head ? first : last;
    const end = tail ? last : first;
    return this.#need(start, end, Math.max(1, end - start));
  }

  /** A new chunk for what is about to be written. */
  #blank(number: number): Chunk {
    const start = number * this.#chunkSize;
    const overwritten = start >= this.#writableFrom && start + this.#chunkSize <= this.#writableTo;
    if (!overwritten && this.#stored.has(number)) throw this.#unprepared(number);
    this.#loader.forget(number);
    return this.#cache.addBlank(number);
  }

  #unprepared(number: number): DiskError {
    return new DiskError("io", `${this.#name}: chunk ${number} was used without being prepared.`);
  }

  #trouble(error: DiskError | undefined): void {
    if (!error) {
      this.#onMessage("info", `${this.#name} is saved again.`);
    } else if (error.kind === "gone") {
      this.fail(error);
    } else {
      const advice =
        error.kind === "full"
          ? "Make room (delete other disks, or the data of other sites), then run sync in the guest."
          : "Run sync in the guest to try again.";
      const kept = "What was saved before stays; what was not is kept in memory.";
      this.#onMessage("error", `${error.message} ${kept} ${advice}`);
    }
  }
}

/** The refusal to make a disk smaller. Sizes in bytes. */
export function shrinking(name: string, from: number, to: number): DiskError {
  return new DiskError("invalid", `${name} has ${sizeText(from)} and cannot shrink to ${sizeText(to)}.`);
}
