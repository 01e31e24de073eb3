import type { Breakpoint, EventKind, TraceEvent } from "../../inspect/types.ts";

/** A breakpoint as somebody types it: every part a text, empty for "any". */
export interface BreakpointDraft {
  device: string;
  queue: string;
  kind: string;
  register: string;
  /** `2048` or `2048-4095`. */
  sectors: string;
  /** Hexadecimal with 0x, decimal, or one of ETHER_TYPES. */
  etherType: string;
}

export type DraftField = keyof BreakpointDraft;

export type DraftResult =
  | { ok: true; breakpoint: Omit<Breakpoint, "id" | "enabled"> }
  /** A sentence for each part that is wrong. */
  | { ok: false; problems: Partial<Record<DraftField, string>> };

export const EMPTY_DRAFT: BreakpointDraft = {
  device: "",
  queue: "",
  kind: "",
  register: "",
  sectors: "",
  etherType: "",
};

/** What can be broken on, in the order of a request's life, and how the page calls it. */
export const EVENT_KINDS: readonly { kind: EventKind; name: string }[] = [
  { kind: "kick", name: "kick" },
  { kind: "chain", name: "chain taken" },
  { kind: "used", name: "chain given back" },
  { kind: "interrupt", name: "interrupt" },
  { kind: "delivery", name: "interrupt taken by the CPU" },
  { kind: "acknowledge", name: "interrupt acknowledged" },
  { kind: "access", name: "register access" },
  { kind: "status", name: "device status" },
  { kind: "features", name: "features negotiated" },
  { kind: "queue", name: "queue set up" },
  { kind: "frame", name: "Ethernet frame" },
  { kind: "reset", name: "reset" },
  { kind: "violation", name: "violation" },
];

/** As people call them (IEEE 802 numbers). */
export const ETHER_TYPES: readonly { name: string; value: number }[] = [
  { name: "IPv4", value: 0x0800 },
  { name: "ARP", value: 0x0806 },
  { name: "VLAN", value: 0x8100 },
  { name: "IPv6", value: 0x86dd },
];

const QUEUED: readonly EventKind[] = ["queue", "kick", "chain", "used", "interrupt", "delivery"];

/** Checks a draft. Whatever is given has to match; a draft with nothing in it is refused: it would stop at every crossing. */
export function parseBreakpoint(draft: BreakpointDraft): DraftResult {
  const problems: Partial<Record<DraftField, string>> = {};
  const { device, register } = trimmed(draft);
  const kind = EVENT_KINDS.find((known) => known.kind === draft.kind)?.kind;
  const queue = parseQueue(draft.queue.trim());
  const sectors = parseSectors(draft.sectors.trim());
  const etherType = parseEtherType(draft.etherType.trim());

  if (draft.kind !== "" && !kind) problems.kind = "There is no such kind of event.";
  if (queue === null) problems.queue = "A queue is a number from 0 to 65535.";
  if (sectors === null) problems.sectors = "Sectors are a number, or first and last as in 2048-4095.";
  if (etherType === null)
    problems.etherType = "An EtherType is a number from 0x0600 to 0xffff, or a name such as ARP.";
  if (register !== "" && !/^[\w.[\] -]{1,64}$/.test(register))
    problems.register = "A register is named as in device_status.";

  if (kind && kind !== "access" && register !== "")
    problems.register ??= "Only a register access has a register.";
  if (kind && !QUEUED.includes(kind) && typeof queue === "number")
    problems.queue ??= "Events of this kind belong to no queue.";
  if (kind && !["chain", "used"].includes(kind) && sectors)
    problems.sectors ??= "Only a chain that is taken or given back has sectors.";
  if (kind && !["chain", "used", "frame"].includes(kind) && typeof etherType === "number")
    problems.etherType ??= "Only a chain or a frame has an EtherType.";
  if (sectors && typeof etherType === "number")
    problems.etherType ??= "Nothing has both sectors and an EtherType.";
  if (Object.keys(problems).length > 0) return { ok: false, problems };

  const breakpoint = {
    ...(device !== "" && { device }),
    ...(typeof queue === "number" && { queue }),
    ...(kind && { kind }),
    ...(register !== "" && { register }),
    ...(sectors && { sectors }),
    ...(typeof etherType === "number" && { etherType }),
  };
  if (Object.keys(breakpoint).length === 0)
    return { ok: false, problems: { kind: "Say what to stop at; everything at once is “Next crossing”." } };
  return { ok: true, breakpoint };
}

export function draftOf(breakpoint: Omit<Breakpoint, "id" | "enabled">): BreakpointDraft {
  const { device, queue, kind, register, sectors, etherType } = breakpoint;
  return {
    device: device ?? "",
    queue: queue?.toString() ?? "",
    kind: kind ?? "",
    register: register ?? "",
    sectors: sectors ? sectorText(sectors) : "",
    etherType: etherType === undefined ? "" : etherTypeText(etherType),
  };
}

/** One that stops at events like this one: same kind, device and queue; of an access, the same register. */
export function breakpointLike(event: TraceEvent): Omit<Breakpoint, "id" | "enabled"> {
  const { device, kind } = event;
  if (kind === "access") return { device, kind, register: event.register };
  if (kind === "interrupt" || kind === "delivery")
    return event.cause === "queue" ? { device, kind, queue: event.queue } : { device, kind };
  if ("queue" in event && event.queue !== undefined && QUEUED.includes(kind))
    return { device, kind, queue: event.queue };
  return { device, kind };
}

/** In words: `kick, console0, queue 1`. */
export function describeBreakpoint(breakpoint: Omit<Breakpoint, "id" | "enabled">): string {
  const { device, queue, kind, register, sectors, etherType } = breakpoint;
  const parts = [
    EVENT_KINDS.find((known) => known.kind === kind)?.name ?? "any event",
    device,
    queue !== undefined && `queue ${queue}`,
    register !== undefined && `register ${register}`,
    sectors &&
      (sectors.first === sectors.last ? `sector ${sectors.first}` : `sectors ${sectorText(sectors)}`),
    etherType !== undefined && `EtherType ${etherTypeText(etherType)}`,
  ];
  return parts.filter(Boolean).join(", ");
}

function trimmed({ device, register }: BreakpointDraft): { device: string; register: string } {
  return { device: device.trim(), register: register.trim() };
}

/** Undefined: none given; null: wrong. So with the next two. */
function parseQueue(text: string): number | undefined | null {
  if (text === "") return undefined;
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535 ? Number(text) : null;
}

function parseSectors(text: string): { first: number; last: number } | undefined | null {
  if (text === "") return undefined;
  const match = /^(\d+)(?:\s*[-–]\s*(\d+))?$/.exec(text);
  if (!match) return null;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return Number.isSafeInteger(last) && first <= last ? { first, last } : null;
}

function parseEtherType(text: string): number | undefined | null {
  if (text === "") return undefined;
  const known = ETHER_TYPES.find(({ name }) => name.toLowerCase() === text.toLowerCase());
  if (known) return known.value;
  if (!/^(0x[\da-f]{1,4}|\d{1,5})$/i.test(text)) return null;
  const value = Number(text);
  return value >= 0x600 && value <= 0xffff ? value : null;
}

function sectorText({ first, last }: { first: number; last: number }): string {
  return first === last ? `${first}` : `${first}-${last}`;
}

function etherTypeText(value: number): string {
  const known = ETHER_TYPES.find((type) => type.value === value);
  return known?.name ?? `0x${value.toString(16).padStart(4, "0")}`;
}
