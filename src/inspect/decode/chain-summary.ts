import { Block } from "../../virtio/spec.ts";
import { BLOCK_STATUS, BLOCK_TYPES, blockType } from "./block.ts";
import { decodeBuffer } from "./buffer.ts";
import { consoleControlName } from "./console.ts";
import { count } from "./layer.ts";
import { controlName } from "./net-control.ts";
import { packetSummary } from "./packet-summary.ts";
import type { QueueRole } from "./roles.ts";
import { textOf } from "./text.ts";

/** Console text in a sentence. */
const LONGEST_TEXT = 40;
/** VIRTIO_F_VERSION_1: nearly all drivers have it, and an event does not tell. */
const MODERN = 1n << 32n;

/** What a chain asks for, as far as its first readable bytes (`sample`) tell; its parts in bytes. */
export function chainSummary(
  role: QueueRole | undefined,
  { sample, readable, writable }: { sample: Uint8Array; readable: number; writable: number },
): string | undefined {
  switch (role) {
    case "block":
      return blockSummary(sample, readable, writable);
    case "receive":
      return `room for ${count(writable, "byte")} of a packet`;
    case "transmit":
      return packetOf("transmitq", sample);
    case "net control":
      return controlName(sample);
    case "console":
      return readable > 0 ? quoted(sample, readable) : `room for ${count(writable, "byte")}`;
    case "console control":
      return readable > 0 ? consoleControlName(sample) : "room for a message";
    case "entropy":
      return `${count(writable, "random byte")} wanted`;
    case undefined:
      return undefined;
  }
}

/** What the device answered, as far as the first bytes that it wrote (`sample`) tell. */
export function answerSummary(
  role: QueueRole | undefined,
  sample: Uint8Array,
  written: number,
): string | undefined {
  if (written === 0 || sample.length === 0) return undefined;
  switch (role) {
    case "block":
      // Only without data is the first byte the status.
      return written === 1 ? BLOCK_STATUS[sample[0]!] : undefined;
    case "receive":
      return packetOf("receiveq", sample);
    case "net control":
      return sample[0] === 0 ? "VIRTIO_NET_OK" : "VIRTIO_NET_ERR";
    case "console":
      return quoted(sample, written);
    case "console control":
      return consoleControlName(sample);
    default:
      return undefined;
  }
}

function blockSummary(sample: Uint8Array, readable: number, writable: number): string | undefined {
  const type = blockType(sample);
  if (type === undefined) return undefined;
  const name = BLOCK_TYPES[type]?.name ?? `request of type ${type}`;
  if (sample.length < Block.HEADER_BYTES) return name;
  const view = new DataView(sample.buffer, sample.byteOffset, sample.length);
  const sector = view.getBigUint64(8, true);
  if (type === Block.IN) return `${name} of ${sectors(writable - 1)} from sector ${sector}`;
  if (type === Block.OUT) return `${name} of ${sectors(readable - Block.HEADER_BYTES)} from sector ${sector}`;
  const ranges = Math.floor((readable - Block.HEADER_BYTES) / Block.SEGMENT_BYTES);
  if (ranges < 1 || type === Block.FLUSH || type === Block.GET_ID) return name;
  if (ranges > 1 || sample.length < Block.HEADER_BYTES + 12) return `${name} of ${count(ranges, "range")}`;
  const first = view.getBigUint64(Block.HEADER_BYTES, true);
  return `${name} of ${count(view.getUint32(Block.HEADER_BYTES + 8, true), "sector")} from sector ${first}`;
}

function sectors(bytes: number): string {
  if (bytes < 0) return "nothing";
  return bytes % Block.SECTOR === 0 ? count(bytes / Block.SECTOR, "sector") : count(bytes, "byte");
}

function packetOf(queue: string, bytes: Uint8Array): string | undefined {
  const writable = queue === "receiveq";
  return packetSummary(
    decodeBuffer({ kind: "net", queue, writable, negotiated: MODERN, offsetInChain: 0, bytes }),
  );
}

function quoted(sample: Uint8Array, length: number): string {
  const bytes = sample.subarray(0, Math.min(length, LONGEST_TEXT));
  return `${count(length, "byte")}, “${textOf(bytes)}${length > bytes.length ? "…" : ""}”`;
}
