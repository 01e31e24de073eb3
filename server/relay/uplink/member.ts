/** One member's way out: what it sends is judged, what may go on passes through a passt of its own, and answers come back. */
import { arpPacket, ArpOperation } from "../../../src/net/arp.ts";
import { get16, sameBytes, set16 } from "../../../src/net/bytes.ts";
import { checksum } from "../../../src/net/checksum.ts";
import { DhcpOption, DhcpPort, DhcpType, parseDhcp } from "../../../src/net/dhcp.ts";
import { BROADCAST, EtherType, etherTypeOf } from "../../../src/net/ethernet.ts";
import { GATEWAY, GATEWAY6, GATEWAY_MAC } from "../../../src/net/guest-network.ts";
import { icmpError, icmpPacket, Icmp6Type, IcmpType } from "../../../src/net/icmp.ts";
import { IP_AT, parseIp, Protocol, routeBack, type Ip, type Route } from "../../../src/net/ip.ts";
import { toPlain } from "../../../src/net/offload.ts";
import { HEADER } from "../../../src/net/packet.ts";
import type { MemberUplink, UplinkPort } from "../uplink.ts";
import { DNS_PORT, judge, type Guest } from "./filter.ts";
import { FrameStream } from "./frame-stream.ts";
import type { Passt } from "./passt.ts";
import type { Reach } from "./ranges.ts";
import type { UplinkDrop } from "./refusal.ts";
import type { Translations } from "./translations.ts";

export interface MemberLinkOptions {
  guest: Guest;
  mtu: number;
  reach: Reach;
  passt: Passt;
  translations: Translations;
  dropped: Record<UplinkDrop, number>;
  /** The guest says that its address is somebody else's. */
  onDecline: () => void;
}

/** passt passes over longer frames (bytes). */
const PASST_LONGEST = 65535;
/** Milliseconds that passt may take to answer the first time. */
const START_WITHIN = 5000;
const DHCPV6_SERVER = 547;
/** Whom the guest takes for the gateway: a key that no address is. */
const DNS_SERVER = "dns";
/** Where the addresses of an IPv4 header are. */
const SOURCE4 = IP_AT + 12;
const DESTINATION4 = IP_AT + 16;
/** Codes of "unreachable": somebody forbids it (RFC 1812, 5.2.7.1; RFC 4443, 3.1). */
const PROHIBITED = { v4: 13, v6: 1 } as const;

export class MemberLink implements MemberUplink {
  readonly #options: MemberLinkOptions;
  readonly #port: UplinkPort;
  readonly #stream: FrameStream;
  #onReady: (() => void) | undefined;
  #closed = false;

  constructor(options: MemberLinkOptions, port: UplinkPort) {
    this.#options = options;
    this.#port = port;
    this.#stream = new FrameStream(options.passt.stream, {
      packet: (packet) => this.#receive(packet),
      fault: () => this.#options.passt.kill(),
    });
  }

  /** Asks passt for the gateway's MAC address, which it tells once it works. Rejects when it ends or takes too long. */
  async ready(): Promise<void> {
    const { guest, passt } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const answered = new Promise<void>((resolve, reject) => {
      this.#onReady = resolve;
      timer = setTimeout(
        () => reject(new Error(`passt says nothing after ${START_WITHIN / 1000} s.`)),
        START_WITHIN,
      );
    });
    const ended = passt.ended.then((words) => {
      throw new Error(words);
    });
    ended.catch(() => undefined);
    const question = {
      senderMac: guest.mac,
      senderAddress: guest.address,
      targetMac: new Uint8Array(6),
      targetAddress: GATEWAY,
    };
    this.#stream.send(arpPacket(BROADCAST, { operation: ArpOperation.REQUEST, ...question }));
    try {
      await Promise.race([answered, ended]);
    } finally {
      clearTimeout(timer);
      this.#onReady = undefined;
    }
    void passt.ended.then((words) => this.#close(words));
  }

  send(packet: Uint8Array): void {
    if (this.#closed) return;
    const { guest, reach, onDecline } = this.#options;
    const judgement = judge(packet, guest, reach);
    const { verdict, ip } = judgement;
    if (verdict === "pass") this.#pass(packet, ip);
    else if (verdict === "translate") this.#translate(packet, ip);
    else if (verdict === "dns") this.#translate(packet, ip, guest.dns);
    else if (verdict === "echo") this.#echo(packet, ip);
    else if (verdict === "drop") this.#drop(judgement.reason, packet, ip);
    else if (this.#isDecline(packet, ip)) onDecline();
    else this.#pass(packet, ip);
  }

  dispose(): void {
    this.#closed = true;
    this.#stream.dispose();
    this.#options.passt.kill();
  }

  /** The uplink ended it, or it ended by itself. */
  close(reason: string): void {
    this.#close(reason);
  }

  #close(reason: string): void {
    if (this.#closed) return;
    this.dispose();
    this.#port.closed(reason);
  }

  /** passt wants no padding behind the IP packet, and no look at checksums: a TCP segment of 64 KiB goes as it is. */
  #pass(packet: Uint8Array, ip: Ip | undefined): void {
    const copy = packet.slice(0, ip?.end ?? packet.length);
    if (copy.length - HEADER <= PASST_LONGEST) {
      this.#sendOut(copy);
      return;
    }
    for (const each of toPlain(copy)) this.#sendOut(each.slice());
  }

  /** `dns`: it goes there, in place of the gateway. */
  #translate(packet: Uint8Array, ip: Ip, dns?: Uint8Array): void {
    const copy = packet.slice(0, ip.end);
    if (dns) copy.set(dns, DESTINATION4);
    const isUdp = ip.protocol === Protocol.UDP;
    const at = isUdp ? ip.payload : ip.payload + 4;
    const remote = dns ? DNS_SERVER : remoteKey(ip.destination, copy, isUdp ? ip.payload + 2 : undefined);
    const translation = this.#options.translations.of(ip);
    const number = translation.outward(
      get16(packet, at),
      remote,
      isUdp && get16(packet, ip.payload + 2) === DNS_PORT,
    );
    if (number === undefined) {
      this.#drop("flows", packet, ip);
      if (translation.isWorn) this.#close("passt has used up its UDP ports; another one goes on.");
      return;
    }
    set16(copy, at, number);
    this.#sendOut(copy);
  }

  #sendOut(packet: Uint8Array): void {
    if (!this.#stream.send(packet)) this.#options.dropped.queue++;
  }

  #isDecline(packet: Uint8Array, ip: Ip): boolean {
    const message = parseDhcp(packet.subarray(ip.payload + 8, ip.end));
    const address = message?.options.get(DhcpOption.REQUESTED_ADDRESS);
    return (
      message?.type === DhcpType.DECLINE &&
      address !== undefined &&
      sameBytes(address, this.#options.guest.address)
    );
  }

  #echo(packet: Uint8Array, ip: Ip): void {
    const reply = ip.version === 4 ? IcmpType.ECHO_REPLY : Icmp6Type.ECHO_REPLY;
    const route = routeBack(ip, GATEWAY_MAC, this.#options.guest.mac);
    this.#port.receive(icmpPacket(route, reply, 0, packet.subarray(ip.payload + 4, ip.end)));
  }

  #drop(reason: UplinkDrop, packet: Uint8Array, ip: Ip | undefined): void {
    this.#options.dropped[reason]++;
    if (!ip || (ip.fragment && ip.fragment.offset > 0) || isGroup(ip.destination)) return;
    const { guest } = this.#options;
    const isOwn = ip.version === 6 || sameBytes(ip.source, guest.address);
    if (!isOwn) return;
    const route: Route = {
      sourceMac: GATEWAY_MAC,
      destinationMac: guest.mac,
      source: ip.version === 4 ? GATEWAY : GATEWAY6,
      destination: ip.source.slice(),
    };
    const [type, code] =
      ip.version === 4 ? [IcmpType.UNREACHABLE, PROHIBITED.v4] : [Icmp6Type.UNREACHABLE, PROHIBITED.v6];
    this.#port.receive(icmpError(route, type, code, packet, ip));
  }

  #receive(packet: Uint8Array): void {
    if (this.#onReady) {
      this.#onReady();
      return;
    }
    if (this.#closed) return;
    const type = etherTypeOf(packet);
    if (type === EtherType.ARP) {
      this.#port.receive(packet);
      return;
    }
    const ip = type === EtherType.IPV4 || type === EtherType.IPV6 ? parseIp(packet) : "malformed";
    if (typeof ip === "string") this.#options.dropped.malformed++;
    else if (ip.end - ip.header > this.#options.mtu) this.#options.dropped.oversize++;
    else if (this.#isAnswer(packet, ip)) this.#port.receive(packet);
    else this.#options.dropped.unasked++;
  }

  /** Whether the guest asked for it; puts its own number back in. */
  #isAnswer(packet: Uint8Array, ip: Ip): boolean {
    const at = ip.payload;
    switch (ip.protocol) {
      case Protocol.TCP:
        return true; // nothing listens for it: it belongs to a connection that the guest has begun
      case Protocol.UDP: {
        if (ip.end - at < 8) return false;
        const isDhcp = get16(packet, at) === (ip.version === 4 ? DhcpPort.SERVER : DHCPV6_SERVER);
        if (isDhcp || (this.#isFromDns(packet, ip) && this.#restoreDns(packet, ip))) return true;
        return this.#restore(packet, ip, at + 2, at + 6, remoteKey(ip.source, packet, at));
      }
      case Protocol.ICMP:
        return (
          packet[at] === IcmpType.ECHO_REPLY &&
          this.#restore(packet, ip, at + 4, at + 2, remoteKey(ip.source))
        );
      case Protocol.ICMPV6: {
        const type = packet[at]!;
        if (type === Icmp6Type.ROUTER_ADVERTISEMENT || type === Icmp6Type.NEIGHBOUR_ADVERTISEMENT)
          return true;
        return (
          type === Icmp6Type.ECHO_REPLY && this.#restore(packet, ip, at + 4, at + 2, remoteKey(ip.source))
        );
      }
      default:
        return false;
    }
  }

  /** Of a server on the host itself passt says that it is the gateway. */
  #isFromDns(packet: Uint8Array, ip: Ip): boolean {
    const { dns } = this.#options.guest;
    if (dns === undefined || get16(packet, ip.payload) !== DNS_PORT) return false;
    return sameBytes(ip.source, dns) || sameBytes(ip.source, GATEWAY);
  }

  #restoreDns(packet: Uint8Array, ip: Ip): boolean {
    if (!this.#restore(packet, ip, ip.payload + 2, ip.payload + 6, DNS_SERVER)) return false;
    packet.set(GATEWAY, SOURCE4);
    set16(packet, IP_AT + 10, 0);
    set16(packet, IP_AT + 10, checksum(packet, IP_AT, ip.payload));
    set16(packet, ip.payload + 6, 0); // over IPv4 UDP does without
    return true;
  }

  #restore(packet: Uint8Array, ip: Ip, at: number, checksumAt: number, remote: string): boolean {
    if (ip.end - ip.payload < 8) return false;
    const outer = get16(packet, at);
    const inner = this.#options.translations.of(ip).inward(outer, remote);
    if (inner === undefined) return false;
    set16(packet, at, inner);
    const stated = get16(packet, checksumAt);
    const isWithout = stated === 0 && ip.protocol === Protocol.UDP;
    if (!isWithout) set16(packet, checksumAt, corrected(stated, outer, inner));
    return true;
  }
}

/** A checksum after one word under it has changed (RFC 1624, equation 3); never the 0 that says that there is none. */
function corrected(stated: number, old: number, fresh: number): number {
  const total = (~stated & 0xffff) + (~old & 0xffff) + fresh;
  const folded = (total & 0xffff) + (total >>> 16);
  return ~((folded & 0xffff) + (folded >>> 16)) & 0xffff || 0xffff;
}

/** Who is sent to, as a key: an address, and of UDP the port that is at `portAt`. */
function remoteKey(address: Uint8Array, packet?: Uint8Array, portAt?: number): string {
  const text = Buffer.from(address.buffer, address.byteOffset, address.length).toString("latin1");
  return packet === undefined || portAt === undefined
    ? text
    : text + String.fromCharCode(get16(packet, portAt));
}

const isGroup = (address: Uint8Array): boolean =>
  address.length === 4 ? address[0]! >= 224 : address[0] === 0xff;
