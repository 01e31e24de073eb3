import type { DiskBase } from "./base.ts";
import { checkCapacity, sizeText } from "./capacity.ts";
import { BOUNDS, ChunkedDisk, type MessageLevel, shrinking } from "./chunked.ts";
import { DiskBusyError, DiskError } from "./errors.ts";
import { CHUNK_SIZE, DiskDatabase, FORMAT, explain } from "./idb-database.ts";
import { memoryOverlay } from "./memory-overlay.ts";
import { checkBase, recordOf, sizeOver } from "./overlay-base.ts";
import { OverlayContents, OverlayStore } from "./overlay.ts";
import { acquireLock, heldLocks } from "./web-lock.ts";

/** Every disk has a database of its own, and a lock of the same name. */
const PREFIX = "ringside-disk-";

/** Milliseconds until an open or delete without an answer is given up. */
const TIMEOUT = 10_000;

export interface IdbDiskOptions {
  /** Bytes, a multiple of 512. Needed for a new disk; an existing one grows to it, or keeps its size without it. */
  size?: number | undefined;
  /**
   * What the disk shows where nothing was written to it; then `size` is by standard the base's. It must be the one that the disk
   * was made over. The disk takes it over once it is open, and disposes of it.
   */
  base?: DiskBase | undefined;
  /** The name of its database, and of its lock, when that is not made from the disk's name. */
  database?: string | undefined;
  /** Opens without the right to write; several tabs may do so at once. */
  readOnly?: boolean | undefined;
  /** Messages for the person: storage that is full, a disk deleted under the machine. */
  onMessage?: ((level: MessageLevel, text: string) => void) | undefined;
  /** Milliseconds until an open without an answer is given up. */
  timeout?: number | undefined;
  /** Bounds on memory in bytes, other than the usual ones. */
  bounds?: Partial<typeof BOUNDS> | undefined;
}

/**
 * Opens a disk in the browser's IndexedDB, and makes it if there is none. Works in pages and in workers.
 *
 * @param id the disk's name, unique in the origin
 * @throws DiskBusyError when another tab has it; DiskError "blocked" when the browser does not let us or does not answer,
 *   "full", or "invalid" for sizes and formats that cannot be
 */
export async function openIdbDisk(id: string, options: IdbDiskOptions = {}): Promise<ChunkedDisk> {
  const label = labelOf(id);
  const name = options.database ?? PREFIX + id;
  const readOnly = options.readOnly ?? false;
  const size = options.base ? sizeOver(label, options.base, options.size) : options.size;
  if (size !== undefined) checkCapacity(size, label);
  const release = await acquireLock(name, label, readOnly ? "shared" : "exclusive");
  let database: DiskDatabase | undefined;
  try {
    database = await openOrCreate(name, { ...options, label, size });
    if (!database) {
      if (!readOnly || !options.base) throw absent(id, readOnly);
      // Nothing was ever written over the base, and nothing will be.
      const view = memoryOverlay(label, options.base, options);
      release();
      return view;
    }
    checkBase(label, database.record.base, options.base);
    await fitSize(database, label, readOnly, options.size);
    return await diskOn(database, label, readOnly, options, release);
  } catch (error) {
    database?.close();
    release();
    throw error;
  }
}

function openOrCreate(
  name: string,
  { label, size, base, readOnly, timeout = TIMEOUT }: IdbDiskOptions & { label: string },
): Promise<DiskDatabase | undefined> {
  const create =
    size === undefined || readOnly
      ? undefined
      : {
          format: FORMAT,
          size,
          chunkSize: CHUNK_SIZE,
          created: new Date().toISOString(),
          ...(base && { base: recordOf(base) }),
        };
  return DiskDatabase.open(name, { label, create, timeout, readOnly });
}

function absent(id: string, readOnly: boolean): DiskError {
  const reason = readOnly ? "to open read-only" : "and no size to make one with";
  return new DiskError("invalid", `There is no disk "${id}" in this browser ${reason}.`);
}

/** Brings the stored size and the wanted one together. */
async function fitSize(
  database: DiskDatabase,
  label: string,
  readOnly: boolean,
  size = database.record.size,
): Promise<void> {
  const stored = database.record.size;
  if (size < stored) throw shrinking(label, stored, size);
  if (size > stored && readOnly) {
    throw new DiskError(
      "invalid",
      `${label} has ${sizeText(stored)} and, being read-only, cannot grow to ${sizeText(size)}.`,
    );
  }
  if (size > stored) await database.setCapacity(size);
}

async function diskOn(
  database: DiskDatabase,
  label: string,
  readOnly: boolean,
  { base, onMessage = () => undefined, bounds = {} }: IdbDiskOptions,
  release: () => void,
): Promise<ChunkedDisk> {
  const { size, chunkSize } = database.record;
  const found = await database.contents();
  const contents = base && new OverlayContents(base, chunkSize, found);
  const disk = new ChunkedDisk(base ? new OverlayStore(database, base, contents!) : database, {
    name: label,
    capacity: size,
    readOnly,
    chunkSize,
    stored: contents ?? found.chunks,
    onMessage,
    bounds,
  });
  database.onLost = (error) => disk.fail(error);
  database.onSlow = (text) => onMessage("warning", text);
  database.onClosed = release;
  return disk;
}

/** A disk in the browser, as a list shows it. */
export interface IdbDiskEntry {
  id: string;
  /** Bytes; undefined for a disk that cannot be opened, for `problem`'s reason. */
  size: number | undefined;
  /** Date and time, ISO 8601. */
  created: string | undefined;
  /** Whether a machine has it open, in this tab or another. */
  inUse: boolean;
  problem: string | undefined;
}

/** All disks of this origin, by name. */
export async function listIdbDisks(): Promise<IdbDiskEntry[]> {
  const held = await heldLocks();
  const databases = await indexedDB.databases();
  const ids = databases.flatMap(({ name }) => (name?.startsWith(PREFIX) ? [name.slice(PREFIX.length)] : []));
  return Promise.all(ids.sort().map((id) => describe(id, held.has(PREFIX + id))));
}

async function describe(id: string, inUse: boolean): Promise<IdbDiskEntry> {
  const entry = { id, size: undefined, created: undefined, inUse, problem: undefined };
  try {
    const database = await DiskDatabase.open(PREFIX + id, {
      label: labelOf(id),
      timeout: TIMEOUT,
      readOnly: true,
    });
    if (!database) return { ...entry, problem: "It was deleted just now." };
    const { size, created } = database.record;
    database.close();
    return { ...entry, size, created };
  } catch (error) {
    return { ...entry, problem: explain(error, labelOf(id)).message };
  }
}

/**
 * Deletes a disk with all it holds; resolves also when there is none.
 *
 * @throws DiskBusyError while a machine has it open, DiskError "blocked" when the browser does not answer
 */
export async function deleteIdbDisk(id: string): Promise<void> {
  const label = labelOf(id);
  if ((await heldLocks()).has(PREFIX + id)) {
    throw new DiskBusyError(`${label} cannot be deleted while a machine has it open.`);
  }
  const release = await acquireLock(PREFIX + id, label, "exclusive");
  try {
    await deleteDatabase(PREFIX + id, label);
  } finally {
    release();
  }
}

function deleteDatabase(name: string, label: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    const timer = setTimeout(() => {
      const text = "has not been deleted yet: something else has it open. It will be when that is closed.";
      reject(new DiskError("blocked", `${label} ${text}`));
    }, TIMEOUT);
    request.onsuccess = () => {
      clearTimeout(timer);
      resolve();
    };
    request.onerror = () => {
      clearTimeout(timer);
      reject(explain(request.error, label));
    };
  });
}

function labelOf(id: string): string {
  if (id === "") throw new DiskError("invalid", "A disk in the browser needs a name.");
  return `The disk "${id}"`;
}
