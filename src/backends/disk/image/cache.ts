import { CacheBudget } from "./cache-budget.ts";
import {
  addParts,
  indexKey,
  openCacheDatabase,
  partKey,
  putIndex,
  readAll,
  removeAll,
  removePart,
  usedBytes,
} from "./cache-database.ts";

/** Bytes that wait to be written at most; what comes on top is not kept. */
const MOST_PENDING = 8 * 1024 ** 2;
/** Bytes that are written at once, and milliseconds that less than that waits for company. */
const BATCH = 1024 ** 2;
const BATCH_WAIT = 300;
/** Files that one transaction reads at most. */
const READ_BATCH = 32;
/** Milliseconds after which whoever reads goes on without, and how often that may be. */
const READ_TIMEOUT = 10_000;
const MOST_TIMEOUTS = 3;

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * The files of images in IndexedDB, as they are stored on their servers, for the next visit. One database for all images.
 *
 * It is only a cache: nothing here ever rejects or throws, and what goes wrong (no storage left, deleted by the person, a
 * browser that does not answer) only means that less is kept. What it returns must be verified.
 */
export class ImageCache {
  readonly #database: IDBDatabase;
  readonly #budget: CacheBudget;
  #readers: { key: string; resolve: (value: Bytes | undefined) => void }[] = [];
  #reading = false;
  #timeouts = 0;
  /** What waits to be written, and what is being written. */
  #pending = new Map<string, Bytes>();
  #batch = new Map<string, Bytes>();
  /** Of both. */
  #pendingBytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> | undefined;
  #full = false;
  #gone = false;

  /** Undefined when there is no IndexedDB, or it does not answer. */
  static async open(): Promise<ImageCache | undefined> {
    const database = await openCacheDatabase();
    return database && new ImageCache(database);
  }

  private constructor(database: IDBDatabase) {
    this.#database = database;
    this.#budget = new CacheBudget(() => usedBytes(database));
    // Somebody deletes it, and would wait for us.
    database.onversionchange = () => this.#lose();
    database.onclose = () => this.#lose();
  }

  /** What is kept under a digest. */
  get(digest: string): Promise<Bytes | undefined> {
    const pending = this.#pending.get(digest) ?? this.#batch.get(digest);
    return pending ? Promise.resolve(pending) : this.#read(partKey(digest));
  }

  /** Keeps it, soon; keeps the array itself until then. */
  put(digest: string, stored: Bytes): void {
    const tooMuch = this.#pendingBytes + stored.length > MOST_PENDING;
    if (this.#gone || this.#full || tooMuch || this.#pending.has(digest) || this.#batch.has(digest)) return;
    this.#pending.set(digest, stored);
    this.#pendingBytes += stored.length;
    if (this.#pendingBytes >= BATCH) void this.#write();
    else this.#timer ??= setTimeout(() => void this.#write(), BATCH_WAIT);
  }

  /** Forgets what turned out to be wrong, `length` bytes. */
  remove(digest: string, length: number): void {
    if (!this.#gone) void attempt(() => removePart(this.#database, digest, length));
  }

  /** The bytes of the index that was last found at an address. */
  index(url: string): Promise<Bytes | undefined> {
    return this.#read(indexKey(url));
  }

  putIndex(url: string, bytes: Bytes): void {
    if (!this.#gone) void attempt(() => putIndex(this.#database, url, bytes));
  }

  /** Resolves when what was put before is stored, or cannot be. */
  async close(): Promise<void> {
    while (this.#pending.size + this.#batch.size > 0 && !this.#gone) await this.#write();
    this.#lose();
  }

  /** Those who ask while a transaction is under way share the next one. */
  #read(key: string): Promise<Bytes | undefined> {
    if (this.#gone) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#readers.push({ key, resolve });
      if (!this.#reading) void this.#readBatches();
    });
  }

  async #readBatches(): Promise<void> {
    this.#reading = true;
    await Promise.resolve(); // whoever asks in this turn comes along
    while (this.#readers.length > 0) {
      const batch = this.#readers.splice(0, READ_BATCH);
      const values = this.#gone ? [] : await this.#readInTime(batch.map(({ key }) => key));
      for (const [index, { resolve }] of batch.entries()) {
        const value = values[index];
        resolve(value instanceof Uint8Array ? (value as Bytes) : undefined);
      }
    }
    this.#reading = false;
  }

  async #readInTime(keys: readonly string[]): Promise<unknown[]> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<unknown[]>((resolve) => {
      timer = setTimeout(() => {
        if (++this.#timeouts >= MOST_TIMEOUTS) this.#lose();
        resolve([]);
      }, READ_TIMEOUT);
    });
    const values = attempt(() => readAll(this.#database, keys)).then((all) => all ?? []);
    return Promise.race([values, late]).finally(() => clearTimeout(timer));
  }

  /** Writes what waits, one transaction at a time. */
  #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing ??= this.#writeBatch().finally(() => {
      this.#writing = undefined;
      if (this.#pending.size > 0 && !this.#gone) void this.#write();
    });
    return this.#writing;
  }

  async #writeBatch(): Promise<void> {
    const batch = (this.#batch = this.#pending);
    this.#pending = new Map();
    const bytes = [...batch.values()].reduce((sum, { length }) => sum + length, 0);
    const allowed = await attempt(() => this.#budget.take(bytes));
    const done = allowed && (await attempt(() => this.#add(batch)));
    this.#batch = new Map();
    this.#pendingBytes -= bytes;
    if (done) return;
    // What failed once (no storage left, most likely) is not tried with every chunk.
    this.#full = true;
    this.#forgetPending();
  }

  /** Whether they are kept. */
  async #add(batch: ReadonlyMap<string, Bytes>): Promise<boolean> {
    try {
      await addParts(this.#database, batch);
      return true;
    } catch (error) {
      // The person's disks need the room more.
      const full = error instanceof DOMException && error.name === "QuotaExceededError";
      if (full) await removeAll(this.#database);
      return false;
    }
  }

  #lose(): void {
    this.#gone = true;
    this.#forgetPending();
    this.#database.close();
  }

  #forgetPending(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { length } of this.#pending.values()) this.#pendingBytes -= length;
    this.#pending.clear();
  }
}

/** The result; undefined for whatever was thrown. */
async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch {
    return undefined;
  }
}
