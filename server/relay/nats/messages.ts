/**
 * What relays say to each other. Each message begins with the sender's id; then comes JSON, or packets: a byte for the length of
 * the room's name, the name, and a batch as on the wire (src/net/relay-protocol.ts). They trust each other's word about members, but what
 * arrives is checked all the same: others may be connected to the same server.
 */
import { LONGEST_BATCH, type Member as Entry, decodeBatch } from "../../../src/net/relay-protocol.ts";
import { MOST_ADDRESSES, MOST_MACS, MOST_MEMBERS_PER_ROOM } from "../limits.ts";
import { parseMac } from "../mac-address.ts";

/** Subjects. A name's dots would part it, and `~` is in none. */
export const RELAYS = "ringside.1.relays";
export const relaySubject = (relay: string): string => `ringside.1.relay.${relay}`;
export const roomSubject = (room: string): string => `ringside.1.room.${room.replaceAll(".", "~")}`;

export type Said =
  /** To all relays, every {@link BEAT} milliseconds. `url`: where members find it. */
  | { type: "beat"; url?: string }
  /** To all relays: it ends. */
  | { type: "bye" }
  /** To the others in a room: it has members there, too, and wants to know theirs. */
  | { type: "ask" }
  /** To the others in a room: its members there, all of them. */
  | { type: "members"; members: Entry[] }
  /** To the others in a room: it has none there any more. */
  | { type: "gone" }
  /** To one relay, which answers: is the one still there who has this MAC address? */
  | { type: "probe"; room: string; mac: number };

export interface Packets {
  type: "packets";
  room: string;
  packets: Uint8Array[];
}

/** Letters of a relay's id. */
export const ID_LENGTH = 12;

/** Bytes before the batch, at most. */
export const MOST_BEFORE_BATCH = ID_LENGTH + 2 + 64;

const JSON_BEGIN = 0x7b;
const PACKETS_BEGIN = 1;

export function encodeSaid(from: string, said: Said): Uint8Array {
  return Buffer.from(from + JSON.stringify(said), "utf8");
}

/** These packets in one message; together they are at most a batch. */
export function encodePackets(from: string, room: string, packets: readonly Uint8Array[]): Uint8Array {
  const before = ID_LENGTH + 2 + room.length;
  let length = before;
  for (const packet of packets) length += 4 + packet.length;
  const message = Buffer.allocUnsafe(length);
  message.write(from, 0, "latin1");
  message[ID_LENGTH] = PACKETS_BEGIN;
  message[ID_LENGTH + 1] = room.length;
  message.write(room, ID_LENGTH + 2, "latin1");
  let at = before;
  for (const packet of packets) {
    message.writeUInt32LE(packet.length, at);
    message.set(packet, at + 4);
    at += 4 + packet.length;
  }
  return message;
}

/** Undefined when it is none of these messages. Packets share its bytes, and are not looked at. */
export function decode(message: Uint8Array): { from: string; said: Said | Packets } | undefined {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
  const from = bytes.toString("latin1", 0, ID_LENGTH);
  if (!/^[0-9a-f]{12}$/.test(from)) return undefined;
  const begin = bytes[ID_LENGTH];
  const said = begin === PACKETS_BEGIN ? packetsIn(bytes) : begin === JSON_BEGIN ? saidIn(bytes) : undefined;
  return said && { from, said };
}

function packetsIn(bytes: Buffer): Packets | undefined {
  const nameAt = ID_LENGTH + 2;
  const batchAt = nameAt + (bytes[ID_LENGTH + 1] ?? 0);
  if (batchAt > bytes.length) return undefined;
  const packets = decodeBatch(bytes.subarray(batchAt));
  return packets && { type: "packets", room: bytes.toString("latin1", nameAt, batchAt), packets };
}

function saidIn(bytes: Buffer): Said | undefined {
  if (bytes.length > LONGEST_BATCH) return undefined;
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(bytes.toString("utf8", ID_LENGTH)) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  switch (value.type) {
    case "beat":
      return isUrl(value.url) ? { type: "beat", url: value.url } : { type: "beat" };
    case "bye":
    case "ask":
    case "gone":
      return { type: value.type };
    case "members": {
      const { members } = value;
      const areMembers =
        Array.isArray(members) && members.length <= MOST_MEMBERS_PER_ROOM && members.every(isEntry);
      return areMembers ? { type: "members", members: members as Entry[] } : undefined;
    }
    case "probe":
      return isText(value.room, 64) && Number.isSafeInteger(value.mac)
        ? { type: "probe", room: value.room, mac: value.mac as number }
        : undefined;
    default:
      return undefined;
  }
}

function isEntry(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { id, name, macs, addresses, since, plain } = value as Partial<Record<keyof Entry, unknown>>;
  return (
    isText(id, 32) &&
    isText(name, 160) &&
    isList(macs, MOST_MACS + 1, (mac) => isText(mac, 17) && parseMac(mac) !== undefined) &&
    isList(addresses, MOST_ADDRESSES, (address) => isText(address, 45)) &&
    Number.isSafeInteger(since) &&
    typeof plain === "boolean"
  );
}

function isList(value: unknown, most: number, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length <= most && value.every(isItem);
}

function isText(value: unknown, most: number): value is string {
  return typeof value === "string" && value.length <= most;
}

function isUrl(value: unknown): value is string {
  return isText(value, 512) && /^wss?:\/\//.test(value) && URL.canParse(value);
}
