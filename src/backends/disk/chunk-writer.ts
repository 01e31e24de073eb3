import type { Chunk } from "./chunk-cache.ts";
import type { ChunkStore } from "./chunk-store.ts";
import { DiskError, asError } from "./errors.ts";

/** Milliseconds after a save that failed in which writers that wait for room are refused without another try. */
const RETRY = 1000;

export interface WriterOptions {
  /** Dirty chunks from which on they are saved without being asked to. */
  writeBack: number;
  /** Milliseconds after which a dirty chunk is saved without being asked to. */
  writeBackAfterMs: number;
  /** Unsaved chunks from which on a writer has to wait. */
  limit: number;
  /** Told of each save as it begins, with the chunks in it. */
  onSave: (chunks: number) => void;
  /** Chunks that were dirty are now durable, and still the disk's. */
  onSaved: (chunks: readonly Chunk[]) => void;
  /** Gives up what can be had again when the store is full; resolves with whether there is more room now. */
  makeRoom: () => Promise<boolean>;
  /** Told when saving begins to fail, and with undefined when it works again. */
  onTrouble: (error: DiskError | undefined) => void;
}

/**
 * Brings dirty chunks into the store by group commit. Every save holds all that is dirty at its beginning, and one save runs at
 * a time; so the store always holds the disk as it was at one moment, not before the last flush that returned.
 *
 * A save that fails makes its chunks dirty again; the next flush tries once more. Until then nothing is saved in the background,
 * for what failed (a full store, mostly) would only fail again.
 */
export class ChunkWriter {
  readonly #store: ChunkStore;
  readonly #options: WriterOptions;
  /** Chunks that were marked; of those that were dropped since, `dirty` is false. */
  #dirty: Chunk[] = [];
  /** Chunks that the next save is to remove from the store. */
  #removed = new Set<number>();
  /** Chunks that are dirty, being saved, or both. */
  #unsaved = 0;
  #saving: Promise<void> | undefined;
  /** The save after the one that runs: what flushes wait for that came while it ran. */
  #next: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Why the last save failed, and when (performance.now). */
  #failure: { error: DiskError; at: number } | undefined;
  #closed = false;

  constructor(store: ChunkStore, options: WriterOptions) {
    this.#store = store;
    this.#options = options;
  }

  get unsaved(): number {
    return this.#unsaved;
  }

  /** To be called whenever a chunk is written. */
  mark(chunk: Chunk): void {
    if (chunk.dirty) return;
    chunk.dirty = true;
    if (!chunk.saving) this.#unsaved++;
    this.#dirty.push(chunk);
    this.#schedule();
  }

  /** The chunk is to be in no store from the next save on; `chunk` is what the cache had of it, and no longer has. */
  remove(number: number, chunk: Chunk | undefined): void {
    if (chunk) {
      if (chunk.dirty && !chunk.saving) this.#unsaved--;
      chunk.dirty = false;
      chunk.dropped = true;
    }
    this.#removed.add(number);
    this.#schedule();
  }

  /** Resolves when all that was marked or removed before is durable; undefined when it is. */
  flush(): Promise<void> | undefined {
    if (this.#clean) return this.#saving;
    if (!this.#saving) return this.#save();
    this.#next ??= this.#saving.then(ignore, ignore).then(() => {
      this.#next = undefined;
      return this.flush();
    });
    return this.#next;
  }

  /** Back-pressure: a promise when `chunks` more would be too many unsaved ones. Ask again when it resolves. */
  room(chunks: number): Promise<void> | undefined {
    if (this.#unsaved === 0 || this.#unsaved + chunks <= this.#options.limit) return undefined;
    if (this.#saving) return this.#saving;
    // Every writer that comes would have the whole lot tried again.
    const { error, at } = this.#failure ?? { error: undefined, at: 0 };
    return error && performance.now() - at < RETRY ? Promise.reject(error) : this.#save();
  }

  /** Forgets everything. */
  close(): void {
    this.#closed = true;
    this.#dirty = [];
    this.#removed.clear();
    this.#disarm();
  }

  get #clean(): boolean {
    return this.#dirty.length === 0 && this.#removed.size === 0;
  }

  #save(): Promise<void> {
    const chunks = this.#dirty.filter(({ dirty }) => dirty);
    const removed = this.#removed;
    this.#dirty = [];
    this.#removed = new Set();
    this.#disarm();
    for (const chunk of chunks) {
      chunk.dirty = false;
      chunk.saving = true;
    }
    // The store takes the bytes now; what is written into the chunks from here on is for the next save.
    const bytes = chunks.map(({ number, data }): [number, Uint8Array] => [number, data]);
    this.#options.onSave(chunks.length);
    const saving = this.#store.save(bytes, [...removed]).then(
      () => this.#saved(chunks),
      (error: unknown) => this.#failed(chunks, removed, error),
    );
    saving.catch(ignore); // nobody waits for a save in the background; onTrouble has told
    this.#saving = saving;
    return saving;
  }

  #saved(chunks: readonly Chunk[]): void {
    this.#saving = undefined;
    for (const chunk of chunks) {
      chunk.saving = false;
      if (!chunk.dirty) this.#unsaved--;
    }
    if (this.#closed) return;
    const recovered = this.#failure !== undefined;
    this.#failure = undefined;
    this.#options.onSaved(chunks.filter(({ dropped }) => !dropped));
    if (recovered) this.#options.onTrouble(undefined);
    if (!this.#clean) this.#schedule();
  }

  /** The save is tried again where room can be made for it: with what was written meanwhile, so that it is of one moment. */
  async #failed(chunks: readonly Chunk[], removed: ReadonlySet<number>, cause: unknown): Promise<void> {
    const error = cause instanceof DiskError ? cause : new DiskError("io", asError(cause).message, { cause });
    const again = error.kind === "full" && !this.#closed && (await this.#options.makeRoom());
    this.#saving = undefined;
    for (const number of removed) this.#removed.add(number);
    for (const chunk of chunks) {
      chunk.saving = false;
      if (chunk.dirty) continue;
      if (chunk.dropped) {
        this.#unsaved--;
        continue;
      }
      chunk.dirty = true;
      this.#dirty.push(chunk);
    }
    if (this.#closed) throw error;
    if (again) return this.#save();
    this.#disarm();
    const known = this.#failure !== undefined;
    this.#failure = { error, at: performance.now() };
    if (!known) this.#options.onTrouble(error);
    throw error;
  }

  /** Sees to it that what is dirty is saved some time, as a real disk empties its cache. */
  #schedule(): void {
    if (this.#failure || this.#saving) return; // the end of the save schedules the next
    if (this.#dirty.length === this.#options.writeBack) {
      // Not within a write: a request should be whole in one save.
      this.#disarm();
      this.#timer = setTimeout(() => this.#writeBack(), 0);
    } else {
      const delay = this.#dirty.length > this.#options.writeBack ? 0 : this.#options.writeBackAfterMs;
      this.#timer ??= setTimeout(() => this.#writeBack(), delay);
    }
  }

  #writeBack(): void {
    this.#timer = undefined;
    if (!this.#clean && !this.#saving) void this.#save();
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

function ignore(): void {
  // The one who asked for the save is told.
}
