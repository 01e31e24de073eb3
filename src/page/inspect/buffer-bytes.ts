import { decodeBuffer, type DecodedLayer } from "../../inspect/decode/buffer.ts";
import type { ChainShown } from "./chain-shown.ts";

/** Of a buffer, as much as one reads. */
export const MOST_BYTES = 4096;
/** Of a chain's first bytes, which say what the others are: a block request's header. */
const REQUEST_BYTES = 16;

/** A buffer's bytes, and those that say what they are. */
export interface BufferBytes {
  bytes: Uint8Array;
  request: Uint8Array | undefined;
  /** They are what is there now, not what crossed the line. */
  now: boolean;
}

/** As the trace has kept them; undefined: it has none of this buffer. */
export function keptBytes({ buffers, request }: ChainShown, at: number): BufferBytes | undefined {
  const bytes = buffers[at]?.sample;
  return bytes && { bytes, request, now: false };
}

/** As they are in guest memory now. */
export async function memoryBytes(
  { buffers, request }: ChainShown,
  at: number,
  memory: (address: number, length: number) => Promise<Uint8Array>,
): Promise<BufferBytes> {
  const { address, length } = buffers[at]!;
  const first = request ? undefined : buffers.find(({ writable }) => !writable);
  const [bytes, read] = await Promise.all([
    memory(address, Math.min(length, MOST_BYTES)),
    first && memory(first.address, Math.min(first.length, REQUEST_BYTES)),
  ]);
  return { bytes, request: request ?? read, now: true };
}

/** What the bytes are, structure by structure. */
export function decoded(chain: ChainShown, at: number, { bytes, request }: BufferBytes): DecodedLayer[] {
  const { place, buffers, missing } = chain;
  const { writable, offset } = buffers[at]!;
  const same = buffers.filter((other) => other.writable === writable);
  return decodeBuffer({
    kind: place.kind,
    queue: place.queueName,
    writable,
    negotiated: place.negotiated,
    offsetInChain: offset,
    bytes,
    request,
    total: missing > 0 ? undefined : same.reduce((sum, { length }) => sum + length, 0),
  });
}
