import type { GuestMemory } from "../memory.ts";

/** The buffers of one chain as the driver made it available, for whoever checks requests. */
export class Buffers {
  /** Of all buffers. */
  count = 0;
  /** Bytes. */
  readable = 0;
  writable = 0;
  /** Buffers of the longest chain. */
  readonly most: number;
  readonly #memory: GuestMemory;
  readonly #address: Uint32Array;
  readonly #length: Uint32Array;
  readonly #writes: Uint8Array;

  constructor(memory: GuestMemory, most: number) {
    this.#memory = memory;
    this.most = most;
    this.#address = new Uint32Array(most);
    this.#length = new Uint32Array(most);
    this.#writes = new Uint8Array(most);
  }

  get full(): boolean {
    return this.count === this.most;
  }

  clear(): void {
    this.count = this.readable = this.writable = 0;
  }

  /** Adds a buffer that lies in guest memory, while there is room. */
  add(address: number, length: number, writable: boolean): void {
    const at = this.count++;
    this.#address[at] = address;
    this.#length[at] = length;
    this.#writes[at] = writable ? 1 : 0;
    if (writable) this.writable += length;
    else this.readable += length;
  }

  /** Bytes of buffer number `at`. */
  length(at: number): number {
    return this.#length[at]!;
  }

  isWritable(at: number): boolean {
    return this.#writes[at] === 1;
  }

  /** The first readable bytes; returns how many there were. */
  read(target: Uint8Array): number {
    let done = 0;
    for (let i = 0; i < this.count && done < target.length; i++) {
      if (this.#writes[i]) continue;
      const length = Math.min(this.#length[i]!, target.length - done);
      const start = this.#address[i]!;
      target.set(this.#memory.u8.subarray(start, start + length), done);
      done += length;
    }
    return done;
  }
}

/** Checks what the chains of a device's queues hold. */
export interface RequestAudit {
  /** A chain became available in queue `queue`; `head` is its first descriptor. */
  exposed(queue: number, buffers: Buffers, head: number): void;
  /** The device was reset. */
  reset(): void;
}

/** A number that changes with any of the bytes from `start` on. */
export function fingerprint(memory: GuestMemory, start: number, length: number): number {
  const { u8 } = memory;
  let hash = 0x811c9dc5; // FNV-1a
  for (let at = start; at < start + length; at++) hash = Math.imul(hash ^ u8[at]!, 0x01000193);
  return hash;
}
