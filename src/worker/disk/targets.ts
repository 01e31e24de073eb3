/** Where exports are written: a file that the person chose, or one in the browser that is then downloaded. */
import { DiskError, asError } from "../../backends/disk/errors.ts";
import type { ExportTarget } from "../../backends/disk/transfer/export.ts";
import { tryLock } from "../../backends/disk/web-lock.ts";
import type { ExportedFile } from "./protocol.ts";

export interface ExportFile extends ExportTarget {
  /** Ends the file. */
  close(): Promise<ExportedFile | undefined>;
  /** Leaves nothing of it. Does not reject. */
  abort(): Promise<void>;
}

/** A file on the person's computer. What it was before stays until `close`. */
export async function chosenFile(handle: FileSystemFileHandle): Promise<ExportFile> {
  const file = await told(handle.createWritable());
  return {
    write: (position, data) =>
      told(file.write({ type: "write", position, data: data as Uint8Array<ArrayBuffer> })),
    setSize: (size) => told(file.truncate(size)),
    close: async () => {
      await told(file.close());
      return undefined;
    },
    async abort() {
      await file.abort().catch(ignore);
      await removeEmpty(handle).catch(ignore);
    },
  };
}

/** The picker makes an empty file, or empties the one that was there. */
async function removeEmpty(handle: FileSystemFileHandle & { remove?: () => Promise<void> }): Promise<void> {
  if ((await handle.getFile()).size === 0) await handle.remove?.();
}

const FOLDER = "ringside-exports";
const releases = new Map<string, () => void>();

/** A file in the origin's private file system, which nobody sees until it is downloaded. Removed by {@link discardFile}. */
export async function privateFile(): Promise<ExportFile> {
  const folder = await told(exports());
  const key = crypto.randomUUID();
  // Released by the browser when this worker ends: then the next one removes the file.
  const release = await tryLock(lockName(key));
  if (release) releases.set(key, release);
  const handle = await told(folder.getFileHandle(key, { create: true }));
  let access: FileSystemSyncAccessHandle;
  try {
    access = await told(handle.createSyncAccessHandle());
  } catch (error) {
    await discardFile(key);
    throw error;
  }
  return {
    write: (at, data) =>
      told(() => {
        if (access.write(data, { at }) !== data.length)
          throw new DOMException("short write", "QuotaExceededError");
      }),
    setSize: (size) => told(() => access.truncate(size)),
    async close() {
      await told(() => {
        access.flush();
        access.close();
      });
      return { file: await told(handle.getFile()), key };
    },
    async abort() {
      access.close();
      await discardFile(key);
    },
  };
}

/** Removes an exported file. Does not reject. */
export async function discardFile(key: string): Promise<void> {
  try {
    await (await exports()).removeEntry(key);
  } catch {
    return; // still being read: the next visit removes it
  } finally {
    releases.get(key)?.();
    releases.delete(key);
  }
}

/** Removes files of exports that nobody is at any more. Does not reject. */
export async function sweepFiles(): Promise<void> {
  try {
    for await (const key of (await exports(false)).keys()) {
      const release = await tryLock(lockName(key));
      if (!release) continue;
      await discardFile(key);
      release();
    }
  } catch {
    // No such folder, or none at all in this browser.
  }
}

async function exports(create = true): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(FOLDER, { create });
}

function lockName(key: string): string {
  return `ringside-export-${key}`;
}

/** What a file fails with, as a DiskError. */
async function told<T>(work: Promise<T> | (() => T)): Promise<T> {
  try {
    return typeof work === "function" ? work() : await work;
  } catch (cause) {
    const { name, message } = asError(cause);
    if (name === "QuotaExceededError") {
      throw new DiskError("full", "There is no room left for the exported file.", { cause });
    }
    if (name === "NotAllowedError") {
      throw new DiskError("blocked", "The browser does not let this page write the file.", { cause });
    }
    throw new DiskError("io", `The exported file could not be written (${name}: ${message}).`, { cause });
  }
}

function ignore(): void {
  // It is on the way out in any case.
}
