import { describeContent } from "../../inspect/decode/describe.ts";
import type { EventKind, TracedDevice, TraceEvent } from "../../inspect/types.ts";
import { eventLine } from "./event-words.ts";

const NAMES: Readonly<Record<Exclude<EventKind, "access" | "interrupt" | "frame">, string>> = {
  status: "Device status",
  features: "Features",
  queue: "Queue set up",
  kick: "Kick",
  chain: "Chain taken",
  used: "Used element",
  delivery: "Delivery",
  acknowledge: "Acknowledged",
  reset: "Reset",
  violation: "Violation",
};

/** What a crossing is, in a word or two: the first line of its row. */
export function shortName(event: TraceEvent): string {
  switch (event.kind) {
    case "access":
      return "Register";
    case "interrupt":
      return event.suppressed ? "No interrupt" : "Interrupt";
    case "frame":
      return event.direction === "in" ? "Frame in" : "Frame out";
    default:
      return NAMES[event.kind];
  }
}

/** What it says: the second line. All of it is in the row's sentence (describeEvent). */
export function shortWords(event: TraceEvent, devices: readonly TracedDevice[]): string {
  switch (event.kind) {
    case "kick":
      return queueName(event, devices);
    case "chain":
    case "used": {
      const place = `chain ${event.head}`;
      const content = describeContent(event, devices);
      if (content !== undefined) return `${content} (${place})`;
      return event.kind === "used"
        ? `${place}: ${event.written} bytes written`
        : `${place}, ${queueName(event, devices)}`;
    }
    case "interrupt":
    case "delivery":
      if (event.cause === "config") return "the configuration has changed";
      if (event.kind === "interrupt" && event.suppressed) return `${queueName(event, devices)}: not wanted`;
      return queueName(event, devices);
    case "reset":
      return "back to the beginning";
    default:
      return eventLine(event);
  }
}

function queueName(
  { device, queue }: { device: string; queue: number },
  devices: readonly TracedDevice[],
): string {
  const name = devices.find((known) => known.name === device)?.queues[queue];
  return name === undefined ? `queue ${queue}` : `queue ${queue}, ${name}`;
}
