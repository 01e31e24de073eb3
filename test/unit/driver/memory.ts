import type { GuestMemory } from "../../../src/virtio/memory.ts";

/** Guest memory that a test owns, with a simple allocator. Knows which bytes the device said it wrote. */
export class FakeMemory implements GuestMemory {
  readonly size: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly view: DataView;
  /** 1 for every byte that the device reported as written. */
  readonly told: Uint8Array;
  #next: number;

  /** @param size bytes. What `allocate` gives out lies from `start` on. */
  constructor(size = 1 << 20, start = 0x1000) {
    const buffer = new ArrayBuffer(size);
    this.size = size;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.view = new DataView(buffer);
    this.told = new Uint8Array(size);
    this.#next = start;
  }

  dirty(start: number, end: number): void {
    this.told.fill(1, start, end);
  }

  /** Address of `length` zero bytes. @throws RangeError when memory is used up. */
  allocate(length: number, alignment = 16): number {
    const address = Math.ceil(this.#next / alignment) * alignment;
    if (address + length > this.size) throw new RangeError("the test's guest memory is used up");
    this.#next = address + length;
    this.u8.fill(0, address, this.#next);
    return address;
  }

  /** Puts bytes into fresh memory. */
  put(bytes: Uint8Array, alignment = 1): number {
    const address = this.allocate(bytes.length, alignment);
    this.u8.set(bytes, address);
    return address;
  }

  /** A copy of some bytes. */
  get(address: number, length: number): Uint8Array {
    return this.u8.slice(address, address + length);
  }

  /** Addresses of the bytes that differ from `before`. */
  changedSince(before: Uint8Array): number[] {
    const changed: number[] = [];
    for (let i = 0; i < this.size; i++) if (this.u8[i] !== before[i]) changed.push(i);
    return changed;
  }
}
