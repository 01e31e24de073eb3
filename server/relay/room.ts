import type { Member as Entry } from "../../src/net/relay-protocol.ts";
import { EtherType, etherTypeOf } from "../../src/net/ethernet.ts";
import { HEADER } from "../../src/net/packet.ts";
import { addressIn } from "./addresses.ts";
import { framesIn, refuse } from "./inspect.ts";
import { isHost, macAt, macText } from "./mac-address.ts";
import { MOST_MACS, MOST_MEMBERS_PER_ROOM } from "./limits.ts";
import type { Drop } from "./metrics.ts";
import { ROSTER_DELAY, rosterMessage } from "./roster.ts";
import type { Shared } from "./shared.ts";
import type { LocalRoom, Port, RoomLink } from "./sharing.ts";
import { MacTable } from "./switch.ts";
import { claimsGateway, isOutbound, type UplinkFactory } from "./uplink.ts";

/** Addresses of one room that may be at one other relay. */
const MOST_REMOTE_MACS = MOST_MACS * MOST_MEMBERS_PER_ROOM;

/** A member of a room, as the room needs it. */
export interface Resident extends Port {
  /** The address that it said in its hello. */
  readonly mac: number | undefined;
  /** In the roster, with these MAC addresses. */
  entry(macs: string[]): Entry;
  /** Notes that it was seen to use this IP address. Returns whether that is new. */
  hasAddress(address: string): boolean;
  /** A packet that only its uplink gets. */
  sendOut(packet: Uint8Array, factory: UplinkFactory): void;
  /** A message in JSON. False: too much waits for it, the message was not sent. */
  tell(message: string): boolean;
}

/** A room: an Ethernet switch that learns, and the list of who is there. */
export class Room implements LocalRoom {
  readonly name: string;
  readonly table = new MacTable<Port>();
  readonly members = new Set<Resident>();
  /** Connections that are in it or about to be: with the last one it ends. */
  visitors = 0;
  readonly uplink: UplinkFactory | undefined;
  /** The MAC address that no member may have. */
  readonly #gateway: number | undefined;
  readonly #shared: Shared;
  readonly #link: RoomLink | undefined;
  #rosterTimer: NodeJS.Timeout | undefined;

  constructor(name: string, shared: Shared) {
    this.name = name;
    this.#shared = shared;
    this.uplink = shared.uplinkOf(name);
    this.#gateway = this.uplink && macAt(this.uplink.gatewayMac, 0);
    this.#link = shared.sharing?.open(this);
  }

  /**
   * A packet from a member. Returns how many frames it stands for.
   * Its source address is learned unless another member has it; then the packet is dropped and that member asked for a sign of life.
   */
  forward(from: Resident, packet: Uint8Array, now: number): number {
    const fault = refuse(packet, this.#shared.limits.frame) ?? this.#learn(from, packet, now);
    if (fault !== undefined) {
      this.#shared.counters.dropped[fault]++;
      return 1;
    }
    this.#lookForAddress(from, packet);
    if (this.uplink && isOutbound(packet, this.uplink)) from.sendOut(packet, this.uplink);
    else this.#switch(from, packet);
    return framesIn(packet);
  }

  /** A packet from another relay: it goes to members here only. */
  receive(from: Port, packet: Uint8Array): void {
    const { counters, limits } = this.#shared;
    counters.relaysPacketsIn++;
    const fault =
      refuse(packet, limits.frame) ?? this.#learn(from, packet, performance.now(), MOST_REMOTE_MACS);
    if (fault !== undefined) {
      counters.dropped[fault]++;
      return;
    }
    const to = isGroup(packet) ? undefined : this.table.portOf(macAt(packet, HEADER));
    if (to === undefined) this.#flood(from, packet);
    else if (to.isHere) to.deliver(packet);
    else counters.dropped.relays++;
  }

  /** The member has said hello, or speaks the plain protocol. */
  join(member: Resident): void {
    this.members.add(member);
    if (member.mac !== undefined) this.#claim(member, member.mac);
    this.changedHere();
  }

  leave(member: Resident): void {
    if (!this.members.delete(member)) return;
    this.table.removePort(member);
    this.freed();
    this.changedHere();
  }

  freed(): void {
    for (const member of this.members) {
      const { mac } = member;
      if (mac !== undefined && this.table.portOf(mac) === undefined) this.#claim(member, mac);
    }
  }

  /** All that are here, those at other relays among them. */
  roster(): Entry[] {
    return [...this.entries(), ...(this.#link?.entries() ?? [])];
  }

  entries(): Entry[] {
    const macs = new Map<Port, string[]>();
    for (const [mac, port] of this.table.entries()) {
      const list = macs.get(port);
      if (list) list.push(macText(mac));
      else macs.set(port, [macText(mac)]);
    }
    return [...this.members].map((member) => member.entry(macs.get(member) ?? []));
  }

  changed(): void {
    this.#rosterTimer ??= setTimeout(this.#tell, ROSTER_DELAY);
  }

  /** Of this relay's members: the other relays are told as well. */
  changedHere(): void {
    this.changed();
    this.#link?.changed();
  }

  /** Forgets addresses that nobody used for long. */
  age(now: number): void {
    if (this.table.age(now).size > 0) this.changedHere();
  }

  /** The last member has left. */
  close(): void {
    clearTimeout(this.#rosterTimer);
    this.#link?.close();
  }

  /** The address is this member's for as long as it is here, if nobody has it; otherwise when that one is found to be gone. */
  #claim(member: Resident, mac: number): void {
    if (mac === this.#gateway) return;
    const holder = this.table.portOf(mac);
    if (holder === undefined || holder === member) this.table.assign(mac, member, performance.now(), true);
    else holder.probe(mac);
  }

  #learn(from: Port, packet: Uint8Array, now: number, most?: number): Drop | undefined {
    const mac = macAt(packet, HEADER + 6);
    if (!isHost(mac)) return "source";
    if (this.uplink && (mac === this.#gateway || claimsGateway(packet, this.uplink))) return "spoofed";
    const learned = this.table.learn(mac, from, now, most);
    if (learned === "full") return "source";
    if (learned === "taken") {
      this.table.portOf(mac)!.probe(mac);
      return "spoofed";
    }
    if (learned === "new" && from.isHere) this.changedHere();
    return undefined;
  }

  #lookForAddress(from: Resident, packet: Uint8Array): void {
    const type = etherTypeOf(packet);
    if (type !== EtherType.ARP && type !== EtherType.IPV6) return;
    const address = addressIn(packet);
    if (address !== undefined && from.hasAddress(address)) this.changedHere();
  }

  #switch(from: Resident, packet: Uint8Array): void {
    const to = isGroup(packet) ? undefined : this.table.portOf(macAt(packet, HEADER));
    if (to === from) this.#shared.counters.dropped.loop++;
    else if (to) to.deliver(packet);
    else {
      this.#shared.counters.flooded++;
      this.#flood(from, packet);
      this.#link?.flood(packet);
    }
  }

  #flood(from: Port, packet: Uint8Array): void {
    for (const member of this.members) if (member !== from) member.deliver(packet);
  }

  readonly #tell = (): void => {
    this.#rosterTimer = undefined;
    const message = rosterMessage({
      type: "members",
      members: this.roster(),
      others: this.#shared.sharing?.others ?? [],
    });
    let missed = false;
    for (const member of this.members) missed = !member.tell(message) || missed;
    // Who has much waiting gets the next one.
    if (missed) this.#rosterTimer = setTimeout(this.#tell, 10 * ROSTER_DELAY);
  };
}

function isGroup(packet: Uint8Array): boolean {
  return (packet[HEADER]! & 1) !== 0;
}
