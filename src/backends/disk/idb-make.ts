import { finishDisk, labelOf, newDatabaseName, registerDisk, removeDisk } from "./catalog.ts";
import { type DiskHolder, lockDisk } from "./disk-lock.ts";
import { DiskError } from "./errors.ts";
import { CHUNK_SIZE, DiskDatabase, type DiskRecord, FORMAT } from "./idb-database.ts";

/** Milliseconds until an open without an answer is given up. */
const TIMEOUT = 10_000;

export interface NewDisk {
  /** Bytes, a multiple of 512. */
  size: number;
  base?: DiskRecord["base"];
  /** By default that of new disks. */
  chunkSize?: number;
  holder?: DiskHolder | undefined;
  /** Milliseconds until an open without an answer is given up. */
  timeout?: number;
}

/**
 * Makes a disk in the browser, with what `fill` puts into its database. It is there when this resolves, whole, or not at all:
 * a disk that is not finished, for whatever reason, is removed, at the latest by the next visit's sweep.
 * Rejects with a DiskError: "invalid" when there is a disk of that name, "full", "blocked", or what `fill` rejects with.
 */
export async function makeDisk(
  name: string,
  disk: NewDisk,
  fill?: (database: DiskDatabase) => Promise<void>,
): Promise<void> {
  const { size, base, chunkSize = CHUNK_SIZE, holder, timeout = TIMEOUT } = disk;
  const label = labelOf(name);
  const create = { format: FORMAT, size, chunkSize, created: new Date().toISOString(), base };
  const database = newDatabaseName(name);
  const release = await lockDisk(database, label, { mode: "exclusive", holder });
  let registered = false;
  let connection: DiskDatabase | undefined;
  try {
    registered = (await registerDisk(database, name)) === database;
    if (!registered) throw new DiskError("invalid", `There is a disk "${name}" already.`);
    connection = await DiskDatabase.open(database, { label, create, timeout });
    if (connection) await fill?.(connection);
    await finishDisk(database);
  } catch (error) {
    connection?.close();
    if (registered) await removeDisk({ database, name }).catch(() => undefined); // the next sweep will
    throw error;
  } finally {
    connection?.close();
    release();
  }
}
