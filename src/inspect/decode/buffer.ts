import { HEADER } from "../../net/packet.ts";
import { Feature } from "../../virtio/spec.ts";
import { decodeBlockAnswer, decodeBlockRequest } from "./block.ts";
import { decodeConsoleControl, decodeConsoleText } from "./console.ts";
import { decodeFrame } from "./frame.ts";
import { type DecodedLayer, LayerReader, sizeShown } from "./layer.ts";
import { decodeControl, decodeControlAck } from "./net-control.ts";
import { decodeNetHeader } from "./net-header.ts";
import { queueRole } from "./roles.ts";

export type { DecodedField, DecodedLayer } from "./layer.ts";

/** Of struct virtio_net_hdr of a legacy driver without merged receive buffers (5.1.6.1): it lacks num_buffers. */
const SHORT_HEADER = 10;

/** Bytes from a buffer, and where they were. */
export interface BufferToDecode {
  /** Of the device: `blk`, `net`, `console`, `rng`, or as the specification calls it. */
  kind: string;
  /** Its name, or its number. */
  queue: string | number;
  /** For the device to write into. */
  writable: boolean;
  /** The feature bits that the driver accepted. */
  negotiated: bigint;
  /** Bytes of the chain's buffers of the same direction that come before these. */
  offsetInChain: number;
  bytes: Uint8Array;
  /** The first readable bytes of the chain, if they are known: what a block request asks for says what its other bytes are. */
  request?: Uint8Array | undefined;
  /** Bytes of all the chain's buffers of this direction, if that is known. */
  total?: number | undefined;
}

/**
 * Bytes as what they are, structure by structure, as far as they go: they may end anywhere and say anything. Never throws.
 * Offsets are those in `bytes`.
 */
export function decodeBuffer(buffer: BufferToDecode): DecodedLayer[] {
  const { kind, queue, negotiated, writable, offsetInChain, bytes, request, total } = buffer;
  if (bytes.length === 0) return [];
  switch (queueRole(kind, queue, negotiated)) {
    case "block":
      return writable
        ? decodeBlockAnswer(bytes, offsetInChain, request, total)
        : decodeBlockRequest(bytes, offsetInChain, request);
    case "receive":
    case "transmit":
      return decodePacket(bytes, offsetInChain, netHeaderBytes(negotiated));
    case "net control":
      if (writable) return [decodeControlAck(bytes)];
      return offsetInChain === 0 ? [decodeControl(bytes)] : [plain("Control command, continued", bytes)];
    case "console control":
      return offsetInChain === 0
        ? [decodeConsoleControl(bytes)]
        : [plain("Console control message, continued", bytes)];
    case "console":
      return [decodeConsoleText(bytes)];
    case "entropy":
      return [plain(writable ? "Random bytes" : "Bytes that nobody reads", bytes)];
    case undefined:
      return [plain("Bytes", bytes)];
  }
}

/** A packet as in a `frame` event: with the whole header (src/net/packet.ts). */
export function decodeWirePacket(packet: Uint8Array): DecodedLayer[] {
  return packet.length === 0 ? [] : decodePacket(packet, 0, HEADER);
}

/** Bytes of the header that a driver with these features puts before packets. */
export function netHeaderBytes(negotiated: bigint): number {
  const has = (bit: bigint): boolean => ((negotiated >> bit) & 1n) === 1n;
  return has(Feature.common.VERSION_1) || has(Feature.network.MRG_RXBUF) ? HEADER : SHORT_HEADER;
}

/** Header and frame; drivers put them into one buffer, or the frame into one of its own. */
function decodePacket(bytes: Uint8Array, before: number, header: number): DecodedLayer[] {
  if (before === header) return decodeFrame(bytes, 0);
  if (before !== 0) return [plain("Packet, continued", bytes)];
  const layers = [decodeNetHeader(bytes, header)];
  return bytes.length > header ? [...layers, ...decodeFrame(bytes, header)] : layers;
}

function plain(title: string, bytes: Uint8Array): DecodedLayer {
  const reader = new LayerReader(title, bytes, 0);
  reader.rest("bytes", sizeShown);
  return reader.layer;
}
