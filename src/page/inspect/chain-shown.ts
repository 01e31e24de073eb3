import type { ChainView } from "../../inspect/api.ts";
import type { EventDetail } from "./time-model.ts";

/** A chain as the page shows it: of the rings as they are, or as the trace has kept it. */
export interface ChainShown {
  device: string;
  kind: string | undefined;
  queue: number;
  head: number;
  /** Its state, in words. */
  state: string;
  buffers: BufferShown[];
  /** Bytes of buffers that are not listed. */
  missing: number;
  /** Why it could not be followed to its end. */
  fault: string | undefined;
  /** The first bytes that the device could read, and that it wrote, as the trace has kept them. */
  readable: Uint8Array | undefined;
  written: Uint8Array | undefined;
  /** How many it wrote; undefined: it has not given it back. */
  writtenLength: number | undefined;
}

export interface BufferShown {
  address: number;
  length: number;
  /** For the device to write into. */
  writable: boolean;
  /** The beginning of its content as of the event; undefined: the trace has none of it. */
  sample: Uint8Array | undefined;
}

/** The chain of an event's request; undefined: it has none that the trace still has. */
export function chainOfEvent(
  { event, related }: EventDetail,
  kind: string | undefined,
): ChainShown | undefined {
  const request = event.requests?.first;
  const ofRequest = related.filter(
    ({ requests, device }) => device === event.device && requests?.first === request,
  );
  const chain = ofRequest.find((other) => other.kind === "chain");
  if (chain?.kind !== "chain") return undefined;
  const used = ofRequest.find((other) => other.kind === "used");
  const { device, queue, head, buffers, sample, readable, writable } = chain;
  const written = used?.kind === "used" ? used.sample : undefined;
  const listed = buffers.reduce((sum, { length }) => sum + length, 0);
  return {
    device,
    kind,
    queue,
    head,
    state: used?.kind === "used" ? `given back, ${used.written} bytes written` : "taken by the device",
    buffers: withSamples(buffers, sample, written),
    missing: Math.max(0, readable + writable - listed),
    fault: undefined,
    readable: sample,
    written,
    writtenLength: used?.kind === "used" ? used.written : undefined,
  };
}

export function chainOfView(
  chain: ChainView | undefined,
  device: string | undefined,
  queue: number,
  kind: string | undefined,
): ChainShown | undefined {
  if (!chain || device === undefined) return undefined;
  const { head, state, buffers, fault } = chain;
  return {
    device,
    kind,
    queue,
    head,
    state: state === "available" ? "available: waits for the device" : "in flight: the device has it",
    buffers: buffers.map((buffer) => ({ ...buffer, sample: undefined })),
    missing: 0,
    fault,
    readable: undefined,
    written: undefined,
    writtenLength: undefined,
  };
}

/** The samples run on over the buffers, first the readable ones. */
function withSamples(
  buffers: readonly Omit<BufferShown, "sample">[],
  readable: Uint8Array,
  written: Uint8Array | undefined,
): BufferShown[] {
  const at = { readable: 0, written: 0 };
  return buffers.map((buffer) => {
    const way = buffer.writable ? "written" : "readable";
    const from = buffer.writable ? written : readable;
    const sample = from?.subarray(at[way], at[way] + buffer.length);
    at[way] += buffer.length;
    return { ...buffer, sample: sample && sample.length > 0 ? sample : undefined };
  });
}
