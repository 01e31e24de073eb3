import type { DescriptorChain } from "./chain.ts";

/** Chains in the order in which they were made available, for VIRTIO_F_IN_ORDER (6.2). */
export class ChainOrder {
  readonly #chains: (DescriptorChain | undefined)[];
  #first = 0;
  #count = 0;

  /** @param size chains at most. */
  constructor(size: number) {
    this.#chains = new Array<DescriptorChain | undefined>(size).fill(undefined);
  }

  taken(chain: DescriptorChain): void {
    this.#chains[(this.#first + this.#count) % this.#chains.length] = chain;
    this.#count++;
  }

  /** The oldest chain if the device is done with it, which then is the driver's. */
  done(): DescriptorChain | undefined {
    const chain = this.#chains[this.#first];
    if (!chain || chain.inFlight) return undefined;
    this.#chains[this.#first] = undefined;
    this.#first = (this.#first + 1) % this.#chains.length;
    this.#count--;
    return chain;
  }

  forget(): void {
    this.#chains.fill(undefined);
    this.#first = this.#count = 0;
  }
}
