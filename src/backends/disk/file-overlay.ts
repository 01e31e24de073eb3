import { closeSync, constants, fstatSync, ftruncateSync, openSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { DiskBase } from "./base.ts";
import { checkCapacity, sizeText } from "./capacity.ts";
import { ChunkedDisk, type MessageLevel, shrinking } from "./chunked.ts";
import { DiskError } from "./errors.ts";
import { lockFile } from "./file-lock.ts";
import { codeOf, openRegular, syncDirectory, toDiskError } from "./file-system.ts";
import { memoryOverlay } from "./memory-overlay.ts";
import { checkBase, recordOf, sizeOver } from "./overlay-base.ts";
import { FileIo } from "./overlay-file/io.ts";
import { OverlayFile } from "./overlay-file/store.ts";
import { OverlayContents, OverlayStore } from "./overlay.ts";

export interface FileOverlayOptions {
  /** Bytes, a multiple of 512, not less than the base's. A new disk has the base's without it, another keeps its own or grows. */
  size?: number | undefined;
  /** Opens without the right to write; several machines may do so at once. */
  readOnly?: boolean | undefined;
  /** Messages for the person. */
  onMessage?: ((level: MessageLevel, text: string) => void) | undefined;
}

/**
 * Opens a disk that shows `base`, and keeps what is written to it in the file `path` (overlay-file/format.ts), which is made when
 * it does not exist or is empty. Locks the file against other machines. The disk takes over the base, unless this rejects.
 *
 * @throws DiskError: "busy" when another machine has the file; "invalid" when the file has the changes to another base, is
 *   something else or damaged, or for sizes that cannot be; "blocked" where rights are missing; "full"
 */
export async function openFileOverlay(
  path: string,
  base: DiskBase,
  options: FileOverlayOptions = {},
): Promise<ChunkedDisk> {
  const label = `The disk file ${path}`;
  const readOnly = options.readOnly ?? false;
  const size = checkCapacity(sizeOver(label, base, options.size), label);
  if (isAbsent(path)) {
    // Nothing was ever written over the base, and nothing will be.
    if (readOnly) return memoryOverlay(label, base, options);
    await make(path, base, size);
  }
  const { fd } = openRegular(path, readOnly, false);
  const io = new FileIo(fd);
  try {
    lockFile(fd, path, readOnly ? "shared" : "exclusive");
    const explain = (cause: unknown): DiskError => toDiskError(cause, path);
    const file = await OverlayFile.open(io, { label, readOnly, explain });
    checkBase(label, file.base, base);
    await fitSize(file, label, readOnly, options.size);
    return diskOn(file, base, label, readOnly, options);
  } catch (error) {
    io.close();
    throw toDiskError(error, path);
  }
}

function diskOn(
  file: OverlayFile,
  base: DiskBase,
  label: string,
  readOnly: boolean,
  { onMessage = () => undefined }: FileOverlayOptions,
): ChunkedDisk {
  const contents = new OverlayContents(base, file.chunkSize, file.contents());
  return new ChunkedDisk(new OverlayStore(file, base, contents), {
    name: label,
    capacity: file.capacity,
    readOnly,
    chunkSize: file.chunkSize,
    stored: contents,
    onMessage,
  });
}

function isAbsent(path: string): boolean {
  try {
    const stats = statSync(path);
    return stats.isFile() && stats.size === 0;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return true;
    throw toDiskError(error, path);
  }
}

/** Makes an overlay under another name and renames it when it is durable, so that `path` is never half of one. */
async function make(path: string, base: DiskBase, size: number): Promise<void> {
  const unfinished = `${path}.new`;
  try {
    const fd = openSync(unfinished, constants.O_RDWR | constants.O_CREAT, 0o666);
    try {
      if (!fstatSync(fd).isFile()) throw new DiskError("invalid", `${unfinished} is not a regular file.`);
      lockFile(fd, unfinished, "exclusive");
      ftruncateSync(fd, 0); // what a power cut left
      await OverlayFile.create(new FileIo(fd), recordOf(base), size);
      if (isAbsent(path)) renameSync(unfinished, path);
    } finally {
      closeSync(fd);
    }
    await syncDirectory(dirname(path));
  } catch (error) {
    throw toDiskError(error, path);
  }
}

/** Brings the size in the file and the wanted one together. Bytes. */
async function fitSize(
  file: OverlayFile,
  label: string,
  readOnly: boolean,
  wanted = file.capacity,
): Promise<void> {
  const stored = file.capacity;
  if (wanted < stored) throw shrinking(label, stored, wanted);
  if (wanted === stored) return;
  if (readOnly) {
    throw new DiskError(
      "invalid",
      `${label} has ${sizeText(stored)} and, being read-only, cannot grow to ${sizeText(wanted)}.`,
    );
  }
  await file.setCapacity(wanted);
}
