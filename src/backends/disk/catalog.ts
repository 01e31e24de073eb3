/**
 * The browser's disks by name. A disk is a database of its own, whose name never changes; the catalog, a small database beside
 * them, says which name stands for which database. So a disk is renamed, deleted and brought back without touching its bytes.
 *
 *     database `ringside-catalog`, object store `disks`: CatalogEntry under its `database`
 *     databases `ringside-disk-NAME`, `ringside-disk-NAME~RANDOM`: disks (idb-database.ts), under the name of their beginning
 *
 * Whoever makes, changes or removes a disk holds the disk's lock, which has the database's name. A crash at any moment leaves
 * something that `reconcile` and `sweepDisks` understand:
 *
 * - a database without an entry: the catalog was lost, or is younger than the disk. The disk is adopted under its first name.
 * - an entry without a database, and nobody holds its lock: nothing is behind it. The entry goes.
 * - an entry with `doomed`, and nobody holds its lock: it was never finished, or its removal was not. The rest of it goes.
 */
import { promisifyRequest } from "idb-keyval";
import { announceDisks } from "./channel.ts";
import { freeName } from "./disk-name.ts";
import { DiskError } from "./errors.ts";
import { explain } from "./idb-database.ts";
import { settleStorage } from "./idb-settle.ts";
import { deleteDatabase } from "./idb-delete.ts";
import { patiently } from "./patiently.ts";
import { exclusively, heldLocks, tryLock } from "./web-lock.ts";

export interface CatalogEntry {
  /** Name of the database, and of the lock. */
  database: string;
  /** What people and configurations call it. Unique among the entries that are neither deleted nor doomed. */
  name: string;
  /** Date and time, ISO 8601. */
  created: string;
  /** The base of a copy-on-write disk as a configuration has it, to find its bytes again. */
  base?: string | undefined;
  /** When a person deleted it, ISO 8601; it can be brought back until it is removed. */
  deleted?: string | undefined;
  /** It is not whole: being made, or being removed. */
  doomed?: boolean | undefined;
}

const PREFIX = "ringside-disk-";
const CATALOG = "ringside-catalog";
const STORE = "disks";

/** Milliseconds for which a deleted disk can be brought back. */
export const KEPT_AFTER_DELETE = 10 * 60_000;

/** All disks, the deleted ones too, without those that are not whole; by name. Rejects with a DiskError. */
export async function catalogEntries(): Promise<CatalogEntry[]> {
  const entries = await reconcile();
  return entries.filter(({ doomed }) => doomed !== true).sort((a, b) => compare(a.name, b.name));
}

/** The disk of that name; undefined when there is none. */
export async function findDisk(name: string): Promise<CatalogEntry | undefined> {
  return (await reconcile()).find((entry) => stands(entry, name));
}

/** The disk in that database, deleted or not; undefined when there is none. */
export async function entryOfDatabase(database: string): Promise<CatalogEntry | undefined> {
  return (await transact("readonly", all)).find((entry) => entry.database === database);
}

/** The name of a new disk's database. To be locked before it is registered. */
export async function newDatabaseName(name: string): Promise<string> {
  const plain = PREFIX + name;
  // A disk that was renamed, or deleted a minute ago, still has it.
  const used = (await reconcile()).some(({ database }) => database === plain);
  return used ? `${plain}~${crypto.randomUUID().slice(0, 8)}` : plain;
}

/**
 * Puts a new disk into the catalog, whose database is made next; it is doomed until {@link finishDisk}. The caller has its lock.
 * Resolves with undefined, or with who was there before: a disk with that name, or with that database.
 */
export function registerDisk(database: string, name: string): Promise<CatalogEntry | undefined> {
  return transact("readwrite", async (store) => {
    const entries = await all(store);
    const other = entries.find((entry) => takes(entry, name) || entry.database === database);
    if (other) return other;
    put(store, { database, name, created: new Date().toISOString(), doomed: true });
    return undefined;
  });
}

/** What was registered is whole now. Rejects with a DiskError when the entry was deleted meanwhile. */
export function finishDisk(database: string): Promise<void> {
  return change(database, (entry) => ({ ...entry, doomed: undefined }));
}

/** Gives a disk another name, which the caller has checked. Rejects with a DiskError "invalid" when that is taken. */
export function renameDisk(database: string, name: string): Promise<void> {
  return change(database, (entry, entries) => {
    if (entries.some((other) => other.database !== database && takes(other, name))) {
      throw new DiskError("invalid", `There is a disk "${name}" already.`);
    }
    return { ...entry, name };
  });
}

/** Notes where the disk's base is, as a configuration has it. */
export async function noteBase(name: string, base: string): Promise<void> {
  const entry = await findDisk(name);
  if (entry && entry.base !== base) await change(entry.database, (now) => ({ ...now, base }));
}

/** Deletes a disk, so that it can be brought back for a while. The caller has its lock. */
export function markDeleted(database: string): Promise<void> {
  return change(database, (entry) => ({ ...entry, deleted: new Date().toISOString() }));
}

/** Brings a deleted disk back; resolves with its name, which is another one if its own was taken meanwhile. */
export async function restoreDisk(database: string): Promise<string> {
  let name = "";
  await change(database, (entry, entries) => {
    if (entry.doomed === true) throw new DiskError("gone", "The disk is being removed.");
    const others = entries.filter((other) => other.database !== database && takes(other, other.name));
    name = freeName(entry.name, new Set(others.map((other) => other.name)));
    return { ...entry, name, deleted: undefined };
  });
  return name;
}

/** Names that a new disk cannot have. */
export async function takenNames(): Promise<Set<string>> {
  const entries = await reconcile();
  return new Set(entries.filter((entry) => takes(entry, entry.name)).map(({ name }) => name));
}

/**
 * Removes a disk for good. The caller has its lock. When it is interrupted, the next sweep goes on.
 * Rejects with a DiskError "blocked" when something else has the database open.
 */
export async function removeDisk({ database, name }: Pick<CatalogEntry, "database" | "name">): Promise<void> {
  try {
    await change(database, (entry) => ({ ...entry, doomed: true }));
  } catch (error) {
    // A note takes room, which may be what is to be made here. Without it, the disk could be brought back until it is gone.
    if (!(error instanceof DiskError && error.kind === "full")) throw error;
  }
  await exclusively(CATALOG, async () => {
    await deleteDatabase(database, labelOf(name));
    await transact("readwrite", (store) => promisifyRequest(store.delete(database)));
  });
  announceDisks();
}

/**
 * Removes what is due: disks that were deleted long enough ago, and what was left of others. Resolves with the milliseconds
 * until the next one is due, if any.
 */
export async function sweepDisks(): Promise<number | undefined> {
  const now = Date.now();
  let next: number | undefined;
  for (const entry of await reconcile()) {
    const due = dueIn(entry, now);
    if (due === undefined) continue;
    if (due > 0) next = Math.min(next ?? due, due);
    else await sweep(entry);
  }
  return next;
}

async function sweep({ database }: CatalogEntry): Promise<void> {
  const release = await tryLock(database);
  if (!release) return;
  try {
    // Before we had the lock, it may have been finished or brought back.
    const entry = await entryOfDatabase(database);
    if (entry && (dueIn(entry, Date.now()) ?? 1) <= 0) await removeDisk(entry);
  } finally {
    release();
  }
}

/** Milliseconds until the entry is to be removed; undefined when it stays. */
function dueIn({ deleted, doomed }: CatalogEntry, now: number): number | undefined {
  if (doomed === true) return 0;
  // A clock that was set back must not keep it for years.
  return deleted === undefined ? undefined : Math.min(Date.parse(deleted) - now, 0) + KEPT_AFTER_DELETE;
}

/** Brings catalog and databases together; see above. Resolves with all entries. */
function reconcile(): Promise<CatalogEntry[]> {
  // Alone: a database that is being removed must not be adopted between its end and its entry's.
  return exclusively(CATALOG, async () => {
    const existing = await databases();
    const locked = await heldLocks();
    return transact("readwrite", async (store) => {
      const entries = await all(store);
      const known = new Set(entries.map(({ database }) => database));
      const kept = entries.filter(({ database }) => existing.has(database) || locked.has(database));
      for (const { database } of entries.filter((entry) => !kept.includes(entry))) store.delete(database);
      const taken = new Set(kept.filter((entry) => takes(entry, entry.name)).map(({ name }) => name));
      for (const database of existing) {
        if (known.has(database)) continue;
        const name = freeName(database.slice(PREFIX.length).replace(/~[0-9a-f]{8}$/, ""), taken);
        taken.add(name);
        const entry = { database, name, created: new Date().toISOString() };
        put(store, entry);
        kept.push(entry);
      }
      return kept;
    });
  });
}

/** Names of the databases that are disks. */
async function databases(): Promise<Set<string>> {
  // The types know only browsers that have it.
  if (!(globalThis as { indexedDB?: IDBFactory }).indexedDB) {
    throw new DiskError("blocked", "Disks cannot be kept here: this browser has no IndexedDB.");
  }
  try {
    const list = await patiently(() => indexedDB.databases());
    return new Set(list.flatMap(({ name }) => (name?.startsWith(PREFIX) ? [name] : [])));
  } catch (error) {
    throw explain(error, "The list of disks");
  }
}

/** As messages call a disk. */
export function labelOf(name: string): string {
  if (name === "") throw new DiskError("invalid", "A disk in the browser needs a name.");
  return `The disk "${name}"`;
}

function stands(entry: CatalogEntry, name: string): boolean {
  return entry.name === name && entry.deleted === undefined && entry.doomed !== true;
}

/** A disk that is being made has its name, one that is deleted has not. */
function takes(entry: CatalogEntry, name: string): boolean {
  return entry.name === name && entry.deleted === undefined;
}

async function change(
  database: string,
  changed: (entry: CatalogEntry, entries: readonly CatalogEntry[]) => CatalogEntry,
): Promise<void> {
  await transact("readwrite", async (store) => {
    const entries = await all(store);
    const entry = entries.find((other) => other.database === database);
    if (!entry) throw new DiskError("gone", "The disk is no longer there.");
    put(store, changed(entry, entries));
  });
  announceDisks();
}

function all(store: IDBObjectStore): Promise<CatalogEntry[]> {
  return promisifyRequest(store.getAll() as IDBRequest<CatalogEntry[]>);
}

function put(store: IDBObjectStore, entry: CatalogEntry): void {
  store.put(entry, entry.database);
}

/**
 * Runs `work` in one transaction of the catalog, which is durable when this resolves; what `work` throws undoes it.
 * The connection is closed after each: nobody who deletes the catalog has to wait for us.
 */
async function transact<T>(
  mode: IDBTransactionMode,
  work: (store: IDBObjectStore) => Promise<T>,
): Promise<T> {
  let database: IDBDatabase | undefined;
  try {
    await settleStorage();
    database = await patiently(() => {
      const request = indexedDB.open(CATALOG, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      return promisifyRequest(request);
    });
    const transaction = database.transaction(STORE, mode, { durability: "strict" });
    const ended = promisifyRequest(transaction);
    try {
      const result = await work(transaction.objectStore(STORE));
      await ended;
      return result;
    } catch (error) {
      ended.catch(() => undefined);
      try {
        transaction.abort();
      } catch {
        // It has failed by itself.
      }
      throw error;
    }
  } catch (error) {
    throw explain(error, "The list of disks");
  } finally {
    database?.close();
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
