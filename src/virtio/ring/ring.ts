import type { GuestMemory } from "../memory.ts";
import type { Rule } from "../strict/sentences.ts";
import type { DescriptorChain } from "./chain.ts";

/**
 * The device side of one virtqueue in guest memory, whatever its layout: split (2.7) or packed (2.8). Nothing of what the
 * driver supplies makes these methods throw, loop or allocate more than one chain object for each entry of the ring.
 */
export interface Ring {
  /** Entries. */
  readonly size: number;
  /** The device begins to work on what is there: until this is called again, at most `size` chains can be taken. */
  begin(): void;
  /** Whether a chain waits to be taken. */
  readonly hasAvailable: boolean;
  /** The next chain, or undefined when there is none (or the driver broke the ring: the error was reported). */
  take(): DescriptorChain | undefined;
  /** Gives a chain back with the number of bytes written to it; the driver sees it after `publish`. */
  put(chain: DescriptorChain, written: number): void;
  /** Something is ready for `publish`. */
  readonly unpublished: boolean;
  /** Shows the driver everything put since the last time, in the order of completion. */
  publish(): void;
  /** Something was published for which `interruptDue` was not asked yet. */
  readonly unsignalled: boolean;
  /** Whether the driver, as of now, wants an interrupt for what was published since this was asked last. */
  interruptDue(): boolean;
  /** Tells the driver whether to kick for the next chain. */
  wantKicks(want: boolean): void;
  /**
   * Compares what came with a kick under VIRTIO_F_NOTIFICATION_DATA with the ring (2.9): `next` is next_off, and next_wrap
   * as bit 15. Returns a complaint when it cannot be true. A driver that other threads have overtaken may be behind.
   */
  notificationFault(next: number): string | undefined;
  /** No chain in flight reaches the guest any more; new ones can be taken. */
  abandon(): void;
  /** Nothing is taken any more, and no chain in flight reaches the guest. */
  kill(): void;
  /** For those who look: what is not in guest memory. The chains are the ring's own: not to be kept or changed. */
  look(): RingState;
}

/** Where the device is in a ring. */
export interface RingState {
  readonly memory: GuestMemory;
  readonly layout: RingLayout;
  /** Chains that were taken and not given back, in the order in which they were taken. */
  readonly inFlight: DescriptorChain[];
  /**
   * The next entry to take and the next to use. Of a split ring these are free-running indexes, of which a packed one has
   * the index in the ring, and its wrap counter.
   */
  readonly next: RingPlace;
  readonly used: RingPlace;
}

export interface RingPlace {
  index: number;
  /** Of a packed ring. */
  wrap: boolean;
}

export interface RingLayout {
  /** Entries: a power of two in a split ring. */
  size: number;
  /** Buffers in one chain: the size that the device offers. The driver may have chosen a smaller one for the ring. */
  maximumChain: number;
  /** The descriptor area: the descriptor table or ring. */
  descriptors: bigint;
  /** The driver area: the available ring, or the driver's event suppression. */
  available: bigint;
  /** The device area: the used ring, or the device's event suppression. */
  used: bigint;
  features: RingFeatures;
}

/** The negotiated features that change a ring (6). */
export interface RingFeatures {
  packed: boolean;
  eventIdx: boolean;
  indirect: boolean;
  inOrder: boolean;
}

/** A sentence that the driver broke, and what was seen. */
export interface Fault {
  rule: Rule;
  what: string;
}

/** What the ring found wrong: the sentence that the driver broke, what was seen, and at which descriptor. */
export type RingError = (rule: Rule, what: string, descriptor: number | undefined) => void;
