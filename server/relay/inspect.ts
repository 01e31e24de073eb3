import { headerLength, packetFault } from "../../src/net/offload.ts";
import { ETHERNET, Field, Flag, Gso, HEADER, isPlain } from "../../src/net/packet.ts";
import type { Drop } from "./metrics.ts";

/**
 * Why a packet from outside cannot go on; undefined when it can. `frame`: bytes that a frame may have, also each of those that
 * a segment is cut into. What its header has no business to say is removed.
 */
export function refuse(packet: Uint8Array, frame: number): Drop | undefined {
  if (packet.length < HEADER + ETHERNET) return "runt";
  if (isPlain(packet)) {
    if (packet.length > HEADER + frame) return "giant";
    // DATA_VALID among it: nobody here has looked at the checksum.
    packet.fill(0, 0, HEADER);
    return undefined;
  }
  if (packetFault(packet) !== undefined) return "offload";
  packet[Field.flags] = Flag.NEEDS_CSUM;
  packet[Field.buffers] = packet[Field.buffers + 1] = 0;
  const length =
    packet[Field.gsoType] === Gso.NONE ? packet.length - HEADER : headerLength(packet) + gsoSize(packet);
  return length > frame ? "giant" : undefined;
}

/** How many frames a packet stands for that {@link refuse} has let pass. */
export function framesIn(packet: Uint8Array): number {
  return packet[Field.gsoType] === Gso.NONE ? 1 : Math.max(1, Math.ceil(packet.length / gsoSize(packet)));
}

function gsoSize(packet: Uint8Array): number {
  return packet[Field.gsoSize]! | (packet[Field.gsoSize + 1]! << 8);
}
