import type { GuestMemory } from "../virtio/memory.ts";
import type { V86Cpu } from "./contract.ts";

/** Guest memory inside v86's WebAssembly memory, which moves when it grows (the old views are then detached). */
export class V86Memory implements GuestMemory {
  readonly size: number;
  readonly #cpu: V86Cpu;
  #u8 = new Uint8Array();
  #u16 = new Uint16Array();
  #u32 = new Uint32Array();

  constructor(cpu: V86Cpu) {
    this.#cpu = cpu;
    this.size = cpu.mem8.length;
  }

  get u8(): Uint8Array {
    if (this.#u8.length === 0) this.#attach();
    return this.#u8;
  }

  get u16(): Uint16Array {
    if (this.#u16.length === 0) this.#attach();
    return this.#u16;
  }

  get u32(): Uint32Array {
    if (this.#u32.length === 0) this.#attach();
    return this.#u32;
  }

  dirty(start: number, end: number): void {
    if (end > start) this.#cpu.jit_dirty_cache(start, end);
  }

  /** Copies `bytes` to physical address `address`. @throws RangeError when they do not fit. */
  load(address: number, bytes: Uint8Array): void {
    if (address < 0 || address + bytes.length > this.size)
      throw new RangeError("does not fit into guest memory");
    this.u8.set(bytes, address);
    this.dirty(address, address + bytes.length);
  }

  #attach(): void {
    const { buffer } = this.#cpu.wasm_memory;
    const start = this.#cpu.mem8.byteOffset;
    this.#u8 = new Uint8Array(buffer, start, this.size);
    this.#u16 = new Uint16Array(buffer, start, this.size / 2);
    this.#u32 = new Uint32Array(buffer, start, this.size / 4);
  }
}
