import type { Subscription } from "@nats-io/transport-node";
import type { Member as Entry } from "../../../src/net/relay-protocol.ts";
import { parseMac } from "../mac-address.ts";
import type { LocalRoom, RoomLink } from "../sharing.ts";
import { Departure, FarPort } from "./far-port.ts";
import { relaySubject, roomSubject, type Packets, type Said } from "./messages.ts";
import type { Turn } from "../turn.ts";

/** The other relays, as a room needs them. */
export interface Others {
  readonly turn: Turn;
  say(subject: string, said: Said): void;
  /** What cannot leave is dropped and counted. */
  sendPackets(subject: string, room: string, packets: readonly Uint8Array[]): void;
  /** Undefined while there is no connection: the link is asked to subscribe when there is one. */
  subscribe(subject: string, link: NatsRoomLink): Subscription | undefined;
  /** Asks whether who has this address is still there; when the relay itself is not, it is forgotten at once. Never rejects. */
  probe(relay: string, room: string, mac: number): Promise<void>;
  closed(room: string): void;
}

/** Milliseconds from a change here to the message about it: several become one. */
const STATE_DELAY = 30;

/** Milliseconds after which it is said again whatever happens, in case a message was lost. */
const STATE_EVERY = 10_000;

/** A room that other relays have as well. */
export class NatsRoomLink implements RoomLink {
  readonly #others: Others;
  readonly #room: LocalRoom;
  readonly #ports = new Map<string, FarPort>();
  readonly #departure: Departure;
  readonly #repeat: NodeJS.Timeout;
  #stateTimer: NodeJS.Timeout | undefined;
  #subscription: Subscription | undefined;

  constructor(others: Others, room: LocalRoom) {
    this.#others = others;
    this.#room = room;
    this.#departure = new Departure(others.turn, (packets) =>
      others.sendPackets(roomSubject(room.name), room.name, packets),
    );
    this.#repeat = setInterval(() => this.changed(), STATE_EVERY);
    this.#repeat.unref();
    this.subscribe();
    this.ask();
  }

  flood(packet: Uint8Array): void {
    if (this.#ports.size > 0) this.#departure.add(packet);
  }

  entries(): Entry[] {
    return [...this.#ports.values()].flatMap(({ entries }) => entries);
  }

  changed(): void {
    this.#stateTimer ??= setTimeout(() => {
      this.#stateTimer = undefined;
      this.#say({ type: "members", members: this.#room.entries() });
    }, STATE_DELAY);
  }

  close(): void {
    clearInterval(this.#repeat);
    clearTimeout(this.#stateTimer);
    this.#say({ type: "gone" });
    this.#subscription?.unsubscribe();
    this.#others.closed(this.#room.name);
  }

  /** The connection is another one. */
  subscribe(): void {
    this.#subscription = this.#others.subscribe(roomSubject(this.#room.name), this);
  }

  /** What do the others have? We tell them what we have. */
  ask(): void {
    this.#say({ type: "ask" });
    this.changed();
  }

  hear(from: string, said: Said | Packets): void {
    switch (said.type) {
      case "packets":
        for (const packet of said.packets) this.#room.receive(this.#portOf(from), packet);
        break;
      case "ask":
        this.#portOf(from);
        this.changed();
        break;
      case "members":
        this.#update(this.#portOf(from), said.members);
        break;
      case "gone":
        this.forget(from);
        break;
      case "probe": {
        const port = this.#room.table.portOf(said.mac);
        if (port?.isHere) port.probe(said.mac);
        break;
      }
    }
  }

  /** The relay has nobody here any more. */
  forget(relay: string): void {
    const port = this.#ports.get(relay);
    if (!port) return;
    this.#ports.delete(relay);
    this.#room.table.removePort(port);
    this.#room.freed();
    this.#room.changed();
  }

  /** Something about the relays has changed that members are told. */
  relaysChanged(): void {
    this.#room.changed();
  }

  #portOf(relay: string): FarPort {
    const known = this.#ports.get(relay);
    if (known) return known;
    const { name } = this.#room;
    const departure = new Departure(this.#others.turn, (packets) =>
      this.#others.sendPackets(relaySubject(relay), name, packets),
    );
    const port = new FarPort(relay, departure, (mac) => void this.#others.probe(relay, name, mac));
    this.#ports.set(relay, port);
    return port;
  }

  /** What is said there of its members holds; where an address is ours as well, it is whose member came first. */
  #update(port: FarPort, entries: Entry[]): void {
    port.entries = entries;
    const { table } = this.#room;
    const now = performance.now();
    const macs = new Set<number>();
    for (const entry of entries) {
      for (const text of entry.macs) {
        const mac = parseMac(text)!;
        macs.add(mac);
        const holder = table.portOf(mac);
        const isTheirs = holder === undefined || holder === port || (holder.isHere && this.#came(entry, mac));
        // Ours has lost it, and theirs is told so.
        if (isTheirs && holder?.isHere) this.changed();
        if (isTheirs) table.assign(mac, port, now, true);
        else if (!holder.isHere) holder.probe(mac);
      }
    }
    table.keepOnly(port, macs);
    this.#room.freed();
    this.#room.changed();
  }

  /** Whether that member came before ours who has this address; both relays come to the same answer. */
  #came(theirs: Entry, mac: number): boolean {
    const ours = this.#room.entries().find(({ macs }) => macs.some((text) => parseMac(text) === mac));
    if (!ours) return true;
    return theirs.since < ours.since || (theirs.since === ours.since && theirs.id < ours.id);
  }

  #say(said: Said): void {
    this.#others.say(roomSubject(this.#room.name), said);
  }
}
