import type { BlockUnmap } from "../../src/virtio/block-backend.ts";
import { SlowDisk } from "../unit/driver/slow-disk.ts";

const UNIT = 4096;

/** A disk that holds the device to its side of the contract: whole sectors or units, inside the capacity. */
export class FuzzDisk extends SlowDisk {
  readonly unmap?: BlockUnmap;
  readonly erase?: (offset: number, length: number) => void;
  /** What the device broke: it takes errors of a disk as I/O errors, so that throwing one is not enough. */
  broken: Error | undefined;

  /** @param thin storage can be given back, and erased. */
  constructor(capacity: number, readOnly: boolean, thin: boolean) {
    super(capacity, readOnly);
    if (!thin) return;
    this.unmap = { unit: UNIT, range: (offset, length) => this.#clear("unmap", offset, length, UNIT) };
    this.erase = (offset, length) => this.#clear("erase", offset, length, 512);
  }

  override prepare(offset: number, length: number, write: boolean): Promise<void> | undefined {
    this.#check("prepare", offset, length, 512);
    if (write) this.#checkWritable();
    return super.prepare(offset, length, write);
  }

  override read(offset: number, target: Uint8Array): void {
    this.#check("read", offset, target.length, 1);
    super.read(offset, target);
  }

  override write(offset: number, source: Uint8Array): void {
    this.#check("write", offset, source.length, 1);
    this.#checkWritable();
    super.write(offset, source);
  }

  #clear(what: string, offset: number, length: number, unit: number): void {
    this.#check(what, offset, length, unit);
    this.#checkWritable();
    if (this.failing === "write") throw new Error(`${what} failed on purpose`);
    this.bytes.fill(0, offset, offset + length);
  }

  #check(what: string, offset: number, length: number, unit: number): void {
    const end = offset + length;
    const inside = offset >= 0 && length >= 0 && end <= this.capacity;
    const whole = offset % unit === 0 && (end % unit === 0 || end === this.capacity);
    if (inside && whole) return;
    this.broken ??= new Error(`${what} of ${length} bytes at ${offset} of a disk of ${this.capacity}`);
    throw this.broken;
  }

  #checkWritable(): void {
    if (this.readOnly) this.broken ??= new Error("a write to a disk that is read-only");
  }
}
