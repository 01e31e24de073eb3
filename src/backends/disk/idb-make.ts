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

/** There is a disk of that name already, which may still be in the making. */
export class NameTakenError extends DiskError {
  readonly database: string;

  constructor(name: string, database: string) {
    super("invalid", `There is a disk "${name}" already.`);
    this.database = database;
  }
}

/**
 * Makes a disk in the browser, with what `fill` puts into its database. It is there when this resolves, whole, or not at all:
 * a disk that is not finished, for whatever reason, is removed, at the latest by the next visit's sweep.
 * Rejects with a NameTakenError, or a DiskError: "full", "blocked", or what `fill` rejects with.
 */
export async function makeDisk(
  name: string,
  disk: NewDisk,
  fill?: (database: DiskDatabase) => Promise<void>,
): Promise<void> {
  const { size, base, chunkSize = CHUNK_SIZE, holder, timeout = TIMEOUT } = disk;
  const label = labelOf(name);
  const created = new Date().toISOString();
  const create = { format: FORMAT, size, chunkSize, created, ...(base && { base }) };
  const database = await newDatabaseName(name);
  const release = await lockDisk(database, label, { mode: "exclusive", holder });
  let registered = false;
  let connection: DiskDatabase | undefined;
  try {
    const other = await registerDisk(database, name);
    if (other) throw new NameTakenError(name, other.database);
    registered = true;
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
