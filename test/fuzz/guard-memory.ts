import { FakeMemory } from "../unit/driver/memory.ts";
import { union } from "./ranges.ts";

/** Bytes of guest memory: rings in the first half, buffers in the second. */
export const MEMORY_BYTES = 0x20000;

/** Page 0 means "no queue" to a legacy device. */
const FIRST = 0x1000;

/**
 * Guest memory that finds out what the device wrote. The device has to announce each range that it writes (`dirty`); a
 * second copy of the memory shows writes that it did not announce.
 */
export class GuardMemory extends FakeMemory {
  /** Ranges announced since `settle`: start and end in turn. */
  readonly #announced: number[] = [];
  readonly #expected = new Uint8Array(MEMORY_BYTES);
  #free = FIRST;

  constructor() {
    super(MEMORY_BYTES);
  }

  /** As new: all zero. */
  clear(): void {
    this.u8.fill(0);
    this.#expected.fill(0);
    this.#announced.length = 0;
    this.#free = FIRST;
  }

  override dirty(start: number, end: number): void {
    if (!(start >= 0 && start <= end && end <= this.size)) {
      throw new Error(`the device announced a write from ${start} to ${end} of ${this.size} bytes`);
    }
    const announced = this.#announced;
    const last = announced.length - 2;
    // The same range again, as when every buffer of a chain is the same.
    if (last >= 0 && start >= announced[last]! && end <= announced[last + 1]!) return;
    if (start < end) announced.push(start, end);
  }

  /** What the driver does to its memory; to be called after its writes, with their range. */
  wrote(start: number, end: number): void {
    this.#expected.set(this.u8.subarray(start, end), start);
  }

  /**
   * Takes what the device announced as written, and returns those ranges, in order and joined.
   * @throws Error when a byte changed though nobody said so.
   */
  settle(): number[] {
    const ranges = union(this.#announced);
    this.#announced.length = 0;
    for (let i = 0; i < ranges.length; i += 2) this.wrote(ranges[i]!, ranges[i + 1]!);
    if (Buffer.compare(this.u8, this.#expected) === 0) return ranges;
    const at = this.u8.findIndex((byte, i) => byte !== this.#expected[i]);
    throw new Error(`the byte at 0x${at.toString(16)} changed, and no write there was announced`);
  }

  /** Hands out memory: for a well-behaved driver that comes after a hostile one. */
  override allocate(length: number, alignment = 16): number {
    const address = Math.ceil(this.#free / alignment) * alignment;
    if (address + length > this.size) throw new RangeError("the fuzzer's guest memory is used up");
    this.#free = address + length;
    this.u8.fill(0, address, this.#free);
    return address;
  }
}
