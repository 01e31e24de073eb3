import { Status } from "../../virtio/spec.ts";
import { featureTexts } from "../../virtio/view/feature-texts.ts";
import type { TracedDevice, TraceEvent } from "../types.ts";
import { decodeWirePacket } from "./buffer.ts";
import { answerSummary, chainSummary } from "./chain-summary.ts";
import { count, hex } from "./layer.ts";
import { packetSummary } from "./packet-summary.ts";
import { type QueueRole, queueRole } from "./roles.ts";

const KINDS = { blk: "block", net: "network", console: "console", rng: "entropy" } as const;

/** VIRTIO_NET_F_CTRL_VQ without MQ: what a queue's number says when nobody knows its name. */
const ONE_PAIR = 1n << 17n;

/**
 * An event as one plain sentence, for lists and screen readers: "The driver kicks queue 0 (requestq) of blk root".
 *
 * @param devices of the trace: with them queues have their names
 */
export function describeEvent(event: TraceEvent, devices: readonly TracedDevice[] = []): string {
  const device = devices.find(({ name }) => name === event.device);
  const of = event.device;
  switch (event.kind) {
    case "access":
      return event.write
        ? `The driver writes ${hex(event.value)} to ${event.register} of ${of}`
        : `The driver reads ${hex(event.value)} from ${event.register} of ${of}`;
    case "status":
      return describeStatus(event.from, event.to, of);
    case "features":
      if (event.refused !== undefined)
        return `The device refuses the features that the driver of ${of} accepts: ${event.refused}`;
      return `Driver and ${of} have agreed on ${featureNames(event.negotiated, kindOf(of, device))}`;
    case "queue":
      return event.enabled
        ? `The driver enables ${queueName(event.queue, device)} of ${of} with ${count(event.size, "entry").replace("entrys", "entries")}`
        : `The driver disables ${queueName(event.queue, device)} of ${of}`;
    case "kick":
      return `The driver kicks ${queueName(event.queue, device)} of ${of}`;
    case "chain": {
      const what = describeContent(event, devices);
      return `The device takes chain ${event.head} of ${queueName(event.queue, device)} of ${of}${after(what)}`;
    }
    case "used": {
      const what = describeContent(event, devices);
      const written = `${count(event.written, "byte")} written`;
      return `The device gives chain ${event.head} of ${queueName(event.queue, device)} of ${of} back, ${written}${after(what)}`;
    }
    case "interrupt":
      return event.suppressed
        ? `The device leaves out an interrupt for ${queueName(event.queue, device)} of ${of}: the driver does not want it`
        : `The device interrupts the driver of ${of}${causeOf(event, device)}`;
    case "delivery":
      return `The CPU takes the interrupt of ${of}${causeOf(event, device)}`;
    case "acknowledge":
      return `The driver acknowledges the interrupt of ${of}${acknowledged(event.isr)}`;
    case "frame": {
      const what = packetSummary(decodeWirePacket(event.sample));
      const way = event.direction === "in" ? `comes from the wire to ${of}` : `leaves ${of} for the wire`;
      return `A packet of ${count(event.length, "byte")} ${way}${after(what)}`;
    }
    case "reset":
      return `The device ${of} is reset`;
    case "violation":
      return `The driver of ${of} breaks section ${event.rule}: ${event.what}`;
  }
}

/** What a chain asks for, or what the device has answered: the end of the event's sentence; undefined: nobody knows. */
export function describeContent(
  event: Extract<TraceEvent, { kind: "chain" | "used" }>,
  devices: readonly TracedDevice[] = [],
): string | undefined {
  const device = devices.find(({ name }) => name === event.device);
  const role = roleOf(event.queue, event.device, device);
  if (event.kind === "chain") return chainSummary(role, event);
  return answerSummary(role, event.sample.subarray(0, event.written), event.written);
}

function describeStatus(from: number, to: number, of: string): string {
  if (to === 0) return `The status of ${of} is back to 0: it was reset`;
  const newly = to & ~from;
  const bits = Object.entries(Status)
    .filter(([, bit]) => newly & bit)
    .map(([name]) => name);
  const who = newly & Status.DEVICE_NEEDS_RESET ? "The device" : "The driver";
  return bits.length === 0
    ? `The status of ${of} goes from ${hex(from, 2)} to ${hex(to, 2)}`
    : `${who} sets ${bits.join(", ")} in the status of ${of}`;
}

/** @param negotiated hexadecimal digits, which a file may have anything for */
function featureNames(negotiated: string, kind: string): string {
  if (!/^[0-9a-f]{1,40}$/i.test(negotiated)) return "features that cannot be read";
  const features = BigInt(`0x${negotiated}`);
  const known = kind in KINDS ? featureTexts(KINDS[kind as keyof typeof KINDS]) : [];
  const names = known.filter(({ bit }) => (features >> BigInt(bit)) & 1n).map(({ name }) => name);
  if (names.length > 0) return names.join(", ");
  return features === 0n ? "no features" : `features 0x${features.toString(16)}`;
}

function queueName(index: number, device: TracedDevice | undefined): string {
  const name = device?.queues[index];
  return name === undefined ? `queue ${index}` : `queue ${index} (${name})`;
}

function causeOf(
  { cause, queue }: { cause: "queue" | "config"; queue: number },
  device: TracedDevice | undefined,
): string {
  return cause === "config"
    ? ": its configuration has changed"
    : `: ${queueName(queue, device)} has used buffers`;
}

function acknowledged(isr: number): string {
  const causes = [isr & 1 ? "a queue" : "", isr & 2 ? "the configuration" : ""].filter((text) => text !== "");
  return causes.length > 0 ? `, which was for ${causes.join(" and ")}` : "";
}

function roleOf(queue: number, name: string, device: TracedDevice | undefined): QueueRole | undefined {
  return queueRole(kindOf(name, device), device?.queues[queue] ?? queue, ONE_PAIR);
}

/** Of a device that the trace does not list its name tells, which begins with the kind. */
function kindOf(name: string, device: TracedDevice | undefined): string {
  return device?.kind ?? name.split(" ", 1)[0]!;
}

function after(what: string | undefined): string {
  return what === undefined ? "" : `: ${what}`;
}
