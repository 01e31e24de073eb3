import { Block } from "../../virtio/spec.ts";
import { count, type DecodedLayer, flags, hexShown, LayerReader, sizeShown } from "./layer.ts";
import { textOf } from "./text.ts";

/** Segments of a discard that are shown: as many as our devices take. */
const MOST_SEGMENTS = 256;

/** Request types (5.2.6): as in a sentence, and as the specification has them. */
export const BLOCK_TYPES: Readonly<Record<number, { name: string; constant: string }>> = {
  [Block.IN]: { name: "read", constant: "VIRTIO_BLK_T_IN" },
  [Block.OUT]: { name: "write", constant: "VIRTIO_BLK_T_OUT" },
  [Block.FLUSH]: { name: "flush", constant: "VIRTIO_BLK_T_FLUSH" },
  [Block.FLUSH_OUT]: { name: "flush", constant: "VIRTIO_BLK_T_FLUSH_OUT" },
  [Block.GET_ID]: { name: "get ID", constant: "VIRTIO_BLK_T_GET_ID" },
  [Block.DISCARD]: { name: "discard", constant: "VIRTIO_BLK_T_DISCARD" },
  [Block.WRITE_ZEROES]: { name: "write zeroes", constant: "VIRTIO_BLK_T_WRITE_ZEROES" },
  [Block.SECURE_ERASE]: { name: "secure erase", constant: "VIRTIO_BLK_T_SECURE_ERASE" },
};

export const BLOCK_STATUS: Readonly<Record<number, string>> = {
  [Block.OK]: "VIRTIO_BLK_S_OK: done",
  [Block.IOERR]: "VIRTIO_BLK_S_IOERR: failed",
  [Block.UNSUPP]: "VIRTIO_BLK_S_UNSUPP: the device does not do that",
};

const RANGES: readonly number[] = [Block.DISCARD, Block.WRITE_ZEROES, Block.SECURE_ERASE];

/** The type of a request whose first bytes these are. */
export function blockType(request: Uint8Array | undefined): number | undefined {
  if (!request || request.length < 4) return undefined;
  return new DataView(request.buffer, request.byteOffset).getUint32(0, true);
}

/** What the driver says: the header, and data or ranges. `before`: bytes of the request that come before these. */
export function decodeBlockRequest(
  bytes: Uint8Array,
  before: number,
  request: Uint8Array | undefined,
): DecodedLayer[] {
  const layers: DecodedLayer[] = [];
  const headerBytes = Math.max(0, Math.min(Block.HEADER_BYTES - before, bytes.length));
  if (headerBytes > 0) layers.push(decodeHeader(bytes, before));
  if (bytes.length === headerBytes) return layers;
  const type = blockType(before === 0 ? bytes : request);
  if (type !== undefined && RANGES.includes(type)) {
    return [...layers, ...decodeSegments(bytes, headerBytes, before)];
  }
  const data = new LayerReader("Data to write", bytes, headerBytes, bytes.length, "5.2.6");
  data.rest("data", sizeShown);
  return [...layers, data.layer];
}

function decodeHeader(bytes: Uint8Array, before: number): DecodedLayer {
  const end = Block.HEADER_BYTES - before;
  const reader = new LayerReader("Block request header", bytes, 0, end, "5.2.6");
  if (before > 0) {
    reader.rest("the rest of it", sizeShown);
    return reader.layer;
  }
  reader.number("type", 4, (type) => ({
    value: String(type),
    meaning: BLOCK_TYPES[type] ? `${BLOCK_TYPES[type].constant}: ${BLOCK_TYPES[type].name}` : "not known",
  }));
  reader.number("reserved", 4);
  reader.wide("sector", (sector) => ({
    value: String(sector),
    meaning: `byte ${sector * BigInt(Block.SECTOR)} of the disk`,
  }));
  return reader.layer;
}

/** Of struct virtio_blk_discard_write_zeroes, from `from` on. */
function decodeSegments(bytes: Uint8Array, from: number, before: number): DecodedLayer[] {
  const { SEGMENT_BYTES, HEADER_BYTES } = Block;
  const layers: DecodedLayer[] = [];
  const misplaced = (before + from - HEADER_BYTES) % SEGMENT_BYTES;
  let at = misplaced === 0 ? from : from + SEGMENT_BYTES - misplaced;
  for (; at < bytes.length && layers.length < MOST_SEGMENTS; at += SEGMENT_BYTES) {
    const number = (before + at - HEADER_BYTES) / SEGMENT_BYTES + 1;
    const reader = new LayerReader(`Range ${number}`, bytes, at, at + SEGMENT_BYTES, "5.2.6");
    reader.wide("sector");
    reader.number("num_sectors", 4, (sectors) => ({
      value: String(sectors),
      meaning: count(sectors * Block.SECTOR, "byte"),
    }));
    reader.number("flags", 4, flags([[1, "unmap: the storage may be given back"]], 1));
    layers.push(reader.layer);
  }
  return layers;
}

/** What the device says: data, and the status in the last of the chain's writable bytes, of which there are `total`. */
export function decodeBlockAnswer(
  bytes: Uint8Array,
  before: number,
  request: Uint8Array | undefined,
  total = guessTotal(before + bytes.length, request),
): DecodedLayer[] {
  const layers: DecodedLayer[] = [];
  const dataEnd = Math.max(0, Math.min(bytes.length, (total ?? Infinity) - 1 - before));
  const isId = blockType(request) === Block.GET_ID;
  if (dataEnd > 0) {
    const reader = new LayerReader(isId ? "The disk's ID" : "Data read", bytes, 0, dataEnd, "5.2.6");
    if (isId) reader.rest("ID", (id) => textOf(untilZero(id)));
    else reader.rest("data", sizeShown);
    layers.push(reader.layer);
  }
  if (dataEnd < bytes.length) {
    const reader = new LayerReader("Block request status", bytes, dataEnd, dataEnd + 1, "5.2.6");
    reader.number("status", 1, (status) => ({
      value: hexShown(2)(status),
      meaning: BLOCK_STATUS[status] ?? "not written by the device yet, or not known",
    }));
    layers.push(reader.layer);
  }
  return layers;
}

/** Data comes in whole sectors and an ID in 20 bytes; one byte more is the status. Undefined: there is no telling. */
function guessTotal(end: number, request: Uint8Array | undefined): number | undefined {
  const data = blockType(request) === Block.GET_ID ? Block.ID_BYTES : Block.SECTOR;
  return (end - 1) % data === 0 ? end : undefined;
}

function untilZero(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
