import type { DiskBase } from "./base.ts";
import { checkCapacity, sizeText } from "./capacity.ts";
import { BOUNDS, ChunkedDisk, type MessageLevel, shrinking } from "./chunked.ts";
import { type CatalogEntry, entryOfDatabase, findDisk, labelOf, removeDisk, sweepDisks } from "./catalog.ts";
import { announceDisks } from "./channel.ts";
import { type DiskHolder, lockDisk } from "./disk-lock.ts";
import { DiskError } from "./errors.ts";
import { DiskDatabase } from "./idb-database.ts";
import { giveUpImageCache } from "./image/cache-database.ts";
import { NameTakenError, makeDisk } from "./idb-make.ts";
import { memoryOverlay } from "./memory-overlay.ts";
import { checkBase, recordOf, sizeOver } from "./overlay-base.ts";
import { OverlayContents, OverlayStore } from "./overlay.ts";

/** Milliseconds until an open without an answer is given up. */
const TIMEOUT = 10_000;

/** How often a disk that was renamed or deleted under our hands is looked for again. */
const ATTEMPTS = 5;

export interface IdbDiskOptions {
  /** Bytes, a multiple of 512. Needed for a new disk; an existing one grows to it, or keeps its size without it. */
  size?: number | undefined;
  /**
   * What the disk shows where nothing was written to it; then `size` is by standard the base's. It must be the one that the disk
   * was made over. The disk takes it over once it is open, and disposes of it.
   */
  base?: DiskBase | undefined;
  /** Who opens it, for those who find it open. */
  holder?: DiskHolder | undefined;
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
  const { base, readOnly = false } = options;
  const size = base ? sizeOver(label, base, options.size) : options.size;
  if (size !== undefined) checkCapacity(size, label);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const entry = await findDisk(id);
    if (entry) {
      const disk = await openEntry(entry, options);
      if (disk) return disk;
    } else if (!readOnly && size !== undefined) {
      await make(id, size, options);
    } else if (readOnly && base) {
      // Nothing was ever written over the base, and nothing will be.
      return memoryOverlay(label, base, options);
    } else {
      const reason = readOnly ? "to open read-only" : "and no size to make one with";
      throw new DiskError("invalid", `There is no disk "${id}" in this browser ${reason}.`);
    }
  }
  throw new DiskError(
    "io",
    `${label} is made, renamed or deleted all the time, so that it cannot be opened.`,
  );
}

/** Undefined when the disk was renamed or deleted before we had its lock. */
async function openEntry(
  { database: name, name: id }: CatalogEntry,
  options: IdbDiskOptions,
): Promise<ChunkedDisk | undefined> {
  const { base, readOnly = false, holder, timeout = TIMEOUT } = options;
  const label = labelOf(id);
  const unlock = await lockDisk(name, label, { mode: readOnly ? "shared" : "exclusive", holder });
  const release = () => {
    unlock();
    announceDisks();
  };
  let database: DiskDatabase | undefined;
  try {
    const now = await entryOfDatabase(name);
    if (now?.name === id && now.deleted === undefined)
      database = await DiskDatabase.open(name, { label, timeout, readOnly });
    if (!database) {
      release();
      return undefined;
    }
    checkBase(label, database.record.base, base);
    await fitSize(database, label, readOnly, options.size);
    const disk = await diskOn(database, label, readOnly, options, release);
    announceDisks();
    return disk;
  } catch (error) {
    database?.close();
    release();
    throw error;
  }
}

async function make(id: string, size: number, options: IdbDiskOptions): Promise<void> {
  const { base, holder, timeout = TIMEOUT } = options;
  try {
    await makeDisk(id, { size, holder, timeout, ...(base && { base: recordOf(base) }) });
  } catch (error) {
    if (!(error instanceof NameTakenError)) throw error;
    // Another tab is making it: we wait, and are told who it is if that takes long. Or one began to, and is gone.
    (await lockDisk(error.database, labelOf(id), { mode: "shared", holder }))();
    await sweepDisks();
  }
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
    makeRoom: async () => {
      const made = await giveUpImageCache();
      if (made)
        onMessage("info", `${label} needed room: the downloaded parts of images that were kept are gone.`);
      return made;
    },
  });
  database.onLost = (error) => disk.fail(error);
  database.onSlow = (text) => onMessage("warning", text);
  database.onClosed = release;
  return disk;
}

/**
 * Deletes a disk with all it holds, for good; resolves also when there is none.
 *
 * @throws DiskBusyError while a machine has it open, DiskError "blocked" when the browser does not answer
 */
export async function deleteIdbDisk(id: string): Promise<void> {
  const entry = await findDisk(id);
  if (!entry) return;
  const release = await lockDisk(entry.database, labelOf(id), { mode: "exclusive" });
  try {
    await removeDisk(entry);
  } finally {
    release();
  }
}
