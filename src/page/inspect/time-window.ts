import type { Timeline, TraceSummary } from "../../inspect/types.ts";

/** How much of a trace the timeline shows: its last seconds, or all of it. */
export const SPANS = [
  { seconds: 5, name: "5 s" },
  { seconds: 30, name: "30 s" },
  { seconds: undefined, name: "All" },
] as const;

export type Span = (typeof SPANS)[number]["seconds"];

/** From and to, microseconds; never empty. */
export interface TimeWindow {
  from: number;
  to: number;
}

/** Milliseconds: shorter ones show nothing. */
const LEAST = 1000;

/**
 * The window of a span that ends at the newest event, or, while an event is looked at, one in which that is seen: `before` as
 * long as the event is in it, otherwise with the event in its middle.
 */
export function windowOf(
  { firstTime, end }: Pick<TraceSummary, "firstTime" | "end">,
  span: Span,
  looking?: { time: number; before: TimeWindow | undefined },
): TimeWindow {
  const whole = { from: firstTime, to: Math.max(end, firstTime + LEAST) };
  if (span === undefined) return whole;
  const width = span * 1_000_000;
  const before = looking?.before;
  if (
    looking &&
    before &&
    before.to - before.from === width &&
    before.from <= looking.time &&
    looking.time <= before.to
  )
    return before;
  const to = looking ? Math.min(looking.time + width / 2, Math.max(end, firstTime + width)) : end;
  return { from: to - width, to };
}

/** Columns for the chart: seconds, then for each device its events in each bucket. */
export function timelineColumns({ from, to, devices }: Timeline): number[][] {
  const buckets = devices[0]?.events.length ?? 0;
  const width = (to - from) / Math.max(1, buckets);
  const times = Array.from({ length: buckets }, (_, at) => (from + at * width) / 1_000_000);
  return [times, ...devices.map(({ events }) => events)];
}

/**
 * Limits of a scale that puts a curve from 0 to `most` into one of `lanes` of equal height, counted from the top, with some air
 * above it.
 */
export function laneRange(lane: number, lanes: number, most: number): [min: number, max: number] {
  const height = Math.max(1, most) * 1.2;
  const below = lanes - 1 - lane;
  return [-below * height, (lanes - below) * height];
}

/** Which of two events around a moment is nearer; the earlier one when both are. */
export function nearest<Event extends { time: number }>(
  time: number,
  before: Event | undefined,
  after: Event | undefined,
): Event | undefined {
  if (!before || !after) return before ?? after;
  return after.time - time < time - before.time ? after : before;
}
