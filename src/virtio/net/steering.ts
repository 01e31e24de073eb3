import { get16, get32 } from "../../net/bytes.ts";
import { EtherType } from "../../net/ethernet.ts";
import { networkAt } from "../../net/offload.ts";

/** Entries of the table, a power of two. Flows that share one share a queue. */
const ENTRIES = 4096;

/**
 * Automatic receive steering (5.1.6.5.6): what comes back of a flow goes to the pair of queues that the driver last sent on.
 * A flow is two addresses and, where there are ports, those, in either direction.
 */
export class FlowSteering {
  /** By a flow's hash: the pair that it was last sent on, and one more; 0: none. */
  readonly #pairs = new Uint16Array(ENTRIES);

  /** The driver sent a packet on `pair`. */
  sent(packet: Uint8Array, pair: number): void {
    this.#pairs[flowHash(packet) & (ENTRIES - 1)] = pair + 1;
  }

  /** The pair for a packet from the wire, out of the first `pairs`. */
  pick(packet: Uint8Array, pairs: number): number {
    const hash = flowHash(packet);
    const known = this.#pairs[hash & (ENTRIES - 1)]!;
    return known > 0 && known <= pairs ? known - 1 : hash % pairs;
  }

  forget(): void {
    this.#pairs.fill(0);
  }
}

/** The same both ways. Frames of neither IPv4 nor IPv6 have 0. */
export function flowHash(packet: Uint8Array): number {
  const ip = networkAt(packet);
  const type = get16(packet, ip - 2);
  if (type === EtherType.IPV4 && ip + 20 <= packet.length) {
    const whole = (get16(packet, ip + 6) & 0x3fff) === 0;
    const addresses = get32(packet, ip + 12) ^ get32(packet, ip + 16);
    return mix(addresses, whole ? ports(packet, packet[ip + 9]!, ip + 4 * (packet[ip]! & 0xf)) : 0);
  }
  if (type === EtherType.IPV6 && ip + 40 <= packet.length) {
    let addresses = 0;
    for (let i = 8; i < 40; i += 4) addresses ^= get32(packet, ip + i);
    return mix(addresses, ports(packet, packet[ip + 6]!, ip + 40));
  }
  return 0;
}

const TCP = 6;
const UDP = 17;

function ports(packet: Uint8Array, protocol: number, at: number): number {
  if ((protocol !== TCP && protocol !== UDP) || at + 4 > packet.length) return 0;
  const difference = get16(packet, at) ^ get16(packet, at + 2);
  return (difference | (protocol << 16)) >>> 0;
}

/** Spreads what differs in some bits over all of them. */
function mix(one: number, other: number): number {
  let hash = Math.imul(one ^ Math.imul(other, 0x9e3779b1), 0x85ebca6b);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 13)) >>> 0;
}
