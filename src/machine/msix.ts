import type { MessageVectors } from "../virtio/transport/pci-vectors.ts";
import type { MessageSink } from "./interrupts.ts";
import type { MmioRegion } from "./mmio.ts";
import type { PciCapability } from "./pci-function.ts";

/** The largest table (PCI Local Bus 3.0, 6.8.2.3). */
export const MOST_VECTORS = 2048;

const CAPABILITY = 0x11;
const CONTROL = { ENABLE: 1 << 15, FUNCTION_MASK: 1 << 14 } as const;

/** 32-bit words of a table entry (6.8.2.6 to 6.8.2.9). */
const ENTRY = { WORDS: 4, ADDRESS: 0, UPPER_ADDRESS: 1, DATA: 2, CONTROL: 3 } as const;
const MASKED = 1;

/** The pending bits start here when the table ends before it, so that a BAR of 4 KiB holds 128 vectors. */
const PENDING_STEP = 0x800;

/**
 * MSI-X of one PCI function (PCI Local Bus 3.0, 6.8.2): the capability, the table of messages, and the bits of those that
 * wait because they are masked. A message goes out when its vector is signalled, or, while masked, when it is unmasked.
 */
export class Msix implements MessageVectors {
  readonly vectors: number;
  /** Bytes of the memory BAR that holds table and pending bits. */
  readonly barSize: number;
  /** Told of each access to table and pending bits. */
  onAccess: ((offset: number, width: number, write: boolean, value: number) => void) | undefined;

  readonly #sink: MessageSink;
  readonly #table: Uint32Array;
  readonly #pending: Uint32Array;
  readonly #pendingOffset: number;
  #enabled = false;
  #functionMasked = false;

  /** @param vectors from 1 to MOST_VECTORS. @throws RangeError otherwise. */
  constructor(vectors: number, sink: MessageSink) {
    if (vectors < 1 || vectors > MOST_VECTORS)
      throw new RangeError(`A function has 1 to ${MOST_VECTORS} MSI-X vectors, not ${vectors}.`);
    this.vectors = vectors;
    this.#sink = sink;
    this.#table = new Uint32Array(ENTRY.WORDS * vectors);
    for (let vector = 0; vector < vectors; vector++) this.#table[controlOf(vector)] = MASKED;
    this.#pending = new Uint32Array(2 * Math.ceil(vectors / 64));
    this.#pendingOffset = Math.ceil(this.#table.byteLength / PENDING_STEP) * PENDING_STEP;
    const bytes = this.#pendingOffset + this.#pending.byteLength;
    this.barSize = Math.max(0x1000, 2 ** Math.ceil(Math.log2(bytes)));
  }

  /** Whether the driver has switched the function from INTx to messages. */
  get enabled(): boolean {
    return this.#enabled;
  }

  signal(vector: number): void {
    if (vector >= this.vectors) return;
    if (this.#masked(vector)) this.#pending[vector >>> 5]! |= 1 << (vector & 31);
    else this.#send(vector);
  }

  forget(vector: number): void {
    if (vector < this.vectors) this.#pending[vector >>> 5]! &= ~(1 << (vector & 31));
  }

  /** The capability (6.8.2.3 to 6.8.2.5) when table and pending bits are in BAR number `bar`. */
  capability(bar: number): PciCapability {
    const bytes = new Uint8Array(10);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, this.vectors - 1, true);
    view.setUint32(2, bar, true);
    view.setUint32(6, this.#pendingOffset | bar, true);
    const writable = new Uint8Array(10);
    new DataView(writable.buffer).setUint16(0, CONTROL.ENABLE | CONTROL.FUNCTION_MASK, true);
    return {
      id: CAPABILITY,
      bytes,
      writable,
      onWrite: (capability) => {
        const control = capability.getUint16(0, true);
        this.#enabled = (control & CONTROL.ENABLE) !== 0;
        this.#functionMasked = (control & CONTROL.FUNCTION_MASK) !== 0;
        for (let vector = 0; vector < this.vectors; vector++) this.#sendPending(vector);
      },
    };
  }

  /** What is in the BAR. Aligned 32-bit accesses, as software must make them (6.8.2); other writes do nothing. */
  readonly region: MmioRegion = {
    read: (offset, width) => {
      const word = this.#word(offset >>> 2);
      const value = width === 4 ? word : (word >>> (8 * (offset & 3))) & (2 ** (8 * width) - 1);
      this.onAccess?.(offset, width, false, value);
      return value;
    },
    write: (offset, width, value) => {
      this.onAccess?.(offset, width, true, value);
      const index = offset >>> 2;
      if (width !== 4 || (offset & 3) !== 0 || index >= this.#table.length) return;
      const isControl = index % ENTRY.WORDS === ENTRY.CONTROL;
      this.#table[index] = isControl ? value & MASKED : value;
      if (isControl) this.#sendPending(Math.floor(index / ENTRY.WORDS));
    },
  };

  /** What lies at an offset in the BAR, for traces. */
  nameAt(offset: number): string {
    if (offset >= this.#pendingOffset) return "msix_pending";
    const vector = Math.floor(offset / (4 * ENTRY.WORDS));
    if (vector >= this.vectors) return "reserved";
    return `msix_table[${vector}].${["address", "upper_address", "data", "control"][(offset >>> 2) % ENTRY.WORDS]!}`;
  }

  #word(index: number): number {
    if (index < this.#table.length) return this.#table[index]!;
    return this.#pending[index - this.#pendingOffset / 4] ?? 0;
  }

  #masked(vector: number): boolean {
    return !this.#enabled || this.#functionMasked || (this.#table[controlOf(vector)]! & MASKED) !== 0;
  }

  #sendPending(vector: number): void {
    const bit = 1 << (vector & 31);
    if (!(this.#pending[vector >>> 5]! & bit) || this.#masked(vector)) return;
    this.forget(vector);
    this.#send(vector);
  }

  #send(vector: number): void {
    const entry = ENTRY.WORDS * vector;
    // No processor listens above 4 GiB.
    if (this.#table[entry + ENTRY.UPPER_ADDRESS] !== 0) return;
    this.#sink.send(this.#table[entry + ENTRY.ADDRESS]!, this.#table[entry + ENTRY.DATA]!);
  }
}

function controlOf(vector: number): number {
  return ENTRY.WORDS * vector + ENTRY.CONTROL;
}
