/** Files as disks need them. Every error is a DiskError that names the file. */
import { constants, existsSync, openSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { DiskError, asError } from "./errors.ts";

/**
 * Opens a regular file, and no pipe or device.
 *
 * @param create makes it, empty, when there is none
 * @throws DiskError
 */
export function openRegular(
  path: string,
  readOnly: boolean,
  create: boolean,
): { fd: number; created: boolean } {
  const access = readOnly ? constants.O_RDONLY : constants.O_RDWR;
  try {
    if (create) {
      try {
        const fd = openSync(path, access | constants.O_CREAT | constants.O_EXCL, 0o666);
        return { fd, created: true };
      } catch (error) {
        if (codeOf(error) !== "EEXIST") throw error;
      }
    }
    // Before opening: to open a pipe would wait for its other end, to open a device may do anything.
    if (!statSync(path).isFile()) {
      throw new DiskError("invalid", `${path} is not a regular file and cannot be a disk.`);
    }
    return { fd: openSync(path, access), created: false };
  } catch (error) {
    throw toDiskError(error, path);
  }
}

/** Resolves when the names in a folder are durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The DiskError for what the system reported of a disk's file. */
export function toDiskError(cause: unknown, path: string): DiskError {
  if (cause instanceof DiskError) return cause;
  const file = `The disk file ${path}`;
  switch (codeOf(cause)) {
    case "ENOENT":
    case "ENOTDIR":
      return new DiskError("invalid", `${file} does not exist${missing(path)}.`, { cause });
    case "EISDIR":
      return new DiskError("invalid", `${path} is a folder and cannot be a disk.`, { cause });
    case "ENOSPC":
    case "EDQUOT":
      return new DiskError("full", `No space is left for the disk file ${path}.`, { cause });
    case "EFBIG":
      return new DiskError("full", `${file} would be larger than its file system allows.`, { cause });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new DiskError("blocked", `${file} cannot be opened: permission is missing (${codeOf(cause)}).`, {
        cause,
      });
    default:
      return new DiskError("io", `${file} failed: ${asError(cause).message}.`, { cause });
  }
}

/** What to do about a file that is missing. */
function missing(path: string): string {
  const folder = dirname(path);
  if (!existsSync(folder)) return `, nor does the folder ${folder}`;
  return ": it is created when a size is given and the disk is not read-only";
}

export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}
