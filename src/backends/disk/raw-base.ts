import { type BigIntStats, closeSync, fstatSync, read } from "node:fs";
import { promisify } from "node:util";
import type { DiskBase } from "./base.ts";
import { checkCapacity } from "./capacity.ts";
import { DiskError } from "./errors.ts";
import { lockFile } from "./file-lock.ts";
import { openRegular, toDiskError } from "./file-system.ts";

const readAt = promisify(read);

/**
 * Opens a raw disk image to be a base. Locks it together with other readers, so that no machine writes to it meanwhile.
 *
 * Its identity is its size and the time of its last change in nanoseconds: a copy that keeps the time (`cp -p`) and another name
 * are the same base, whatever was written to since is another. A digest of all bytes would be surer, and take minutes.
 *
 * @throws DiskError: "busy" while a machine has it open for writing, "invalid" for what is no disk image, "blocked" where rights
 *   are missing
 */
export function openRawBase(path: string): DiskBase {
  const { fd } = openRegular(path, true, false);
  try {
    lockFile(fd, path, "shared");
    const stats = fstatSync(fd, { bigint: true });
    checkCapacity(Number(stats.size), `The disk file ${path}`);
    return new RawBase(fd, path, stats);
  } catch (error) {
    closeSync(fd);
    throw toDiskError(error, path);
  }
}

class RawBase implements DiskBase {
  readonly label: string;
  readonly size: number;
  readonly identity: string;
  readonly #fd: number;
  readonly #path: string;
  /** Reads under way: the descriptor must not be closed, and be another file's, under them. */
  readonly #reads = new Set<Promise<unknown>>();
  #closed = false;

  constructor(fd: number, path: string, { size, mtimeNs }: BigIntStats) {
    this.#fd = fd;
    this.#path = path;
    this.label = `The disk file ${path}`;
    this.size = Number(size);
    this.identity = `raw-${size}-${mtimeNs}`;
  }

  holds(offset: number): boolean {
    return offset < this.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (this.#closed) throw new DiskError("gone", `${this.label} is closed.`);
    const reading = this.#read(offset, new Uint8Array(length));
    this.#reads.add(reading);
    try {
      return await reading;
    } catch (cause) {
      throw toDiskError(cause, this.#path);
    } finally {
      this.#reads.delete(reading);
    }
  }

  async dispose(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.allSettled(this.#reads);
    closeSync(this.#fd);
  }

  async #read(offset: number, target: Uint8Array): Promise<Uint8Array> {
    const end = Math.min(target.length, this.size - offset);
    for (let done = 0; done < end;) {
      const { bytesRead } = await readAt(this.#fd, target, done, end - done, offset + done);
      if (bytesRead === 0) throw new DiskError("io", `${this.label} became shorter than ${this.size} bytes.`);
      done += bytesRead;
    }
    return target;
  }
}
