import type { GuestMemory } from "../memory.ts";

/**
 * One descriptor chain (2.7.13) that the device took from a ring: device-readable bytes first, then
 * device-writable ones. The ring fills it in and has checked every range against guest memory.
 *
 * After a reset of the queue a chain is dead: reader and writer are empty then, and nothing reaches the guest.
 */
export class DescriptorChain {
  readonly reader: ChainReader;
  readonly writer: ChainWriter;
  /** What the driver knows it by: the index of its first descriptor (2.7.8), or its buffer id (2.8.6). */
  head = 0;
  /** Entries of a packed ring that it takes up. */
  entries = 1;
  /** Counts the chains of a ring as they are taken; and of a packed ring the index of the first descriptor. */
  number = 0;
  place = 0;
  /** Taken by the device and not given back yet. */
  inFlight = false;
  /** Once given back: the used length (2.7.8), and whether anything was written into its buffers (2.8.3). */
  written = 0;
  wrote = false;
  /** Address and length in turn, for each buffer: `readableBuffers` that the device may read, then `writableBuffers`. */
  readonly buffers: Uint32Array;
  readableBuffers = 0;
  writableBuffers = 0;

  constructor(memory: GuestMemory, maximumBuffers: number) {
    this.buffers = new Uint32Array(2 * maximumBuffers);
    this.reader = new ChainReader(memory, this.buffers);
    this.writer = new ChainWriter(memory, this.buffers);
  }

  /** Begins it, with the first `readable` of `count` buffers for the device to read and the others for it to write. */
  open(readable: number, count: number): void {
    this.readableBuffers = readable;
    this.writableBuffers = count - readable;
    this.reader.open(0, readable);
    this.writer.open(readable, count);
  }

  /**
   * Fills `target` with the first bytes of the readable or of the writable buffers; returns how many there were. For those who
   * only look: the cursors stay where they are. Nothing when the chain has been given back.
   */
  peek(part: "readable" | "writable", target: Uint8Array): number {
    const cursor = part === "readable" ? this.reader : this.writer;
    if (cursor.total === 0) return 0;
    return part === "readable"
      ? cursor.peek(target, 0, this.readableBuffers)
      : cursor.peek(target, this.readableBuffers, this.readableBuffers + this.writableBuffers);
  }

  /** Ends the device's access to the buffers, of which it has written `written` bytes. */
  close(written: number): void {
    this.inFlight = false;
    this.written = written;
    this.wrote = this.writer.wrote;
    this.reader.open(0, 0);
    this.writer.open(0, 0);
  }
}

/** A cursor over some of a chain's buffers. */
abstract class ChainCursor {
  protected readonly memory: GuestMemory;
  readonly #buffers: Uint32Array;
  #next = 0;
  #address = 0;
  #left = 0;
  #total = 0;
  #remaining = 0;

  constructor(memory: GuestMemory, buffers: Uint32Array) {
    this.memory = memory;
    this.#buffers = buffers;
  }

  /** Bytes of all the buffers. */
  get total(): number {
    return this.#total;
  }

  /** Bytes from the cursor to the end. */
  get remaining(): number {
    return this.#remaining;
  }

  /** Starts over on the buffers from number `first` up to `end`. */
  open(first: number, end: number): void {
    this.#next = first;
    this.#left = 0;
    let total = 0;
    for (let i = first; i < end; i++) total += this.#buffers[2 * i + 1]!;
    this.#total = total;
    this.#remaining = total;
  }

  /** Moves on by `count` bytes, at most to the end. */
  skip(count: number): void {
    let left = Math.min(count, this.#remaining);
    while (left > 0) {
      const step = this.#contiguous(left);
      this.#advance(step);
      left -= step;
    }
  }

  /** The next bytes that lie in one piece, at most `maximum`; moves past them. Empty at the end. Do not keep the view. */
  view(maximum: number): Uint8Array {
    const length = this.#contiguous(maximum);
    const start = this.#address;
    this.#advance(length);
    this.touch(start, length);
    return this.memory.u8.subarray(start, start + length);
  }

  /** The first bytes of the buffers from number `first` up to `end`, without a trace; returns how many there were. */
  peek(target: Uint8Array, first: number, end: number): number {
    const { u8 } = this.memory;
    let done = 0;
    for (let i = first; i < end && done < target.length; i++) {
      const address = this.#buffers[2 * i]!;
      const length = Math.min(this.#buffers[2 * i + 1]!, target.length - done);
      target.set(u8.subarray(address, address + length), done);
      done += length;
    }
    return done;
  }

  /** Called for every range that `view` gives away. */
  protected abstract touch(start: number, length: number): void;

  #contiguous(maximum: number): number {
    while (this.#left === 0 && this.#remaining > 0) {
      this.#address = this.#buffers[2 * this.#next]!;
      this.#left = this.#buffers[2 * this.#next + 1]!;
      this.#next++;
    }
    return Math.min(maximum, this.#left, this.#remaining);
  }

  #advance(count: number): void {
    this.#address += count;
    this.#left -= count;
    this.#remaining -= count;
  }
}

/** Reads what the driver wrote (device-readable buffers). */
export class ChainReader extends ChainCursor {
  /** Fills `target` from the cursor on; returns how many bytes there were. */
  read(target: Uint8Array): number {
    let done = 0;
    while (done < target.length) {
      const piece = this.view(target.length - done);
      if (piece.length === 0) break;
      target.set(piece, done);
      done += piece.length;
    }
    return done;
  }

  protected override touch(): void {
    // Reading leaves no trace.
  }
}

/** Writes what the driver may read (device-writable buffers). */
export class ChainWriter extends ChainCursor {
  /** Something was written. */
  wrote = false;

  override open(first: number, end: number): void {
    this.wrote = false;
    super.open(first, end);
  }

  /** Writes `source` at the cursor; returns how many bytes found room. */
  write(source: Uint8Array): number {
    let done = 0;
    while (done < source.length) {
      const piece = this.view(source.length - done);
      if (piece.length === 0) break;
      piece.set(
        done === 0 && piece.length === source.length ? source : source.subarray(done, done + piece.length),
      );
      done += piece.length;
    }
    return done;
  }

  protected override touch(start: number, length: number): void {
    if (length > 0) this.wrote = true;
    this.memory.dirty(start, start + length);
  }
}
