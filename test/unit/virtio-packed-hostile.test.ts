/** Drivers that break a packed ring: named, stopped, and never obeyed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Driver, type DriverOptions, INDIRECT_DESC, NEEDS_RESET, settle } from "./driver/driver.ts";
import { HoldDevice, type HoldOptions } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";
import { AVAIL, type PackedDriverQueue, USED } from "./driver/queue-packed.ts";
import { INDIRECT, NEXT, WRITE } from "./driver/queue.ts";

const MEMORY = 1 << 20;

function start(
  options: HoldOptions = {},
  driverOptions: DriverOptions = {},
): [HoldDevice, Driver, PackedDriverQueue] {
  const device = new HoldDevice({ size: 16, packed: true, ...options });
  const driver = Driver.start(device, { memory: new FakeMemory(MEMORY), ...driverOptions });
  return [device, driver, driver.packed(0)];
}

describe("what breaks a packed ring", () => {
  type Build = (queue: PackedDriverQueue, memory: FakeMemory) => void;
  /** One descriptor in the first place. */
  const one =
    (address: number, length: number, flags: number): Build =>
    (queue) =>
      queue.describe(queue.descriptors, 0, address, length, 1, flags | AVAIL);
  const table =
    (
      entries: readonly [address: number, length: number, flags: number][],
      length = 16 * entries.length,
    ): Build =>
    (queue, memory) => {
      const at = memory.allocate(16 * entries.length + 16);
      entries.forEach(([address, bytes, flags], i) => queue.describe(at, i, address, bytes, 0, flags));
      queue.describe(queue.descriptors, 0, at, length, 1, INDIRECT | AVAIL);
    };
  const list =
    (...entries: readonly [address: number, length: number, flags: number][]): Build =>
    (queue) =>
      entries.forEach(([address, length, flags], i) =>
        queue.describe(queue.descriptors, i, address, length, 1, flags),
      );

  const broken: [title: string, rule: string, build: Build, withIndirect?: boolean][] = [
    ["2.8.4: a buffer that ends outside memory", "2.8.4", one(MEMORY - 8, 9, 0)],
    ["2.8.4: a buffer beyond 4 GiB", "2.8.4", one(2 ** 32 + 0x100, 1, WRITE)],
    ["2.8.4: an address and a length that wrap around 32 bits", "2.8.4", one(0xfffffff0, 0x20, WRITE)],
    ["2.8.4: a length of 4 GiB - 1", "2.8.4", one(0x100, 0xffffffff, 0)],
    ["2.8.4: the same in an indirect table", "2.8.4", table([[0x100, 0xffffffff, 0]])],
    [
      "2.8.17: a readable buffer after a writable one",
      "2.8.17",
      list([0x100, 1, WRITE | NEXT | AVAIL], [0x200, 1, AVAIL]),
    ],
    [
      "2.8.17: the same in an indirect table",
      "2.8.17",
      table([
        [0x100, 1, WRITE],
        [0x200, 1, 0],
      ]),
    ],
    [
      "2.8.17: a list of which only the first descriptor is available",
      "2.8.17",
      list([0x100, 1, NEXT | AVAIL], [0x200, 1, 0]),
    ],
    [
      "2.8.17: a list that goes on over a used descriptor",
      "2.8.17",
      list([0x100, 1, NEXT | AVAIL], [0x200, 1, AVAIL | USED]),
    ],
    [
      "2.8.17: a list without an end",
      "2.8.17",
      (queue) => {
        for (let i = 0; i < 16; i++) queue.describe(queue.descriptors, i, 0, 0, 1, NEXT | AVAIL);
      },
    ],
    ["2.8.19: an indirect table without the feature", "2.8.19", table([[0x100, 1, 0]]), false],
    ["2.8.19: INDIRECT together with NEXT", "2.8.19", one(0x100, 16, INDIRECT | NEXT)],
    [
      "2.8.19: INDIRECT at the end of a list",
      "2.8.19",
      list([0x100, 1, NEXT | AVAIL], [0x200, 16, INDIRECT | AVAIL]),
    ],
    ...[0, 1, 15, 17].map((length): [string, string, Build] => [
      `2.8.7: an indirect table of ${length} bytes`,
      "2.8.7",
      table([[0x100, 1, 0]], length),
    ]),
    ["2.8.7: an indirect table that ends outside memory", "2.8.4", one(MEMORY - 16, 32, INDIRECT)],
    ["2.8.7: an indirect table of almost 4 GiB", "2.8.4", one(0x100, 0xfffffff0, INDIRECT)],
    [
      "2.8.19: an indirect table with more entries than the device's queue",
      "2.8.19",
      table(Array.from({ length: 17 }, () => [0x100, 1, 0])),
    ],
  ];

  for (const [title, rule, build, withIndirect] of broken) {
    it(`${title} stops the device, and the reset helps`, async () => {
      const [device, driver, queue] = start({}, { without: withIndirect === false ? INDIRECT_DESC : 0n });
      build(queue, driver.memory);
      const before = driver.memory.u8.slice();
      driver.transport.notify(0);
      driver.transport.notify(0);
      assert.deepEqual(device.rules, [rule]);
      assert.ok(driver.transport.status & NEEDS_RESET);
      assert.equal(driver.configChanges, 1);
      assert.equal(device.held.length, 0);
      assert.deepEqual(
        driver.memory.changedSince(before).filter((at) => at < queue.used || at >= queue.used + 4),
        [],
      );
      driver.start();
      const done = driver.request(0, [{ address: 0x100, length: 1, writable: true }]);
      device.held[0]?.writer.write(Uint8Array.of(1));
      device.give(1, 1);
      assert.equal(await done, 1);
    });
  }

  it("2.8.16: a descriptor that is made available again before it was used", () => {
    const [device, driver, queue] = start({ size: 4 });
    for (let i = 0; i < 4; i++) queue.add([{ address: 0x100, length: 1 }]);
    driver.kick(0);
    assert.equal(device.held.length, 4);
    queue.setFlags(0, USED); // the next lap's way to be available
    driver.transport.notify(0);
    assert.equal(device.held.length, 4);
    assert.deepEqual(device.rules, ["2.8.16"]);
  });

  it("2.8.17: a list that runs into descriptors that the device still has", () => {
    const [device, driver, queue] = start({ size: 4 });
    for (let i = 0; i < 3; i++) queue.add([{ address: 0x100, length: 1 }]);
    driver.kick(0);
    queue.describe(queue.descriptors, 3, 0x100, 1, 1, NEXT | AVAIL);
    queue.describe(queue.descriptors, 0, 0x100, 1, 1, USED);
    driver.transport.notify(0);
    assert.equal(device.held.length, 3);
    assert.deepEqual(device.rules, ["2.8.17"]);
  });

  it("2.8.12: good buffers before the broken one come back, those behind it are not looked at", async () => {
    const [device, driver, queue] = start();
    driver.transport.line.onRaise = undefined;
    const id = queue.add([{ address: 0x100, length: 1, writable: true }]);
    queue.add([{ address: MEMORY, length: 1 }]);
    queue.add([{ address: 0x100, length: 1 }]);
    driver.kick(0);
    assert.equal(device.held.length, 1);
    device.give(1);
    await settle();
    assert.deepEqual(queue.reap(), [{ id, length: 0 }]);
  });

  it("2.8.6: two buffers with one id both come back under it", async () => {
    const [device, driver, queue] = start();
    driver.transport.line.onRaise = undefined;
    for (let i = 0; i < 2; i++) queue.describe(queue.descriptors, i, 0x100, 1, 7, AVAIL);
    driver.transport.notify(0);
    assert.deepEqual(
      device.held.map(({ head }) => head),
      [7, 7],
    );
    device.give();
    await settle();
    assert.deepEqual([queue.flags(0), queue.flags(1)], [AVAIL | USED, AVAIL | USED]);
    assert.deepEqual(device.rules, []);
  });

  it("one broken queue does not break the others", async () => {
    const [device, driver, queue] = start({ queues: 2 });
    const fine = driver.request(1, [{ address: 0x100, length: 4, writable: true }]);
    device.held[0]?.writer.write(new Uint8Array(3));
    queue.describe(queue.descriptors, 0, MEMORY, 1, 1, AVAIL);
    driver.transport.notify(0);
    assert.ok(driver.transport.status & NEEDS_RESET);
    device.give(1, 3, 1);
    assert.equal(await fine, 3);
  });

  it("2.8: random bytes in the ring, again and again: no exception, no hang, no write outside what was offered", () => {
    let random = 12345;
    const next = (): number => (random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff) >>> 8;
    let [chains, stops] = [0, 0];
    for (let round = 0; round < 100; round++) {
      const size = 1 + (next() % 20);
      const device = new HoldDevice({ size: 32, packed: true });
      const memory = new FakeMemory(1 << 16);
      const driver = Driver.start(device, { memory, queueSize: size });
      driver.transport.line.onRaise = undefined;
      const queue = driver.packed(0);
      const ring = [queue.descriptors, queue.descriptors + 16 * size] as const;
      const home = memory.allocate(4096);
      for (let step = 0; step < 60; step++) {
        const index = next() % size;
        const lap = [AVAIL, AVAIL, USED, 0, AVAIL | USED][next() % 5]!;
        const anyFlags = lap | (next() & WRITE) | (next() & next() & next() & (NEXT | INDIRECT));
        const address = next() % 30 === 0 ? next() * 7 : home + (next() % 4096);
        queue.describe(
          queue.descriptors,
          index,
          address,
          next() % 20 === 0 ? next() : 16 * (next() % 8),
          next(),
          anyFlags,
        );
        const before = memory.u8.slice();
        driver.transport.notify(0);
        const offered: [number, number][] = [[...ring], [queue.used, queue.used + 4]];
        for (const chain of device.held) {
          chains++;
          for (let at = 0; at < chain.buffers.length; at += 2) {
            offered.push([chain.buffers[at]!, chain.buffers[at]! + chain.buffers[at + 1]!]);
          }
          for (let left = chain.writer.remaining; left > 0; left = chain.writer.remaining)
            chain.writer.view(left).fill(0);
        }
        device.give(next() % 3 === 0 ? 0 : device.held.length);
        device.wake();
        const outside = memory
          .changedSince(before)
          .find((at) => !offered.some(([start, end]) => at >= start && at < end));
        assert.equal(outside, undefined);
        if (device.status & NEEDS_RESET) {
          stops++;
          break;
        }
      }
      assert.ok(device.held.length <= size);
    }
    assert.ok(chains > 150 && stops > 30, `${chains} chains, ${stops} stops`);
  });
});
