import { LONGEST_BATCH, LONGEST_CONTROL } from "../../src/net/relay-protocol.ts";

/** What a relay allows, and with that what it can be made to hold: {@link memoryBound}. `Infinity` where a limit is lifted. */
export interface Limits {
  rooms: number;
  /** Of all rooms together; a connection counts until its socket is closed, also one that was refused. */
  members: number;
  membersPerRoom: number;
  /** Connections from one address; of IPv6 from one /64. */
  membersPerAddress: number;
  /** From one address; {@link JOIN_BURST} times as many at once. */
  joinsPerSecond: number;
  /** Bytes of an Ethernet frame, VLAN tags included. */
  frame: number;
  /** What one member may send, bytes a second; it is not read from for a moment when it sends more. */
  rate: number;
  /** The same in packets. */
  packetRate: number;
  /** Bytes that may wait for one member, wherever in this process; what comes on top is dropped. */
  queue: number;
  /** The same of all members together, but each may have {@link SHARE}. */
  queues: number;
  /** Milliseconds without a packet from a member after which it is sent away; 0: never. */
  idle: number;
}

export const STANDARD: Limits = {
  rooms: 256,
  members: 1024,
  membersPerRoom: 64,
  membersPerAddress: 64,
  joinsPerSecond: 20,
  frame: 1522,
  rate: 256 << 20,
  packetRate: 400_000,
  queue: 4 << 20,
  queues: 256 << 20,
  idle: 0,
};

/** So that a roster fits a text message (see ./roster.ts). */
export const MOST_MEMBERS_PER_ROOM = 256;

/** Bytes that a member may have waiting whatever the others have. */
export const SHARE = 64 << 10;

/** Of {@link Limits.rate}: seconds of it that may come at once. */
export const RATE_BURST = 0.25;

/** Of {@link Limits.joinsPerSecond}. */
export const JOIN_BURST = 3;

/** Text messages a member may send at once, and a second. Credit is one for each 64 KiB or so that it gets. */
export const CONTROL_RATE = { burst: 1000, perSecond: 10_000 } as const;

/** MAC addresses a member may use at the same time, and IP addresses that are remembered of it. */
export const MOST_MACS = 16;
export const MOST_ADDRESSES = 8;

/** Milliseconds after which an address that nobody sent from is forgotten. */
export const AGEING = 5 * 60_000;

/** Milliseconds that a relay waits for its members. */
export interface Patience {
  /** For the hello of one that speaks the extended protocol. */
  hello: number;
  /** Between pings; who leaves {@link MOST_MISSED} of them unanswered is gone. */
  ping: number;
  /** For an answer, when another member wants the MAC address that this one has. */
  probe: number;
  /** For the other side to close as well. */
  close: number;
}

export const PATIENCE: Patience = { hello: 10_000, ping: 30_000, probe: 4000, close: 2000 };

export const MOST_MISSED = 2;

/** Of the URL in a request; its parts are much shorter. */
export const LONGEST_URL = 1024;

/** Pieces that `ws` keeps of a message that is not complete: TCP segments, and fragments. */
export const MOST_PIECES = { chunks: 1024, fragments: 256 } as const;

/** Bytes of the socket's own reads, and what an object costs us besides its bytes. */
const READ = 64 << 10;
const OBJECT = 256;

/**
 * Bytes of packets and messages that this relay can be made to hold, beside what Node and the code take (some 60 MB):
 *
 *     queues + members · (2 · SHARE + 2 · LONGEST_BATCH + READ + LONGEST_CONTROL + OBJECT · (chunks + fragments + 64))
 *
 * `queues`: what waits for members. For each member: its share of that and one round of the event loop more; a message that is
 * not complete, in pieces and being put together; one read of its socket; a roster on its way; and the objects around all
 * that: pieces, table entries, timers. With the standard limits 1.5 GB, of which 1,024 members that all attack together use
 * all, and members that do not nothing but what waits for them. Kernel buffers of sockets come on top.
 */
export function memoryBound({ members, queues }: Limits): number {
  const { chunks, fragments } = MOST_PIECES;
  const each = 2 * SHARE + 2 * LONGEST_BATCH + READ + LONGEST_CONTROL + OBJECT * (chunks + fragments + 64);
  return queues + members * each;
}
