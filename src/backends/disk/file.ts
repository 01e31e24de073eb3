import { closeSync, fdatasync, fstatSync, ftruncateSync, readSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { BlockBackend } from "../../virtio/block-backend.ts";
import type { NamedValue } from "../../virtio/view/types.ts";
import { checkCapacity, sizeText } from "./capacity.ts";
import { DiskBusyError, DiskError } from "./errors.ts";
import { lockFile } from "./file-lock.ts";
import { checkBase } from "./overlay-base.ts";
import { FileIo } from "./overlay-file/io.ts";
import { overlayBase } from "./overlay-file/map.ts";
import { openRegular, syncDirectory, toDiskError } from "./file-system.ts";

const syncData = promisify(fdatasync);

export interface FileDiskOptions {
  /** Bytes, a multiple of 512. A file that does not exist, or is empty, gets this size (sparse); another must have it. */
  size?: number | undefined;
  /** Opens without the right to write; several machines may do so at once. */
  readOnly?: boolean | undefined;
  /** What a person should know: each kind of failure once. The guest gets an I/O error each time. */
  onMessage?: ((level: "error", text: string) => void) | undefined;
}

/**
 * Opens a raw disk image and locks it against other machines.
 *
 * @throws DiskError: "busy" when another machine has it, "invalid" for what is no disk file or has another size,
 *   "blocked" where rights are missing, "full" when no file of that size can be made
 */
export async function openFileDisk(path: string, options: FileDiskOptions = {}): Promise<FileDisk> {
  const readOnly = options.readOnly ?? false;
  if (options.size !== undefined) checkCapacity(options.size, `The disk file ${path}`);

  const create = !readOnly && options.size !== undefined;
  const { fd, created } = openRegular(path, readOnly, create);
  try {
    lockFile(fd, path, readOnly ? "shared" : "exclusive");
    let size = fstatSync(fd).size;
    if (size === 0 && create && options.size !== undefined) {
      size = options.size;
      resizeFile(fd, path, size);
      // The name must survive a power cut as well as what is later flushed into the file.
      if (created) await syncDirectory(dirname(path));
    }
    refuseOverlay(fd, path);
    checkFileSize(path, size, options.size);
    return new FileDisk(fd, path, { capacity: size, readOnly, onMessage: options.onMessage });
  } catch (error) {
    // Leave no empty file behind, unless another machine found it in the moment before we locked it.
    const ours = created && !(error instanceof DiskBusyError);
    if (ours && fstatSync(fd).size === 0) rmSync(path, { force: true });
    closeSync(fd);
    throw toDiskError(error, path);
  }
}

/**
 * A disk in a file: synchronous positional reads and writes, made durable by fdatasync(2).
 *
 * It gives nothing back: Node has no fallocate(2) to punch holes with, and to truncate a file and grow it again would leave
 * a shorter disk if the host dies in between.
 */
export class FileDisk implements BlockBackend {
  readonly readOnly: boolean;
  readonly #path: string;
  #fd: number | undefined;
  #capacity: number;
  /** Whether something was written that no sync has begun to cover. */
  #dirty = false;
  #syncing: Promise<void> | undefined;
  /** That were begun. */
  #syncs = 0;
  /** The first sync that failed: Linux forgets pages that it could not write, so no later sync can be believed. */
  #syncFailure: DiskError | undefined;
  #listeners: (() => void)[] = [];
  readonly #onMessage: FileDiskOptions["onMessage"];
  /** The kinds of failure that the person knows of. */
  readonly #told = new Set<DiskError["kind"]>();

  /** Takes over the locked descriptor. Use openFileDisk. */
  constructor(
    fd: number,
    path: string,
    {
      capacity,
      readOnly,
      onMessage,
    }: { capacity: number; readOnly: boolean } & Pick<FileDiskOptions, "onMessage">,
  ) {
    this.#fd = fd;
    this.#path = path;
    this.#capacity = capacity;
    this.readOnly = readOnly;
    this.#onMessage = onMessage;
  }

  get capacity(): number {
    return this.#capacity;
  }

  state(): NamedValue[] {
    return [
      { name: "store", value: "file" },
      { name: "path", value: this.#path },
      { name: "unsynced writes", value: this.#dirty ? "yes" : "no" },
      { name: "syncs", value: `${this.#syncs}${this.#syncing ? ", one under way" : ""}` },
    ];
  }

  prepare(): undefined {
    return undefined;
  }

  read(offset: number, target: Uint8Array): void {
    const fd = this.#open();
    try {
      for (let done = 0; done < target.length;) {
        const count = readSync(fd, target, done, target.length - done, offset + done);
        if (count === 0) {
          const file = `The disk file ${this.#path}`;
          throw new DiskError("io", `${file} became shorter than ${this.#capacity} bytes.`);
        }
        done += count;
      }
    } catch (error) {
      throw this.#failed(error);
    }
  }

  write(offset: number, source: Uint8Array): void {
    const fd = this.#open();
    if (this.readOnly) throw new DiskError("invalid", `The disk file ${this.#path} is open read-only.`);
    this.#dirty = true;
    try {
      for (let done = 0; done < source.length;) {
        done += writeSync(fd, source, done, source.length - done, offset + done);
      }
    } catch (error) {
      throw this.#failed(error);
    }
  }

  flush(): Promise<void> | undefined {
    if (this.#syncFailure) return Promise.reject(this.#syncFailure);
    if (!this.#dirty) return this.#syncing;
    this.#dirty = false;
    // One after the other: of two at once, the kernel may report a lost write to the wrong one.
    const sync = (this.#syncing ?? Promise.resolve()).then(() => this.#sync());
    const mine = sync.finally(() => {
      if (this.#syncing === mine) this.#syncing = undefined;
    });
    this.#syncing = mine;
    return mine;
  }

  onResize(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Grows the file (sparse) and the disk to `bytes`, a multiple of 512. Shrinking is refused: it would cut off data. */
  resize(bytes: number): void {
    const fd = this.#open();
    checkCapacity(bytes, `The disk file ${this.#path}`);
    if (this.readOnly) throw new DiskError("invalid", `The disk file ${this.#path} is open read-only.`);
    if (bytes < this.#capacity) {
      throw new DiskError(
        "invalid",
        `The disk file ${this.#path} has ${sizeText(this.#capacity)} and cannot shrink to ${sizeText(bytes)}.`,
      );
    }
    resizeFile(fd, this.#path, bytes);
    this.#dirty = true;
    this.#capacity = bytes;
    for (const listener of this.#listeners) listener();
  }

  /** Rejects when what was written could not be made durable; the file is closed and unlocked all the same. */
  async dispose(): Promise<void> {
    if (this.#fd === undefined) return;
    this.#listeners = [];
    try {
      await this.flush();
    } finally {
      closeSync(this.#fd);
      this.#fd = undefined;
    }
  }

  async #sync(): Promise<void> {
    this.#syncs++;
    try {
      await syncData(this.#open());
    } catch (error) {
      this.#syncFailure ??= this.#failed(error);
      throw this.#syncFailure;
    }
  }

  /** The host's error as the guest's disk has it. */
  #failed(cause: unknown): DiskError {
    const error = toDiskError(cause, this.#path);
    if (!this.#told.has(error.kind)) {
      this.#told.add(error.kind);
      this.#onMessage?.("error", `${error.message} The guest gets I/O errors.`);
    }
    return error;
  }

  #open(): number {
    if (this.#fd === undefined) throw new DiskError("gone", `The disk file ${this.#path} is closed.`);
    return this.#fd;
  }
}

/** A guest that saw the changes of another disk as a disk would write over them. */
function refuseOverlay(fd: number, path: string): void {
  const base = overlayBase(new FileIo(fd));
  if (base) checkBase(`The disk file ${path}`, base, undefined);
}

function checkFileSize(path: string, actual: number, wanted: number | undefined): void {
  if (actual === 0) throw new DiskError("invalid", `The disk file ${path} is empty: give it a size.`);
  checkCapacity(actual, `The disk file ${path}`);
  if (wanted !== undefined && wanted !== actual) {
    throw new DiskError(
      "invalid",
      `The disk file ${path} has ${sizeText(actual)}, not ${sizeText(wanted)}. ` +
        "Leave out the size to use the file as it is.",
    );
  }
}

function resizeFile(fd: number, path: string, bytes: number): void {
  try {
    ftruncateSync(fd, bytes);
  } catch (error) {
    throw toDiskError(error, path);
  }
}
