import { checksumHolds, networkAt, toPlain } from "../../net/offload.ts";
import { Field, Flag, Gso, HEADER, isPlain } from "../../net/packet.ts";
import type { Virtqueue } from "../queue.ts";
import type { DescriptorChain } from "../ring/chain.ts";
import { Feature } from "../spec.ts";
import type { Rule } from "../strict/sentences.ts";
import { Backlog } from "./backlog.ts";
import type { NetCounters } from "./counters.ts";
import { FlowSteering } from "./steering.ts";

/**
 * What waits for the driver's buffers, over all queues: beyond `mark` the wire is asked to hold back, below `low` it may go on,
 * and beyond `most` packets are dropped. One packet more of each queue may have been cut into segments meanwhile.
 */
export const BACKLOG = {
  low: { packets: 128, bytes: 256 << 10 },
  mark: { packets: 512, bytes: 1 << 20 },
  most: { packets: 4096, bytes: 8 << 20 },
} as const;

/** What the receiving side needs of its device. */
export interface ReceiveOwner {
  readonly queues: readonly Virtqueue[];
  readonly counters: NetCounters;
  live(): boolean;
  legacy(): boolean;
  has(bit: bigint): boolean;
  violation(rule: Rule, what: string, queue?: number, descriptor?: number): void;
  /** Has the device process a queue. */
  run(queue: Virtqueue): void;
  /** The wire need not hold back any more. */
  resume(): void;
}

/** The way of packets from the wire into the driver's receive queues (5.1.6.3, 5.1.6.4). */
export class Receiver {
  readonly #owner: ReceiveOwner;
  readonly #mtu: number;
  readonly #steering = new FlowSteering();
  readonly #lanes: readonly Lane[];
  /** Pairs of queues that the driver uses (5.1.6.5.6). */
  #pairs = 1;
  /** VIRTIO_NET_F_GUEST_… that are switched on. */
  #guestChecksum = false;
  #guestTso4 = false;
  #guestTso6 = false;
  #guestEcn = false;
  /** The wire was asked to hold back. */
  #holding = false;

  /** @param mtu bytes, for drivers that negotiate VIRTIO_NET_F_MTU. */
  constructor(owner: ReceiveOwner, pairs: number, mtu: number) {
    this.#owner = owner;
    this.#mtu = mtu;
    this.#lanes = Array.from({ length: pairs }, (_, pair) => new Lane(owner.queues[2 * pair]!));
  }

  /** A packet that the filters have let through and whose header is right. False: the wire should hold back. */
  receive(packet: Uint8Array): boolean {
    // The guest's processor is the slowest here: what is looked at for it, it need not (5.1.6.4.1).
    if (this.#guestChecksum && isPlain(packet) && checksumHolds(packet))
      packet[Field.flags] = Flag.DATA_VALID;
    const lane = this.#pick(packet);
    if (!lane) {
      this.#owner.counters.droppedNotReady++;
      return true;
    }
    if (this.#exceeds(BACKLOG.most, packet.length)) this.#owner.counters.droppedFull++;
    else {
      lane.backlog.push(packet);
      // Inside a delivery of the same lane this is its own loop's next turn.
      if (!lane.busy) this.#owner.run(lane.queue);
    }
    if (!this.#holding && this.#exceeds(BACKLOG.mark, 0)) {
      this.#sweep();
      this.#holding = this.#exceeds(BACKLOG.mark, 0);
    }
    return !this.#holding;
  }

  /** Fills what buffers there are in the receive queue of `pair`. */
  process(pair: number): void {
    const lane = this.#lanes[pair]!;
    if (lane.busy) return;
    lane.busy = true;
    do this.#deliver(lane);
    while (this.#release() && lane.backlog.length > 0);
    lane.busy = false;
  }

  /** The driver sent a packet on `pair`. */
  sent(packet: Uint8Array, pair: number): void {
    if (this.#pairs > 1) this.#steering.sent(packet, pair);
  }

  get pairs(): number {
    return this.#pairs;
  }

  /** VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET: from now on nothing goes to receive queues beyond (5.1.6.5.6.2). */
  setPairs(pairs: number): void {
    this.#pairs = pairs;
    const [first] = this.#lanes as readonly [Lane, ...Lane[]];
    for (const lane of this.#lanes.slice(pairs)) {
      for (let packet = lane.backlog.first; packet; packet = lane.backlog.first) {
        lane.backlog.shift();
        first.backlog.push(packet);
      }
    }
    if (first.backlog.length > 0) this.#owner.run(first.queue);
  }

  /** Which offloads of VIRTIO_NET_F_GUEST_… the driver wants to have, as feature bits (5.1.6.5.8). */
  setOffloads(wanted: (bit: bigint) => boolean): void {
    const { GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, GUEST_ECN } = Feature.network;
    this.#guestChecksum = wanted(GUEST_CSUM);
    // Segments lack their checksums: a driver that has switched those off gets none.
    this.#guestTso4 = this.#guestChecksum && wanted(GUEST_TSO4);
    this.#guestTso6 = this.#guestChecksum && wanted(GUEST_TSO6);
    this.#guestEcn = wanted(GUEST_ECN);
  }

  /** As after a reset of the device. */
  reset(): void {
    this.setOffloads(() => false);
    this.#pairs = 1;
    this.#steering.forget();
    this.#sweep();
    for (const lane of this.#lanes) lane.forget();
    this.#release();
  }

  /** The lane of a packet; undefined when there is no queue to put it into. */
  #pick(packet: Uint8Array): Lane | undefined {
    if (!this.#owner.live()) return undefined;
    const pair = this.#pairs === 1 ? 0 : this.#steering.pick(packet, this.#pairs);
    const lane = this.#lanes[pair]!;
    if (lane.queue.enabled) return lane;
    // 5.1.6.5.6.2: another one while this is being reset.
    return this.#lanes.slice(0, this.#pairs).find(({ queue }) => queue.enabled);
  }

  #deliver(lane: Lane): void {
    lane.revive();
    for (let packet = lane.backlog.first; packet; packet = lane.backlog.first) {
      if (!this.#suits(packet)) {
        lane.backlog.replaceFirst(toPlain(packet));
        continue;
      }
      const outcome = this.#tooLong(packet) ? "tooLong" : this.#put(lane, packet);
      if (outcome === "later") return;
      if (outcome === "tooLong" && packet[Field.gsoType] !== Gso.NONE) {
        lane.backlog.replaceFirst(toPlain(packet));
        continue;
      }
      if (outcome === "tooLong") this.#owner.counters.droppedTooLong++;
      lane.backlog.shift();
    }
  }

  /** The driver takes the packet with what its header leaves to be done. */
  #suits(packet: Uint8Array): boolean {
    if (isPlain(packet)) {
      if (!this.#guestChecksum) packet[Field.flags] = 0; // switched off since it came
      return true;
    }
    if (!this.#guestChecksum) return false;
    const type = packet[Field.gsoType]!;
    if (type === Gso.NONE) return true;
    if (type & Gso.ECN && !this.#guestEcn) return false;
    return (type & ~Gso.ECN) === Gso.TCPV4 ? this.#guestTso4 : this.#guestTso6;
  }

  /** 5.1.4.1: longer than the MTU, VLAN tags not counted. */
  #tooLong(packet: Uint8Array): boolean {
    if (packet.length <= HEADER + this.#mtu || packet[Field.gsoType] !== Gso.NONE) return false;
    return this.#owner.has(Feature.network.MTU) && packet.length - networkAt(packet) > this.#mtu;
  }

  /** Copies a packet into the driver's buffers, if there are enough; the one that it has may be too short for ever. */
  #put(lane: Lane, packet: Uint8Array): "done" | "later" | "tooLong" {
    if (this.#owner.has(Feature.network.MRG_RXBUF)) return this.#merge(lane, packet);
    const chain = lane.held[0] ?? lane.take();
    if (!chain) return "later";
    // 5.1.6.1: a legacy header has no num_buffers without MRG_RXBUF.
    const header = this.#owner.legacy() ? Field.buffers : HEADER;
    const length = header + packet.length - HEADER;
    if (chain.writer.total < length) return "tooLong";
    setBuffers(packet, 1);
    if (header === HEADER) chain.writer.write(packet);
    else {
      chain.writer.write(packet.subarray(0, header));
      chain.writer.write(packet.subarray(HEADER));
    }
    lane.held.shift();
    lane.queue.put(chain, length);
    this.#count(packet);
    return "done";
  }

  /** 5.1.6.4.1: over as many buffers as it takes, all but the last of them full. */
  #merge(lane: Lane, packet: Uint8Array): "done" | "later" | "tooLong" {
    const { held, queue } = lane;
    let count = 0;
    for (let room = 0; room < packet.length; count++) {
      const chain = held[count] ?? this.#takeMergeable(lane);
      if (!chain) return lane.couldHold(packet.length) ? "later" : "tooLong";
      room += chain.writer.total;
    }
    setBuffers(packet, count);
    let at = 0;
    for (let i = 0; i < count; i++) {
      const chain = held[i]!;
      const end = Math.min(at + chain.writer.total, packet.length);
      chain.writer.write(count === 1 ? packet : packet.subarray(at, end));
      queue.put(chain, end - at);
      at = end;
    }
    if (count === 1) held.shift();
    else held.splice(0, count);
    this.#count(packet);
    return "done";
  }

  #takeMergeable(lane: Lane): DescriptorChain | undefined {
    for (let chain = lane.take(); chain; chain = lane.take()) {
      if (chain.writer.total >= HEADER) return chain;
      const what = `a receive buffer of ${chain.writer.total} bytes`;
      this.#owner.violation("5.1.6.3.1 header", what, lane.queue.index, chain.head);
      lane.held.pop();
      lane.queue.put(chain, 0);
    }
    return undefined;
  }

  #count(packet: Uint8Array): void {
    this.#owner.counters.packetsIn++;
    this.#owner.counters.bytesIn += packet.length - HEADER;
  }

  #exceeds(bound: { packets: number; bytes: number }, more: number): boolean {
    let packets = 0;
    let bytes = more;
    for (const { backlog } of this.#lanes) {
      packets += backlog.length;
      bytes += backlog.bytes;
    }
    return packets >= bound.packets || bytes > bound.bytes;
  }

  /** Lets the wire go on when there is room again; true when it did. */
  #release(): boolean {
    if (!this.#holding) return false;
    this.#sweep();
    if (this.#exceeds(BACKLOG.low, 0)) return false;
    this.#holding = false;
    this.#owner.resume();
    return true;
  }

  /** Packets for queues that the driver has taken away shall not fill the others' room. */
  #sweep(): void {
    for (const { backlog, queue } of this.#lanes) {
      if (queue.enabled) continue;
      this.#owner.counters.droppedNotReady += backlog.length;
      backlog.clear();
    }
  }
}

/** One receive queue with what waits for it. */
class Lane {
  readonly queue: Virtqueue;
  readonly backlog = new Backlog();
  /** Buffers that were taken and have nothing in them yet: all together they were too small for the next packet. */
  readonly held: DescriptorChain[] = [];
  /** Being delivered to. */
  busy = false;
  /** Bytes of the largest buffer seen. */
  #largest = 0;

  constructor(queue: Virtqueue) {
    this.queue = queue;
  }

  /** Whether all buffers of the queue together may have so many bytes, as far as is known from those that it had. */
  couldHold(bytes: number): boolean {
    if (this.#largest === 0) return true;
    return this.held.length < this.queue.size && this.#largest * this.queue.size >= bytes;
  }

  /** Takes the next buffer and holds it. */
  take(): DescriptorChain | undefined {
    const chain = this.queue.take();
    if (!chain) return undefined;
    this.#largest = Math.max(this.#largest, chain.writer.total);
    this.held.push(chain);
    return chain;
  }

  /** Forgets buffers that were lost in a reset of the queue. */
  revive(): void {
    if (this.held.length > 0 && !this.held[0]!.inFlight) this.forget();
  }

  forget(): void {
    this.held.length = 0;
    this.#largest = 0;
  }
}

function setBuffers(packet: Uint8Array, count: number): void {
  packet[Field.buffers] = count;
  packet[Field.buffers + 1] = count >>> 8;
}

/** Clears what only its sender's device may have meant: the driver gets what this device says (5.1.6.4.1). */
export function cleanHeader(packet: Uint8Array, headers: number): void {
  packet[Field.flags]! &= Flag.NEEDS_CSUM;
  setBuffers(packet, 0);
  packet[Field.headerLength] = headers;
  packet[Field.headerLength + 1] = headers >>> 8;
}
