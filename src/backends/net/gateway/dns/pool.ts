import { addressText, ipv4Bytes } from "../../../../net/address.ts";

/** Names that have an address at a time; the one unused for longest goes for one more. */
export const POOL = 4096;

/** 198.18.0.0/15, which is for tests of network devices (RFC 2544) and so never the address of a host outside. */
const FROM = (198 << 24) | (18 << 16);
const ADDRESSES = 1 << 17;

/** Addresses that stand for names whose own only the page's fetch can reach. */
export class NamePool {
  readonly #addresses = new Map<string, string>();
  readonly #names = new Map<string, string>();
  #next = 1;

  /** The address of this name, a new one if it has none. */
  addressFor(name: string): Uint8Array {
    const known = this.#addresses.get(name);
    const address = known ?? addressText(this.#free());
    // The map's order is that of the last use.
    this.#addresses.delete(name);
    this.#addresses.set(name, address);
    if (!known) this.#names.set(address, name);
    if (this.#addresses.size > POOL) this.#forget();
    return Uint8Array.from(address.split("."), Number);
  }

  /** The name that this address stands for. */
  nameOf(address: Uint8Array): string | undefined {
    const name = this.#names.get(addressText(address));
    if (name !== undefined) this.addressFor(name);
    return name;
  }

  /** Goes round, so that an address does not soon stand for another name. */
  #free(): Uint8Array {
    for (;;) {
      const address = ipv4Bytes(FROM + this.#next);
      this.#next = (this.#next % (ADDRESSES - 2)) + 1;
      if (!this.#names.has(addressText(address))) return address;
    }
  }

  #forget(): void {
    const oldest = this.#addresses.entries().next().value!;
    this.#addresses.delete(oldest[0]);
    this.#names.delete(oldest[1]);
  }
}

export function isInPool(address: Uint8Array): boolean {
  return address.length === 4 && address[0] === 198 && (address[1]! & 0xfe) === 18;
}
