/** DHCP messages (RFC 2131) and their options (RFC 2132). */
import { get16, get32, set16, set32 } from "./bytes.ts";

export const DhcpPort = { SERVER: 67, CLIENT: 68 } as const;

export const DhcpType = {
  DISCOVER: 1,
  OFFER: 2,
  REQUEST: 3,
  DECLINE: 4,
  ACK: 5,
  NAK: 6,
  RELEASE: 7,
  INFORM: 8,
} as const;

export const DhcpOption = {
  NETMASK: 1,
  ROUTERS: 3,
  DNS_SERVERS: 6,
  HOST_NAME: 12,
  DOMAIN: 15,
  MTU: 26,
  BROADCAST: 28,
  REQUESTED_ADDRESS: 50,
  LEASE_TIME: 51,
  OVERLOAD: 52,
  TYPE: 53,
  SERVER: 54,
  RENEWAL_TIME: 58,
  REBINDING_TIME: 59,
  CLIENT: 61,
} as const;

export interface DhcpMessage {
  type: number;
  transaction: number;
  /** The client cannot take unicasts before it has an address. */
  broadcast: boolean;
  clientAddress: Uint8Array;
  /** A relay agent that the message came through; 0.0.0.0 without one. */
  relay: Uint8Array;
  hardware: Uint8Array;
  options: ReadonlyMap<number, Uint8Array>;
}

const COOKIE = 0x63825363;
const FILE = { from: 108, to: 236 };
const SERVER_NAME = { from: 44, to: 108 };
const OPTIONS = 240;
/** The shortest that every BOOTP client takes (RFC 1542, 2.1). */
const SHORTEST = 300;

/** What a client says; fields share the bytes. Undefined when it is nothing that an Ethernet's DHCP client sends. */
export function parseDhcp(bytes: Uint8Array): DhcpMessage | undefined {
  if (bytes.length < OPTIONS || bytes[0] !== 1 || bytes[1] !== 1 || bytes[2] !== 6) return undefined;
  if (get32(bytes, 236) !== COOKIE) return undefined;
  const options = new Map<number, Uint8Array>();
  if (!readOptions(bytes, OPTIONS, bytes.length, options)) return undefined;
  const overload = options.get(DhcpOption.OVERLOAD)?.[0] ?? 0;
  if (overload & 1 && !readOptions(bytes, FILE.from, FILE.to, options)) return undefined;
  if (overload & 2 && !readOptions(bytes, SERVER_NAME.from, SERVER_NAME.to, options)) return undefined;
  const type = options.get(DhcpOption.TYPE);
  if (type?.length !== 1) return undefined;
  return {
    type: type[0]!,
    transaction: get32(bytes, 4),
    broadcast: (get16(bytes, 10) & 0x8000) !== 0,
    clientAddress: bytes.subarray(12, 16),
    relay: bytes.subarray(24, 28),
    hardware: bytes.subarray(28, 34),
    options,
  };
}

/** The first of each counts; options in parts (RFC 3396) are longer than any that a server looks at. False: they are cut short. */
function readOptions(bytes: Uint8Array, from: number, to: number, options: Map<number, Uint8Array>): boolean {
  let at = from;
  while (at < to) {
    const code = bytes[at]!;
    if (code === 255) return true;
    if (code === 0) {
      at++;
      continue;
    }
    const data = at + 2;
    if (data > to || data + bytes[at + 1]! > to) return false;
    if (!options.has(code)) options.set(code, bytes.subarray(data, data + bytes[at + 1]!));
    at = data + bytes[at + 1]!;
  }
  return true;
}

/** A server's answer; `address` is for the client, `options` in this order after the type. */
export function dhcpReply(
  request: DhcpMessage,
  type: number,
  address: Uint8Array | undefined,
  options: readonly (readonly [code: number, data: Uint8Array])[],
): Uint8Array {
  const length = options.reduce((total, [, data]) => total + 2 + data.length, OPTIONS + 3 + 1);
  const bytes = new Uint8Array(Math.max(length, SHORTEST));
  bytes.set([2, 1, 6]);
  set32(bytes, 4, request.transaction);
  if (request.broadcast) set16(bytes, 10, 0x8000);
  if (type !== DhcpType.NAK) bytes.set(request.clientAddress, 12);
  if (address) bytes.set(address, 16);
  bytes.set(request.relay, 24);
  bytes.set(request.hardware, 28);
  set32(bytes, 236, COOKIE);
  bytes.set([DhcpOption.TYPE, 1, type], OPTIONS);
  let at = OPTIONS + 3;
  for (const [code, data] of options) {
    bytes.set([code, data.length], at);
    bytes.set(data, at + 2);
    at += 2 + data.length;
  }
  bytes[at] = 255;
  return bytes;
}
