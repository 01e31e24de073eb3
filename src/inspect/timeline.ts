import { type EventLog, KIND } from "./log.ts";
import type { Timeline } from "./types.ts";

const MAXIMUM_BUCKETS = 2000;

/** Counts of the events in the log over time; zeroes where there are none any more. Bytes are those that chains and used elements moved. */
export function timelineOf(
  log: EventLog,
  devices: readonly string[],
  from: number,
  to: number,
  buckets: number,
): Timeline {
  const count = Math.min(Math.max(Math.floor(buckets) || 1, 1), MAXIMUM_BUCKETS);
  const zeroes = (): number[] => new Array<number>(count).fill(0);
  const rows = devices.map((name) => ({
    name,
    events: zeroes(),
    kicks: zeroes(),
    interrupts: zeroes(),
    bytes: zeroes(),
  }));
  const rowOf = new Map(rows.map((row) => [log.devices.find(row.name), row]));
  if (to > from) {
    const scale = count / (to - from);
    const end = log.placeAt(to);
    for (let place = log.placeAt(from); place < end; place++) {
      const row = rowOf.get(log.device(place));
      if (!row) continue;
      const bucket = Math.min(Math.floor((log.time(place) - from) * scale), count - 1);
      const kind = log.kind(place);
      row.events[bucket]!++;
      if (kind === KIND.kick) row.kicks[bucket]!++;
      if (kind === KIND.interrupt && !log.suppressed(place)) row.interrupts[bucket]!++;
      row.bytes[bucket]! += log.moved(place);
    }
  }
  return { from, to, devices: rows };
}
