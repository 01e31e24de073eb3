/** What the time and the number views calculate before they draw. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RequestRecord, TraceEvent, TraceStatistics } from "../../src/inspect/types.ts";
import { formatDuration, formatMoment } from "../../src/page/inspect/duration.ts";
import { digest, histogramColumns, RateHistory } from "../../src/page/inspect/rates.ts";
import { rowsInSight, scrollTo } from "../../src/page/inspect/rows.ts";
import { neighbour, sequenceOf } from "../../src/page/inspect/sequence.ts";
import { laneRange, nearest, timelineColumns, windowOf } from "../../src/page/inspect/time-window.ts";

const SECOND = 1_000_000;

describe("durations", () => {
  it("have few figures", () => {
    const texts = [0, 1, 999, 1500, 12_340, 123_400, 1_250_000].map(formatDuration);
    assert.deepEqual(texts, ["< 1 µs", "1 µs", "999 µs", "1.50 ms", "12.3 ms", "123 ms", "1.25 s"]);
    assert.equal(formatMoment(12_345_678), "12.345678");
  });
});

describe("the timeline's window", () => {
  const trace = { firstTime: 2 * SECOND, end: 40 * SECOND };

  it("ends at the newest event while nothing is looked at", () => {
    assert.deepEqual(windowOf(trace, 5), { from: 35 * SECOND, to: 40 * SECOND });
    assert.deepEqual(windowOf(trace, undefined), { from: 2 * SECOND, to: 40 * SECOND });
  });

  it("stays while the event is in it, and goes where the event is otherwise", () => {
    const before = { from: 30 * SECOND, to: 35 * SECOND };
    assert.equal(windowOf(trace, 5, { time: 31 * SECOND, before }), before);
    assert.deepEqual(windowOf(trace, 5, { time: 10 * SECOND, before }), {
      from: 7.5 * SECOND,
      to: 12.5 * SECOND,
    });
    assert.deepEqual(windowOf(trace, 5, { time: 40 * SECOND, before }).to, 40 * SECOND);
  });

  it("is never empty", () => {
    const { from, to } = windowOf({ firstTime: 0, end: 0 }, undefined);
    assert.ok(to > from, `${from} to ${to}`);
  });

  it("becomes a column of times and one of each device", () => {
    const zeros = { kicks: [0, 0], interrupts: [0, 0], bytes: [0, 0] };
    const devices = [
      { name: "a", events: [1, 2], ...zeros },
      { name: "b", events: [3, 4], ...zeros },
    ];
    assert.deepEqual(timelineColumns({ from: SECOND, to: 3 * SECOND, devices }), [
      [1, 2],
      [1, 2],
      [3, 4],
    ]);
  });

  it("has a lane of equal height for each device, from the top", () => {
    for (const lane of [0, 1, 2]) {
      const [min, max] = laneRange(lane, 3, 10);
      const place = (value: number) => (value - min) / (max - min);
      assert.ok(Math.abs(place(0) - (2 - lane) / 3) < 1e-9, `lane ${lane} begins at ${place(0)}`);
      assert.ok(place(10) < (3 - lane) / 3, `lane ${lane} ends at ${place(10)}`);
    }
  });

  it("finds the nearest event", () => {
    assert.equal(nearest(10, { time: 8 }, { time: 11 })?.time, 11);
    assert.equal(nearest(10, { time: 9 }, { time: 11 })?.time, 9);
    assert.equal(nearest(10, undefined, { time: 99 })?.time, 99);
    assert.equal(nearest(10, undefined, undefined), undefined);
  });
});

describe("rows of a long list", () => {
  it("are drawn where they are in sight", () => {
    assert.deepEqual(rowsInSight(0, 100, 20, 1000), { first: 0, end: 17 });
    assert.deepEqual(rowsInSight(10_000, 100, 20, 1000), { first: 488, end: 517 });
    assert.deepEqual(rowsInSight(50_000, 100, 20, 3), { first: 3, end: 3 });
  });

  it("are scrolled to only when they are not in sight", () => {
    assert.equal(scrollTo(2, 0, 100, 20), 0);
    assert.equal(scrollTo(5, 0, 100, 20), 20);
    assert.equal(scrollTo(2, 100, 100, 20), 40);
    assert.equal(scrollTo(100, 0, 100, 20), 1960);
  });
});

describe("a request's sequence", () => {
  const request: RequestRecord = {
    id: 1,
    device: "blk0",
    queue: 0,
    head: 3,
    readable: 16,
    writable: 513,
    written: 513,
    kick: 10,
    chain: 11,
    used: 15,
    interrupt: 16,
    delivery: undefined,
  };
  const events = [
    [10, 100],
    [11, 130],
    [15, 930],
    [16, 930],
  ].map(([seq, time]) => ({ seq, time }) as TraceEvent);

  it("has the time between its stations", () => {
    assert.deepEqual(
      sequenceOf(request, events).map(({ key, since }) => [key, since]),
      [
        ["kick", undefined],
        ["chain", 30],
        ["used", 800],
        ["interrupt", 0],
        ["delivery", undefined],
      ],
    );
  });

  it("says why there is none", () => {
    const stations = sequenceOf({ ...request, kick: undefined, used: undefined, interrupt: undefined }, [
      events[1]!,
    ]);
    assert.deepEqual(
      stations.map(({ missing }) => missing),
      ["none was needed", undefined, "not yet", "not yet", "not seen: only while stepping to it"],
    );
    assert.equal(sequenceOf(request, events.slice(1))[0]!.missing, "no longer in the trace");
  });

  it("is walked both ways", () => {
    assert.equal(neighbour(events, 11, 1), 15);
    assert.equal(neighbour(events, 11, -1), 10);
    assert.equal(neighbour(events, 16, 1), undefined);
    assert.equal(neighbour(events, 12, 1), undefined);
  });
});

describe("rates", () => {
  const statistics = (time: number, bytes: number, depth: number): TraceStatistics => ({
    time,
    devices: [
      { name: "blk0", queues: [{ index: 0, bytesRead: bytes, bytesWritten: bytes, depth }] },
    ] as TraceStatistics["devices"],
  });

  it("are the differences by the time between", () => {
    const history = new RateHistory();
    history.add({ next: 0 }, statistics(0, 0, 0));
    history.add({ next: 50 }, statistics(SECOND / 2, 100, 3));
    history.add({ next: 50 }, statistics(SECOND / 2, 100, 3));
    assert.deepEqual(history.columns({ device: "blk0", queue: 0 }), [[0.5], [100], [400], [3]]);
    assert.deepEqual(history.columns(undefined), [[0.5], [100], [0], [0]]);
  });

  it("begin anew with another trace, and are bounded", () => {
    const history = new RateHistory();
    for (let at = 0; at < 3000; at++) history.add({ next: at }, statistics(at, 0, 0));
    assert.equal(history.columns(undefined)[0].length, 1199);
    history.add({ next: 0 }, statistics(5, 0, 0));
    assert.equal(history.columns(undefined)[0].length, 0);
  });
});

describe("histograms", () => {
  const histogram = { counts: [0, 0, 8, 0, 0, 1, 1], total: 130, maximum: 60 };

  it("in short", () => {
    assert.deepEqual(digest(histogram), { count: 10, mean: 13, median: 4, p99: 60, maximum: 60 });
    assert.equal(digest({ counts: [], total: 0, maximum: 0 }).count, 0);
  });

  it("as columns, without the empty ends", () => {
    const [buckets, guest, device] = histogramColumns(histogram, { counts: [], total: 0, maximum: 0 });
    assert.deepEqual(buckets, [1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(guest, [0, 8, 0, 0, 1, 1, 0]);
    assert.deepEqual(device, [0, 0, 0, 0, 0, 0, 0]);
  });
});
