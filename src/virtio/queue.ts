import type { Gate } from "./gate.ts";
import type { GuestMemory } from "./memory.ts";
import type { DescriptorChain } from "./ring/chain.ts";
import { LayoutError } from "./ring/common.ts";
import { PackedRing } from "./ring/packed.ts";
import type { Fault, Ring, RingError, RingFeatures, RingState } from "./ring/ring.ts";
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

  /** Holds what the queue does while the guest stands still. */
  gate: Gate | undefined;

  #ring: Ring | undefined;
  /** Taken when the gate closed, before the device had it: the next one that it takes. */
  #kept: DescriptorChain | undefined;
  /** The gate holds a run. */
  #runHeld = false;
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
    return this.#kept?.inFlight || (this.#ring?.hasAvailable ?? false);
  }

  /** The next chain, or undefined when none waits, or the guest stands still. */
  take(): DescriptorChain | undefined {
    const { gate } = this;
    if (gate) {
      if (gate.closed) return undefined;
      const kept = this.#kept;
      this.#kept = undefined;
      if (kept?.inFlight) return kept;
    }
    const chain = this.#ring?.take();
    if (!chain) return undefined;
    this.counters.chains++;
    this.#owner.taken(this, chain);
    if (!gate?.closed) return chain;
    this.#kept = chain;
    return undefined;
  }

  /**
   * Gives a chain back. `written` is the number of bytes from the start of the writable buffers on that the device
   * wrote (2.7.8.2). The driver sees it at the end of the kick, or, when it completes later, with everything else that
   * completes in the same turn of the event loop: one used-ring update and at most one interrupt.
   */
  put(chain: DescriptorChain, written: number): void {
    if (!this.#ring || !chain.inFlight) return;
    const { gate } = this;
    if (gate?.closed) {
      gate.hold(() => this.put(chain, written));
      return;
    }
    this.#owner.returned(this, chain, written);
    if (gate?.closed) gate.hold(() => this.#give(chain, written));
    else this.#give(chain, written);
  }

  /** Called around the device's work on a kick: what is put inside is published at its end. */
  run(work: (queue: this) => void): void {
    if (!this.#ring) return;
    if (this.gate?.closed) {
      this.#runLater(this.gate);
      return;
    }
    this.#audit?.enter();
    this.#publishing = true;
    this.#ring.begin();
    work(this);
    this.#publishing = false;
    if (this.gate?.closed) {
      this.#publish(); // what was given back before; its interrupt waits
      this.#audit?.leave();
      this.#runLater(this.gate);
      return;
    }
    // A chain left in the ring means that the device is busy and comes back by itself: no kicks until then.
    this.#ring.wantKicks(!this.hasAvailable);
    this.#publish();
    this.#audit?.leave();
  }

  /** The device loses access to guest memory: what is done is published, chains in flight never reach the guest. */
  abandon(): void {
    this.#publish();
    this.#ring?.abandon();
    this.#kept = undefined;
    this.#audit = undefined;
  }

  /** The ring as it is, for those who look; undefined while the queue is not enabled. */
  look(): RingState | undefined {
    return this.#ring?.look();
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
    this.#kept = undefined;
    this.size = this.maximumSize;
    this.descriptors = this.available = this.used = 0n;
  }

  #give(chain: DescriptorChain, written: number): void {
    if (!this.#ring || !chain.inFlight) return;
    this.#audit?.enter();
    this.#ring.put(chain, written);
    if (this.#publishing) return;
    this.#publishing = true;
    queueMicrotask(this.#publishLater);
  }

  #runLater(gate: Gate): void {
    if (this.#runHeld) return;
    this.#runHeld = true;
    gate.hold(() => {
      this.#runHeld = false;
      // The driver has gone on for a little since: what it made available then is not yet known to who watches it.
      if (this.#publishing) this.#publishNow();
      this.#owner.runAgain(this);
    });
  }

  readonly #publishLater = (): void => {
    if (this.gate?.closed) this.gate.hold(this.#publishLater);
    else this.#publishNow();
  };

  #publishNow(): void {
    this.#publishing = false;
    this.#publish();
    this.#audit?.leave();
  }

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
    const ring = this.#ring;
    if (!ring?.unsignalled) return;
    const { gate } = this;
    if (gate?.closed) {
      if (this.#signalling) return;
      this.#signalling = true;
      gate.hold(this.#signalLater);
      return;
    }
    const interrupt = ring.interruptDue();
    if (interrupt) this.counters.interrupts++;
    else this.counters.suppressedInterrupts++;
    this.#owner.published(this, interrupt);
    if (!interrupt) return;
    if (gate?.closed) gate.hold(() => this.#interrupt(ring));
    else this.#interrupt(ring);
  }

  #interrupt(ring: Ring): void {
    if (!this.gate?.keepInterrupt?.(this, () => this.#raise(ring))) this.#raise(ring);
  }

  /** Returns false when the queue was reset meanwhile. */
  #raise(ring: Ring): boolean {
    if (this.#ring !== ring) return false;
    this.#owner.interrupt(this);
    return true;
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
  /** The driver can see what is done. `interrupt`: and has to be told, which follows. */
  published(queue: Virtqueue, interrupt: boolean): void;
  interrupt(queue: Virtqueue): void;
  /** The guest stood still when the queue had work to do. */
  runAgain(queue: Virtqueue): void;
}

/** Strict mode (see auditor.ts): watches one queue from when it is enabled until it is reset. */
export interface QueueAuditor {
  /** The driver may have run: called before the device looks at the queue or changes anything in it. */
  enter(): void;
  /** The device is done for now, and what it has used is published: called before the driver runs again. */
  leave(): void;
}
