import type { RequestRecord, TraceEvent } from "../../inspect/types.ts";

/** The stations of a request, in their order, and on which side of the line each begins. */
export const STATIONS = [
  { key: "kick", name: "Kick", from: "guest" },
  { key: "chain", name: "Chain taken", from: "guest" },
  { key: "used", name: "Used element", from: "device" },
  { key: "interrupt", name: "Interrupt", from: "device" },
  { key: "delivery", name: "Delivery", from: "device" },
] as const;

export interface Station {
  key: (typeof STATIONS)[number]["key"];
  name: string;
  from: "guest" | "device";
  /** Undefined: it did not happen (yet), or is no longer in the trace. */
  seq: number | undefined;
  /** Microseconds since the trace began. */
  time: number | undefined;
  /** Microseconds since the station before that has a time. */
  since: number | undefined;
  /** Why there is none. */
  missing: string | undefined;
}

/** A request as a sequence of stations. `events` are those related to it, in any order. */
export function sequenceOf(request: RequestRecord, events: readonly TraceEvent[]): Station[] {
  const bySeq = new Map(events.map((event) => [event.seq, event]));
  let before: number | undefined;
  return STATIONS.map(({ key, name, from }) => {
    const seq = request[key];
    const event = seq === undefined ? undefined : bySeq.get(seq);
    const time = event?.time;
    const since = time === undefined || before === undefined ? undefined : Math.max(0, time - before);
    if (time !== undefined) before = time;
    return { key, name, from, seq: event && seq, time, since, missing: missing(key, request, event) };
  });
}

/** The event of the same request before (-1) or after (1) one; undefined at its end. */
export function neighbour(events: readonly TraceEvent[], seq: number, step: -1 | 1): number | undefined {
  const at = events.findIndex((event) => event.seq === seq);
  return at < 0 ? undefined : events[at + step]?.seq;
}

function missing(
  key: Station["key"],
  request: RequestRecord,
  event: TraceEvent | undefined,
): string | undefined {
  if (event) return undefined;
  if (request[key] !== undefined) return "no longer in the trace";
  switch (key) {
    case "kick":
      return "none was needed";
    case "chain":
    case "used":
      return "not yet";
    case "interrupt":
      return request.used === undefined ? "not yet" : "none, or not yet";
    case "delivery":
      return "not seen: only while stepping to it";
  }
}
