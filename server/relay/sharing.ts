/** How relays share their rooms, as a room sees it; ./nats/ does it over NATS. */
import type { Member as Entry } from "../../src/net/relay-protocol.ts";
import type { MacTable } from "./switch.ts";

/** Where packets go: a member here, or a relay that has members of the same room. */
export interface Port {
  /** It is a member here. */
  readonly isHere: boolean;
  /** A packet for whoever is there. It was checked, and may be given to several ports; its bytes stay as they are, or become
   * those of the same packet without an offload header. */
  deliver(packet: Uint8Array): void;
  /** Somebody else uses this address, which the port has: is it still there? If not, it is removed. */
  probe(mac: number): void;
}

export interface Sharing {
  /** The room has members here from now on. */
  open(room: LocalRoom): RoomLink;
  /** Public URLs of the other relays. */
  readonly others: string[];
  /** For health and metrics. */
  readonly state: { connected: boolean; relays: number };
  /** Says farewell; resolves when that has left, within a second. */
  close(): Promise<void>;
}

/** A room with members at this relay, as its others see it. */
export interface LocalRoom {
  readonly name: string;
  /** Its members here. */
  entries(): Entry[];
  readonly table: MacTable<Port>;
  /** A packet from another relay, not checked yet. */
  receive(from: Port, packet: Uint8Array): void;
  /** Those at another relay are not as they were. */
  changed(): void;
  /** Addresses became free: members here may have waited for them. */
  freed(): void;
}

/** The same room at the other relays. */
export interface RoomLink {
  /** For all members there. */
  flood(packet: Uint8Array): void;
  /** Members of the other relays. */
  entries(): Entry[];
  /** Those here are not as they were. */
  changed(): void;
  /** Nobody is here any more. */
  close(): void;
}
