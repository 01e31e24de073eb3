import { macText } from "../net/ethernet.ts";
import { headerLength, packetFault } from "../net/offload.ts";
import { Field, Gso } from "../net/packet.ts";
import { type DeviceOptions, VirtioDevice } from "./device.ts";
import type { NetBackend, NetPort } from "./net-backend.ts";
import { ControlQueue } from "./net/control.ts";
import { type NetCounters, noCounters } from "./net/counters.ts";
import { ReceiveFilter } from "./net/filter.ts";
import {
  fillConfig,
  type NetFeatureOptions,
  netModel,
  netStatus,
  readMac,
  STANDARD_MTU,
  writeMac,
} from "./net/model.ts";
import { cleanHeader, Receiver } from "./net/receive.ts";
import { Transmitter } from "./net/transmit.ts";
import type { Virtqueue } from "./queue.ts";
import { Feature } from "./spec.ts";
import { bytesText } from "./view/bytes-text.ts";
import type { NamedValue } from "./view/types.ts";
export type { NetCounters } from "./net/counters.ts";

export interface NetOptions extends DeviceOptions, NetFeatureOptions {
  backend: NetBackend;
}

/** Hears each packet between device and wire; `in` is towards the guest. It must not change or keep the packet. */
export type PacketTap = (direction: "in" | "out", packet: Uint8Array) => void;

/** The network device (virtio 1.3, 5.1) at the end of a wire. */
export class NetDevice extends VirtioDevice implements NetPort {
  readonly mtu: number;
  readonly counters: NetCounters = noCounters();
  tap: PacketTap | undefined;

  readonly #backend: NetBackend;
  /** What it has from the start and after a reset. */
  readonly #ownMac: Uint8Array;
  readonly #mostPairs: number;
  readonly #filter = new ReceiveFilter();
  readonly #receiver: Receiver;
  readonly #transmitter: Transmitter;
  readonly #control: ControlQueue;
  #mac: Uint8Array;
  #linkUp = false;
  /** The driver was asked to make itself known, and has not confirmed it. */
  #announcing = false;

  constructor(options: NetOptions) {
    const model = netModel(options);
    super(model, options);
    const { backend, mac, mtu = STANDARD_MTU } = options;
    this.mtu = mtu;
    this.#backend = backend;
    this.#ownMac = mac.slice();
    this.#mac = this.#ownMac;
    this.#mostPairs = model.queues.length >> 1;
    fillConfig(this.config, options, this.#mostPairs);
    writeMac(this.config, mac);
    this.#receiver = this.#newReceiver();
    this.#transmitter = this.#newTransmitter();
    this.#control = this.#newControl();
    backend.connect(this);
  }

  override state(): NamedValue[] {
    const { packetsIn, bytesIn, packetsOut, bytesOut, ...dropped } = this.counters;
    return [
      { name: "MAC address in use", value: macText(this.#mac) },
      { name: "carrier", value: this.#linkUp ? "up" : "down" },
      ...(this.#backend.state?.() ?? []),
      { name: "received by the guest", value: `${packetsIn} packets, ${bytesText(bytesIn)}` },
      { name: "sent by the guest", value: `${packetsOut} packets, ${bytesText(bytesOut)}` },
      { name: "dropped by the device", value: `${Object.values(dropped).reduce((a, b) => a + b, 0)}` },
    ];
  }

  // ---- what the wire calls ----

  get mac(): Uint8Array {
    return this.#mac;
  }

  /** Whether there is carrier. */
  get linkUp(): boolean {
    return this.#linkUp;
  }

  receive(packet: Uint8Array): boolean {
    if (packetFault(packet)) {
      this.counters.droppedMalformed++;
      return true;
    }
    this.tap?.("in", packet);
    this.observer?.({ type: "frame", device: this.name, direction: "in", packet });
    if (!this.#filter.accepts(packet, this.#mac)) {
      this.counters.droppedFiltered++;
      return true;
    }
    cleanHeader(packet, packet[Field.gsoType] === Gso.NONE ? 0 : headerLength(packet));
    return this.#receiver.receive(packet);
  }

  setLink(up: boolean): void {
    if (up === this.#linkUp) return;
    this.#linkUp = up;
    this.#showStatus();
  }

  announce(): void {
    if (!this.live || !this.has(Feature.network.GUEST_ANNOUNCE) || this.#announcing) return;
    this.#announcing = true;
    this.#showStatus();
  }

  // ---- what the driver causes ----

  protected override process(queue: Virtqueue): void {
    const pair = queue.index >> 1;
    const role = this.role(queue.index);
    if (role === "control") this.#control.process(queue);
    else if (role === "transmit") this.#transmitter.process(queue, pair, pair < this.#receiver.pairs);
    else if (role === "receive") this.#receiver.process(pair);
  }

  /**
   * What a queue is for (5.1.2): the control queue is behind those of as many pairs as the driver knows of. Undefined for one
   * that a driver has no use for with what it has negotiated.
   */
  role(index: number): "receive" | "transmit" | "control" | undefined {
    const pairs = this.has(Feature.network.MQ) ? this.#mostPairs : 1;
    if (index < 2 * pairs) return index & 1 ? "transmit" : "receive";
    return index === 2 * pairs && this.has(Feature.network.CTRL_VQ) ? "control" : undefined;
  }

  protected override onFeatures(): void {
    this.#receiver.setOffloads((bit) => this.has(bit));
    this.#filter.byAddress = this.has(Feature.network.CTRL_RX);
    this.#filter.byVlan = this.has(Feature.network.CTRL_VLAN);
  }

  /** The MAC address through a legacy interface (5.1.4.3), byte by byte. */
  protected override onConfigWrite(): void {
    this.#mac = readMac(this.config);
  }

  protected override onReset(): void {
    this.#announcing = false;
    this.#mac = this.#ownMac;
    writeMac(this.config, this.#mac);
    this.config.set("status", netStatus(this.#linkUp, false));
    this.#filter.reset();
    this.#receiver.reset();
  }

  #showStatus(): void {
    this.config.set("status", netStatus(this.#linkUp, this.#announcing));
    this.configChanged();
  }

  #newReceiver(): Receiver {
    return new Receiver(
      {
        queues: this.queues,
        counters: this.counters,
        live: () => this.live,
        legacy: () => this.legacy,
        has: (bit) => this.has(bit),
        violation: (...report) => this.violation(...report),
        run: (queue) => this.poll(queue),
        resume: () => this.#backend.resume(),
      },
      this.#mostPairs,
      this.mtu,
    );
  }

  #newTransmitter(): Transmitter {
    const owner = {
      counters: this.counters,
      legacy: () => this.legacy,
      linkUp: () => this.linkUp,
      has: (bit: bigint) => this.has(bit),
      violation: this.violation.bind(this),
      leaving: (packet: Uint8Array, pair: number) => this.#leaving(packet, pair),
      runTransmit: () => {
        for (let pair = 0; pair < this.#mostPairs; pair++) this.poll(this.queues[2 * pair + 1]!);
      },
    };
    return new Transmitter(owner, this.#backend, this.mtu);
  }

  #newControl(): ControlQueue {
    return new ControlQueue({
      filter: this.#filter,
      mostPairs: this.#mostPairs,
      has: (bit) => this.has(bit),
      violation: this.violation.bind(this),
      setMac: (mac) => {
        this.#mac = mac;
        if (this.has(Feature.network.MAC)) writeMac(this.config, mac);
      },
      announced: () => {
        this.#announcing = false;
        this.config.set("status", netStatus(this.#linkUp, false));
      },
      pairReady: (pair) => this.queues[2 * pair]!.enabled && this.queues[2 * pair + 1]!.enabled,
      setPairs: (pairs) => this.#receiver.setPairs(pairs),
      setOffloads: (offloads) => this.#receiver.setOffloads((bit) => ((offloads >> bit) & 1n) === 1n),
    });
  }

  #leaving(packet: Uint8Array, pair: number): void {
    this.#receiver.sent(packet, pair);
    this.tap?.("out", packet);
    this.observer?.({ type: "frame", device: this.name, direction: "out", packet });
  }
}
