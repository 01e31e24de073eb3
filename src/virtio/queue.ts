import type { GuestMemory } from "./memory.ts";
import type { DescriptorChain } from "./ring/chain.ts";
import { LayoutError } from "./ring/common.ts";
import { PackedRing } from "./ring/packed.ts";
import type { Fault, Ring, RingError, RingFeatures } from "./ring/ring.ts";
import { SplitRing } from "./ring/split.ts";

/**
 * A virtqueue as the device model sees it (2.6): chains to take and to give back. Which ring layout carries it, where
 * it lies and whether the driver wants interrupts stays in here.
 */
export class Virtqueue {
  readonly index: number;
  readonly name: string;
  /** The largest size that the driver may choose. */
  readonly maximumSize: number;

  /** Set by the driver through the transport before it enables the queue; any 64 bits may stand in an address. */
  size: number;
  descriptors = 0n;
  available = 0n;
  used = 0n;

  /** Exits and interrupts since power-on, for people and benchmarks. */
  readonly counters = { kicks: 0, chains: 0, interrupts: 0, suppressedInterrupts: 0 };

  #ring: Ring | undefined;
  /** Strict mode: who watches what the driver does to the ring. */
  #audit: QueueAuditor | undefined;
  readonly #owner: QueueOwner;
  readonly #interruptLater: boolean;
  /** Something is put in this kick or turn of the event loop, and will be published at its end. */
  #publishing = false;
  /** The decision about an interrupt waits for the end of the turn. */
  #signalling = false;

  constructor(owner: QueueOwner, index: number, { name, size, interruptLater = false }: QueueModel) {
    this.#owner = owner;
    this.index = index;
    this.name = name;
    this.maximumSize = size;
    this.size = size;
    this.#interruptLater = interruptLater;
  }

  get enabled(): boolean {
    return this.#ring !== undefined;
  }

  /** Whether a chain waits to be taken. */
  get hasAvailable(): boolean {
    return this.#ring?.hasAvailable ?? false;
  }

  /** The next chain, or undefined when none waits. */
  take(): DescriptorChain | undefined {
    const chain = this.#ring?.take();
    if (chain) {
      this.counters.chains++;
      this.#owner.taken(this, chain);
    }
    return chain;
  }

  /**
   * Gives a chain back. `written` is the number of bytes from the start of the writable buffers on that the device
   * wrote (2.7.8.2). The driver sees it at the end of the kick, or, when it completes later, with everything else that
   * completes in the same turn of the event loop: one used-ring update and at most one interrupt.
   */
  put(chain: DescriptorChain, written: number): void {
    if (!this.#ring || !chain.inFlight) return;
    this.#owner.returned(this, chain, written);
    if (!this.#publishing) this.#audit?.enter();
    this.#ring.put(chain, written);
    if (!this.#publishing) {
      this.#publishing = true;
      queueMicrotask(this.#publishLater);
    }
  }

  /** Called around the device's work on a kick: what is put inside is published at its end. */
  run(work: (queue: this) => void): void {
    if (!this.#ring) return;
    this.#audit?.enter();
    this.#publishing = true;
    this.#ring.begin();
    work(this);
    this.#publishing = false;
    // A chain left in the ring means that the device is busy and comes back by itself: no kicks until then.
    this.#ring.wantKicks(!this.hasAvailable);
    this.#publish();
    this.#audit?.leave();
  }

  /** The device loses access to guest memory: what is done is published, chains in flight never reach the guest. */
  abandon(): void {
    this.#publish();
    this.#ring?.abandon();
    this.#audit = undefined;
  }

  /** What is wrong with a notification's data (2.9); see `Ring.notificationFault`. */
  notificationFault(next: number): string | undefined {
    return this.#ring?.notificationFault(next);
  }

  /**
   * Sets the three areas as legacy drivers lay them out (2.7.2): in one piece from `address` on, the used ring at the next
   * multiple of `align` bytes, a power of two (4096 on PCI, QueueAlign on MMIO).
   */
  place(address: number, align: number): void {
    const start = BigInt(address);
    const alignment = BigInt(align);
    this.descriptors = start;
    this.available = start + BigInt(16 * this.size);
    this.used = (this.available + BigInt(6 + 2 * this.size) + alignment - 1n) & -alignment;
  }

  /** Nothing is taken or published any more, and chains in flight never reach the guest; the queue stays enabled. */
  stop(): void {
    this.#ring?.kill();
    this.#audit = undefined;
  }

  /** Starts the queue with what the driver has set. Returns a complaint when that makes no ring. */
  enable(
    memory: GuestMemory,
    features: RingFeatures,
    error: RingError,
    audit?: QueueAuditor,
  ): Fault | undefined {
    const { size, maximumSize, descriptors, available, used } = this;
    const layout = { size, maximumChain: maximumSize, descriptors, available, used, features };
    try {
      const Layout = features.packed ? PackedRing : SplitRing;
      this.#ring = new Layout(memory, layout, error);
    } catch (error) {
      if (error instanceof LayoutError) return { rule: error.rule, what: error.message };
      throw error;
    }
    this.#ring.wantKicks(true);
    this.#audit = audit;
    audit?.leave();
    return undefined;
  }

  /** Back to the state after reset (2.6.1, 2.1): chains in flight never reach the guest. */
  reset(): void {
    this.#audit = undefined;
    this.#ring?.kill();
    this.#ring = undefined;
    this.size = this.maximumSize;
    this.descriptors = this.available = this.used = 0n;
  }

  readonly #publishLater = (): void => {
    this.#publishing = false;
    this.#publish();
    this.#audit?.leave();
  };

  #publish(): void {
    if (!this.#ring?.unpublished) return;
    this.#ring.publish();
    if (!this.#interruptLater) this.#signal();
    else if (!this.#signalling) {
      this.#signalling = true;
      queueMicrotask(this.#signalLater);
    }
  }

  readonly #signalLater = (): void => {
    this.#signalling = false;
    this.#signal();
  };

  #signal(): void {
    if (!this.#ring?.unsignalled) return;
    const interrupt = this.#ring.interruptDue();
    if (interrupt) this.counters.interrupts++;
    else this.counters.suppressedInterrupts++;
    this.#owner.published(this, interrupt);
  }
}

export interface QueueModel {
  name: string;
  /** The largest size that the driver may choose, a power of two up to 32768. */
  size: number;
  /**
   * Decide about interrupts only when the guest's slice of CPU time has ended, or the CPU idles. For queues whose driver
   * looks at the used ring by itself: by then it has, its used_event has moved on, and the interrupt is not wanted.
   */
  interruptLater?: boolean;
}

/** What a queue tells the device that it belongs to. */
export interface QueueOwner {
  taken(queue: Virtqueue, chain: DescriptorChain): void;
  returned(queue: Virtqueue, chain: DescriptorChain, written: number): void;
  published(queue: Virtqueue, interrupt: boolean): void;
}

/** Strict mode (see auditor.ts): watches one queue from when it is enabled until it is reset. */
export interface QueueAuditor {
  /** The driver may have run: called before the device looks at the queue or changes anything in it. */
  enter(): void;
  /** The device is done for now, and what it has used is published: called before the driver runs again. */
  leave(): void;
}
