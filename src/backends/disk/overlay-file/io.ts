import { closeSync, fdatasync, fstatSync, readSync, writevSync } from "node:fs";
import { promisify } from "node:util";

const syncData = promisify(fdatasync);

/** Buffers that one call may write (IOV_MAX of Linux). */
const MOST_BUFFERS = 1024;

/** The file as an overlay uses it, and as tests replace it to let it crash. Positions and sizes in bytes. */
export interface OverlayIo {
  size(): number;
  /** Reads at most `target.length` bytes, fewer only at the end of the file; returns how many. */
  read(target: Uint8Array, position: number): number;
  /** Writes the buffers one after the other from `position` on. */
  write(buffers: readonly Uint8Array[], position: number): void;
  /** Resolves when all that was written before the call is durable. */
  sync(): Promise<void>;
  close(): void;
}

/** An open file. Takes over the descriptor. */
export class FileIo implements OverlayIo {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  size(): number {
    return fstatSync(this.#fd).size;
  }

  read(target: Uint8Array, position: number): number {
    let done = 0;
    while (done < target.length) {
      const count = readSync(this.#fd, target, done, target.length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  write(buffers: readonly Uint8Array[], position: number): void {
    for (let first = 0; first < buffers.length; first += MOST_BUFFERS) {
      position = this.#writeAll(buffers.slice(first, first + MOST_BUFFERS), position);
    }
  }

  sync(): Promise<void> {
    return syncData(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Returns where the buffers end. */
  #writeAll(buffers: Uint8Array[], position: number): number {
    while (buffers.length > 0) {
      let count = writevSync(this.#fd, buffers, position);
      position += count;
      while (buffers.length > 0 && count >= buffers[0]!.length) count -= buffers.shift()!.length;
      if (count > 0) buffers[0] = buffers[0]!.subarray(count);
    }
    return position;
  }
}
