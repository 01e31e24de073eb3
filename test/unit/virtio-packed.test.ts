/** The device side of packed virtqueues (2.8). */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Virtqueue } from "../../src/virtio/queue.ts";
import type { DescriptorChain } from "../../src/virtio/ring/chain.ts";
import { Driver, type DriverOptions, EVENT_IDX, RING_PACKED, settle } from "./driver/driver.ts";
import { HoldDevice, type HoldOptions } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";
import { AVAIL, DESC, DISABLE, ENABLE, type PackedDriverQueue, USED } from "./driver/queue-packed.ts";
import { INDIRECT, NEXT, type Placement, type Segment, WRITE } from "./driver/queue.ts";
import { KINDS } from "./driver/transport.ts";

const BOTH = AVAIL | USED;

function start(
  options: HoldOptions = {},
  driverOptions: DriverOptions = {},
): [HoldDevice, Driver, PackedDriverQueue] {
  const device = new HoldDevice({ size: 16, packed: true, ...options });
  const driver = Driver.start(device, { memory: new FakeMemory(1 << 20), ...driverOptions });
  assert.ok(driver.has(RING_PACKED));
  return [device, driver, driver.packed(0)];
}

function buffers(count: number, writable = false): Segment[] {
  return Array.from({ length: count }, (_, i) => ({ address: 0x100 + 8 * i, length: 8, writable }));
}

/** The driver takes no notice of interrupts, so that a test can look at the ring. */
function deaf(driver: Driver): void {
  driver.transport.line.onRaise = () => void driver.transport.acknowledge();
}

describe("packed: buffers", () => {
  for (const placement of ["direct", "indirect", "unaligned-indirect"] satisfies Placement[]) {
    it(`2.8.5: readable bytes, then writable ones, in the list's order (${placement})`, () => {
      const [device, driver] = start();
      const text = new TextEncoder().encode("written by the driver");
      const [a, b, c] = [text.subarray(0, 1), text.subarray(1, 9), text.subarray(9)].map((part) =>
        driver.memory.put(part),
      );
      const target = driver.memory.allocate(16);
      void driver.request(
        0,
        [
          { address: a!, length: 1 },
          { address: b!, length: 8 },
          { address: 0, length: 0 },
          { address: c!, length: text.length - 9 },
          { address: target, length: 3, writable: true },
          { address: target + 8, length: 5, writable: true },
        ],
        placement,
      );
      const [chain] = device.held;
      assert.ok(chain);
      const got = new Uint8Array(100);
      assert.equal(chain.reader.read(got), text.length);
      assert.deepEqual(got.subarray(0, text.length), text);
      assert.equal(chain.writer.write(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9)), 8);
      assert.deepEqual([...driver.memory.get(target, 14)], [1, 2, 3, 0, 0, 0, 0, 0, 4, 5, 6, 7, 8, 0]);
      assert.deepEqual(device.rules, []);
    });
  }

  it("2.8.6: the buffer id is the last descriptor's, and comes back", async () => {
    const [device, driver, queue] = start();
    deaf(driver);
    const id = queue.add(buffers(3));
    driver.kick(0);
    assert.equal(device.held[0]?.head, id);
    device.give(1);
    await settle();
    assert.deepEqual(queue.reap(), [{ id, length: 0 }]);
  });

  it("2.8.7: in an indirect table WRITE is the only flag, ids mean nothing, and every entry counts", () => {
    const [device, driver, queue] = start();
    const table = driver.memory.allocate(64);
    queue.describe(table, 0, 0x100, 1, 7, NEXT | INDIRECT | BOTH);
    queue.describe(table, 1, 0x200, 2, 7, 0xffff & ~WRITE);
    queue.describe(table, 2, 0x300, 4, 7, WRITE | NEXT);
    queue.describe(table, 3, 0x400, 8, 7, WRITE);
    queue.describe(queue.descriptors, 0, table, 64, 0xabcd, INDIRECT | WRITE | AVAIL);
    driver.transport.notify(0);
    const [chain] = device.held;
    assert.deepEqual([chain?.head, chain?.reader.total, chain?.writer.total], [0xabcd, 3, 12]);
    assert.deepEqual(device.rules, []);
  });

  it("2.8.17: a list may be as long as the queue, wherever it starts", async () => {
    for (const size of [1, 3, 16]) {
      const [device, driver] = start({}, { queueSize: size });
      for (let i = 0; i < 5; i++) {
        const whole = driver.request(0, buffers(size));
        assert.equal(device.held[0]?.reader.total, 8 * size);
        device.give();
        await whole;
        if (size > 1) {
          const one = driver.request(0, buffers(1));
          device.give();
          await one;
        }
      }
      assert.deepEqual(device.rules, []);
    }
  });

  it("2.8.19: a table may be as long as the device's queue, even if the driver's is smaller", () => {
    const [device, driver] = start({ size: 64 }, { queueSize: 5 });
    void driver.request(0, buffers(64), "indirect");
    assert.equal(device.held[0]?.reader.total, 64 * 8);
    void driver.request(0, buffers(65), "indirect");
    assert.deepEqual(device.rules, ["2.8.19"]);
  });

  it("2.8.5: lists and tables in turn", async () => {
    const [device, driver] = start({ size: 7 }, { queueSize: 7 });
    for (let i = 0; i < 30; i++) {
      const some = [
        driver.enqueue(0, buffers(3, true)),
        driver.enqueue(0, buffers(20, true).slice(0, 6), "indirect"),
      ];
      some.push(driver.enqueue(0, buffers(2, true)));
      driver.kick(0);
      assert.deepEqual(
        device.held.map(({ writer }) => writer.total),
        [24, 48, 16],
      );
      for (const [k, chain] of device.held.entries()) chain.writer.write(new Uint8Array(k + 1));
      for (const [k, chain] of device.held.splice(0).entries()) device.queues[0]!.put(chain, k + 1);
      assert.deepEqual(await Promise.all(some), [1, 2, 3]);
    }
    assert.deepEqual(device.rules, []);
  });
});

describe("packed: available descriptors", () => {
  it("2.8.12: are started on in the order in which they stand in the ring", () => {
    const [device, driver, queue] = start({ size: 5 }, { queueSize: 5 });
    deaf(driver);
    for (let i = 0; i < 40; i++) {
      const ids = [queue.add(buffers(2)), queue.add(buffers(1), "indirect"), queue.add(buffers(1))];
      driver.kick(0);
      assert.deepEqual(
        device.held.map(({ head }) => head),
        ids,
      );
      device.give();
      device.wake();
      assert.equal(queue.reap().length, 3);
    }
  });

  it("2.8.15: are those whose AVAIL bit is this lap's wrap counter and whose USED bit is not", () => {
    const [device, driver, queue] = start({ size: 3 }, { queueSize: 3 });
    deaf(driver);
    for (let lap = 0; lap < 6; lap++) {
      for (let index = 0; index < 3; index++) {
        const right = lap % 2 === 0 ? AVAIL : USED;
        for (const flags of [0, AVAIL, USED, BOTH]) {
          if (flags === right) continue;
          queue.describe(queue.descriptors, index, 0x100, 8, 9, flags);
          driver.transport.notify(0);
          assert.equal(device.held.length, 0, `lap ${lap}, descriptor ${index}, flags ${flags.toString(16)}`);
        }
        queue.describe(queue.descriptors, index, 0x100, 8, 9, right);
        driver.transport.notify(0);
        assert.equal(device.held.length, 1);
        driver.transport.notify(0);
        assert.equal(device.held.length, 1, "only once");
        device.give();
        device.wake();
        assert.equal(queue.flags(index) & BOTH, lap % 2 === 0 ? BOTH : 0);
      }
    }
    assert.deepEqual(device.rules, []);
  });

  it("2.8.18: of a list are read in the order in which the driver made them available, over the ring's end", async () => {
    const [device, driver] = start({ size: 7 }, { queueSize: 7 });
    for (let i = 0; i < 20; i++) {
      const bytes = Uint8Array.from({ length: 5 }, (_, k) => 10 * i + k);
      const done = driver.request(
        0,
        [...bytes].map((byte) => ({ address: driver.memory.put(Uint8Array.of(byte)), length: 1 })),
      );
      const got = new Uint8Array(5);
      device.held[0]!.reader.read(got);
      assert.deepEqual(got, bytes);
      device.give();
      await done;
    }
  });
});

describe("packed: used descriptors", () => {
  it("2.8.12: stand in the order of completion, each where the one before it ended", async () => {
    const [device, driver, queue] = start({ size: 8 });
    deaf(driver);
    const [a, b, c] = [queue.add(buffers(3, true)), queue.add(buffers(1, true)), queue.add(buffers(2, true))];
    driver.kick(0);
    const [first, second, third] = device.held;
    const used = (index: number): unknown[] => {
      const at = queue.descriptors + 16 * index;
      const { view } = driver.memory;
      return [view.getUint16(at + 12, true), view.getUint32(at + 8, true), queue.flags(index)];
    };
    second!.writer.write(new Uint8Array(4));
    device.queues[0]!.put(second!, 4);
    await settle();
    assert.deepEqual(used(0), [b, 4, BOTH | WRITE]);
    third!.writer.write(new Uint8Array(16));
    device.queues[0]!.put(third!, 16);
    await settle();
    assert.deepEqual(used(1), [c, 16, BOTH | WRITE]);
    device.queues[0]!.put(first!, 0);
    await settle();
    assert.deepEqual(used(3), [a, 0, BOTH]);
    assert.deepEqual(
      queue.reap().map(({ id }) => id),
      [b, c, a],
    );
  });

  it("2.8.3: have WRITE set only if something was written, be it past a gap", async () => {
    const [device, driver, queue] = start();
    deaf(driver);
    for (let i = 0; i < 3; i++) queue.add(buffers(1, true));
    driver.kick(0);
    const [nothing, some, late] = device.held;
    some!.writer.write(Uint8Array.of(1));
    late!.writer.skip(7);
    late!.writer.write(Uint8Array.of(1));
    device.queues[0]!.put(nothing!, 0);
    device.queues[0]!.put(some!, 1);
    device.queues[0]!.put(late!, 0);
    await settle();
    assert.deepEqual(
      [0, 1, 2].map((index) => queue.flags(index)),
      [BOTH, BOTH | WRITE, BOTH | WRITE],
    );
  });

  it("2.8.15: are all that changes, besides the device's event and the writable buffers", async () => {
    const [device, driver, queue] = start();
    deaf(driver);
    const [source, target] = [driver.memory.allocate(8), driver.memory.allocate(8)];
    queue.add([
      { address: source, length: 8 },
      { address: target, length: 8, writable: true },
    ]);
    queue.add([{ address: source, length: 8 }], "indirect");
    queue.expose();
    const before = driver.memory.u8.slice();
    driver.memory.told.fill(0);
    driver.transport.notify(0);
    device.held[0]!.writer.write(new Uint8Array(8).fill(1));
    device.give(1, 8);
    device.give(1, 0);
    await settle();
    const allowed = (at: number): boolean =>
      (at >= target && at < target + 8) ||
      (at >= queue.used && at < queue.used + 4) ||
      // length, id and flags of the used descriptors: the list's first, and the table's
      [0, 2].some(
        (index) => at >= queue.descriptors + 16 * index + 8 && at < queue.descriptors + 16 * index + 16,
      );
    const changed = driver.memory.changedSince(before);
    assert.deepEqual(
      changed.filter((at) => !allowed(at)),
      [],
    );
    assert.deepEqual(
      changed.filter((at) => driver.memory.told[at] === 0),
      [],
      "all of it is reported as dirty",
    );
    assert.ok(changed.length > 8);
  });

  it("2.8.15: never change again", async () => {
    const [device, driver, queue] = start({ size: 64 });
    deaf(driver);
    for (let i = 0; i < 20; i++) queue.add(buffers(3, true));
    driver.kick(0);
    const seen = new Map<number, string>();
    const look = (): void => {
      for (let index = 0; index < 60; index++) {
        const bytes = driver.memory.get(queue.descriptors + 16 * index, 16).join();
        if (seen.has(index)) assert.equal(bytes, seen.get(index));
        else if ((queue.flags(index) & BOTH) === BOTH) seen.set(index, bytes);
      }
    };
    while (device.held.length > 0) {
      const chain = device.held.splice(((device.held.length * 7) % 3) % device.held.length, 1)[0]!;
      device.queues[0]!.put(chain, 5);
      look();
      if (device.held.length % 4 === 0) await settle();
      look();
    }
    await settle();
    look();
    assert.equal(seen.size, 20);
  });

  it("2.8.2: a batch comes to be seen as a whole, with the flags of its first descriptor", async () => {
    const [device, driver, queue] = start({ size: 8 });
    deaf(driver);
    for (let round = 0; round < 9; round++) {
      for (let i = 0; i < 5; i++) queue.add(buffers(1));
      driver.kick(0);
      device.give(5);
      assert.deepEqual(queue.reap(), [], "not before the turn ends");
      await Promise.resolve();
      assert.equal(queue.reap().length, 5);
    }
  });

  it("2.8.10: completions of one turn of the event loop share one interrupt", async () => {
    const [device, driver] = start();
    const requests = [1, 2, 3, 4].map(() => driver.enqueue(0, buffers(2, true)));
    driver.kick(0);
    device.give(1, 1);
    await requests[0];
    assert.equal(driver.transport.line.raised, 1);
    device.give(3, 2);
    await Promise.all(requests);
    assert.equal(driver.transport.line.raised, 2);
    assert.equal(device.queues[0]!.counters.interrupts, 2);
  });

  it("2.8.10: what completes within a kick is published at its end, in one go", () => {
    const device = new (class extends HoldDevice {
      readonly flagsInside: number[] = [];
      protected override process(queue: Virtqueue): void {
        for (let chain = queue.take(); chain; chain = queue.take()) {
          queue.put(chain, 0);
          this.flagsInside.push(driver.packed(0).flags(0) & BOTH);
        }
      }
    })({ size: 16, packed: true });
    const driver = Driver.start(device);
    for (let i = 0; i < 5; i++) driver.packed(0).add(buffers(1));
    deaf(driver);
    driver.kick(0);
    assert.deepEqual(device.flagsInside, [AVAIL, AVAIL, AVAIL, AVAIL, AVAIL]);
    assert.equal(driver.packed(0).reap().length, 5);
    assert.equal(driver.transport.line.raised, 1);
  });
});

describe("packed: sizes and wrap counters", () => {
  for (const size of [1, 2, 3, 7, 16, 255, 300]) {
    for (const eventIdx of [true, false]) {
      it(`2.8.1: a ring of ${size} over many laps, completions in any order (${eventIdx ? "EVENT_IDX" : "flags"})`, async () => {
        const [device, driver, queue] = start(
          { size: 512 },
          { queueSize: size, without: eventIdx ? 0n : EVENT_IDX },
        );
        let random = size;
        const next = (below: number): number => {
          random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
          return (random >> 12) % below;
        };
        const pending: Promise<void>[] = [];
        let [asked, answered] = [0, 0];
        const target = driver.memory.allocate(64);
        /** The length that each chain in flight is given back with. */
        const expected = new Map<DescriptorChain, { written: number }>();
        while (asked < 40 * size + 200) {
          const length = 1 + next(Math.min(5, size));
          if (queue.free >= length && next(3) > 0) {
            asked++;
            const segments = Array.from({ length }, () => ({ address: target, length: 64, writable: true }));
            const done = driver.request(0, segments);
            const chain = device.held.at(-1)!;
            chain.writer.write(Uint8Array.of(1));
            const answer = { written: 1 + next(60) };
            expected.set(chain, answer);
            pending.push(
              done.then((written) => {
                assert.equal(written, answer.written);
                answered++;
              }),
            );
          } else if (device.held.length > 0) {
            const [chain] = device.held.splice(next(device.held.length), 1);
            device.queues[0]!.put(chain!, expected.get(chain!)!.written);
            if (next(3) === 0) await settle();
          } else await settle();
        }
        for (const chain of device.held.splice(0)) {
          device.queues[0]!.put(chain, expected.get(chain)!.written);
        }
        await Promise.all(pending);
        assert.equal(answered, asked);
        assert.equal(queue.free, size);
        assert.deepEqual(device.rules, []);
      });
    }
  }

  it("2.8: 32768 entries, twice around", () => {
    const [device, driver, queue] = start({ size: 32768 }, { memory: new FakeMemory(1 << 21) });
    deaf(driver);
    assert.equal(queue.size, 32768);
    for (let i = 0; i < 70_000; i += 7) {
      for (let k = 0; k < 7; k++) queue.add(buffers(1));
      assert.equal(driver.kick(0), true);
      assert.equal(device.held.length, 7);
      device.give();
      device.wake();
      assert.equal(queue.reap().length, 7);
      queue.rearm();
    }
    assert.deepEqual(device.rules, []);
  });

  for (const kind of KINDS) {
    it(`2.8.10.1: any size up to the device's is taken, others make the queue unusable (${kind})`, () => {
      for (const [size, good] of [
        [1, true],
        [5, true],
        [16, true],
        [0, false],
        [17, false],
      ] as const) {
        const device = new HoldDevice({ size: 16, packed: true });
        const driver = new Driver(device, { kind });
        driver.negotiate();
        driver.setUpRing(0, size);
        assert.equal(driver.transport.queueEnabled(), good, `${size}`);
        assert.deepEqual(device.rules.slice(0, 1), good ? [] : ["2.8.10.1"]);
      }
    });

    for (const [area, offset] of [
      ["descriptors", 8],
      ["available", 2],
      ["used", 2],
      ["descriptors", 1 << 20],
      ["available", 1 << 20],
      ["used", 2 ** 33],
    ] as const) {
      it(`2.8.11: a queue whose ${area} area is moved by ${offset} is no queue (${kind})`, () => {
        const device = new HoldDevice({ size: 16, packed: true });
        const driver = new Driver(device, { kind, memory: new FakeMemory(1 << 20) });
        driver.negotiate();
        const { transport } = driver;
        transport.selectQueue(0);
        transport.setQueueSize(16);
        const areas = { descriptors: 0x4000, available: 0x5000, used: 0x6000 };
        transport.setAreas({ ...areas, [area]: areas[area] + offset });
        transport.enableQueue();
        assert.equal(transport.queueEnabled(), false);
        assert.deepEqual(device.rules, [offset < 16 ? "2.8.11" : "2.8"]);
      });
    }
  }
});

describe("packed: interrupts that the driver does not want", () => {
  /** Completes `count` buffers of one descriptor in one batch, and says whether there was an interrupt. */
  function complete(device: HoldDevice, driver: Driver, count: number, length = 1): boolean {
    const queue = driver.packed(0);
    const { raised } = driver.transport.line;
    for (let i = 0; i < count; i++) queue.add(buffers(length));
    queue.expose();
    driver.transport.notify(0);
    for (const chain of device.held.splice(0)) device.queues[0]!.put(chain, 0);
    device.wake(); // publishes
    assert.equal(queue.reap().length, count);
    return driver.transport.line.raised > raised;
  }

  it("2.8.10: ENABLE and DISABLE, with and without EVENT_IDX; what stands in desc is ignored", async () => {
    for (const without of [0n, EVENT_IDX]) {
      const [device, driver, queue] = start({}, { without });
      deaf(driver);
      for (let i = 0; i < 50; i++) {
        queue.setDriverEvent(DISABLE, i);
        assert.equal(complete(device, driver, 3), false);
        queue.setDriverEvent(ENABLE, i);
        assert.equal(complete(device, driver, 3), true);
      }
      assert.equal(device.queues[0]!.counters.suppressedInterrupts, 50);
      await settle();
    }
  });

  it("2.8.10: DESC without EVENT_IDX, the reserved mode, and a place outside the ring lose no interrupt", async () => {
    for (const [without, mode, desc] of [
      [EVENT_IDX, DESC, 9],
      [EVENT_IDX, 3, 9],
      [0n, 3, 9],
      [0n, DESC, 16],
      [0n, DESC, 0xffff],
    ] as const) {
      const [device, driver, queue] = start({}, { without });
      deaf(driver);
      queue.setDriverEvent(mode, desc);
      assert.equal(complete(device, driver, 1), true);
      await settle();
    }
  });

  for (const size of [1, 3, 8]) {
    it(`2.8.10: DESC is obeyed to the descriptor and the lap, for every batch and distance, in a ring of ${size}`, async () => {
      const [device, driver, queue] = start({ size: 8 }, { queueSize: size });
      deaf(driver);
      const place = (offset: number): number => {
        const at = (offset + 2 * size) % (2 * size);
        return at < size ? at | 0x8000 : at - size;
      };
      const seen = new Set<boolean>();
      let now = 0;
      for (let i = 0; i < 2 * size + 3; i++) {
        for (const [batch, length] of [
          [1, 1],
          [2, 1],
          [1, 3],
          [size, 1],
          [2, 2],
        ] as const) {
          if (batch * length > size) continue;
          for (let distance = -size; distance < size; distance++) {
            queue.setDriverEvent(DESC, place(now + distance));
            const expected = distance >= 0 && distance < batch * length;
            assert.equal(
              complete(device, driver, batch, length),
              expected,
              `${now} ${distance} ${batch}×${length}`,
            );
            seen.add(expected);
            now = (now + batch * length) % (2 * size);
          }
        }
      }
      assert.equal(seen.size, 2);
      await settle();
    });
  }

  it("2.8.10: a driver that polls gets no interrupt for what it has seen, however much that was", async () => {
    const device = new HoldDevice({ size: 4, packed: true, interruptLater: true });
    const driver = Driver.start(device);
    deaf(driver);
    const queue = driver.packed(0);
    for (const rounds of [1, 2, 3, 4, 5, 8, 9, 20]) {
      for (let i = 0; i < rounds; i++) complete(device, driver, 3);
      queue.rearm();
      const { raised } = driver.transport.line;
      await settle();
      assert.equal(driver.transport.line.raised, raised, `${rounds} rounds`);
    }
    // And one for what it has not seen.
    queue.add(buffers(1));
    driver.kick(0);
    device.give();
    const { raised } = driver.transport.line;
    await settle();
    assert.equal(driver.transport.line.raised, raised + 1);
  });
});

describe("packed: kicks that the device does not want", () => {
  it("2.8.10: with EVENT_IDX an idle device asks for the kick with the next descriptor", () => {
    const [, driver, queue] = start({ size: 3 }, { queueSize: 3 });
    assert.deepEqual(queue.deviceEvent, { mode: DESC, desc: 0x8000 });
    queue.add(buffers(2));
    assert.equal(driver.kick(0), true);
    assert.deepEqual(queue.deviceEvent, { mode: DESC, desc: 0x8002 });
    queue.add(buffers(1));
    assert.equal(driver.kick(0), true);
    assert.deepEqual(queue.deviceEvent, { mode: DESC, desc: 0 });
  });

  for (const eventIdx of [true, false]) {
    it(`2.8.10: a busy device wants none, and asks again when it is idle (${eventIdx ? "EVENT_IDX" : "flags"})`, async () => {
      const [device, driver, queue] = start({ size: 8 }, { without: eventIdx ? 0n : EVENT_IDX });
      device.limit = 1;
      const requests = [driver.request(0, buffers(1))];
      const kicks = (): number => device.queues[0]!.counters.kicks;
      assert.equal(kicks(), 1);
      requests.push(driver.request(0, buffers(1)));
      assert.equal(kicks(), 2, "the ring was empty when the device looked: it has to be told");
      for (let i = 0; i < 5; i++) requests.push(driver.request(0, buffers(1)));
      assert.equal(kicks(), 2);
      assert.equal(queue.deviceEvent.mode, eventIdx ? DESC : DISABLE);
      for (let i = 0; i < 7; i++) {
        device.give(1);
        device.wake();
        await settle();
      }
      await Promise.all(requests);
      void driver.request(0, buffers(1));
      assert.equal(kicks(), 3);
      assert.equal(queue.deviceEvent.mode, eventIdx ? DESC : ENABLE);
    });
  }

  it("2.8.10: no request is forgotten under random pressure", async () => {
    for (const without of [0n, EVENT_IDX]) {
      for (const size of [1, 5, 8]) {
        const [device, driver, queue] = start({ size: 8 }, { without, queueSize: size });
        let [asked, answered, random] = [0, 0, 1];
        device.limit = 2;
        for (let i = 0; i < 8000; i++) {
          random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
          if (random & 0x10000 && queue.free > 0) {
            asked++;
            void driver.request(0, buffers(1)).then(() => answered++);
          } else if (device.held.length > 0) {
            device.give(1);
            if (random & 0x20000) device.wake();
            else await Promise.resolve();
          }
          if (device.held.length === 0) device.wake();
        }
        while (device.held.length > 0) {
          device.give();
          device.wake();
          await settle();
        }
        await settle();
        assert.equal(answered, asked);
        assert.ok(asked > 1000);
        assert.deepEqual(device.rules, []);
      }
    }
  });
});
