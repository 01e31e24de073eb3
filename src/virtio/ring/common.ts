import type { GuestMemory } from "../memory.ts";
import type { Rule } from "../strict/sentences.ts";
import { ChainBuilder, DescriptorView } from "./builder.ts";
import { DescriptorChain } from "./chain.ts";
import { ChainOrder } from "./order.ts";
import type { Ring, RingError, RingLayout, RingState } from "./ring.ts";

/** What both layouts have in common: chains that come and go, their number, and the order in which they may go. */
export abstract class CommonRing implements Ring {
  readonly size: number;
  protected readonly memory: GuestMemory;
  protected readonly maximumChain: number;
  protected readonly eventIdx: boolean;
  protected readonly indirect: boolean;
  protected readonly builder: ChainBuilder;
  protected readonly descriptor = new DescriptorView();
  protected broken = false;
  /** Chains that can be taken before the guest runs again. */
  #left = 0;
  /** Chains that were taken, ever. */
  #taken = 0;
  readonly #layout: RingLayout;
  readonly #error: RingError;
  readonly #order: ChainOrder | undefined;
  /** Every chain object ever made, at most one for each entry of the ring; the free ones are in the pool too. */
  #chains: DescriptorChain[] = [];
  readonly #pool: DescriptorChain[] = [];

  constructor(memory: GuestMemory, layout: RingLayout, error: RingError) {
    const { size, maximumChain, features } = layout;
    this.#layout = layout;
    this.memory = memory;
    this.size = size;
    this.maximumChain = maximumChain;
    this.eventIdx = features.eventIdx;
    this.indirect = features.indirect;
    this.builder = new ChainBuilder(memory);
    this.#order = features.inOrder ? new ChainOrder(size) : undefined;
    this.#error = error;
  }

  abstract readonly hasAvailable: boolean;
  abstract readonly unpublished: boolean;
  abstract publish(): void;
  abstract readonly unsignalled: boolean;
  abstract interruptDue(): boolean;
  abstract wantKicks(want: boolean): void;
  /** Where the device is. */
  protected abstract readonly places: Pick<RingState, "next" | "used">;
  abstract notificationFault(next: number): string | undefined;

  /** Checks every descriptor of the next chain, fills `chain` in and moves on to the one after it; false: it is broken. */
  protected abstract read(chain: DescriptorChain): boolean;
  /** Writes what the driver learns of a chain that comes back; it may see it only after `publish`. */
  protected abstract use(chain: DescriptorChain): void;
  /** Nothing that was put is published any more. */
  protected abstract forgetUsed(): void;

  look(): RingState {
    const inFlight = this.#chains.filter((chain) => chain.inFlight).sort((a, b) => a.number - b.number);
    return { memory: this.memory, layout: this.#layout, inFlight, ...this.places };
  }

  begin(): void {
    this.#left = this.size;
  }

  take(): DescriptorChain | undefined {
    if (!this.hasAvailable || !this.#mayTake()) return undefined;
    const chain = this.#pool.pop() ?? this.#newChain();
    if (!chain) return undefined;
    if (!this.read(chain)) {
      this.#pool.push(chain);
      return undefined;
    }
    chain.inFlight = true;
    chain.number = this.#taken++;
    this.#order?.taken(chain);
    return chain;
  }

  put(chain: DescriptorChain, written: number): void {
    if (!chain.inFlight) return; // the queue was reset meanwhile
    chain.close(written);
    if (!this.#order) this.#giveBack(chain);
    else for (let next = this.#order.done(); next; next = this.#order.done()) this.#giveBack(next);
  }

  abandon(): void {
    // Not into the pool: a backend may still hold such a chain, and must find it dead for ever.
    for (const chain of this.#chains) if (chain.inFlight) chain.close(0);
    this.#chains = [...this.#pool];
    this.#order?.forget();
  }

  kill(): void {
    this.broken = true;
    this.forgetUsed();
    this.abandon();
  }

  /** Reports a mistake of the driver after which the ring cannot be used. */
  protected fail(rule: Rule, what: string, descriptor?: number): false {
    this.broken = true;
    this.#error(rule, what, descriptor);
    return false;
  }

  /**
   * The guest stands still while the device works, so there is no more to take than there was: unless buffers lie over the
   * ring, and the device itself makes chains available by what it writes, which it could go on with for ever.
   */
  #mayTake(): boolean {
    if (this.#left-- > 0) return true;
    return this.fail("2.7.13 once", `more than ${this.size} chains at once: buffers lie over the ring`);
  }

  #giveBack(chain: DescriptorChain): void {
    this.use(chain);
    this.#pool.push(chain);
  }

  #newChain(): DescriptorChain | undefined {
    if (this.#chains.length === this.size) {
      this.fail("2.7.13 once", `more than ${this.size} chains in flight: a head was made available twice`);
      return undefined;
    }
    const chain = new DescriptorChain(this.memory, this.maximumChain);
    this.#chains.push(chain);
    return chain;
  }
}

/** What the driver has set for a queue makes no ring. */
export class LayoutError extends RangeError {
  override name = "LayoutError";
  readonly rule: Rule;

  constructor(rule: Rule, message: string) {
    super(message);
    this.rule = rule;
  }
}

/** Checks where a part of a queue lies. @throws LayoutError when it is misaligned or outside memory. */
export function area(
  memory: GuestMemory,
  name: string,
  start: bigint,
  length: number,
  alignment: number,
  rules: { aligned: Rule; inside: Rule },
): number {
  const address = Number(start);
  const where = `the ${name} at 0x${start.toString(16)}`;
  if (address % alignment !== 0)
    throw new LayoutError(rules.aligned, `${where} is not aligned to ${alignment} bytes`);
  if (address + length > memory.size)
    throw new LayoutError(rules.inside, `${where} does not lie in guest memory`);
  return address;
}
