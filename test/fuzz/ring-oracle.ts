import type { FakeMemory } from "../unit/driver/memory.ts";

/** What the driver offered in one chain. */
export interface Offer {
  /** Ranges that the device may write: start and end in turn. */
  writable: number[];
  readableBytes: number;
  writableBytes: number;
}

export interface OracleLayout {
  size: number;
  descriptors: bigint;
  available: bigint;
  used: bigint;
  packed: boolean;
  indirect: boolean;
  /** Buffers in a chain at most, when it goes on in an indirect table. */
  longest: number;
}

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
const AVAIL = 1 << 7;
const USED = 1 << 15;

/**
 * Reads the chains of a ring as the specification describes them (2.7, 2.8), on its own, to know what the device may do with
 * each chain that it takes. A chain that the driver must not make and the device takes is an error.
 */
export class RingOracle {
  readonly layout: OracleLayout;
  /** Ranges of the ring itself that the device writes. */
  readonly ring: readonly number[];
  readonly #memory: FakeMemory;
  readonly #descriptors: number;
  /** Of a split ring, the available index; of a packed one, the descriptor and its lap. */
  #next = 0;
  #wrap = true;

  constructor(memory: FakeMemory, layout: OracleLayout) {
    this.#memory = memory;
    this.layout = layout;
    this.#descriptors = Number(layout.descriptors);
    const used = Number(layout.used);
    this.ring = layout.packed
      ? [this.#descriptors, this.#descriptors + 16 * layout.size, used, used + 4]
      : [used, used + 6 + 8 * layout.size];
  }

  /** The next chain, which the device has just taken. @throws Error when it had to refuse it. */
  take(): Offer {
    const offer = { writable: [], readableBytes: 0, writableBytes: 0 };
    if (this.layout.packed) this.#takePacked(offer);
    else this.#takeSplit(offer);
    return offer;
  }

  #takeSplit(offer: Offer): void {
    const { size, available } = this.layout;
    const { view } = this.#memory;
    let index = view.getUint16(Number(available) + 4 + 2 * (this.#next % size), true);
    this.#next = (this.#next + 1) & 0xffff;
    let [table, entries, longest, nested] = [this.#descriptors, size, size, false];
    for (let count = 0; ;) {
      expect(index < entries, `descriptor ${index} of a table of ${entries}`);
      const at = table + 16 * index;
      const flags = view.getUint16(at + 12, true);
      if (flags & INDIRECT) {
        expect(!nested && !(flags & NEXT), "a table inside a table, or one with a next descriptor");
        [table, entries] = this.#table(at);
        [index, longest, nested] = [0, this.layout.longest, true];
        continue;
      }
      expect(++count <= longest, `a chain of more than ${longest}`);
      this.#buffer(offer, at, (flags & WRITE) !== 0);
      if (!(flags & NEXT)) return;
      index = view.getUint16(at + 14, true);
    }
  }

  #takePacked(offer: Offer): void {
    const { size, longest } = this.layout;
    const { view } = this.#memory;
    for (let count = 1; ; count++) {
      const at = this.#descriptors + 16 * this.#next;
      const flags = view.getUint16(at + 14, true);
      expect(
        (flags & (AVAIL | USED)) === (this.#wrap ? AVAIL : USED),
        `descriptor ${this.#next} is not available`,
      );
      expect(count <= size, "a list longer than the ring");
      if (++this.#next === size) [this.#next, this.#wrap] = [0, !this.#wrap];
      if (flags & INDIRECT) {
        expect(count === 1 && !(flags & NEXT), "a table inside a list");
        const [table, entries] = this.#table(at);
        expect(entries <= longest, `a table of ${entries}`);
        for (let i = 0; i < entries; i++) {
          const entry = table + 16 * i;
          this.#buffer(offer, entry, (view.getUint16(entry + 14, true) & WRITE) !== 0);
        }
        return;
      }
      this.#buffer(offer, at, (flags & WRITE) !== 0);
      if (!(flags & NEXT)) return;
    }
  }

  /** The indirect table that the descriptor at `at` points to: where, and how many entries. */
  #table(at: number): [address: number, entries: number] {
    const address = Number(this.#memory.view.getBigUint64(at, true));
    const length = this.#memory.view.getUint32(at + 8, true);
    expect(this.layout.indirect, "a table without VIRTIO_F_INDIRECT_DESC");
    expect(length > 0 && length % 16 === 0, `a table of ${length} bytes`);
    expect(address + length <= this.#memory.size, "a table outside memory");
    return [address, length / 16];
  }

  #buffer(offer: Offer, at: number, writable: boolean): void {
    const address = Number(this.#memory.view.getBigUint64(at, true));
    const length = this.#memory.view.getUint32(at + 8, true);
    expect(address + length <= this.#memory.size, "a buffer outside memory");
    if (writable) {
      offer.writable.push(address, address + length);
      offer.writableBytes += length;
    } else {
      expect(offer.writable.length === 0, "a readable buffer after a writable one");
      offer.readableBytes += length;
    }
  }
}

function expect(good: boolean, what: string): asserts good {
  if (!good) throw new Error(`the device took a chain that it had to refuse: ${what}`);
}
