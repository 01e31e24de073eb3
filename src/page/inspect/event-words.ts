import type { TraceEvent } from "../../inspect/types.ts";
import { formatBytes } from "../format.ts";
import { EVENT_KINDS } from "./breakpoint-form.ts";

/** A value of an event, and what it is called. */
export type EventField = readonly [name: string, value: string];

export function kindName(event: Pick<TraceEvent, "kind">): string {
  return EVENT_KINDS.find(({ kind }) => kind === event.kind)?.name ?? event.kind;
}

/** What an event says besides its time, device and kind. */
export function eventFields(event: TraceEvent): EventField[] {
  switch (event.kind) {
    case "access":
      return [
        ["register", event.register],
        [event.write ? "written" : "read", hex(event.value)],
        ["offset", hex(event.offset)],
        ["width", `${event.width} B`],
      ];
    case "status":
      return [
        ["from", hex(event.from)],
        ["to", hex(event.to)],
      ];
    case "features":
      return [
        ["negotiated", `0x${event.negotiated}`],
        ...(event.refused === undefined ? [] : ([["refused", event.refused]] as const)),
      ];
    case "queue":
      return [
        ["queue", `${event.queue}`],
        ["size", `${event.size}`],
        ["enabled", event.enabled ? "yes" : "no"],
      ];
    case "kick":
      return [["queue", `${event.queue}`]];
    case "chain":
      return [
        ["queue", `${event.queue}`],
        ["head", `${event.head}`],
        ["readable", formatBytes(event.readable)],
        ["writable", formatBytes(event.writable)],
      ];
    case "used":
      return [
        ["queue", `${event.queue}`],
        ["head", `${event.head}`],
        ["written", formatBytes(event.written)],
      ];
    case "interrupt":
      return [...causeOf(event), ["suppressed", event.suppressed ? "yes" : "no"]];
    case "delivery":
      return causeOf(event);
    case "acknowledge":
      return [["ISR", hex(event.isr)]];
    case "frame":
      return [
        ["direction", event.direction === "in" ? "to the guest" : "from the guest"],
        ["length", formatBytes(event.length)],
      ];
    case "reset":
      return [];
    case "violation":
      return [
        ["section", event.rule],
        ["seen", event.what],
        ...(event.queue === undefined ? [] : ([["queue", `${event.queue}`]] as const)),
        ...(event.descriptor === undefined ? [] : ([["descriptor", `${event.descriptor}`]] as const)),
      ];
  }
}

/** The fields in one line, for a row of a list. */
export function eventLine(event: TraceEvent): string {
  switch (event.kind) {
    case "access":
      return `${event.register} ${event.write ? "←" : "→"} ${hex(event.value)}`;
    case "status":
      return `${hex(event.from)} → ${hex(event.to)}`;
    case "interrupt":
      return `${causeOf(event)[0]!.join(" ")}${event.suppressed ? ", suppressed" : ""}`;
    case "violation":
      return event.what;
    default:
      return eventFields(event)
        .map(([name, value]) => `${name} ${value}`)
        .join(", ");
  }
}

function causeOf(event: { cause: "queue" | "config"; queue: number }): EventField[] {
  return event.cause === "queue" ? [["queue", `${event.queue}`]] : [["because of", "the configuration"]];
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
