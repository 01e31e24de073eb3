import { type UseStore, get, getMany, keys, promisifyRequest, set } from "idb-keyval";
import type { NamedValue } from "../../virtio/view/types.ts";
import type { HoleStore } from "./chunk-store.ts";
import { DiskError, asError } from "./errors.ts";
import { settleStorage } from "./idb-settle.ts";
import { patiently } from "./patiently.ts";
import { type BaseRecord, isBaseRecord } from "./overlay-base.ts";

/**
 * The database of a disk: one object store, "chunks", with keys of three kinds.
 *
 *     "disk"   the DiskRecord
 *     n        chunk n, bytes n * chunkSize and on, as a Uint8Array of chunkSize bytes
 *     [n]      chunk n is a hole: it was given back, and zeros cover what the base has there. Only in a disk with a base,
 *              only where the base has bytes, and never together with n.
 *
 * What has no key reads as the base does, or as zeros. Every transaction leaves this true, so there is nothing to repair.
 *
 * Versions of the format, in `DiskRecord.format`:
 * - 1: without `base` and holes.
 * - 2: as above. Whoever opens a disk of format 1 for writing notes format 2 in its record, so that a page of before that would
 *   not open it any more; nothing else changes. Read-only, it is read as it is.
 *
 * A page refuses formats that it does not know.
 */
export const FORMAT = 2;

/** What the database of a disk says about the disk. */
export interface DiskRecord {
  /** Version of what is described above. */
  format: number;
  /** Bytes. */
  size: number;
  /** Bytes in a chunk, a power of two. */
  chunkSize: number;
  /** Date and time, ISO 8601. */
  created: string;
  /** What the disk shows where it has neither chunk nor hole. Since format 2. */
  base?: BaseRecord | undefined;
}

/**
 * Bytes in a chunk of a new disk. Measured in Chromium 156 (strict durability, incompressible data):
 *
 *     chunk     write 64 MiB, 16 at a time   write one, commit   read 64 MiB, 1 at a time   read one
 *      16 KiB            1059 ms                  2.0 ms                  318 ms              0.4 ms
 *      32 KiB             746 ms                  2.3 ms                  150-330 ms          0.4-0.8 ms
 *      64 KiB             832 ms                  3.7 ms                  475 ms              0.7 ms
 *     256 KiB             501 ms                  4.6 ms                  218 ms              1.2 ms
 *
 * From 64 KiB on, Chromium keeps every value in a file of its own. Small synchronous writes are what a guest feels most, so it
 * is the largest size below that. Reads of 64 MiB in transactions of 1, 8, 32 and 64 such chunks took 1000, 240, 150 and 130 to
 * 280 ms: hence the read-ahead of 1 MiB.
 */
export const CHUNK_SIZE = 32 * 1024;

const OBJECTS = "chunks";
const RECORD = "disk";

/** Milliseconds without an answer after which the person is told. */
const SLOW = 30_000;

export interface DatabaseOptions {
  /** As messages call it: `The disk "home"`. */
  label: string;
  /** Makes the database with this record if there is none. */
  create?: DiskRecord | undefined;
  /** Milliseconds until an open without an answer is given up. */
  timeout: number;
  /** Does not write, not even to bring an older format up to date. */
  readOnly?: boolean | undefined;
}

/** The IndexedDB database of one disk, used through idb-keyval with transactions of our own (its own are not durable). */
export class DiskDatabase implements HoleStore {
  /** Told when the connection is lost by another's doing. */
  onLost: (error: DiskError) => void = () => undefined;
  /** Told when the database takes long to answer. */
  onSlow: (text: string) => void = () => undefined;
  /** Called after closing. */
  onClosed: () => void = () => undefined;

  readonly #database: IDBDatabase;
  readonly #label: string;
  #record: DiskRecord;
  #lost: DiskError | undefined;
  #slow: ReturnType<typeof setTimeout> | undefined;
  /** Transactions: under way, and since the database was opened. */
  #pending = 0;
  #transactions = 0;
  /** The chunks that are noted as holes. */
  readonly #holes = new Set<number>();

  /** Rejects with a DiskError; see openDatabase and checkRecord. Undefined when there is no such database. */
  static async open(name: string, options: DatabaseOptions): Promise<DiskDatabase | undefined> {
    await settleStorage();
    const connection = await patiently(() => openDatabase(name, options));
    if (!connection) return undefined;
    const database = new DiskDatabase(connection, options.label);
    try {
      database.#record = checkRecord(await get(RECORD, database.#use), options.label);
      if (database.#record.format < FORMAT && !options.readOnly) await database.#note({ format: FORMAT });
      return database;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  private constructor(database: IDBDatabase, label: string) {
    this.#database = database;
    this.#label = label;
    this.#record = { format: FORMAT, size: 0, chunkSize: CHUNK_SIZE, created: "" };
    database.onversionchange = () => {
      database.close(); // lets the other proceed, who would wait for us for ever
      this.#lose(`${label} was deleted while it was in use.`);
    };
    database.onclose = () =>
      this.#lose(`The browser closed ${lowerFirst(label)}: its data may have been deleted.`);
  }

  get record(): Readonly<DiskRecord> {
    return this.#record;
  }

  /** The numbers of all chunks and holes that are stored. To be called once, before the first save. */
  async contents(): Promise<{ chunks: Set<number>; holes: Set<number> }> {
    const chunks = new Set<number>();
    for (const key of await keys<IDBValidKey>(this.#use)) {
      if (typeof key === "number") chunks.add(key);
      else if (Array.isArray(key) && typeof key[0] === "number") this.#holes.add(key[0]);
    }
    return { chunks, holes: new Set(this.#holes) };
  }

  async load(numbers: readonly number[]): Promise<(Uint8Array | DiskError)[]> {
    const values = await getMany<unknown>([...numbers], this.#use);
    return values.map((value, index) => {
      if (value instanceof Uint8Array && value.length === this.#record.chunkSize) return value;
      return new DiskError(
        "io",
        `${this.#label} is damaged: chunk ${numbers[index] ?? ""} is not what was saved.`,
      );
    });
  }

  // Not async: the bytes are to be taken now. IndexedDB clones them in put().
  async save(
    chunks: [number: number, data: Uint8Array][],
    removed: readonly number[],
    holes: readonly number[] = [],
  ): Promise<void> {
    const filled = chunks.flatMap(([number]) => (this.#holes.has(number) ? [number] : []));
    await this.#use("readwrite", (store) => {
      for (const { first, last } of runs([...removed, ...holes]))
        store.delete(IDBKeyRange.bound(first, last));
      for (const { first, last } of runs(filled)) store.delete(IDBKeyRange.bound([first], [last]));
      for (const number of holes) store.put(true, [number]);
      for (const [number, data] of chunks) store.put(data, number);
      return promisifyRequest(store.transaction);
    });
    for (const number of filled) this.#holes.delete(number);
    for (const number of holes) this.#holes.add(number);
  }

  setCapacity(size: number): Promise<void> {
    return this.#note({ size });
  }

  state(): NamedValue[] {
    return [
      { name: "store", value: "IndexedDB" },
      { name: "database", value: this.#database.name },
      { name: "open transactions", value: `${this.#pending}` },
      { name: "transactions", value: `${this.#transactions}` },
    ];
  }

  /** Bytes of all chunks that are stored. */
  async stored(): Promise<number> {
    const numbers = IDBKeyRange.bound(-Infinity, Infinity);
    const count = await this.#use("readonly", (store) => promisifyRequest(store.count(numbers)));
    return count * this.#record.chunkSize;
  }

  /** Drops every chunk and hole, durably: the disk is as its base, or zeros. With `base`, it is over that one from now on. */
  async reset(base: BaseRecord | undefined = this.#record.base): Promise<void> {
    const size = Math.max(this.#record.size, base?.size ?? 0);
    const record: DiskRecord = { ...this.#record, base, size };
    await this.#use("readwrite", (store) => {
      store.clear();
      store.put(record, RECORD);
      return promisifyRequest(store.transaction);
    });
    this.#holes.clear();
    this.#record = record;
  }

  async #note(change: Partial<DiskRecord>): Promise<void> {
    const record = { ...this.#record, ...change };
    await set(RECORD, record, this.#use);
    this.#record = record;
  }

  close(): void {
    this.#database.onversionchange = null;
    this.#database.onclose = null;
    this.#database.close();
    clearTimeout(this.#slow);
    this.#lost ??= new DiskError("gone", `${this.#label} is closed.`);
    this.onClosed();
  }

  /** idb-keyval's way to a transaction; ours are durable when they complete, and their errors are DiskErrors. */
  readonly #use: UseStore = (mode, callback) =>
    new Promise((resolve, reject) => {
      if (this.#lost) throw this.#lost;
      const transaction = this.#begin(mode);
      this.#watch(1);
      const settle = (): void => this.#watch(-1);
      transaction.addEventListener("complete", settle);
      transaction.addEventListener("abort", () => {
        settle();
        reject(this.#explain(transaction.error));
      });
      try {
        Promise.resolve(callback(transaction.objectStore(OBJECTS))).then(resolve, (error: unknown) => {
          // An error event that bubbles to the transaction has no error yet; the abort that follows has it.
          if (error) reject(this.#explain(error));
        });
      } catch (error) {
        // What was put before must not be saved without the rest.
        transaction.abort();
        reject(this.#explain(error));
      }
    });

  #begin(mode: IDBTransactionMode): IDBTransaction {
    try {
      return this.#database.transaction(OBJECTS, mode, { durability: "strict" });
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Counts transactions as they begin (1) and end (-1), and tells when none ends for long. */
  #watch(change: 1 | -1): void {
    this.#pending += change;
    if (change === 1) this.#transactions++;
    else {
      clearTimeout(this.#slow);
      this.#slow = undefined;
    }
    if (this.#pending === 0) return;
    this.#slow ??= setTimeout(() => {
      const label = lowerFirst(this.#label);
      this.onSlow(`The browser has not answered for ${SLOW / 1000} seconds: ${label} is waiting for it.`);
    }, SLOW);
  }

  #lose(message: string): void {
    if (this.#lost) return;
    this.#lost = new DiskError("gone", message);
    this.onLost(this.#lost);
  }

  #explain(error: unknown): DiskError {
    return this.#lost ?? explain(error, this.#label);
  }
}

/**
 * Opens a connection, or answers undefined where there is no database and none is to be made.
 * Rejects with a DiskError: "blocked" when the browser does not allow it or does not answer in time, "full", "invalid" when
 * the database is not a disk's.
 */
function openDatabase(name: string, options: DatabaseOptions): Promise<IDBDatabase | undefined> {
  const { label, create, timeout } = options;
  return new Promise((resolve, reject) => {
    const request = openRequest(name, label);
    let late = false;
    let absent = false;
    const timer = setTimeout(() => {
      late = true;
      reject(
        new DiskError(
          "blocked",
          `The browser did not open ${lowerFirst(label)} within ${timeout / 1000} seconds. ` +
            "Another tab may be holding it: close the other tabs of this site, or restart the browser.",
        ),
      );
    }, timeout);
    request.onupgradeneeded = () => {
      absent = !create;
      if (!create || late) request.transaction?.abort();
      else request.result.createObjectStore(OBJECTS).put(create, RECORD);
    };
    request.onerror = (event) => {
      event.preventDefault(); // told here, not on the console
      clearTimeout(timer);
      if (absent) resolve(undefined);
      else reject(explain(request.error, label));
    };
    request.onsuccess = () => {
      clearTimeout(timer);
      const database = request.result;
      if (late) {
        database.close();
      } else if (!database.objectStoreNames.contains(OBJECTS)) {
        database.close();
        reject(new DiskError("invalid", `${label} is not a disk: its database was made by something else.`));
      } else {
        resolve(database);
      }
    };
  });
}

function openRequest(name: string, label: string): IDBOpenDBRequest {
  // The types know only browsers that have it.
  const factory = (globalThis as { indexedDB?: IDBFactory }).indexedDB;
  if (!factory) throw new DiskError("blocked", `${label} cannot be opened: this browser has no IndexedDB.`);
  try {
    return factory.open(name);
  } catch (error) {
    throw explain(error, label);
  }
}

function checkRecord(value: unknown, label: string): DiskRecord {
  const record = (value ?? {}) as Partial<DiskRecord>;
  const { format, size, chunkSize, created, base } = record;
  if (typeof format === "number" && format > FORMAT) {
    throw new DiskError(
      "invalid",
      `${label} was made by a newer version of this page (format ${format}, this one knows ${FORMAT}). Reload the page.`,
    );
  }
  const power = typeof chunkSize === "number" && chunkSize >= 512 && Number.isInteger(Math.log2(chunkSize));
  const known = format === FORMAT ? base === undefined || isBaseRecord(base) : format === 1;
  if (!known || !Number.isSafeInteger(size) || !power || typeof created !== "string") {
    throw new DiskError("invalid", `${label} is damaged: its description cannot be understood.`);
  }
  return record as DiskRecord;
}

/** The numbers as runs without gaps: an fstrim gives back thousands of chunks, most of them neighbours. */
function runs(numbers: readonly number[]): { first: number; last: number }[] {
  const result: { first: number; last: number }[] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const run = result.at(-1);
    if (run?.last === number - 1) run.last = number;
    else result.push({ first: number, last: number });
  }
  return result;
}

/** The DiskError for what IndexedDB reported. */
export function explain(cause: unknown, label: string): DiskError {
  if (cause instanceof DiskError) return cause;
  const error = asError(cause ?? "no reason was given");
  switch (error.name) {
    case "QuotaExceededError":
      return new DiskError("full", `The browser has no storage left for ${lowerFirst(label)}.`, { cause });
    case "InvalidStateError":
      return new DiskError("gone", `The browser closed ${lowerFirst(label)}.`, { cause });
    case "SecurityError":
      return new DiskError(
        "blocked",
        `The browser does not let this page store data (${error.message}): ${lowerFirst(label)} cannot be opened.`,
        { cause },
      );
    default:
      return new DiskError(
        "io",
        `${label} failed in the browser's storage (${error.name}: ${error.message}).`,
        {
          cause,
        },
      );
  }
}

/** Labels begin a sentence or stand within one. */
function lowerFirst(label: string): string {
  return label.charAt(0).toLowerCase() + label.slice(1);
}
