import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ACKNOWLEDGE, DRIVER, Driver, DRIVER_OK, FEATURES_OK, NEEDS_RESET, settle } from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";
import { DriverQueue } from "./driver/queue.ts";
import { asMmio, asPci, KINDS, type QueueAreas } from "./driver/transport.ts";

const MEMORY = 1 << 20;

for (const kind of KINDS) {
  /** A device with its features negotiated, queue 0 selected, and good places for the rings of a queue of 8. */
  const negotiated = (): { device: HoldDevice; driver: Driver; areas: Omit<QueueAreas, "size"> } => {
    const device = new HoldDevice({ queues: 2, size: 64 });
    const driver = new Driver(device, { kind, memory: new FakeMemory(MEMORY) });
    driver.negotiate();
    driver.transport.selectQueue(0);
    const { descriptors, available, used } = new DriverQueue(driver.memory, 64, true);
    return { device, driver, areas: { descriptors, available, used } };
  };

  describe(`queue set-up over ${kind}`, () => {
    it("4.1.5.1.3, 4.2.3.2: shows the largest size, 0 where there is no queue, and is disabled at first", () => {
      const { driver } = negotiated();
      assert.equal(driver.transport.maximumSize(), 64);
      assert.equal(driver.transport.queueEnabled(), false);
      driver.transport.selectQueue(2);
      assert.equal(driver.transport.maximumSize(), 0);
      driver.transport.selectQueue(0xffff);
      assert.equal(driver.transport.maximumSize(), 0);
      assert.equal(driver.transport.queueEnabled(), false);
    });

    for (const size of [1, 2, 32, 64]) {
      it(`2.7: a queue of ${size} works, with every entry in use`, async () => {
        const device = new HoldDevice({ size: 64 });
        const driver = Driver.start(device, { kind, queueSize: size });
        for (let round = 0; round < 3; round++) {
          const requests = Array.from({ length: size }, () =>
            driver.enqueue(0, [{ address: 0x100, length: 8, writable: true }]),
          );
          driver.kick(0);
          device.give(size, 8);
          assert.deepEqual(await Promise.all(requests), new Array(size).fill(8));
        }
        assert.deepEqual(device.rules, []);
      });
    }

    for (const size of [0, 3, 63, 65, 128, 32768]) {
      it(`2.7: a queue of ${size} is refused: no power of two up to 64`, () => {
        const { device, driver, areas } = negotiated();
        driver.transport.setQueueSize(size);
        driver.transport.setAreas(areas);
        driver.transport.enableQueue();
        assert.equal(driver.transport.queueEnabled(), false);
        assert.ok(driver.transport.status & NEEDS_RESET);
        assert.deepEqual(device.rules, ["2.7", "2.7"]);
      });
    }

    it("2.7: a good size after a bad one is taken", () => {
      const { driver, areas } = negotiated();
      driver.transport.setQueueSize(48);
      driver.transport.setQueueSize(16);
      driver.transport.setAreas(areas);
      driver.transport.enableQueue();
      assert.equal(driver.transport.queueEnabled(), true);
    });

    const bad: [what: string, change: (areas: Omit<QueueAreas, "size">) => Partial<QueueAreas>][] = [
      ["descriptor table not aligned to 16", ({ descriptors }) => ({ descriptors: Number(descriptors) + 8 })],
      ["available ring not aligned to 2", ({ available }) => ({ available: Number(available) + 1 })],
      ["used ring not aligned to 4", ({ used }) => ({ used: Number(used) + 2 })],
      ["descriptor table that ends outside memory", () => ({ descriptors: MEMORY - 16 * 64 + 16 })],
      ["available ring that ends outside memory", () => ({ available: MEMORY - 2 * 64 - 4 })],
      ["used ring that ends outside memory", () => ({ used: MEMORY - 8 * 64 - 4 })],
      [
        "descriptor table beyond 4 GiB",
        ({ descriptors }) => ({ descriptors: BigInt(descriptors) | (1n << 32n) }),
      ],
      ["available ring at the top of 64 bits", () => ({ available: 0xfffffffffffffffen })],
      ["used ring at the top of 64 bits", () => ({ used: 0xfffffffffffffffcn })],
    ];
    for (const [what, change] of bad) {
      it(`2.7.1: a ${what} is refused`, () => {
        const { device, driver, areas } = negotiated();
        driver.transport.setAreas({ ...areas, ...change(areas) });
        driver.transport.enableQueue();
        assert.equal(driver.transport.queueEnabled(), false);
        assert.ok(driver.transport.status & NEEDS_RESET);
        assert.equal(device.rules.length, 1);
        driver.transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
        driver.transport.notify(0);
        assert.equal(device.held.length, 0);
      });
    }

    it("2.7: rings that end with the last byte of memory are fine", async () => {
      const device = new HoldDevice({ size: 16 });
      const memory = new FakeMemory(0x10000, 0x10000 - 6 - 8 * 16 - (6 + 2 * 16) - 16 * 16 - 6);
      const driver = Driver.start(device, { kind, memory });
      assert.ok(driver.queues[0]!.used + 6 + 8 * 16 > 0x10000 - 4);
      const done = driver.request(0, [{ address: 0x100, length: 8, writable: true }]);
      device.give(1, 8);
      assert.equal(await done, 8);
    });

    it("4.1.3.1: an address keeps both its halves, in whatever order they are written", () => {
      const { device, driver, areas } = negotiated();
      const { transport } = driver;
      transport.setAreas({ descriptors: 0xffffffff_00000010n, available: ~1n & (2n ** 64n - 1n), used: 4n });
      assert.equal(device.queues[0]!.descriptors, 0xffffffff_00000010n);
      assert.equal(device.queues[0]!.available, 0xffffffff_fffffffen);
      // The high halves back to 0, the low ones as they were: nothing of them may have been lost.
      const [base, write] =
        kind === "pci"
          ? [0x20, (at: number) => asPci(transport).write(at, 4, 0)]
          : [0x80, (at: number) => asMmio(transport).registers.write(at, 4, 0)];
      write(base + 4);
      assert.equal(device.queues[0]!.descriptors, 0x10n);
      transport.setAreas(areas);
      transport.enableQueue();
      assert.equal(transport.queueEnabled(), true);
    });

    it("3.1.1: a queue cannot be enabled before FEATURES_OK", () => {
      const device = new HoldDevice();
      const driver = new Driver(device, { kind });
      driver.setUpQueue(0, 16);
      assert.equal(driver.transport.queueEnabled(), false);
      assert.deepEqual(device.rules, ["3.1.1"]);
    });

    it("4.1.5.1.3, 4.2.2.2: what is enabled cannot be changed, and enabling it again changes nothing", async () => {
      const device = new HoldDevice({ size: 64 });
      const driver = Driver.start(device, { kind });
      const first = driver.request(0, [{ address: 0x100, length: 8, writable: true }]);
      driver.transport.selectQueue(0);
      driver.transport.setAreas({ descriptors: 0, available: 0, used: 0 });
      driver.transport.setQueueSize(2);
      driver.transport.enableQueue();
      assert.deepEqual(new Set(device.rules), new Set([kind === "mmio" ? "4.2.2.2" : "4.1.5.1.3"]));
      assert.equal(device.rules.length, 7);
      device.give(1, 8);
      assert.equal(await first, 8);
      const second = driver.request(0, [{ address: 0x100, length: 8, writable: true }]);
      device.give(1, 4);
      assert.equal(await second, 4);
    });

    it("2.6: to set up a queue that does not exist is reported, and does no harm", () => {
      const { device, driver, areas } = negotiated();
      driver.transport.selectQueue(2);
      driver.transport.setAreas(areas);
      driver.transport.enableQueue();
      assert.equal(driver.transport.queueEnabled(), false);
      assert.equal(device.rules.length, 7);
      assert.equal(driver.transport.status & NEEDS_RESET, 0);
    });

    it("2.3: a kick of a queue that does not exist or is not enabled is reported, and does no harm", () => {
      const { device, driver } = negotiated();
      driver.transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
      driver.transport.notify(1);
      assert.deepEqual(device.rules, ["2.3"]);
      if (kind === "mmio") driver.transport.notify(2);
      else asPci(driver.transport).registers.write(0x1000 + 4 * 2, 2, 2);
      assert.deepEqual(device.rules, ["2.3", "2.3"]);
      assert.equal(driver.transport.status & NEEDS_RESET, 0);
    });

    it("2.7.10.2: a spurious kick is no mistake", () => {
      const device = new HoldDevice();
      const driver = Driver.start(device, { kind });
      driver.transport.notify(0);
      driver.transport.notify(0);
      assert.deepEqual(device.rules, []);
      assert.equal(driver.transport.line.raised, 0);
    });
  });
}

describe("taking a queue away", () => {
  it("4.2.2.2: 0 in QueueReady stops the queue; what is in flight does not reach the guest", async () => {
    const device = new HoldDevice({ queues: 2 });
    const driver = Driver.start(device, { kind: "mmio" });
    void driver.request(0, [{ address: 0x100, length: 8, writable: true }]);
    driver.transport.selectQueue(0);
    driver.transport.enableQueue(0);
    assert.equal(driver.transport.queueEnabled(), false);
    const before = driver.memory.u8.slice();
    device.give(1, 8);
    await settle();
    assert.deepEqual(driver.memory.changedSince(before), []);
    driver.transport.selectQueue(1);
    assert.equal(driver.transport.queueEnabled(), true, "the other queue goes on");

    driver.rings[0] = driver.setUpQueue(0, 32);
    const done = driver.request(0, [{ address: 0x200, length: 8, writable: true }]);
    device.give(1, 2);
    assert.equal(await done, 2);
    assert.deepEqual(device.rules, []);
  });

  it("4.2.2: QueueReady takes 0 and 1, anything else is reported", () => {
    const device = new HoldDevice();
    const driver = Driver.start(device, { kind: "mmio" });
    driver.transport.selectQueue(0);
    driver.transport.enableQueue(2);
    assert.equal(driver.transport.queueEnabled(), true);
    assert.deepEqual(device.rules, ["4.2.2"]);
  });

  it("4.1.4.3.2: a driver that writes 0 to queue_enable is reported; the queue stays", () => {
    const device = new HoldDevice();
    const driver = Driver.start(device, { kind: "pci" });
    driver.transport.selectQueue(0);
    driver.transport.enableQueue(0);
    assert.equal(driver.transport.queueEnabled(), true);
    assert.deepEqual(device.rules, ["4.1.4.3.2"]);
  });
});
