import { headerLength, networkAt, packetFault } from "../../net/offload.ts";
import { ETHERNET, Field, Flag, Gso, HEADER, isPlain, LONGEST_FRAME } from "../../net/packet.ts";
import type { NetBackend } from "../net-backend.ts";
import type { Virtqueue } from "../queue.ts";
import type { DescriptorChain } from "../ring/chain.ts";
import { Feature } from "../spec.ts";
import type { Rule } from "../strict/sentences.ts";
import type { NetCounters } from "./counters.ts";
import { cleanHeader } from "./receive.ts";

/** What the transmitting side needs of its device. */
export interface TransmitOwner {
  readonly counters: NetCounters;
  legacy(): boolean;
  /** Whether there is carrier. */
  linkUp(): boolean;
  has(bit: bigint): boolean;
  violation(rule: Rule, what: string, queue?: number, descriptor?: number): void;
  /** A packet is about to be given to the wire. */
  leaving(packet: Uint8Array, pair: number): void;
  /** Has the device process its transmit queues. */
  runTransmit(): void;
}

/** The way of packets from the driver's transmit queues to the wire (5.1.6.2). */
export class Transmitter {
  readonly #owner: TransmitOwner;
  readonly #backend: NetBackend;
  readonly #mtu: number;
  /** The wire has no room: what the driver offers stays in its queues. */
  #blocked = false;

  constructor(owner: TransmitOwner, backend: NetBackend, mtu: number) {
    this.#owner = owner;
    this.#backend = backend;
    this.#mtu = mtu;
  }

  /** @param inUse whether the driver may use this pair of queues (5.1.6.5.6.1). */
  process(queue: Virtqueue, pair: number, inUse: boolean): void {
    while (!this.#blocked) {
      const chain = queue.take();
      if (!chain) return;
      if (!inUse) this.#complain("5.1.6.5.6.1 pairs", `a packet in ${queue.name}`, queue, chain);
      const packet = this.#read(queue, chain);
      queue.put(chain, 0);
      if (packet && inUse) this.#send(packet, pair);
    }
  }

  #send(packet: Uint8Array, pair: number): void {
    const { counters } = this.#owner;
    if (!this.#owner.linkUp()) {
      counters.droppedNoCarrier++;
      return;
    }
    counters.packetsOut++;
    counters.bytesOut += packet.length - HEADER;
    this.#owner.leaving(packet, pair);
    const waiting = this.#backend.send(packet);
    if (!waiting) return;
    this.#blocked = true;
    void waiting.then(this.#goOn);
  }

  readonly #goOn = (): void => {
    this.#blocked = false;
    this.#owner.runTransmit();
  };

  /** Copies a packet out of the driver's buffers; undefined when it is none, which has been reported and counted. */
  #read(queue: Virtqueue, chain: DescriptorChain): Uint8Array | undefined {
    const { reader } = chain;
    // 5.1.6.1: a legacy header has no num_buffers without MRG_RXBUF.
    const short = this.#owner.legacy() && !this.#owner.has(Feature.network.MRG_RXBUF);
    const header = short ? Field.buffers : HEADER;
    const length = reader.total - header;
    if (length < ETHERNET || length > LONGEST_FRAME) {
      this.#complain("5.1.6.2 frame", `a packet of ${reader.total} bytes with its header`, queue, chain);
      this.#owner.counters.droppedMalformed++;
      return undefined;
    }
    const packet = new Uint8Array(HEADER + length);
    if (short) {
      reader.read(packet.subarray(0, header));
      reader.read(packet.subarray(HEADER));
    } else reader.read(packet);
    const fault = this.#fault(packet);
    if (!fault) return packet;
    this.#complain(fault.rule, fault.what, queue, chain);
    this.#owner.counters.droppedMalformed++;
    return undefined;
  }

  /** Checks the header (5.1.6.2.1) and leaves in it what the wire may rely on. */
  #fault(packet: Uint8Array): { rule: Rule; what: string } | undefined {
    // 5.1.4.1 has ECN beside no segmentation as an ordinary packet.
    if (packet[Field.gsoType] === Gso.ECN) packet[Field.gsoType] = Gso.NONE;
    packet[Field.flags]! &= Flag.NEEDS_CSUM; // 5.1.6.2.2: other flags are ignored
    if (isPlain(packet)) packet.fill(0, 0, HEADER);
    else {
      const negotiated = this.#featureFault(packet);
      if (negotiated) return negotiated;
      const what = packetFault(packet);
      if (what) return { rule: "5.1.6.2.1 header", what };
      cleanHeader(packet, packet[Field.gsoType] === Gso.NONE ? 0 : headerLength(packet));
      if (packet[Field.gsoType] !== Gso.NONE) return undefined;
    }
    if (packet.length <= HEADER + this.#mtu || !this.#owner.has(Feature.network.MTU)) return undefined;
    const payload = packet.length - networkAt(packet);
    if (payload <= this.#mtu) return undefined;
    return { rule: "5.1.4.2 mtu", what: `a frame with ${payload} bytes of payload, the MTU is ${this.#mtu}` };
  }

  #featureFault(packet: Uint8Array): { rule: Rule; what: string } | undefined {
    const { CSUM, HOST_TSO4, HOST_TSO6, HOST_ECN } = Feature.network;
    const type = packet[Field.gsoType]!;
    if (!this.#owner.has(CSUM)) {
      return { rule: "5.1.6.2.1 csum", what: "an incomplete checksum, without VIRTIO_NET_F_CSUM" };
    }
    if (type === Gso.NONE) return undefined;
    const what = `a packet of gso_type ${type}`;
    const base = type & ~Gso.ECN;
    const known =
      (base === Gso.TCPV4 && this.#owner.has(HOST_TSO4)) ||
      (base === Gso.TCPV6 && this.#owner.has(HOST_TSO6));
    if (!known) return { rule: "5.1.6.2.1 gso", what: `${what}, which was not negotiated` };
    if (type & Gso.ECN && !this.#owner.has(HOST_ECN)) {
      return { rule: "5.1.6.2.1 ecn", what: `${what}, without VIRTIO_NET_F_HOST_ECN` };
    }
    return undefined;
  }

  #complain(rule: Rule, what: string, queue: Virtqueue, chain: DescriptorChain): void {
    this.#owner.violation(rule, what, queue.index, chain.head);
  }
}
