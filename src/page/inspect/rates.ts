import type { Histogram, TraceStatistics, TraceSummary } from "../../inspect/types.ts";

/** What a queue, or the whole machine, had done by a moment. */
interface Reading {
  /** Microseconds since the trace began. */
  time: number;
  events: number;
  bytes: number;
  depth: number;
}

export interface QueueName {
  device: string;
  queue: number;
}

/** Seconds, then events a second (of all devices), bytes a second and depth (of one queue): for the charts. */
export type RateColumns = [time: number[], events: number[], bytes: number[], depth: number[]];

/** Moments that are kept: two minutes at the ten updates a second that there are at most. */
const MOST = 1200;

/** The last minutes of a trace's counters, from which rates are made. Bounded. */
export class RateHistory {
  readonly #readings: {
    time: number;
    next: number;
    queues: Map<string, { bytes: number; depth: number }>;
  }[] = [];

  /** Takes what is known now. Moments that are not after the last one (another trace began) forget what there was. */
  add(summary: Pick<TraceSummary, "next">, { time, devices }: TraceStatistics): void {
    const last = this.#readings.at(-1);
    if (last && (time < last.time || summary.next < last.next)) this.#readings.length = 0;
    if (last?.time === time) return;
    const queues = new Map<string, { bytes: number; depth: number }>();
    for (const device of devices)
      for (const { index, bytesRead, bytesWritten, depth } of device.queues)
        queues.set(keyOf({ device: device.name, queue: index }), { bytes: bytesRead + bytesWritten, depth });
    this.#readings.push({ time, next: summary.next, queues });
    if (this.#readings.length > MOST) this.#readings.shift();
  }

  columns(name: QueueName | undefined): RateColumns {
    const key = name && keyOf(name);
    const readings = this.#readings.map(({ time, next, queues }): Reading => {
      const queue = key === undefined ? undefined : queues.get(key);
      return { time, events: next, bytes: queue?.bytes ?? 0, depth: queue?.depth ?? 0 };
    });
    const columns: RateColumns = [[], [], [], []];
    for (let at = 1; at < readings.length; at++) {
      const [before, now] = [readings[at - 1]!, readings[at]!];
      const seconds = (now.time - before.time) / 1_000_000;
      columns[0].push(now.time / 1_000_000);
      columns[1].push(Math.max(0, now.events - before.events) / seconds);
      columns[2].push(Math.max(0, now.bytes - before.bytes) / seconds);
      columns[3].push(now.depth);
    }
    return columns;
  }
}

/** Of a histogram: how many there are, their mean, and the bucket's upper end below which 50 and 99 of 100 are; microseconds. */
export function digest({ counts, total, maximum }: Histogram): {
  count: number;
  mean: number;
  median: number;
  p99: number;
  maximum: number;
} {
  const count = counts.reduce((sum, bucket) => sum + bucket, 0);
  const below = (share: number): number => {
    let seen = 0;
    const at = counts.findIndex((bucket) => (seen += bucket) >= share * count);
    return Math.min(2 ** Math.max(0, at), maximum);
  };
  if (count === 0) return { count, mean: 0, median: 0, p99: 0, maximum: 0 };
  return { count, mean: total / count, median: below(0.5), p99: below(0.99), maximum };
}

/** Columns for a chart of two histograms over the same buckets: the exponents, then the counts; empty ends are left out. */
export function histogramColumns(guest: Histogram, device: Histogram): number[][] {
  const used = [...guest.counts.keys(), ...device.counts.keys()].filter(
    (at) => (guest.counts[at] ?? 0) + (device.counts[at] ?? 0) > 0,
  );
  const first = Math.max(0, Math.min(...used, 20) - 1);
  const last = Math.max(...used, first + 4) + 1;
  const buckets = Array.from({ length: last - first + 1 }, (_, at) => first + at);
  return [buckets, ...[guest, device].map(({ counts }) => buckets.map((at) => counts[at] ?? 0))];
}

function keyOf({ device, queue }: QueueName): string {
  return `${queue}:${device}`;
}
