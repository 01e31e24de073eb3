/** The log, the requests and the statistics of a trace, with events of real devices and as a model. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Trace } from "../../src/inspect/trace.ts";
import type { EventKind, EventQuery, TraceEvent } from "../../src/inspect/types.ts";
import type { VirtioDevice } from "../../src/virtio/device.ts";
import { BlockDriver } from "./driver/block-driver.ts";
import { type DriverOptions, EVENT_IDX, RING_PACKED, settle } from "./driver/driver.ts";
import { SlowDisk } from "./driver/slow-disk.ts";
import { suppress } from "./driver/suppression.ts";
import { everyKind, head } from "./inspect-file-support.ts";

const name = "blk root";

/** A block device whose events go into a trace; each takes one microsecond. */
function traced(options: DriverOptions = {}, trace: { bound?: number; sample?: number } = {}) {
  const disk = new SlowDisk(1 << 20);
  const blk = new BlockDriver(disk, options);
  blk.device.name = name;
  let now = 5;
  const devices = [{ name, kind: "blk", transport: "pci", queues: ["requestq"] }];
  const log = new Trace({ ...trace, now: () => (now += 0.001), devices });
  watch(blk.device, log);
  return { disk, blk, log };
}

function watch(device: VirtioDevice, log: Trace): void {
  device.observer = (event) => log.record(event);
}

function only(log: Trace, ...kinds: EventKind[]): TraceEvent[] {
  return log.events({ kinds, limit: 1000 });
}

function queueOf(log: Trace) {
  return log.statistics().devices[0]!.queues[0]!;
}

for (const [layout, without] of [
  ["split", RING_PACKED],
  ["packed", 0n],
] as const) {
  describe(`a trace of a device with a ${layout} ring`, () => {
    it("follows a request from its kick to its interrupt, with its bytes", async () => {
      const { blk, log, disk } = traced({ without });
      disk.bytes.fill(0xab, 512, 1024);
      await blk.read(1, 512);
      await settle();

      const record = log.request(1)!;
      assert.deepEqual(
        [record.device, record.queue, record.readable, record.writable, record.written],
        [name, 0, 16, 513, 513],
      );
      const { kick, chain, used, interrupt, delivery } = record;
      assert.ok(
        kick! < chain && chain < used! && used! < interrupt!,
        `in order: ${kick} ${chain} ${used} ${interrupt}`,
      );
      assert.equal(delivery, undefined);
      for (const seq of [kick!, chain, used!, interrupt!]) {
        const related = log.related(seq).map((event) => event.seq);
        assert.deepEqual(related, [kick, chain, used, interrupt], `from event ${seq}`);
      }
      const [taken, given] = only(log, "chain", "used");
      assert.ok(taken?.kind === "chain" && given?.kind === "used", "a chain and its return");
      assert.deepEqual([taken.sample[8], taken.sample.length], [1, 16]);
      assert.deepEqual(
        taken.buffers.map(({ length, writable }) => [length, writable]),
        [
          [16, false],
          [512, true],
          [1, true],
        ],
      );
      assert.deepEqual([...given.sample], new Array(64).fill(0xab));
      assert.deepEqual([taken.requests, given.requests], Array(2).fill({ first: 1, last: 1 }));
    });

    it("gives a kick and an interrupt to all requests that share them", async () => {
      const { blk, log } = traced({ without });
      const { driver } = blk;
      const segment = () => [
        { address: driver.memory.put(new Uint8Array(16)), length: 16 },
        { address: driver.memory.allocate(513, 1), length: 513, writable: true },
      ];
      const all = [1, 2, 3].map(() => driver.enqueue(0, segment()));
      driver.kick(0);
      await Promise.all(all);

      const [kick] = only(log, "kick");
      assert.deepEqual(kick?.requests, { first: 1, last: 3 });
      const [interrupt] = only(log, "interrupt");
      assert.deepEqual(interrupt?.requests, { first: 1, last: 3 });
      const chains = only(log, "chain").map(({ seq }) => seq);
      const used = only(log, "used").map(({ seq }) => seq);
      const expected = [kick.seq, ...chains, ...used, interrupt.seq].sort((a, b) => a - b);
      assert.deepEqual(
        log.related(kick.seq).map(({ seq }) => seq),
        expected,
      );
      assert.deepEqual(
        log.related(chains[1]!).map(({ seq }) => seq),
        [kick.seq, chains[1], used[1], interrupt.seq],
      );
      const { requests, kicks, suppressedKicks, interrupts, maximumDepth, depth } = queueOf(log);
      assert.deepEqual([requests, kicks, suppressedKicks, interrupts], [3, 1, 2, 1]);
      assert.ok(maximumDepth >= 1 && depth === 0, `depth ${depth}, at most ${maximumDepth}`);
    });

    it("says which interrupts were suppressed", async () => {
      const { blk, log } = traced({ without });
      suppress(blk.driver, 0, { want: "none" });
      void blk.read(0, 512);
      await settle();
      const [interrupt] = only(log, "interrupt");
      assert.ok(interrupt?.kind === "interrupt" && interrupt.suppressed, "suppressed");
      assert.equal(log.request(1)!.interrupt, undefined);
      assert.ok(
        log.related(interrupt.seq).some(({ kind }) => kind === "chain"),
        "the decision belongs to its request",
      );
      const { interrupts, suppressedInterrupts, guestLatency } = queueOf(log);
      assert.deepEqual([interrupts, suppressedInterrupts, guestLatency.counts.at(-1)], [0, 1, 1]);
    });

    it("knows how many are in flight, and forgets them at a reset", async () => {
      const { blk, log, disk } = traced({ without });
      disk.slow = true;
      for (let i = 0; i < 3; i++) void blk.read(i, 512);
      assert.deepEqual([queueOf(log).depth, queueOf(log).maximumDepth], [3, 3]);
      blk.driver.transport.status = 0;
      assert.deepEqual([queueOf(log).depth, queueOf(log).maximumDepth], [0, 3]);
      disk.slow = false;
      blk.driver.start();
      await blk.read(0, 512);
      assert.equal(log.request(2)!.used, undefined);
      assert.notEqual(log.request(4)!.used, undefined);
      assert.equal(queueOf(log).requests, 4);
    });
  });
}

describe("a trace", () => {
  it("measures latencies from taken to given back, and from the kick to the interrupt", async () => {
    const { blk, log } = traced();
    await blk.read(0, 512);
    const { deviceLatency, guestLatency } = queueOf(log);
    const time = (kind: EventKind) => only(log, kind)[0]!.time;
    assert.equal(deviceLatency.total, time("used") - time("chain"));
    assert.equal(guestLatency.total, time("interrupt") - time("kick"));
    const bucket = Math.floor(Math.log2(guestLatency.total)) + 1;
    assert.deepEqual(guestLatency.counts, [...Array<number>(bucket).fill(0), 1]);
  });

  it("counts exactly what is gone, and stays within its bound", async () => {
    const bound = 64 << 10;
    const { blk, log } = traced({ without: EVENT_IDX }, { bound });
    const { counters } = blk.device.queues[0]!;
    const before = { ...counters, accesses: blk.device.accesses };
    for (let i = 0; i < 400; i++) await blk.read(i % 100, 512);
    const { dropped, first, next, bytes } = log.summary();
    assert.ok(dropped > 0 && first === dropped && bytes <= bound, `${dropped} dropped, ${bytes} bytes`);
    assert.equal(bytes > bound / 2, true, `${bytes} bytes of ${bound} are in use`);
    const { requests, bytesRead, bytesWritten, kicks, interrupts, deviceLatency } = queueOf(log);
    assert.deepEqual(
      [requests, bytesRead, bytesWritten, kicks, interrupts],
      [400, 400 * 16, 400 * 513, counters.kicks - before.kicks, counters.interrupts - before.interrupts],
    );
    assert.equal(
      deviceLatency.counts.reduce((sum, count) => sum + count, 0),
      400,
    );
    assert.equal(log.statistics().devices[0]!.exits, blk.device.accesses - before.accesses);
    assert.equal(log.request(1), undefined);
    assert.deepEqual(log.related(0), []);
    assert.ok(log.related(next - 3).length > 0, "what is there still has its requests");
  });

  it("follows a request whose beginning is gone", async () => {
    const { blk, log, disk } = traced({}, { bound: 64 << 10 });
    disk.slow = true;
    const answer = blk.read(0, 512);
    disk.slow = false;
    for (let i = 0; i < 400; i++) await blk.read(1, 512);
    assert.equal(queueOf(log).depth, 1);
    disk.answer();
    await answer;
    assert.equal(queueOf(log).depth, 0);
    assert.ok(queueOf(log).deviceLatency.maximum > 400, "its latency is counted all the same");
  });

  it("is not led astray by kicks of queues that do not exist, nor by violations without end", () => {
    const bound = 64 << 10;
    const { blk, log } = traced({}, { bound });
    for (let queue = 1; queue < 5000; queue++) blk.device.kick(queue);
    blk.device.kick(0xffff_ffff);
    const { devices } = log.statistics();
    assert.deepEqual([devices[0]!.kicks, devices[0]!.queues.length, devices[0]!.violations], [5000, 1, 5000]);
    assert.ok(log.summary().bytes <= bound, `${log.summary().bytes} bytes`);
    const kick = only(log, "kick").at(-1)!;
    assert.equal(kick.kind === "kick" && kick.queue, 0xffff_ffff);
    assert.equal(log.events({ queue: 0xffff_ffff, kinds: ["kick"], limit: 9 }).length, 1);
  });

  it("takes over events of every kind as they are", () => {
    const log = Trace.from(everyKind, head);
    const all: TraceEvent[] = [];
    log.each(0, (event) => all.push(event));
    assert.deepEqual(all, everyKind);
    assert.deepEqual(log.request(1), {
      id: 1,
      device: "blk root",
      queue: 0,
      head: 7,
      readable: 16,
      writable: 513,
      written: 513,
      kick: 8,
      chain: 9,
      used: 10,
      interrupt: 11,
      delivery: 12,
    });
    assert.deepEqual(
      log.related(12).map(({ seq }) => seq),
      [8, 9, 10, 11, 12],
    );
  });

  it("finds the same in what was read as in what was recorded", async () => {
    const { blk, log, disk } = traced();
    disk.slow = true;
    const reads = [0, 1, 2, 3].map((sector) => blk.read(sector, 512));
    while (disk.waiting > 0) {
      disk.answer();
      await settle();
    }
    await Promise.all(reads);
    disk.slow = false;
    await blk.write(7, new Uint8Array(1024));
    const events: TraceEvent[] = [];
    log.each(0, (event) => events.push(event));
    const again = Trace.from(events, { ...log.summary() });
    assert.deepEqual(again.statistics(), log.statistics());
    for (let id = 1; id <= 5; id++) assert.deepEqual(again.request(id), log.request(id), `request ${id}`);
    for (const { seq } of events) assert.deepEqual(again.related(seq), log.related(seq), `event ${seq}`);
  });

  it("counts events over time, and none where they are gone", async () => {
    const { blk, log } = traced({}, { bound: 64 << 10 });
    for (let i = 0; i < 300; i++) await blk.read(0, 512);
    const { first, next, firstTime, end } = log.summary();
    const { devices } = log.timeline(0, end + 1, 100);
    const sum = (counts: number[]) => counts.reduce((all, count) => all + count, 0);
    assert.equal(sum(devices[0]!.events), next - first);
    assert.equal(sum(devices[0]!.kicks), log.events({ kinds: ["kick"], limit: 1000 }).length);
    const gone = Math.floor((firstTime / (end + 1)) * 100);
    assert.ok(gone > 1 && sum(devices[0]!.events.slice(0, gone)) === 0, "zero before the oldest");
    assert.equal(sum(log.timeline(5, 5, 10).devices[0]!.events), 0);
    assert.equal(log.timeline(0, 1, 1e9).devices[0]!.events.length, 2000);
  });
});

// ---- against a plain array ----

/** Plain objects, as events are. */
function plain<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(fields, { noNullPrototype: true });
}

const device = fc.constantFrom("blk root", "net net0", "rng");
const sample = fc.uint8Array({ maxLength: 300 });
const queue = fc.oneof(
  { weight: 9, arbitrary: fc.nat(2) },
  { weight: 1, arbitrary: fc.constant(0xffff_ffff) },
);
const detail: fc.Arbitrary<object> = fc.oneof(
  plain({
    kind: fc.constant("access"),
    register: fc.constantFrom("common.device_status", "notify.0", "config.capacity"),
    offset: fc.nat(4096),
    width: fc.constantFrom(1, 2, 4),
    write: fc.boolean(),
    value: fc.nat(0xffff_ffff),
  }),
  plain({ kind: fc.constant("kick"), queue }),
  plain({
    kind: fc.constant("chain"),
    queue,
    head: fc.nat(0xffff),
    readable: fc.nat(),
    writable: fc.nat(),
    buffers: fc.array(
      plain({ address: fc.nat(0xffff_ffff), length: fc.nat(0xffff_ffff), writable: fc.boolean() }),
      { maxLength: 5 },
    ),
    sample,
  }),
  plain({ kind: fc.constant("used"), queue, head: fc.nat(0xffff), written: fc.nat(), sample }),
  plain({
    kind: fc.constant("interrupt"),
    cause: fc.constant("queue"),
    queue,
    suppressed: fc.boolean(),
  }),
  plain({
    kind: fc.constant("violation"),
    rule: fc.constant("2.3"),
    sentence: fc.constant("2.3 kick"),
    what: fc.string({ maxLength: 300 }),
    queue: fc.constant(1),
    descriptor: fc.constant(2),
  }),
  plain({ kind: fc.constant("reset") }),
);
const steps = fc.array(plain({ after: fc.nat(20), gap: fc.nat(2), device, detail }), {
  minLength: 1,
  maxLength: 40,
});
const query = fc.record(
  {
    from: fc.nat(2000),
    to: fc.nat(2000),
    fromTime: fc.nat(4000),
    toTime: fc.nat(4000),
    device: fc.oneof(device, fc.constant("nobody")),
    queue: fc.nat(2),
    kinds: fc.subarray(["access", "kick", "chain", "used", "violation"] as EventKind[]),
    newest: fc.boolean(),
  },
  { requiredKeys: [] },
);

describe("a trace against a plain array", () => {
  it("has the newest events within its bound, and answers questions as the array does", () => {
    fc.assert(
      fc.property(steps, fc.array(query, { maxLength: 8 }), fc.nat(50), (steps, queries, limit) => {
        const bound = 64 << 10;
        const trace = new Trace({ bound, devices: [] });
        const all: TraceEvent[] = [];
        let seq = 0;
        let time = 0;
        // Round after round, so that there is more than finds room.
        for (let round = 0; round < 25; round++) {
          for (const step of steps) {
            seq += 1 + step.gap;
            time += step.after;
            const event = { seq, time, device: step.device, ...step.detail } as TraceEvent;
            trace.append(event);
            all.push(event);
          }
        }
        const { first, next, bytes, dropped } = trace.summary();
        assert.ok(bytes <= bound, `${bytes} bytes`);
        const kept = all.filter((event) => event.seq >= first);
        assert.deepEqual([next, dropped, kept[0]?.seq], [seq + 1, all.length - kept.length, first]);
        assert.ok(kept.length > 5, `${kept.length} events are kept`);
        const listed: TraceEvent[] = [];
        trace.each(0, (event) => listed.push(event));
        assert.deepEqual(listed, kept);
        for (const asked of queries) {
          assert.deepEqual(trace.events({ ...asked, limit }), answer(kept, { ...asked, limit }));
        }
      }),
      { numRuns: 10 },
    );
  });
});

function answer(all: readonly TraceEvent[], query: EventQuery): TraceEvent[] {
  const { from = 0, to = Infinity, fromTime = 0, toTime = Infinity, device, queue, kinds, limit } = query;
  const matching = all.filter(
    (event) =>
      event.seq >= from &&
      event.seq < to &&
      event.time >= fromTime &&
      event.time < toTime &&
      (device === undefined || event.device === device) &&
      (queue === undefined || ("queue" in event && event.queue === queue)) &&
      (!kinds || kinds.includes(event.kind)),
  );
  return query.newest ? matching.slice(Math.max(0, matching.length - limit)) : matching.slice(0, limit);
}
