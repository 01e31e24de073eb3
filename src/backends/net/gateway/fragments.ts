import { destinationOf, sourceOf } from "../../../net/ethernet.ts";
import { type Ip, ipHeaderLength, ipPacket, type Route } from "../../../net/ip.ts";
import type { Clock } from "./clock.ts";

/** Datagrams that are put together at a time; the oldest goes for one more. */
const DATAGRAMS = 8;
/** Bytes of a datagram's payload. */
const LONGEST = 65535 - 40;
/** Pieces of a datagram. 65,535 bytes in pieces of 1,280 are 52; a link with a tiny MTU loses its largest ones. */
const PIECES = 256;
/** Milliseconds from the first piece on (RFC 791 says 15 s, RFC 8200 60). */
const PATIENCE = 30_000;

interface Partial {
  since: number;
  pieces: { from: number; bytes: Uint8Array }[];
  length: number | undefined;
}

/** Puts IP datagrams together again that came in pieces, at most 8 at a time. */
export class Fragments {
  readonly #clock: Clock;
  readonly #partials = new Map<string, Partial>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * One more piece. Returns the whole as a packet, undefined while something is missing, or why the datagram was given up, in a
   * word. Pieces that overlap make it wrong (RFC 5722); the same one again does not.
   */
  add(packet: Uint8Array, ip: Ip): Uint8Array | string | undefined {
    const { identification, offset, more } = ip.fragment!;
    const key = `${identification}/${ip.protocol}/${ip.source.join()}/${ip.destination.join()}`;
    const partial = this.#find(key);
    const bytes = packet.slice(ip.payload, ip.end);
    const end = offset + bytes.length;
    const again = partial.pieces.some(
      (piece) => piece.from === offset && piece.bytes.length === bytes.length,
    );
    if (again) return undefined;
    const fits =
      end <= LONGEST &&
      bytes.length > 0 &&
      (!more || bytes.length % 8 === 0) &&
      (more ? partial.length === undefined || end <= partial.length : partial.length === undefined) &&
      partial.pieces.length < PIECES &&
      partial.pieces.every((piece) => end <= piece.from || piece.from + piece.bytes.length <= offset) &&
      (more || partial.pieces.every((piece) => piece.from + piece.bytes.length <= end));
    if (!fits) {
      this.#partials.delete(key);
      return "fragments";
    }
    if (!more) partial.length = end;
    partial.pieces.push({ from: offset, bytes });
    const have = partial.pieces.reduce((total, piece) => total + piece.bytes.length, 0);
    if (have !== partial.length) return undefined;
    this.#partials.delete(key);
    return whole(packet, ip, partial);
  }

  clear(): void {
    this.#partials.clear();
  }

  #find(key: string): Partial {
    const now = this.#clock.now();
    const found = this.#partials.get(key);
    if (found && now - found.since < PATIENCE) return found;
    this.#partials.delete(key);
    if (this.#partials.size >= DATAGRAMS) this.#partials.delete(this.#partials.keys().next().value!);
    const partial: Partial = { since: now, pieces: [], length: undefined };
    this.#partials.set(key, partial);
    return partial;
  }
}

function whole(packet: Uint8Array, ip: Ip, { pieces, length }: Partial): Uint8Array {
  const route: Route = {
    sourceMac: sourceOf(packet),
    destinationMac: destinationOf(packet),
    source: ip.source,
    destination: ip.destination,
  };
  const result = ipPacket(route, ip.protocol, length!, { hopLimit: ip.hopLimit });
  const start = result.length - length!;
  for (const { from, bytes } of pieces) result.set(bytes, start + from);
  return result;
}

/**
 * A payload as packets for a link that takes IP packets of `mtu` bytes: one, or as many as it takes.
 * `identification` tells the pieces apart from other datagrams'.
 */
export function inPieces(
  route: Route,
  protocol: number,
  payload: Uint8Array,
  mtu: number,
  identification: number,
): Uint8Array[] {
  const header = ipHeaderLength(route);
  if (header + payload.length <= mtu) return [filled(ipPacket(route, protocol, payload.length), payload)];
  // IPv6 has 8 bytes for it, and all pieces but the last are multiples of 8.
  const size = Math.max((mtu - header - (header === 40 ? 8 : 0)) & ~7, 8);
  const packets: Uint8Array[] = [];
  for (let offset = 0; offset < payload.length; offset += size) {
    const piece = payload.subarray(offset, offset + size);
    const fragment = { identification, offset, more: offset + size < payload.length };
    packets.push(filled(ipPacket(route, protocol, piece.length, { fragment }), piece));
  }
  return packets;
}

function filled(packet: Uint8Array, payload: Uint8Array): Uint8Array {
  packet.set(payload, packet.length - payload.length);
  return packet;
}
