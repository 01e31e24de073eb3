import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Driver, type DriverOptions, settle } from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";
import { AVAIL, type PackedDriverQueue, USED } from "./driver/queue-packed.ts";
import type { Segment } from "./driver/queue.ts";

const BOTH = AVAIL | USED;

function start(size: number, options: DriverOptions = {}): [HoldDevice, Driver, PackedDriverQueue] {
  const device = new HoldDevice({ size: 64, packed: true });
  const driver = Driver.start(device, { queueSize: size, ...options });
  return [device, driver, driver.packed(0)];
}

function segments(count: number): Segment[] {
  return Array.from({ length: count }, (_, i) => ({ address: 0x100 + 16 * i, length: 8, writable: true }));
}

/** Guest memory in which somebody watches: told of every write at the moment at which the device reports it. */
class WatchedMemory extends FakeMemory {
  onWrite: () => void = () => undefined;

  override dirty(start: number, end: number): void {
    super.dirty(start, end);
    this.onWrite();
  }
}

describe("the order of things in a packed ring", () => {
  it("2.8.12: descriptors are taken in the order in which they stand in the ring, over many laps", async () => {
    const [device, driver, queue] = start(7);
    for (let round = 0; round < 60; round++) {
      const lengths = [1 + (round % 3), 1, 1 + (round % 2)];
      const ids = lengths.map((count) => queue.add(segments(count)));
      driver.kick(0);
      assert.deepEqual(
        device.held.map(({ head }) => head),
        ids,
      );
      assert.deepEqual(
        device.held.map(({ writer }) => writer.total),
        lengths.map((count) => 8 * count),
      );
      device.give();
      await settle();
      assert.equal(queue.free, 7);
    }
    assert.deepEqual(device.rules, []);
  });

  it("2.8.12: used descriptors are written in the order in which requests complete", async () => {
    const [device, driver, queue] = start(8);
    driver.transport.line.onRaise = () => void driver.transport.acknowledge();
    for (const order of [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [2, 0, 3, 1],
      [1, 3, 0, 2],
    ]) {
      for (let lap = 0; lap < 5; lap++) {
        const ids = [1, 2, 1, 2].map((count) => queue.add(segments(count)));
        queue.expose();
        driver.notify(0);
        const held = device.held.splice(0);
        for (const i of order) device.queues[0]!.put(held[i]!, 8);
        await settle();
        assert.deepEqual(
          queue.reap().map(({ id }) => id),
          order.map((i) => ids[i]),
        );
      }
    }
  });

  it("2.8.15: no descriptor is used before its flags say that it is available in this lap", () => {
    const [device, driver, queue] = start(3);
    const busy = driver.memory.allocate(64);
    for (let lap = 0; lap < 4; lap++) {
      for (let index = 0; index < 3; index++) {
        const available = queue.availableFlags;
        for (const flags of [0, AVAIL, USED, BOTH].filter((other) => other !== available)) {
          queue.describe(queue.descriptors, index, busy, 64, 1, flags | 2);
          driver.transport.notify(0);
          assert.equal(
            device.held.length,
            0,
            `lap ${lap}, descriptor ${index}, flags 0x${flags.toString(16)}`,
          );
        }
        void driver.request(0, segments(1));
        driver.transport.notify(0);
        assert.equal(device.held.length, 1);
        device.give();
        device.wake(); // publishes
        driver.reap(0);
      }
    }
    assert.deepEqual(device.rules, []);
  });

  it("2.8.15: a used descriptor is complete when its flags say used, and does not change any more", async () => {
    const device = new HoldDevice({ size: 64, packed: true });
    const memory = new WatchedMemory();
    const driver = Driver.start(device, { memory, queueSize: 5 });
    const queue = driver.packed(0);
    /** What is expected of each completion, in order, and how many descriptors it takes up. */
    const expected: { id: number; length: number; count: number }[] = [];
    /** Completions that the driver has seen as used, and those of them that it has not taken yet, by index in the ring. */
    let seen = 0;
    let place = { index: 0, wrap: true };
    const standing = new Map<number, string>();
    const look = (index: number): string => {
      const at = queue.descriptors + 16 * index;
      return Buffer.from(memory.get(at + 8, 8)).toString("hex");
    };
    memory.onWrite = () => {
      for (const [index, was] of standing) assert.equal(look(index), was, `descriptor ${index} changed`);
      while (seen < expected.length && (queue.flags(place.index) & BOTH) === (place.wrap ? BOTH : 0)) {
        const { id, length, count } = expected[seen++]!;
        const at = queue.descriptors + 16 * place.index;
        assert.equal(memory.view.getUint16(at + 12, true), id);
        assert.equal(memory.view.getUint32(at + 8, true), length);
        standing.set(place.index, look(place.index));
        const next = place.index + count;
        place = { index: next % 5, wrap: next < 5 ? place.wrap : !place.wrap };
      }
    };
    for (let round = 0; round < 40; round++) {
      const requests = [1, 1 + (round % 2), 1].map((count) => ({
        count,
        done: driver.enqueue(0, segments(count)),
      }));
      driver.kick(0);
      for (const [i, chain] of device.held.splice(0).reverse().entries()) {
        const length = 1 + ((round + i) % 8);
        expected.push({ id: chain.head, length, count: requests[2 - i]!.count });
        chain.writer.write(new Uint8Array(length));
        device.queues[0]!.put(chain, length);
      }
      // The interrupt tells the driver, which takes them, and from then on the descriptors are its own.
      const handler = driver.transport.line.onRaise;
      driver.transport.line.onRaise = () => {
        standing.clear();
        handler?.();
      };
      await Promise.all(requests.map(({ done }) => done));
      driver.transport.line.onRaise = handler;
    }
    assert.equal(seen, 120);
  });

  it("2.8.15: a batch shows all at once: not before its first descriptor's flags", async () => {
    const [device, driver, queue] = start(8);
    const requests = [1, 1, 1].map((count) => driver.enqueue(0, segments(count)));
    driver.kick(0);
    const before = queue.flags(0);
    for (const chain of device.held.splice(0)) device.queues[0]!.put(chain, 0);
    assert.equal(queue.flags(0), before);
    await Promise.all(requests);
    assert.deepEqual(
      [0, 1, 2].map((index) => queue.flags(index) & BOTH),
      [BOTH, BOTH, BOTH],
    );
  });

  for (const placement of ["direct", "indirect", "unaligned-indirect"] as const) {
    it(`2.8.15: a device-readable buffer is not written (${placement})`, async () => {
      const [device, driver] = start(8);
      const text = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
      const readable = driver.memory.put(text);
      const writable = driver.memory.allocate(8);
      const done = driver.request(
        0,
        [
          { address: readable, length: 8 },
          { address: writable, length: 4, writable: true },
        ],
        placement,
      );
      assert.equal(device.held[0]!.writer.write(new Uint8Array(100).fill(0xff)), 4);
      device.give(1, 4);
      assert.equal(await done, 4);
      assert.deepEqual(driver.memory.get(readable, 8), text);
      assert.deepEqual([...driver.memory.get(writable, 8)], [255, 255, 255, 255, 0, 0, 0, 0]);
    });
  }

  it("2.8.18: the descriptors of a list are used in their order, also around the ring's end", async () => {
    const [device, driver] = start(7);
    const { memory } = driver;
    for (let round = 0; round < 14; round++) {
      const parts = [0, 1, 2].map((i) => memory.put(Uint8Array.of(10 * round + i, 10 * round + i)));
      const target = memory.allocate(8);
      const done = driver.request(0, [
        ...parts.map((address) => ({ address, length: 2 })),
        { address: target + 4, length: 4, writable: true },
        { address: target, length: 4, writable: true },
      ]);
      const [chain] = device.held;
      const got = new Uint8Array(8);
      assert.equal(chain!.reader.read(got), 6);
      assert.deepEqual(
        [...got.subarray(0, 6)],
        [0, 0, 1, 1, 2, 2].map((i) => 10 * round + i),
      );
      chain!.writer.write(Uint8Array.of(1, 2, 3, 4, 5, 6));
      device.give(1, 6);
      assert.equal(await done, 6);
      assert.deepEqual([...memory.get(target, 8)], [5, 6, 0, 0, 1, 2, 3, 4]);
    }
    assert.deepEqual(device.rules, []);
  });
});
