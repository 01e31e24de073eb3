/**
 * What a relay and its members say to each other over a WebSocket to `…/relay?room=NAME[&secret=TEXT]`.
 *
 * **Plain**, without a subprotocol: each binary message is one Ethernet frame (60 to 1,518 bytes, or less; with VLAN tags 1,522),
 * both ways. Relays and clients made for jor1k and v86 speak it. Text messages mean nothing.
 *
 * **Extended**, with the subprotocol {@link SUBPROTOCOL}: a binary message is a batch of packets (./packet.ts: frames with their
 * offload header), each after its length as 32 bits, little-endian. A text message is a {@link FromMember} or a {@link FromRelay}
 * as JSON. The member begins with `hello`, the relay answers `welcome`; packets come after these. The relay has at most
 * `window` bytes of packets under way to a member; what the member has dealt with it gives back as `credit`.
 *
 * A connection is closed with a {@link CloseCode} and a reason, a sentence for a person.
 */
export const SUBPROTOCOL = "ringside.packets.1";

/** Bytes of a batch, lengths included; both sides refuse more. One packet always fits. */
export const LONGEST_BATCH = 256 * 1024;

/** Bytes of a text message. A roster of 256 members is well below that. */
export const LONGEST_CONTROL = 128 * 1024;

/** Bytes that a relay may have under way to a member, if that says nothing else, and the least and most that it may say. */
export const WINDOW = { standard: 4 << 20, least: LONGEST_BATCH, most: 64 << 20 } as const;

export type FromMember =
  | {
      type: "hello";
      /** What others see in the roster. */
      name?: string;
      /** The MAC address of the member's guest, as in `02:00:5e:10:00:01`: the relay sends on what is for it from now on. */
      mac: string;
      /** See {@link WINDOW}. */
      window?: number;
    }
  /** So many bytes of batches were dealt with. */
  | { type: "credit"; bytes: number }
  /** A sign of life is wanted: a page does not see the pings of WebSocket. */
  | { type: "ping" };

export type FromRelay =
  | {
      type: "welcome";
      /** The member's own entry in the roster. */
      id: string;
      /** Ethernet frames may be so long (bytes, VLAN tags included), when no offload header makes them longer. */
      frame: number;
      /** URLs of relays that have the same rooms, without this one: where to go when it is gone. */
      others: string[];
      /** The room has a way out, which gives its members addresses. */
      uplink: boolean;
      members: Member[];
    }
  /** Somebody came, went or has another address, or a relay did: all that are here, and the other relays as in `welcome`. */
  | { type: "members"; members: Member[]; others?: string[] }
  /** The relay is about to end: go to another one. */
  | { type: "leaving" }
  /** The answer to a ping, unless so much waits for the member that this is sign enough. */
  | { type: "pong" };

/** One of those in a room. */
export interface Member {
  /** Unique in the room. */
  id: string;
  name: string;
  /** Those it was seen to use, as text. */
  macs: string[];
  /** IPv4 and IPv6 addresses that it was seen to use. */
  addresses: string[];
  /** Since when it is here, milliseconds since 1970. */
  since: number;
  /** It speaks the plain protocol. */
  plain: boolean;
}

/** Why a relay closed a connection. From 4400 on it is no use to try again the same way. */
export const CloseCode = {
  /** The relay ends. */
  leaving: 1001,
  /** Nothing came for too long. */
  idle: 4000,
  /** The relay or the room is full, or this address has joined too often. */
  full: 4001,
  /** The member says what the protocol does not know. */
  protocol: 4400,
  /** The room has another secret. */
  secret: 4401,
  /** No room can be called so. */
  name: 4402,
  /** A page from there may not use this relay. */
  origin: 4403,
} as const;

/** The batch of these packets, at most {@link LONGEST_BATCH} bytes together with four for each. */
export function encodeBatch(packets: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const batch = new Uint8Array(packets.reduce((sum, { length }) => sum + 4 + length, 0));
  const view = new DataView(batch.buffer);
  let at = 0;
  for (const packet of packets) {
    view.setUint32(at, packet.length, true);
    batch.set(packet, at + 4);
    at += 4 + packet.length;
  }
  return batch;
}

/** The packets of a batch; they share its bytes. Undefined when it is none. What is in the packets is not looked at. */
export function decodeBatch(batch: Uint8Array): Uint8Array[] | undefined {
  if (batch.length > LONGEST_BATCH) return undefined;
  const view = new DataView(batch.buffer, batch.byteOffset, batch.length);
  const packets: Uint8Array[] = [];
  let at = 0;
  while (at < batch.length) {
    if (at + 4 > batch.length) return undefined;
    const length = view.getUint32(at, true);
    at += 4;
    if (length > batch.length - at) return undefined;
    packets.push(batch.subarray(at, at + length));
    at += length;
  }
  return packets;
}
