/** Strict mode: drivers that put into rings what they must not. Each test names the sentence that has to be reported. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Violation } from "../../src/virtio/observer.ts";
import { type Driver, EVENT_IDX, IN_ORDER, RING_PACKED, settle } from "./driver/driver.ts";
import type { HoldDevice } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";
import { AVAIL, DESC, type PackedDriverQueue } from "./driver/queue-packed.ts";
import { type DriverQueue, INDIRECT, NEXT, type Segment, WRITE } from "./driver/queue.ts";
import { started } from "./driver/strict.ts";
import type { QueueAreas } from "./driver/transport.ts";

const SPLIT = RING_PACKED;

interface Scene {
  driver: Driver;
  device: HoldDevice;
  memory: FakeMemory;
  seen: string[];
  /** The newest violation. */
  last: () => Violation;
}

function scene(without: bigint, limit = Infinity): Scene {
  const { driver, device, memory, seen } = started({ without });
  device.limit = limit;
  return { driver, device, memory, seen, last: () => device.lastViolation! };
}

function split(without = IN_ORDER, limit?: number): Scene & { queue: DriverQueue } {
  const made = scene(SPLIT | without, limit);
  return { ...made, queue: made.driver.queues[0]! };
}

function packed(without = IN_ORDER, limit?: number): Scene & { queue: PackedDriverQueue } {
  const made = scene(without, limit);
  return { ...made, queue: made.driver.packed(0) };
}

const one = (memory: FakeMemory): Segment[] => [{ address: memory.allocate(16), length: 16 }];
const three = (memory: FakeMemory): Segment[] => [...one(memory), ...one(memory), ...one(memory)];

describe("strict mode: split rings", () => {
  it("2.7.7.1: flags of the available ring other than 0 and 1 without EVENT_IDX", () => {
    const { driver, queue, memory, seen } = split(IN_ORDER | EVENT_IDX);
    queue.noInterrupt = true;
    driver.notify(0);
    assert.deepEqual(seen, []);
    memory.view.setUint16(queue.available, 2, true);
    driver.notify(0);
    driver.notify(0);
    assert.deepEqual(seen, ["2.7.7.1 flags"]);
  });

  it("2.7.7.1: flags of the available ring other than 0 with EVENT_IDX", () => {
    const { driver, queue, seen } = split();
    queue.noInterrupt = true;
    driver.notify(0);
    assert.deepEqual(seen, ["2.7.7.1 zero"]);
  });

  it("2.7.10.1: flags of the used ring that are not 0 when the queue is enabled", () => {
    const memory = new FakeMemory();
    memory.view.setUint16(0x3000, 1, true);
    const { driver, seen } = started({ without: SPLIT, memory, queues: 0 });
    set(driver, { descriptors: 0x1000, available: 0x2000, used: 0x3000 });
    assert.deepEqual(seen, ["2.7.10.1 flags"]);
  });

  it("2.7.6.1: an available index that goes back over what the device has not taken yet", () => {
    const { driver, queue, memory, seen, last } = split(IN_ORDER, 1);
    for (let i = 0; i < 4; i++) void driver.request(0, one(memory));
    driver.notify(0);
    assert.deepEqual(seen, []);
    memory.view.setUint16(queue.available + 2, 2, true);
    driver.notify(0);
    assert.deepEqual(seen, ["2.7.6.1 decrement"]);
    assert.match(last().what, /from 4 back to 2/);
    assert.equal(last().queue, 0);
  });

  it("3.3.1: a descriptor changed while the device has it", () => {
    const { driver, device, queue, memory, seen, last } = split();
    void driver.request(0, three(memory));
    void driver.request(0, one(memory));
    driver.notify(0);
    assert.deepEqual(seen, []);
    memory.view.setUint32(queue.descriptors + 16 + 8, 15, true);
    device.give(1);
    assert.deepEqual(seen, ["3.3.1 alter"], "seen when the chain comes back, before anything is written");
    assert.equal(last().descriptor, 1);
  });

  it("3.3.1: a chain that the device has not taken yet, changed in the table or in the available ring", () => {
    for (const change of [
      ({ memory, queue }: ReturnType<typeof split>) => memory.view.setUint8(queue.descriptors + 16, 1),
      ({ memory, queue }: ReturnType<typeof split>) =>
        memory.view.setUint16(queue.available + 4 + 2, 15, true),
    ]) {
      const made = split(IN_ORDER, 1);
      for (let i = 0; i < 2; i++) void made.driver.request(0, one(made.memory));
      made.driver.notify(0);
      change(made);
      made.driver.notify(0);
      assert.deepEqual(made.seen, ["3.3.1 alter"]);
    }
  });

  it("3.3.1: an indirect table changed while the device has it", () => {
    const { driver, queue, memory, seen } = split();
    void driver.request(0, three(memory), "indirect");
    const table = Number(memory.view.getBigUint64(queue.descriptors, true));
    memory.view.setUint8(table + 33, 1);
    driver.notify(0);
    assert.deepEqual(seen, ["3.3.1 alter"]);
  });

  it("3.3.1: once a chain is used its descriptors are the driver's, and others still are not", async () => {
    const { driver, device, queue, memory, seen } = split();
    const done = [driver.request(0, three(memory)), driver.request(0, three(memory), "indirect")];
    device.give();
    await Promise.all(done);
    memory.u8.fill(0xff, queue.descriptors, queue.descriptors + 16 * 16);
    driver.notify(0);
    assert.deepEqual(seen, []);
  });

  it("2.7.13.1: a chain with a descriptor that the device still has", () => {
    const { driver, queue, memory, seen, last } = split();
    void driver.request(0, three(memory)); // 2, 1, 0
    queue.describe(queue.descriptors, 5, memory.allocate(1), 1, NEXT, 0);
    queue.push(5);
    driver.kick(0);
    assert.deepEqual(seen, ["2.7.13.1 free"]);
    assert.equal(last().descriptor, 0);
  });

  it("2.7.13.1: one chain made available twice at once", () => {
    const { driver, device, queue, memory, seen } = split();
    device.limit = 0;
    queue.describe(queue.descriptors, 3, memory.allocate(1), 1, 0, 0);
    queue.push(3);
    queue.push(3);
    driver.kick(0);
    assert.deepEqual(seen, ["2.7.13.1 free"]);
  });

  it("2.7.5.2: a chain of more than 2^32 bytes", () => {
    const memory = new FakeMemory(2 ** 24);
    const { driver, seen } = started({ without: SPLIT | IN_ORDER, memory, device: { size: 512 } });
    const buffers = Array.from({ length: 257 }, () => ({ address: 0, length: 2 ** 24 }));
    void driver.request(0, buffers.slice(1), "indirect");
    assert.deepEqual(seen, [], "2^32 is allowed");
    void driver.request(0, buffers, "indirect");
    assert.deepEqual(seen, ["2.7.5.2 bytes"]);
  });

  it("2.7.5.2: descriptors out of order with IN_ORDER", () => {
    const { driver, queue, memory, seen } = split(0n);
    queue.describe(queue.descriptors, 15, memory.allocate(1), 1, NEXT, 0);
    queue.describe(queue.descriptors, 0, memory.allocate(1), 1, 0, 0);
    queue.push(15);
    driver.kick(0);
    assert.deepEqual(seen, [], "0 follows the last one");
    queue.describe(queue.descriptors, 1, memory.allocate(1), 1, NEXT, 3);
    queue.describe(queue.descriptors, 3, memory.allocate(1), 1, 0, 0);
    queue.push(1);
    driver.kick(0);
    assert.deepEqual(seen, ["2.7.5.2 inOrder"]);
  });

  it("2.7.5.3.1: an indirect table out of order with IN_ORDER", () => {
    const { driver, queue, memory, seen, last } = split(0n);
    const table = memory.allocate(48);
    queue.describe(table, 0, memory.allocate(1), 1, NEXT, 2);
    queue.describe(table, 2, memory.allocate(1), 1, 0, 0);
    queue.describe(queue.descriptors, 5, table, 48, INDIRECT, 0);
    queue.push(5);
    driver.kick(0);
    assert.deepEqual(seen, ["2.7.5.3.1 inOrder"]);
    assert.equal(last().descriptor, 5);
  });

  it("2.7.8: the used ring written by the driver", async () => {
    for (const offset of [0, 2, 4, 8, 4 + 8 * 16]) {
      const { driver, device, queue, memory, seen } = split();
      const done = driver.request(0, one(memory));
      device.give();
      await done;
      memory.view.setUint16(queue.used + offset, memory.view.getUint16(queue.used + offset, true) + 1, true);
      driver.notify(0);
      assert.deepEqual(seen, ["2.7.8 device"], `at ${offset}`);
    }
  });

  it("2.7: parts of a queue that overlap", () => {
    const { driver, device, seen } = started({ without: SPLIT, queues: 0 });
    set(driver, { descriptors: 0x1000, available: 0x1200, used: 0x1220 });
    assert.deepEqual(seen, ["2.7 apart"]);
    assert.match(device.lastViolation!.what, /available ring runs into the used ring/);
  });
});

describe("strict mode: packed rings", () => {
  it("2.8.14: event flags that mean nothing", () => {
    for (const flags of [3, 4, 0x8001]) {
      const { driver, queue, seen } = packed();
      queue.setDriverEvent(flags);
      driver.notify(0);
      assert.deepEqual(seen, ["2.8.14 flags"]);
    }
    const { driver, queue, seen } = packed(IN_ORDER | EVENT_IDX);
    queue.setDriverEvent(1);
    driver.notify(0);
    assert.deepEqual(seen, []);
    queue.setDriverEvent(DESC);
    driver.notify(0);
    assert.deepEqual(seen, ["2.8.14 flags"]);
  });

  it("2.8.14: an event at a descriptor outside the ring", () => {
    const { driver, queue, seen } = packed();
    queue.setDriverEvent(DESC, 0x8000 | 15);
    driver.notify(0);
    assert.deepEqual(seen, []);
    queue.setDriverEvent(DESC, 0x8000 | 16);
    driver.notify(0);
    assert.deepEqual(seen, ["2.8.14 offset"]);
  });

  it("2.8: the device's event suppression written by the driver", () => {
    const { driver, queue, memory, seen } = packed();
    memory.view.setUint16(queue.used, 7, true);
    driver.notify(0);
    assert.deepEqual(seen, ["2.8 device"]);
  });

  it("2.8.16: a descriptor changed while the device has it", () => {
    const { driver, device, queue, memory, seen, last } = packed();
    void driver.request(0, three(memory));
    memory.view.setUint8(queue.descriptors + 16 * 2, 1);
    device.give(1);
    assert.deepEqual(seen, ["2.8.16 change"]);
    assert.equal(last().descriptor, 2);
  });

  it("2.8.16: what is used is the driver's again, whatever was made available there", async () => {
    const { driver, device, memory, seen } = packed();
    // Out of order, so that used descriptors overwrite those of buffers that the device still has.
    for (let round = 0; round < 20; round++) {
      const done = [0, 1, 2].map(() => driver.request(0, three(memory)));
      device.held.reverse();
      device.give();
      await Promise.all(done);
    }
    assert.deepEqual(seen, []);
  });

  it("3.3.1: an indirect table changed while the device has it", () => {
    const { driver, queue, memory, seen } = packed();
    void driver.request(0, three(memory), "indirect");
    const table = Number(memory.view.getBigUint64(queue.descriptors, true));
    memory.view.setUint8(table + 8, 3);
    driver.notify(0);
    assert.deepEqual(seen, ["3.3.1 alter"]);
  });

  it("2.8.19: flags other than WRITE in an indirect table", () => {
    for (const flags of [NEXT, WRITE | AVAIL, 0x10]) {
      const { driver, queue, memory, seen } = packed();
      const table = memory.allocate(16);
      queue.describe(table, 0, memory.allocate(1), 1, 0, flags);
      queue.describe(queue.descriptors, 0, table, 16, 1, INDIRECT | AVAIL);
      driver.notify(0);
      assert.deepEqual(seen, ["2.8.19 flags"]);
    }
  });

  it("2.8.21.1: a buffer id that another buffer still has", () => {
    const { driver, queue, memory, seen, last } = packed();
    for (const index of [0, 1]) queue.describe(queue.descriptors, index, memory.allocate(1), 1, 9, AVAIL);
    driver.notify(0);
    assert.deepEqual(seen, ["2.8.21.1 id"]);
    assert.equal(last().descriptor, 1);
  });

  it("2.8: parts of a queue that overlap", () => {
    const { driver, seen } = started({ queues: 0 });
    set(driver, { descriptors: 0x1000, available: 0x10fc, used: 0x2000 });
    assert.deepEqual(seen, ["2.8 apart"]);
  });
});

describe("strict mode: hostile rings", () => {
  it("a broken chain is reported by the ring alone, as without strict mode", () => {
    const { driver, queue, seen } = split();
    queue.describe(queue.descriptors, 0, 0x100, 1, NEXT, 99);
    queue.push(0);
    driver.kick(0);
    assert.deepEqual(seen, ["2.7.5 inside"]);
  });

  it("of a table over all of memory only what a chain can reach is watched", () => {
    const memory = new FakeMemory(2 ** 24);
    const { driver, seen } = started({ without: SPLIT | IN_ORDER, memory });
    const queue = driver.queues[0]!;
    queue.describe(queue.descriptors, 0, 0, 2 ** 24, INDIRECT, 0);
    queue.push(0);
    driver.kick(0);
    memory.u8[16 * 16] = 1;
    driver.notify(0);
    assert.deepEqual(seen, []);
    memory.u8[16 * 16 - 1] = 1;
    driver.notify(0);
    assert.deepEqual(seen, ["3.3.1 alter"]);
  });

  it("random bytes in every part of a queue never make it throw", async () => {
    for (const layout of [0n, SPLIT]) {
      for (let seed = 1; seed < 300; seed++) {
        const { driver, device } = started({ without: layout, memory: new FakeMemory(1 << 16) });
        const ring = driver.rings[0]!;
        driver.transport.line.onRaise = undefined; // this driver does not care
        let random = seed;
        for (let i = 0; i < 200; i++) {
          random = (Math.imul(random, 1103515245) + 12345) >>> 0;
          const [start, length] = [
            [ring.descriptors, 256],
            [ring.available, 38],
            [ring.used, 134],
          ][random % 3] as [number, number];
          driver.memory.u8[start + ((random >>> 8) % length)] = (random >>> 16) & (random & 4 ? 0xff : 0x83);
          if (i % 4 === 0) driver.transport.notify(0);
          if (i % 9 === 0) device.give(1);
        }
        await settle();
      }
    }
  });
});

/** Enables queue 0, of 16 descriptors, with these areas. */
function set({ transport }: Driver, areas: Omit<QueueAreas, "size">): void {
  transport.selectQueue(0);
  transport.setQueueSize(16);
  transport.setAreas(areas);
  transport.enableQueue();
}
