import type { ChainView } from "../../inspect/api.ts";
import type { EventDetail } from "./time-model.ts";

/** Where a chain is, and what its bytes have to be read with. */
export interface ChainPlace {
  device: string;
  kind: string;
  queue: number;
  queueName: string;
  /** The feature bits that the driver accepted. */
  negotiated: bigint;
}

/** A chain as the page shows it: of the rings as they are, or as the trace has kept it. */
export interface ChainShown {
  place: ChainPlace;
  head: number;
  /** Its state, in words. */
  state: string;
  buffers: BufferShown[];
  /** Bytes of buffers that are not listed. */
  missing: number;
  /** Why it could not be followed to its end. */
  fault: string | undefined;
  /** The first bytes that the device could read, as the trace has kept them. */
  request: Uint8Array | undefined;
}

export interface BufferShown {
  address: number;
  length: number;
  /** For the device to write into. */
  writable: boolean;
  /** Bytes of the chain's buffers of the same direction that come before it. */
  offset: number;
  /** The beginning of its content as of the event; undefined: the trace has none of it. */
  sample: Uint8Array | undefined;
}

type BareBuffer = Pick<BufferShown, "address" | "length" | "writable">;

/** The chain of an event's request; undefined: it has none that the trace still has. */
export function chainOfEvent(
  { event, related }: EventDetail,
  placeOf: (device: string, queue: number) => ChainPlace,
): ChainShown | undefined {
  const request = event.requests?.first;
  const ofRequest = related.filter(
    ({ requests, device }) => device === event.device && requests?.first === request,
  );
  const chain = ofRequest.find((other) => other.kind === "chain");
  if (chain?.kind !== "chain") return undefined;
  const found = ofRequest.find((other) => other.kind === "used");
  const used = found?.kind === "used" ? found : undefined;
  const { device, queue, head, buffers, sample, readable, writable } = chain;
  const listed = buffers.reduce((sum, { length }) => sum + length, 0);
  return {
    place: placeOf(device, queue),
    head,
    state: used ? `given back, ${used.written} bytes written` : "taken by the device",
    buffers: placed(buffers, sample, used?.sample),
    missing: Math.max(0, readable + writable - listed),
    fault: undefined,
    request: sample,
  };
}

export function chainOfView(chain: ChainView | undefined, place: ChainPlace): ChainShown | undefined {
  if (!chain) return undefined;
  const { head, state, buffers, fault } = chain;
  return {
    place,
    head,
    state: state === "available" ? "available: waits for the device" : "in flight: the device has it",
    buffers: placed(buffers, undefined, undefined),
    missing: 0,
    fault,
    request: undefined,
  };
}

/** Samples run on over the buffers of their direction. */
function placed(
  buffers: readonly BareBuffer[],
  readable: Uint8Array | undefined,
  written: Uint8Array | undefined,
): BufferShown[] {
  const before = { written: 0, readable: 0 };
  return buffers.map((buffer) => {
    const way = buffer.writable ? "written" : "readable";
    const offset = before[way];
    before[way] += buffer.length;
    const sample = (buffer.writable ? written : readable)?.subarray(offset, offset + buffer.length);
    return { ...buffer, offset, sample: sample && sample.length > 0 ? sample : undefined };
  });
}
