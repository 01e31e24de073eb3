import { HEADER } from "../../../src/net/packet.ts";
import { NetDevice, type NetOptions } from "../../../src/virtio/net.ts";
import type { NetBackend, NetPort } from "../../../src/virtio/net-backend.ts";
import { Driver, type DriverOptions, settle } from "./driver.ts";
import type { Segment } from "./queue.ts";
import { sentences } from "./strict.ts";

/** Feature bits, 5.1.3, as masks. */
export const CSUM = 1n << 0n;
export const GUEST_CSUM = 1n << 1n;
export const CTRL_GUEST_OFFLOADS = 1n << 2n;
export const MTU = 1n << 3n;
export const MAC = 1n << 5n;
export const GUEST_TSO4 = 1n << 7n;
export const GUEST_TSO6 = 1n << 8n;
export const GUEST_ECN = 1n << 9n;
export const HOST_TSO4 = 1n << 11n;
export const HOST_TSO6 = 1n << 12n;
export const HOST_ECN = 1n << 13n;
export const MRG_RXBUF = 1n << 15n;
export const STATUS = 1n << 16n;
export const CTRL_VQ = 1n << 17n;
export const CTRL_RX = 1n << 18n;
export const CTRL_VLAN = 1n << 19n;
export const CTRL_RX_EXTRA = 1n << 20n;
export const GUEST_ANNOUNCE = 1n << 21n;
export const MQ = 1n << 22n;
export const CTRL_MAC_ADDR = 1n << 23n;
/** All that come with the control queue. */
export const CONTROL =
  CTRL_VQ | CTRL_RX | CTRL_VLAN | CTRL_RX_EXTRA | GUEST_ANNOUNCE | MQ | CTRL_MAC_ADDR | CTRL_GUEST_OFFLOADS;
export const GUEST_OFFLOADS = GUEST_CSUM | GUEST_TSO4 | GUEST_TSO6 | GUEST_ECN;

/** The device's own address in these tests. */
export const OWN = Uint8Array.of(0x02, 0, 0x5e, 0x10, 0, 1);
/** What stands in receive buffers while the device has not written there. */
export const UNTOUCHED = 0xee;

/** A wire whose other end a test holds. */
export class TestWire implements NetBackend {
  port!: NetPort;
  /** What the driver sent. */
  readonly sent: Uint8Array[] = [];
  resumed = 0;
  /** Called inside `send`, after the packet is in `sent`. */
  onSend: ((packet: Uint8Array) => void) | undefined;
  onResume: (() => void) | undefined;
  #room: Promise<void> | undefined;
  #makeRoom: () => void = () => undefined;

  connect(port: NetPort): void {
    this.port = port;
    port.setLink(true);
  }

  send(packet: Uint8Array): Promise<void> | undefined {
    this.sent.push(packet);
    this.onSend?.(packet);
    return this.#room;
  }

  resume(): void {
    this.resumed++;
    this.onResume?.();
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }

  /** From now on there is no room for more; returns what ends that. */
  fill(): () => Promise<void> {
    this.#room = new Promise((resolve) => (this.#makeRoom = resolve));
    return () => {
      this.#room = undefined;
      this.#makeRoom();
      return settle();
    };
  }
}

interface Used {
  address: number;
  length: number;
}

export interface NetDriverOptions extends DriverOptions {
  device?: Partial<NetOptions>;
}

/** A driver of the network device (5.1.6), always in strict mode. */
export class NetDriver {
  readonly wire = new TestWire();
  readonly device: NetDevice;
  readonly driver: Driver;
  /** The sentences that were broken. */
  readonly broken: string[];
  /** Buffers that came back from receive queues and are not yet a packet, by pair. */
  readonly used: Used[][] = [];

  constructor({ device, ...options }: NetDriverOptions = {}) {
    this.device = new NetDevice({ backend: this.wire, mac: OWN, ...device });
    this.broken = sentences(this.device);
    this.driver = Driver.start(this.device, { strict: true, ...options });
  }

  /** Bytes of the header in the driver's buffers: without num_buffers for legacy drivers without MRG_RXBUF (5.1.6.1). */
  get header(): number {
    return this.driver.transport.legacy && !this.driver.has(MRG_RXBUF) ? 10 : HEADER;
  }

  get pairs(): number {
    return this.driver.has(MQ) ? this.driver.transport.readConfig(8, 2) : 1;
  }

  get status(): number {
    return this.driver.transport.readConfig(6, 2);
  }

  get mac(): number[] {
    return Array.from({ length: 6 }, (_, i) => this.driver.transport.readConfig(i, 1));
  }

  /** Puts a packet into a transmit queue; resolves with the used length. */
  transmit(
    packet: Uint8Array,
    { pair = 0, pieces }: { pair?: number; pieces?: number[] } = {},
  ): Promise<number> {
    return this.driver.request(2 * pair + 1, this.segments(packet, pieces));
  }

  /** A packet in guest memory as legacy framing has it: the header first, alone (5.1.6.6). */
  segments(packet: Uint8Array, pieces: number[] = [this.header]): Segment[] {
    const bytes = new Uint8Array(this.header + Math.max(packet.length - HEADER, 0));
    bytes.set(packet.subarray(0, Math.min(this.header, packet.length)));
    bytes.set(packet.subarray(HEADER), this.header);
    const address = this.driver.memory.put(packet.length < HEADER ? packet : bytes);
    const total = packet.length < HEADER ? packet.length : bytes.length;
    const segments: Segment[] = [];
    for (let at = 0; at < total;) {
      const length = Math.min(pieces[segments.length] ?? total, total - at);
      segments.push({ address: address + at, length });
      at += length;
    }
    return segments;
  }

  /** Gives the device `count` receive buffers of `size` bytes. */
  post(count: number, size: number, pair = 0): void {
    for (let i = 0; i < count; i++) {
      const address = this.driver.memory.allocate(size);
      this.driver.memory.u8.fill(UNTOUCHED, address, address + size);
      const legacy = this.driver.transport.legacy !== undefined && size > this.header;
      const segments: Segment[] = legacy
        ? [
            { address, length: this.header, writable: true },
            { address: address + this.header, length: size - this.header, writable: true },
          ]
        : [{ address, length: size, writable: true }];
      void this.driver.enqueue(2 * pair, segments).then((length) => this.#back(pair, { address, length }));
    }
    this.driver.kick(2 * pair);
  }

  #back(pair: number, used: Used): void {
    (this.used[pair] ??= []).push(used);
  }

  /** The packets that have come into a receive queue since the last call, put together from their buffers (5.1.6.4). */
  async received(pair = 0): Promise<Uint8Array[]> {
    await settle();
    const packets: Uint8Array[] = [];
    const used = this.used[pair] ?? [];
    while (used.length > 0) {
      const { address } = used[0]!;
      const count = this.header === HEADER ? this.driver.memory.view.getUint16(address + 10, true) : 1;
      const parts = used
        .splice(0, Math.max(count, 1))
        .map((part) => this.driver.memory.get(part.address, part.length));
      const bytes = new Uint8Array(Buffer.concat(parts));
      const packet = new Uint8Array(HEADER + bytes.length - this.header);
      packet.set(bytes.subarray(0, this.header));
      packet.set(bytes.subarray(this.header), HEADER);
      packets.push(packet);
    }
    return packets;
  }

  /** Sends a command and resolves with its ack (5.1.6.5). */
  async command(group: number, command: number, data: readonly number[] = []): Promise<number> {
    const { memory } = this.driver;
    const head = memory.put(Uint8Array.of(group, command));
    const body = memory.put(Uint8Array.from(data));
    const ack = memory.put(Uint8Array.of(UNTOUCHED));
    const length = await this.driver.request(this.controlQueue, [
      { address: head, length: 2 },
      ...(data.length > 0 ? [{ address: body, length: data.length }] : []),
      { address: ack, length: 1, writable: true },
    ]);
    if (length !== 1) throw new Error(`a command came back with ${length} bytes written`);
    return memory.u8[ack]!;
  }

  /** 5.1.2: its number depends on what was negotiated. */
  get controlQueue(): number {
    return 2 * this.pairs;
  }
}
