import { SlowDisk } from "../unit/driver/slow-disk.ts";

/** A disk that holds the device to its side of the contract: whole sectors, inside the capacity, prepared before use. */
export class FuzzDisk extends SlowDisk {
  override prepare(offset: number, length: number, write: boolean): Promise<void> | undefined {
    this.#check("prepare", offset, length, true);
    if (write && this.readOnly) this.broken ??= new Error("a write to a disk that is read-only");
    return super.prepare(offset, length, write);
  }

  override read(offset: number, target: Uint8Array): void {
    this.#check("read", offset, target.length, false);
    super.read(offset, target);
  }

  override write(offset: number, source: Uint8Array): void {
    this.#check("write", offset, source.length, false);
    super.write(offset, source);
  }

  /** What the device broke: it takes errors of a disk as I/O errors, so that throwing one is not enough. */
  broken: Error | undefined;

  #check(what: string, offset: number, length: number, sectors: boolean): void {
    const inside = offset >= 0 && length >= 0 && offset + length <= this.capacity;
    const whole = Number.isInteger(offset) && (!sectors || (offset % 512 === 0 && length % 512 === 0));
    if (inside && whole) return;
    this.broken ??= new Error(`${what} of ${length} bytes at ${offset} of a disk of ${this.capacity}`);
    throw this.broken;
  }
}
