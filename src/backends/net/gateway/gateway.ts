import { addressText } from "../../../net/address.ts";
import { ArpOperation, arpPacket, parseArp } from "../../../net/arp.ts";
import { get16, sameBytes } from "../../../net/bytes.ts";
import { DhcpPort } from "../../../net/dhcp.ts";
import { destinationOf, EtherType, etherTypeOf, isGroup, sourceOf } from "../../../net/ethernet.ts";
import { type Ip, parseIp, Protocol, type Route, routeBack } from "../../../net/ip.ts";
import { ETHERNET, Field, Flag, HEADER } from "../../../net/packet.ts";
import { parseTcp } from "../../../net/tcp.ts";
import { parseUdp, udpPacket } from "../../../net/udp.ts";
import { GATEWAY, GATEWAY6, GATEWAY_LINK_LOCAL, GATEWAY_MAC } from "./addresses.ts";
import { type Clock, realClock } from "./clock.ts";
import { DhcpServer, type Lease } from "./dhcp-server.ts";
import { type Host, Names } from "./dns/names.ts";
import { NamePool } from "./dns/pool.ts";
import { answerDatagram, answerStream } from "./dns/service.ts";
import { type DropReason, type Drops, noDrops } from "./drops.ts";
import { Fragments } from "./fragments.ts";
import { PROXY_PORT } from "./http/page.ts";
import { HttpService } from "./http/service.ts";
import { Icmp } from "./icmp.ts";
import { Input } from "./input.ts";
import { Outlet } from "./outlet.ts";
import type { Connection } from "./tcp/connection.ts";
import { type Service, TcpStack } from "./tcp/stack.ts";

export type { Lease } from "./dhcp-server.ts";
export type { Host } from "./dns/names.ts";

const DNS_PORT = 53;
/** What servers of HTTP listen on, besides 80; to anything else behind the gateway nobody is there. */
const HTTP_PORTS = new Set([80, 8000, 8080, PROXY_PORT]);
/** Milliseconds for the next bytes of a request, or the next request. */
const PATIENCE = 120_000;

export interface GatewayOptions {
  /** The MAC address that the guest uses now. */
  mac: () => Uint8Array;
  /** Bytes of an Ethernet frame's payload. */
  mtu: number;
  /** There is a way out over HTTP. */
  http: boolean;
  /** The platform's, for that way out. */
  fetch?: typeof fetch;
  /** Whether the page that the machine runs in came over https; undefined when it runs in none. */
  pageIsSecure?: boolean | undefined;
  /** A host name for a guest that brings none of its own. */
  name?: string | undefined;
  /** Members of the room: for DNS, and for not giving their addresses away. */
  names: () => readonly Host[];
  /** What the guest has been given, or has no more. */
  onLease: (lease: Lease | undefined) => void;
  /** A packet for the guest; false: it was taken, and the gateway should hold back until {@link Gateway.resume}. */
  toGuest: (packet: Uint8Array) => boolean | undefined;
  clock?: Clock;
}

/**
 * The router, DHCP server and name server of one guest, and its way out over HTTP. Another guest has another gateway with the same
 * addresses; what a gateway says goes only to its guest.
 */
export class Gateway {
  /** Packets for the gateway that it could do nothing with, since it was made. */
  readonly drops: Drops = noDrops();
  readonly #options: GatewayOptions;
  readonly #clock: Clock;
  readonly #outlet: Outlet;
  readonly #fragments: Fragments;
  readonly #dhcp: DhcpServer;
  readonly #names: Names;
  readonly #pool: NamePool | undefined;
  readonly #icmp: Icmp;
  readonly #tcp: TcpStack;
  readonly #http: HttpService;
  #disposed = false;

  constructor(options: GatewayOptions) {
    const { mtu, names } = options;
    this.#options = options;
    this.#clock = options.clock ?? realClock;
    this.#outlet = new Outlet((packet) => options.toGuest(packet));
    const send = (packet: Uint8Array) => this.#outlet.send(packet);
    this.#fragments = new Fragments(this.#clock);
    this.#dhcp = new DhcpServer({
      mtu,
      name: options.name,
      isTaken: (address) => names().some((host) => host.address === address),
      onLease: (mac, lease) => {
        if (sameBytes(mac, options.mac())) options.onLease(lease);
      },
      send,
    });
    const way = options.http ? options.fetch : undefined;
    this.#pool = way && new NamePool();
    this.#names = new Names({ hosts: () => this.#hosts(), pool: this.#pool });
    this.#icmp = new Icmp({ mtu, send });
    this.#http = new HttpService({
      fetch: way,
      pageIsSecure: options.pageIsSecure,
      pool: this.#pool,
      hosts: () => this.#hosts(),
      mtu,
    });
    this.#tcp = new TcpStack({
      clock: this.#clock,
      outlet: this.#outlet,
      mtu,
      service: (address, port) => this.#service(address, port),
    });
  }

  /** TCP connections of the guest that are not forgotten yet. */
  get connections(): number {
    return this.#tcp.size;
  }

  /**
   * A packet from the guest, which belongs to the gateway when it returns true: it was for the gateway. False: it was not, or not only,
   * and goes on. Never throws.
   */
  handle(packet: Uint8Array): boolean {
    if (this.#disposed) return true;
    if (packet.length < HEADER + ETHERNET) return this.#drop("malformed");
    const mine = sameBytes(destinationOf(packet), GATEWAY_MAC);
    if (!mine && !isGroup(destinationOf(packet))) return false;
    switch (etherTypeOf(packet)) {
      case EtherType.ARP:
        return this.#arp(packet) || mine;
      case EtherType.IPV4:
      case EtherType.IPV6:
        return this.#ip(packet, mine);
      // Its networks are none of the gateway's.
      case EtherType.VLAN:
      case EtherType.SERVICE_VLAN:
        return false;
      default:
        return mine && this.#drop("protocol");
    }
  }

  /** A packet from the room, on its way to the guest: who has which address there. */
  observe(packet: Uint8Array): void {
    if (packet.length < HEADER + ETHERNET || etherTypeOf(packet) !== EtherType.ARP) return;
    const arp = parseArp(packet);
    if (arp && arp.senderAddress[0] !== 0 && !sameBytes(arp.senderMac, this.#options.mac()))
      this.#dhcp.addTaken(addressText(arp.senderAddress));
  }

  /** The guest has room again. */
  resume(): void {
    this.#outlet.resume();
  }

  /** The guest begins anew: nothing of what it had open is left. */
  reset(): void {
    this.#tcp.close(true);
    this.#fragments.clear();
    this.#dhcp.clear();
    this.#options.onLease(undefined);
  }

  /** Ends all; nothing is sent any more. */
  dispose(): void {
    this.#disposed = true;
    this.#tcp.close(true);
    this.#fragments.clear();
  }

  /** Always true: it goes nowhere else. */
  #drop(reason: DropReason): true {
    this.drops[reason]++;
    return true;
  }

  #arp(packet: Uint8Array): boolean {
    const arp = parseArp(packet);
    if (arp?.operation !== ArpOperation.REQUEST || !sameBytes(arp.targetAddress, GATEWAY)) return false;
    const reply = {
      operation: ArpOperation.REPLY,
      senderMac: GATEWAY_MAC,
      senderAddress: GATEWAY,
      targetMac: arp.senderMac,
      targetAddress: arp.senderAddress,
    };
    this.#outlet.send(arpPacket(sourceOf(packet), reply));
    return true;
  }

  #ip(packet: Uint8Array, mine: boolean): boolean {
    const ip = parseIp(packet);
    if (typeof ip === "string") return mine && this.#drop(ip);
    if (!mine) return this.#toGroup(packet, ip);
    if (isGroup(sourceOf(packet)) || isNoSender(ip.source)) {
      // Before it has an address a client may know the server already.
      return this.#isDhcp(packet, ip) ? this.#toGroup(packet, ip) : this.#drop("source");
    }
    if (!ip.fragment) return this.#unicast(packet, ip);
    const whole = this.#fragments.add(packet, ip);
    if (typeof whole === "string") return this.#drop("fragments");
    if (!whole) return true;
    const parsed = parseIp(whole);
    return typeof parsed === "string" ? this.#drop(parsed) : this.#unicast(whole, parsed);
  }

  /** To everybody, or to a group: of that, what is for routers and servers. */
  #toGroup(packet: Uint8Array, ip: Ip): boolean {
    if (ip.fragment) return false;
    if (ip.protocol === Protocol.ICMPV6 && ip.version === 6) return this.#icmp.group(packet, ip);
    if (!this.#isDhcp(packet, ip)) return false;
    const udp = parseUdp(packet, ip, isUnfinished(packet, ip));
    if (typeof udp === "string") return this.#drop(udp);
    return this.#dhcp.receive(udp.payload, ip.source) || this.#drop("protocol");
  }

  #isDhcp(packet: Uint8Array, { version, protocol, payload, end }: Ip): boolean {
    return (
      version === 4 &&
      protocol === Protocol.UDP &&
      end - payload >= 8 &&
      get16(packet, payload + 2) === DhcpPort.SERVER
    );
  }

  #unicast(packet: Uint8Array, ip: Ip): boolean {
    if (!isOwn(ip.destination) && ip.hopLimit <= 1) return this.#icmp.expired(packet, ip);
    switch (ip.protocol) {
      case Protocol.TCP:
        return this.#segment(packet, ip);
      case Protocol.UDP:
        return this.#datagram(packet, ip);
      case Protocol.ICMP:
      case Protocol.ICMPV6:
        return this.#control(packet, ip);
      default:
        this.drops.protocol++;
        return this.#icmp.unknownProtocol(packet, ip, isOwn(ip.destination));
    }
  }

  #segment(packet: Uint8Array, ip: Ip): boolean {
    const segment = parseTcp(packet, ip, isUnfinished(packet, ip));
    if (typeof segment === "string") return this.#drop(segment);
    // What leads nowhere is refused, too: a host that is told "unreachable" while it still sends its SYN only tries again.
    this.#tcp.receive(ip, segment, () => backTo(packet, ip));
    return true;
  }

  #datagram(packet: Uint8Array, ip: Ip): boolean {
    const udp = parseUdp(packet, ip, isUnfinished(packet, ip));
    if (typeof udp === "string") return this.#drop(udp);
    if (!isOwn(ip.destination)) return this.#icmp.unreachable(packet, ip);
    if (ip.version === 4 && udp.destinationPort === DhcpPort.SERVER)
      return this.#dhcp.receive(udp.payload, ip.source) || this.#drop("protocol");
    if (udp.destinationPort !== DNS_PORT) return this.#icmp.noPort(packet, ip);
    const payload = answerDatagram(this.#names, udp.payload);
    if (!payload) return this.#drop("malformed");
    const ports = { sourcePort: DNS_PORT, destinationPort: udp.sourcePort };
    this.#outlet.send(udpPacket(backTo(packet, ip), { ...ports, payload }));
    return true;
  }

  #control(packet: Uint8Array, ip: Ip): boolean {
    if ((ip.protocol === Protocol.ICMP) !== (ip.version === 4)) return this.#drop("protocol");
    if (!isOwn(ip.destination)) return this.#icmp.unreachable(packet, ip);
    const fault = this.#icmp.own(packet, ip);
    return fault === undefined || this.#drop(fault);
  }

  #service(address: Uint8Array, port: number): Service | undefined {
    const own = isOwn(address);
    if (own && port === DNS_PORT) return (connection) => this.#serveNames(connection);
    const http = own
      ? port === 80 || (port === PROXY_PORT && this.#pool !== undefined)
      : HTTP_PORTS.has(port) && this.#pool !== undefined && address.length === 4;
    if (http) return (connection) => this.#http.serve(connection, () => this.#patientRead(connection));
    return undefined;
  }

  async #serveNames(connection: Connection): Promise<void> {
    const input = new Input(() => this.#patientRead(connection));
    await answerStream(this.#names, input, (pieces) => connection.write(pieces));
  }

  /** A guest that says nothing for too long has said all. */
  async #patientRead(connection: Connection): Promise<Uint8Array | undefined> {
    const cancel = this.#clock.after(PATIENCE, () => connection.end());
    try {
      return await connection.read();
    } finally {
      cancel();
    }
  }

  #hosts(): readonly Host[] {
    const own = this.#dhcp
      .leases()
      .flatMap(({ hostname, address }) => (hostname ? [{ name: hostname, address }] : []));
    return [...own, ...this.#options.names()];
  }
}

/** The gateway's own addresses. */
function isOwn(address: Uint8Array): boolean {
  if (address.length === 4) return sameBytes(address, GATEWAY);
  return sameBytes(address, GATEWAY6) || sameBytes(address, GATEWAY_LINK_LOCAL);
}

/** Nobody can be answered there: nobody, everybody, a group, this host, or the gateway itself. */
function isNoSender(address: Uint8Array): boolean {
  const first = address[0]!;
  if (address.length === 4) return first === 0 || first === 127 || first >= 224 || isOwn(address);
  return (
    first === 0xff || isOwn(address) || (first === 0 && address.subarray(0, 15).every((byte) => byte === 0))
  );
}

/** Its checksum is left to whoever takes it (NEEDS_CSUM), which here is nobody: it has not been on any wire. */
function isUnfinished(packet: Uint8Array, { payload }: Ip): boolean {
  if ((packet[Field.flags]! & Flag.NEEDS_CSUM) === 0) return false;
  return (packet[Field.checksumStart]! | (packet[Field.checksumStart + 1]! << 8)) === payload - HEADER;
}

function backTo(packet: Uint8Array, ip: Ip): Route {
  return routeBack(ip, GATEWAY_MAC, sourceOf(packet));
}
