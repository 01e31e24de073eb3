import { packetFault } from "../../../src/net/offload.ts";
import { NetDevice } from "../../../src/virtio/net.ts";
import type { NetBackend, NetPort } from "../../../src/virtio/net-backend.ts";
import type { Driver } from "../../unit/driver/driver.ts";
import type { Segment } from "../../unit/driver/queue.ts";
import { pick } from "../program.ts";
import { answered, BUFFERS, expect, type MakeSubject } from "../subject.ts";

const MAC = Uint8Array.of(2, 0, 0x5e, 0x10, 0, 1);
const LENGTHS = [14, 60, 300, 1514, 1518, 4000, 13, 0];
const FLAGS = [0, 1, 1, 1, 3, 2];
const GSO = [0, 0, 1, 4, 0x81, 0x84, 3, 0x80];
const SIZES = [1400, 8, 100, 0, 7, 0xffff];
const CHECKSUM_AT = [34, 54, 38, 0, 14, 0xffff];
/** The longest frame that is tried: every byte of guest memory is looked at after each action. */
const LONGEST = 6000;

/** A wire that is slow, answers what it gets, and takes nothing that the device should have refused. */
class FuzzWire implements NetBackend {
  port!: NetPort;
  slow = false;
  echo = false;
  broken: Error | undefined;
  /** The last packet. */
  last = new Uint8Array();
  #waiting: (() => void)[] = [];

  connect(port: NetPort): void {
    this.port = port;
    port.setLink(true);
  }

  send(packet: Uint8Array): Promise<void> | undefined {
    const fault = packetFault(packet);
    if (fault) this.broken = new Error(`the device sent ${fault}`);
    this.last = packet.slice();
    if (this.echo) this.port.receive(packet);
    return this.slow ? new Promise((resolve) => this.#waiting.push(resolve)) : undefined;
  }

  resume(): void {
    if (this.echo) this.port.receive(tcpLike(0x40, 0, 500));
  }

  go(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }
}

/** 5.1 with two pairs of queues and everything that is offered. */
export const net: MakeSubject = (options, { a }) => {
  const wire = new FuzzWire();
  const device = new NetDevice({
    backend: wire,
    mac: MAC,
    mtu: a & 1 ? 1500 : 68,
    queues: 1 + (a & 2) / 2,
    ctrlVq: (a & 0x1c) !== 0x1c,
    mrgRxbuf: (a & 0x20) === 0,
    guestCsum: (a & 0x40) === 0,
    csum: (a & 0x80) === 0,
    ...options,
  });
  return {
    device,
    host: ({ a, b, c }) => {
      switch (a & 7) {
        case 0:
          wire.slow = !wire.slow;
          break;
        case 1:
          wire.go();
          break;
        case 2:
          wire.echo = !wire.echo;
          break;
        case 3:
          wire.port.setLink((b & 1) === 0);
          break;
        case 4:
          wire.port.announce();
          break;
        default:
          for (let i = 0; i <= a >>> 5; i++) wire.port.receive(tcpLike(b, c, pick(LENGTHS, c >>> 5)));
      }
    },
    check: () => {
      if (wire.broken) throw wire.broken;
    },
    calm: () => {
      wire.echo = wire.slow = false;
      wire.go();
      wire.port.setLink(true);
    },
    /** A packet to send, a command, or room for what comes. */
    request: ({ memory }, { a, b, c }): Segment[] => {
      const at = BUFFERS + (c & 0x7fc0);
      if (a & 0x80) return [{ address: at, length: pick([1600, 100, 12, 5, 4000, 70], b), writable: true }];
      const bytes = a & 0x40 ? command(a, b, c) : tcpLike(b, c, Math.min(pick(LENGTHS, a), LONGEST));
      memory.u8.set(bytes, at);
      memory.wrote(at, at + bytes.length);
      const cut = b & 0x100 ? 12 : Math.max(1, bytes.length >>> 1);
      return [
        { address: at, length: Math.min(cut, bytes.length) },
        ...(bytes.length > cut ? [{ address: at + cut, length: bytes.length - cut }] : []),
        ...(a & 0x40 ? [{ address: BUFFERS + (c >>> 16), length: 1, writable: true }] : []),
      ];
    },
    queueFor: ({ a, c }) => pick(a & 0x80 ? [0, 0, 2] : a & 0x40 ? [2, 4] : [1, 1, 3], c >>> 24),
    serve: (driver) => serve(driver, device, wire),
  };
};

/** A packet that looks like TCP in most of its bytes, with any header. */
function tcpLike(header: number, body: number, length: number): Uint8Array {
  const packet = new Uint8Array(12 + length);
  const frame = packet.subarray(12);
  const v6 = (body & 1) !== 0;
  const head = [
    ...(body & 2 ? MAC : body & 4 ? [0x33, 0x33, 0, 0, 0, 1] : [255, 255, 255, 255, 255, 255]),
    ...[2, 0, 0, 0, 0, 9],
    ...(body & 8 ? [0x81, 0, 0, body & 0xf] : []),
    ...(v6
      ? [0x86, 0xdd, 0x60, 0, 0, 0, 0, 99, body & 0x10 ? 0 : 6, 64]
      : [8, 0, 0x45, 0, 0, 99, 0, 1, 0x40, 0, 64, 6, 0, 0]),
    ...(v6 ? new Array<number>(32).fill(7) : [10, 0, 0, 1, 10, 0, 0, 2]),
    ...[0, 80, 4, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x99, 1, 0, 0, 0, 0, 0],
  ];
  frame.set(head.slice(0, length));
  const view = new DataView(packet.buffer);
  packet[0] = pick(FLAGS, header);
  packet[1] = pick(GSO, header >>> 3);
  view.setUint16(4, pick(SIZES, header >>> 6), true);
  view.setUint16(6, pick(CHECKSUM_AT, header >>> 9) + (body & 8 ? 4 : 0), true);
  view.setUint16(8, header & 0x1000 ? header & 31 : 16, true);
  return packet;
}

/** A command with its data (5.1.6.5), as it should be or not. */
function command(a: number, b: number, c: number): Uint8Array {
  const group = (a >>> 3) & 7;
  const data = [
    [b & 3],
    b & 8 ? [...MAC] : [1, 0, 0, 0, ...MAC, b & 3, 0, 0, 0, 0x33, 0x33, 1, 2, 3, 4],
    [c & 0xff, b & 0x1f],
    [],
    [b & 3, 0],
    [b & 0x83, b & 3, 0, 0, 0, 0, 0, 0],
    [],
    [],
  ][group]!;
  const kind = group === 1 ? (b >>> 3) & 1 : group === 0 ? a & 7 : a & 1;
  return Uint8Array.of(group, kind, ...data.slice(0, b & 0x40 ? 1 : data.length));
}

async function serve(driver: Driver, device: NetDevice, wire: FuzzWire): Promise<void> {
  const { memory } = driver;
  const packet = new Uint8Array(12 + 64).fill(0x42, 12);
  packet.set(MAC, 12);
  packet.set([0x88, 0xb5], 24);
  const short = device.legacy && !device.has(15n);
  const bytes = short ? Uint8Array.of(...packet.subarray(0, 10), ...packet.subarray(12)) : packet;
  const out = memory.put(bytes);
  const room = memory.allocate(1600);
  await answered(driver.request(1, [{ address: out, length: bytes.length }]), "a packet out");
  expect(Buffer.compare(wire.last, packet) === 0, "its packet on the wire");
  const came = driver.request(0, [{ address: room, length: 1600, writable: true }]);
  wire.port.receive(packet.slice());
  const length = await answered(came, "a packet in");
  const frame = memory.get(room + bytes.length - 64, 64);
  expect(
    length === bytes.length && Buffer.compare(frame, packet.subarray(12)) === 0,
    "a packet from the wire",
  );
}
