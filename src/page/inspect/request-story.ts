import { describeContent } from "../../inspect/decode/describe.ts";
import type { QueueView } from "../../inspect/api.ts";
import type { RequestRecord, TracedDevice, TraceEvent } from "../../inspect/types.ts";
import { formatAddress } from "./hex.ts";
import type { EventDetail } from "./time-model.ts";

/** One step of a request's way. */
export interface StoryStep {
  key: "descriptors" | "kick" | "device" | "used" | "interrupt";
  name: string;
  /** Where it happens: in the guest, across the line, or in the hypervisor. */
  way: "guest" | "to-device" | "device" | "to-guest";
  /** Its event; undefined: there is none (any more). */
  seq: number | undefined;
  /** Microseconds since the step before that has a time. */
  since: number | undefined;
  /** In words. */
  says: string;
  /** Where it is in the rings; undefined: nobody knows. */
  place: string | undefined;
  /** With descriptors: what they point to. */
  buffers: readonly { address: number; length: number; writable: boolean }[];
  /** The first bytes that go over the line with it. */
  bytes: Uint8Array | undefined;
}

/** Bytes that are shown of a sample. */
const BYTES = 16;
/** The newest used elements among which a request's is looked for. */
const USED_LOOKED_AT = 64;

export interface StoryPlace {
  devices: readonly TracedDevice[];
  /** The rings of the request's queue as they are now; undefined: nobody knows. */
  view: QueueView | undefined;
}

/**
 * A request from the driver's descriptors to the interrupt, always the same five steps in the order in which virtio has them.
 * Undefined when the event belongs to none that the trace still has.
 */
export function storyOf(detail: EventDetail, { devices, view }: StoryPlace): StoryStep[] | undefined {
  const { request, related } = detail;
  if (!request) return undefined;
  const at = (seq: number | undefined) => related.find((event) => event.seq === seq);
  const [kick, chain, used] = [at(request.kick), at(request.chain), at(request.used)];
  const interrupt = at(request.interrupt) ?? at(request.delivery) ?? suppressed(request, related);
  if (chain?.kind !== "chain") return undefined;
  const given = used?.kind === "used" ? used : undefined;
  const times = timed([kick, chain, used, interrupt]);
  return [
    {
      key: "descriptors",
      name: "Descriptors",
      way: "guest",
      seq: chain.seq,
      since: undefined,
      says: descriptorsWords(request, view),
      place: undefined,
      buffers: chain.buffers,
      bytes: some(chain.sample),
    },
    {
      ...step("kick", "Kick", "to-device", kick, times[0]),
      says: kick
        ? `the driver writes ${request.queue} to ${doorbell(request, devices)}`
        : "not needed: the device was at it",
    },
    {
      ...step("device", "Device", "device", chain, times[1]),
      says: describeContent(chain, devices) ?? `takes chain ${request.head}`,
    },
    {
      ...step("used", "Used element", "to-guest", used, times[2]),
      says: given ? `id ${request.head}, len ${request.written}` : "not yet: the device has it",
      place: given && usedPlace(request, view),
      bytes: given && some(given.sample.subarray(0, given.written)),
    },
    {
      ...step("interrupt", "Interrupt", "to-guest", interrupt, times[3]),
      says: interruptWords(request, interrupt),
    },
  ];
}

/** The notification register, as its transport calls it. */
function doorbell({ device }: RequestRecord, devices: readonly TracedDevice[]): string {
  const transport = devices.find(({ name }) => name === device)?.transport ?? "";
  return transport.startsWith("mmio") ? "QueueNotify" : "queue_notify";
}

function step(
  key: StoryStep["key"],
  name: string,
  way: StoryStep["way"],
  event: TraceEvent | undefined,
  since: number | undefined,
): Omit<StoryStep, "says"> {
  return { key, name, way, seq: event?.seq, since, place: undefined, buffers: [], bytes: undefined };
}

/** One that the driver did not want is not of the request: it is the decision that follows its used element. */
function suppressed({ used, queue, device }: RequestRecord, related: readonly TraceEvent[]) {
  return related.find(
    (event) =>
      event.kind === "interrupt" &&
      event.suppressed &&
      event.device === device &&
      event.queue === queue &&
      used !== undefined &&
      event.seq > used,
  );
}

function timed(events: readonly (TraceEvent | undefined)[]): (number | undefined)[] {
  let before: number | undefined;
  return events.map((event) => {
    if (!event) return undefined;
    const since = before === undefined ? undefined : Math.max(0, event.time - before);
    before = event.time;
    return since;
  });
}

function descriptorsWords({ head }: RequestRecord, view: QueueView | undefined): string {
  if (view?.layout !== "split") return `chain ${head}`;
  return `chain ${head}, at ${formatAddress(view.descriptorTable.address + 16n * BigInt(head))}`;
}

function usedPlace({ head, written }: RequestRecord, view: QueueView | undefined): string | undefined {
  if (view?.layout !== "split") return undefined;
  const { size, used } = view;
  for (let back = 1; back <= Math.min(size, USED_LOOKED_AT); back++) {
    const at = (used.idx - back + 0x10000) % size;
    const element = used.ring[at];
    if (element?.id === head && element.len === written)
      return `entry ${at} of the used ring, at ${formatAddress(used.address + 4n + 8n * BigInt(at))}`;
  }
  return undefined;
}

function interruptWords({ used, delivery }: RequestRecord, event: TraceEvent | undefined): string {
  if (!event) return used === undefined ? "not yet" : "none, or not yet";
  if (event.kind === "interrupt" && event.suppressed) return "left out: the driver does not want one";
  return delivery === undefined ? "for the driver's handler" : "the CPU has taken it";
}

function some(bytes: Uint8Array): Uint8Array | undefined {
  return bytes.length > 0 ? bytes.subarray(0, BYTES) : undefined;
}
