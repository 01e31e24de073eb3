/** A guest as the gateway's tests have it: packets in and out, time that passes when a test says so, and a small TCP. */
import assert from "node:assert/strict";
import { Gateway, type GatewayOptions } from "../../src/backends/net/gateway/gateway.ts";
import { GATEWAY, GATEWAY_MAC } from "../../src/backends/net/gateway/addresses.ts";
import type { Clock } from "../../src/backends/net/gateway/clock.ts";
import { parseAddress } from "../../src/net/address.ts";
import { BROADCAST } from "../../src/net/ethernet.ts";
import { ipPacket, parseIp, Protocol, type Ip, type Route } from "../../src/net/ip.ts";
import { packetFault, toPlain } from "../../src/net/offload.ts";
import { parseTcp, TcpFlag, tcpPacket, type Segment } from "../../src/net/tcp.ts";
import { parseUdp, udpPacket, type Udp } from "../../src/net/udp.ts";

export const MAC = Uint8Array.of(2, 0, 0x5e, 0x10, 0, 1);
export const GUEST = parseAddress("10.77.9.9")!;
export const GUEST6 = parseAddress("fd00:77::99")!;

export class TestClock implements Clock {
  time = 1000;
  readonly #timers = new Map<number, { at: number; action: () => void }>();
  #count = 0;

  now(): number {
    return this.time;
  }

  after(milliseconds: number, action: () => void): () => void {
    const id = this.#count++;
    this.#timers.set(id, { at: this.time + milliseconds, action });
    return () => this.#timers.delete(id);
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Goes on to the next timer, if it is due within so many milliseconds. */
  next(within = Infinity): boolean {
    const [id, timer] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
    if (id === undefined || timer!.at > this.time + within) return false;
    this.#timers.delete(id);
    this.time = Math.max(this.time, timer!.at);
    timer!.action();
    return true;
  }
}

/** All that is due in this turn of the event loop and some that follow. */
export async function settle(turns = 3): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

export class TestGuest {
  readonly clock = new TestClock();
  readonly gateway: Gateway;
  readonly leases: unknown[] = [];
  /** What the gateway has sent and nobody has looked at. */
  inbox: Uint8Array[] = [];
  /** The driver's answer to packets: false holds the gateway back. */
  ready = true;
  listener: ((packet: Uint8Array) => void) | undefined;
  names: { name: string; address: string }[] = [];

  constructor(options: Partial<GatewayOptions> = {}) {
    this.gateway = new Gateway({
      mac: () => MAC,
      mtu: 1500,
      http: false,
      names: () => this.names,
      onLease: (lease) => this.leases.push(lease),
      toGuest: (packet) => {
        assert.equal(packetFault(packet), undefined);
        if (this.listener) this.listener(packet);
        else this.inbox.push(packet);
        return this.ready;
      },
      clock: this.clock,
      ...options,
    });
  }

  /** What the gateway says at once to this packet. */
  ask(packet: Uint8Array, handled = true): Uint8Array[] {
    this.inbox = [];
    assert.equal(this.gateway.handle(packet), handled);
    return this.inbox.splice(0);
  }

  /** The only answer to a datagram. */
  askUdp(udp: Udp, to: Partial<Route> = {}): { ip: Ip; udp: Udp; packet: Uint8Array } {
    const [packet, ...others] = this.ask(udpPacket(this.route(to), udp));
    assert.ok(packet);
    assert.equal(others.length, 0);
    const ip = ipOf(packet);
    const answer = parseUdp(packet, ip, false);
    assert.ok(typeof answer !== "string", "the answer is a datagram with a right checksum");
    return { ip, udp: answer, packet };
  }

  route(to: Partial<Route> = {}): Route {
    return { sourceMac: MAC, destinationMac: GATEWAY_MAC, source: GUEST, destination: GATEWAY, ...to };
  }

  /** From nobody to everybody, as before a lease. */
  broadcast(): Route {
    return this.route({
      destinationMac: BROADCAST,
      source: Uint8Array.of(0, 0, 0, 0),
      destination: Uint8Array.of(255, 255, 255, 255),
    });
  }
}

export function ipOf(packet: Uint8Array): Ip {
  const ip = parseIp(packet);
  assert.ok(typeof ip !== "string", "an IP packet");
  return ip;
}

/** What happens to a packet on its way: how often it arrives (0: lost), and whether it is overtaken by the next one. */
export type Weather = () => { copies: number; late: boolean };
export const CALM: Weather = () => ({ copies: 1, late: false });

/** A TCP that opens a connection to the gateway: keeps what comes out of order, acknowledges everything, sends again after a while. */
export class TestPeer {
  readonly guest: TestGuest;
  readonly received: Uint8Array[] = [];
  receivedBytes = 0;
  state: "closed" | "opening" | "open" | "reset" = "closed";
  /** The gateway has ended its side, and all before that is here. */
  ended = false;
  /** Bytes that may come without being read (see `read`). */
  buffer = 1 << 20;
  weather: Weather = CALM;
  packets = 0;
  largest = 0;
  offload = true;
  readonly #route: Route;
  readonly #port: number;
  readonly #to: number;
  readonly #outOfOrder = new Map<number, Uint8Array>();
  readonly #unread = { bytes: 0 };
  #expected = 0;
  #finAt: number | undefined;
  #outgoing = new Uint8Array(0);
  /** Sequence number of the first byte of #outgoing, how far it was sent, and the gateway's window. */
  #base = 0x1000;
  #sent = 0;
  #window = 0;
  #scale = 0;
  #ending = false;
  #auto = true;

  constructor(guest: TestGuest, port: number, { to = GATEWAY, from = 40000 } = {}) {
    this.guest = guest;
    this.#to = port;
    this.#port = from;
    this.#route = guest.route({ destination: to, source: to.length === 4 ? GUEST : GUEST6 });
    guest.listener = (packet) => this.#arrive(packet);
  }

  connect({ maximum = 1460, scale = 7 } = {}): void {
    this.state = "opening";
    this.#emit(TcpFlag.SYN, new Uint8Array(0), this.#base - 1, { maximum, scale });
  }

  send(data: Uint8Array | string): void {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    this.#outgoing = Buffer.concat([this.#outgoing, bytes]);
    this.push();
  }

  end(): void {
    this.#ending = true;
    this.push();
  }

  /** Does not read by itself from now on. */
  hold(): void {
    this.#auto = false;
  }

  /** Reads what has come, and says that there is room again. */
  read(): void {
    this.#unread.bytes = 0;
    this.#emit(TcpFlag.ACK);
  }

  reset(): void {
    this.#emit(TcpFlag.RST | TcpFlag.ACK);
    this.state = "reset";
  }

  /** Sends again all that is not acknowledged. */
  resend(): void {
    if (this.state === "opening") {
      this.connect();
      return;
    }
    this.#sent = 0;
    this.push();
  }

  get unsent(): number {
    return this.#outgoing.length + (this.#ending ? 1 : 0);
  }

  get text(): string {
    return Buffer.concat(this.received).toString("latin1");
  }

  /** Lets things happen until `done`; time passes when nothing else does. */
  async until(done: () => boolean, limit = 3000): Promise<void> {
    let quiet = 0;
    for (let i = 0; !done(); i++) {
      assert.ok(
        i < limit,
        `still not done: ${this.state}, ${this.receivedBytes} bytes, ${this.unsent} unsent`,
      );
      const before = this.packets;
      await settle(1);
      quiet = this.packets === before ? quiet + 1 : 0;
      if (quiet < 3) continue;
      if (this.state !== "reset" && this.unsent > 0) this.resend();
      if (quiet % 2) this.guest.clock.next(30_000);
    }
  }

  push(): void {
    if (this.state !== "open") return;
    const size = this.offload ? 30_000 : 1460;
    for (;;) {
      const length = Math.min(size, this.#outgoing.length - this.#sent, this.#window - this.#sent);
      if (length <= 0) break;
      const data = this.#outgoing.slice(this.#sent, this.#sent + length);
      this.#sent += length;
      this.#emit(TcpFlag.ACK | TcpFlag.PSH, data, this.#base + this.#sent - length);
    }
    if (this.#ending && this.#sent === this.#outgoing.length) {
      this.#sent++;
      this.#emit(TcpFlag.ACK | TcpFlag.FIN, new Uint8Array(0), this.#base + this.#sent - 1);
    }
  }

  #emit(
    flags: number,
    data: Uint8Array = new Uint8Array(0),
    sequence = this.#base + Math.min(this.#sent, this.#outgoing.length + (this.#ending ? 1 : 0)),
    options: { maximum?: number; scale?: number | undefined } = {},
  ): void {
    const window = this.#auto ? this.buffer : Math.max(this.buffer - this.#unread.bytes, 0);
    const packet = tcpPacket(
      this.#route,
      {
        sourcePort: this.#port,
        destinationPort: this.#to,
        sequence: sequence >>> 0,
        acknowledgement: flags & TcpFlag.ACK ? this.#expected : 0,
        flags,
        window: Math.min(flags & TcpFlag.SYN ? window : window >> 7, 0xffff),
        maximum: options.maximum,
        scale: options.scale,
      },
      data.length,
      1460,
    );
    packet.set(data, packet.length - data.length);
    for (const one of this.offload ? [packet] : toPlain(packet))
      this.#travel(one, (p) => this.guest.gateway.handle(p));
  }

  /** Towards the gateway or from it. */
  #travel(packet: Uint8Array, arrive: (packet: Uint8Array) => void): void {
    const { copies, late } = this.weather();
    this.packets++;
    if (late) {
      setImmediate(() => arrive(packet));
      return;
    }
    for (let i = 0; i < copies; i++) arrive(packet.slice());
  }

  #arrive(packet: Uint8Array): void {
    this.largest = Math.max(this.largest, packet.length);
    for (const plain of toPlain(packet.slice()))
      this.#travel(plain, (one) => {
        // Never within what the gateway is doing, as between two programs.
        queueMicrotask(() => this.#receive(one));
      });
  }

  #receive(packet: Uint8Array): void {
    const ip = ipOf(packet);
    if (ip.protocol !== Protocol.TCP) return;
    const segment = parseTcp(packet, ip, false);
    assert.ok(typeof segment !== "string", "a segment with a right checksum");
    if (segment.destinationPort !== this.#port || this.state === "reset" || this.state === "closed") return;
    if (segment.flags & TcpFlag.RST) {
      this.state = "reset";
      return;
    }
    if (segment.flags & TcpFlag.SYN) {
      this.#opened(segment);
      return;
    }
    if (this.state !== "open") return;
    this.#acknowledged(segment);
    this.#accept(segment);
    this.push();
  }

  #opened(segment: Segment): void {
    if (this.state === "opening") {
      assert.equal(segment.acknowledgement, this.#base);
      this.#expected = (segment.sequence + 1) >>> 0;
      this.#scale = segment.scale ?? 0;
      this.#window = segment.window;
      this.state = "open";
    }
    this.#emit(TcpFlag.ACK);
    this.push();
  }

  #acknowledged({ acknowledgement, window }: Segment): void {
    const progress = (acknowledgement - this.#base) | 0;
    assert.ok(progress <= this.unsent, "nothing is acknowledged that was not sent");
    if (progress >= 0) this.#window = window * 2 ** this.#scale;
    if (progress <= 0) return;
    const bytes = Math.min(progress, this.#outgoing.length);
    if (progress > this.#outgoing.length) this.#ending = false;
    this.#outgoing = this.#outgoing.slice(bytes);
    this.#base += progress;
    this.#sent = Math.max(this.#sent - progress, 0);
  }

  #accept({ sequence, data, flags }: Segment): void {
    if (flags & TcpFlag.FIN) this.#finAt = (sequence + data.length) >>> 0;
    const room = this.#auto ? Infinity : this.buffer - this.#unread.bytes;
    const at = (sequence - this.#expected) | 0;
    if (data.length > 0 && at >= 0 && at + data.length <= room) this.#outOfOrder.set(sequence, data);
    else if (data.length > 0 && at < 0 && at + data.length > 0 && data.length + at <= room)
      this.#outOfOrder.set(this.#expected, data.subarray(-at));
    for (let next; (next = this.#outOfOrder.get(this.#expected));) {
      this.#outOfOrder.delete(this.#expected);
      this.received.push(next.slice());
      this.receivedBytes += next.length;
      this.#unread.bytes += next.length;
      this.#expected = (this.#expected + next.length) >>> 0;
    }
    if (this.#finAt === this.#expected && !this.ended) {
      this.ended = true;
      this.#expected = (this.#expected + 1) >>> 0;
    }
    if (data.length > 0 || flags & TcpFlag.FIN) this.#emit(TcpFlag.ACK);
  }
}

/** A packet of another protocol. */
export function otherPacket(route: Route, protocol: number, length = 20): Uint8Array {
  return ipPacket(route, protocol, length);
}
