import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DeviceOptions } from "../../src/virtio/device.ts";
import {
  ACKNOWLEDGE,
  DRIVER,
  DRIVER_OK,
  Driver,
  EVENT_IDX,
  FAILED,
  FEATURES_OK,
  IN_ORDER,
  INDIRECT_DESC,
  NEEDS_RESET,
  NOTIF_CONFIG_DATA,
  NOTIFICATION_DATA,
  RING_PACKED,
  RING_RESET,
  settle,
  VERSION_1,
} from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";
import { asPci, KINDS, plug } from "./driver/transport.ts";

const READY = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;

for (const kind of KINDS) {
  describe(`device status and features over ${kind}`, () => {
    it("2.1: starts out as 0 and keeps the bits that the driver sets", () => {
      const transport = plug(new HoldDevice(), kind, new FakeMemory());
      assert.equal(transport.status, 0);
      transport.status = ACKNOWLEDGE;
      assert.equal(transport.status, ACKNOWLEDGE);
      transport.status = ACKNOWLEDGE | DRIVER;
      assert.equal(transport.status, ACKNOWLEDGE | DRIVER);
      transport.status = ACKNOWLEDGE | DRIVER | FAILED;
      assert.equal(transport.status, ACKNOWLEDGE | DRIVER | FAILED);
    });

    it("2.1.1: a bit that the driver clears stays set, and is reported", () => {
      const device = new HoldDevice();
      const { transport } = Driver.start(device, { kind });
      transport.status = ACKNOWLEDGE;
      assert.equal(transport.status, READY);
      assert.deepEqual(device.rules, ["2.1.1"]);
    });

    it("2.1: bits that mean nothing here are not kept (SUSPEND without its feature, bit 5)", () => {
      const device = new HoldDevice();
      const transport = plug(device, kind, new FakeMemory());
      transport.status = ACKNOWLEDGE | 16 | 32;
      assert.equal(transport.status, ACKNOWLEDGE);
      assert.deepEqual(device.rules, ["2.1"]);
    });

    it("2.1.2: DEVICE_NEEDS_RESET is the device's: a driver can neither set nor clear it", () => {
      const device = new HoldDevice();
      const { transport } = Driver.start(device, { kind });
      transport.status = READY | NEEDS_RESET;
      assert.equal(transport.status, READY);
      device.fatal("2.6 exists", "broken on purpose");
      assert.equal(transport.status, READY | NEEDS_RESET);
      transport.status = READY;
      assert.equal(transport.status, READY | NEEDS_RESET);
      assert.deepEqual(device.rules, ["2.6"]);
    });

    it("2.1.2: DEVICE_NEEDS_RESET is announced by a configuration interrupt if DRIVER_OK is set, else not", () => {
      const device = new HoldDevice();
      const driver = new Driver(device, { kind });
      driver.negotiate();
      device.fatal("2.6 exists", "too early");
      assert.equal(driver.transport.line.raised, 0);
      driver.start();
      assert.equal(driver.configChanges, 0);
      device.fatal("2.6 exists", "now");
      assert.equal(driver.configChanges, 1);
      device.fatal("2.6 exists", "again");
      assert.equal(driver.configChanges, 1, "one interrupt for one change of the status");
    });

    it("2.2: offers VERSION_1 always, three features unless switched off, the others when switched on", () => {
      const offered = (options: DeviceOptions = {}): bigint =>
        plug(new HoldDevice(options), kind, new FakeMemory()).deviceFeatures();
      const standard = VERSION_1 | EVENT_IDX | INDIRECT_DESC | RING_RESET;
      assert.equal(offered(), standard);
      assert.equal(offered({ eventIdx: false }), standard & ~EVENT_IDX);
      assert.equal(offered({ indirect: false }), standard & ~INDIRECT_DESC);
      assert.equal(offered({ ringReset: false }), standard & ~RING_RESET);
      assert.equal(offered({ packed: true }), standard | RING_PACKED);
      assert.equal(offered({ inOrder: true }), standard | IN_ORDER);
      assert.equal(offered({ notificationData: true }), standard | NOTIFICATION_DATA);
    });

    it("2.2, 4.1.4.3: NOTIF_CONFIG_DATA is offered on PCI only", () => {
      const device = new HoldDevice({ notifConfigData: true });
      const offered = plug(device, kind, new FakeMemory()).deviceFeatures();
      assert.equal((offered & NOTIF_CONFIG_DATA) !== 0n, kind === "pci");
    });

    it("2.2.2: features that were not offered make FEATURES_OK fail, and the driver may try again", () => {
      const device = new HoldDevice({ eventIdx: false });
      const transport = plug(device, kind, new FakeMemory());
      transport.status = ACKNOWLEDGE | DRIVER;
      for (const wrong of [EVENT_IDX, 1n << 0n, 1n << 33n, 1n << 63n]) {
        transport.acceptFeatures(VERSION_1 | wrong);
        transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
        assert.equal(transport.status, ACKNOWLEDGE | DRIVER);
      }
      assert.deepEqual(device.rules, ["2.2.1", "2.2.1", "2.2.1", "2.2.1"]);
      transport.acceptFeatures(VERSION_1);
      transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
      assert.equal(transport.status, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    });

    it("6.1: a driver that does not accept VERSION_1 is refused", () => {
      const device = new HoldDevice();
      const transport = plug(device, kind, new FakeMemory());
      transport.acceptFeatures(EVENT_IDX);
      transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
      assert.equal(transport.status, ACKNOWLEDGE | DRIVER);
      assert.deepEqual(device.rules, ["6.1"]);
    });

    it("3.1.1: features written after FEATURES_OK change nothing", () => {
      const device = new HoldDevice();
      const driver = new Driver(device, { kind, without: EVENT_IDX | RING_RESET });
      driver.negotiate();
      driver.transport.acceptFeatures(VERSION_1 | EVENT_IDX);
      assert.equal(device.negotiated, VERSION_1 | INDIRECT_DESC);
      assert.deepEqual(device.rules, ["3.1.1", "3.1.1"]);
    });

    it("3.1.1: DRIVER_OK without FEATURES_OK is not taken", () => {
      const device = new HoldDevice();
      const transport = plug(device, kind, new FakeMemory());
      transport.status = ACKNOWLEDGE | DRIVER | DRIVER_OK;
      assert.equal(transport.status, ACKNOWLEDGE | DRIVER);
      assert.deepEqual(device.rules, ["3.1.1"]);
      assert.equal(device.live, false);
    });

    it("3.1.1: DRIVER_OK together with refused features is not taken either", () => {
      const device = new HoldDevice();
      const transport = plug(device, kind, new FakeMemory());
      transport.acceptFeatures(VERSION_1 | 1n);
      transport.status = READY;
      assert.equal(transport.status, ACKNOWLEDGE | DRIVER);
      assert.deepEqual(device.rules, ["2.2.1", "3.1.1"]);
    });

    it("2.1.2: before DRIVER_OK no buffer is consumed; at DRIVER_OK those that wait are", () => {
      const device = new HoldDevice();
      const driver = new Driver(device, { kind });
      driver.negotiate();
      driver.setUpQueues();
      driver.queues[0]!.add([{ address: 0x100, length: 16, writable: true }]);
      driver.queues[0]!.expose();
      driver.transport.notify(0);
      assert.equal(device.held.length, 0);
      assert.deepEqual(device.rules, ["3.1.1"], "a kick before DRIVER_OK is the driver's mistake");
      driver.transport.status = READY;
      assert.equal(device.held.length, 1);
    });

    it("2.4.1: a reset in every state gives status 0 and a device that works again", async () => {
      const device = new HoldDevice();
      const steps: ((driver: Driver) => void)[] = [
        () => undefined,
        ({ transport }) => (transport.status = ACKNOWLEDGE),
        ({ transport }) => (transport.status = ACKNOWLEDGE | DRIVER),
        (driver) => driver.negotiate(),
        (driver) => {
          driver.negotiate();
          driver.setUpQueues();
        },
        (driver) => driver.start(),
        (driver) => {
          driver.start();
          void driver.request(0, [{ address: 0x100, length: 16 }]);
        },
        (driver) => {
          driver.start();
          device.fatal("2.6 exists", "on purpose");
        },
        (driver) => {
          driver.start();
          driver.transport.status = READY | FAILED;
        },
      ];
      for (const [i, step] of steps.entries()) {
        const driver = new Driver(device, { kind });
        step(driver);
        driver.transport.status = 0;
        assert.equal(driver.transport.status, 0, `step ${i}`);
        assert.equal(device.negotiated, 0n);
        driver.transport.selectQueue(0);
        assert.equal(driver.transport.queueEnabled(), false);
        assert.equal(driver.transport.maximumSize(), 256);

        device.held.length = 0;
        driver.start();
        const done = driver.request(0, [{ address: 0x100, length: 16, writable: true }]);
        device.give(1, 7);
        assert.equal(await done, 7, `step ${i}`);
      }
    });

    it("2.4.1: nothing in flight reaches the guest after a reset", async () => {
      const device = new HoldDevice();
      const driver = Driver.start(device, { kind });
      const buffer = driver.memory.allocate(64);
      const queue = driver.queues[0]!;
      queue.add([{ address: buffer, length: 64, writable: true }]);
      queue.add([{ address: buffer, length: 64, writable: true }]);
      driver.kick(0);
      const [early, late] = device.held;
      assert.ok(early && late);
      device.queues[0]!.put(early, 3); // completed, and to be published at the end of this turn
      driver.transport.status = 0;
      driver.transport.line.onRaise = undefined;
      const before = driver.memory.u8.slice();
      const raised = driver.transport.line.raised;

      assert.equal(late.writer.write(new Uint8Array(64).fill(0xaa)), 0);
      device.queues[0]!.put(late, 64);
      await settle();
      assert.deepEqual(driver.memory.changedSince(before), []);
      assert.equal(driver.transport.line.raised, raised);
      assert.equal(driver.transport.line.asserted, false);
    });

    it("2.4.1: an old completion does not get into a queue that was set up anew", async () => {
      const device = new HoldDevice();
      const driver = Driver.start(device, { kind });
      void driver.request(0, [{ address: 0x100, length: 16, writable: true }]);
      const [old] = device.held.splice(0);
      driver.start();
      const answer = driver.request(0, [{ address: 0x200, length: 16, writable: true }]);
      device.queues[0]!.put(old!, 16);
      await settle();
      assert.equal(driver.queues[0]!.usedIndex, 0);
      device.give(1, 5);
      assert.equal(await answer, 5);
    });

    it("2.4.1: after DEVICE_NEEDS_RESET no queue is served before the reset", () => {
      const device = new HoldDevice();
      const driver = Driver.start(device, { kind });
      device.fatal("2.6 exists", "on purpose");
      void driver.request(0, [{ address: 0x100, length: 16 }]);
      driver.transport.notify(0);
      assert.equal(device.held.length, 0);
    });

    for (const layout of ["split", "packed"] as const) {
      it(`2.1.1: after FAILED the device is quiet, and only a reset helps (${layout})`, async () => {
        const device = new HoldDevice({ packed: layout === "packed" });
        const driver = Driver.start(device, { kind });
        const { transport } = driver;
        const buffer = { address: 0x100, length: 8, writable: true };
        void driver.request(0, [buffer]);
        void driver.request(0, [buffer]);
        transport.status = READY | FAILED;
        assert.equal(transport.status, READY | FAILED);
        assert.equal(device.live, false);
        const before = driver.memory.u8.slice();
        device.give(1, 8);
        await settle();
        driver.transport.notify(0);
        device.wake();
        assert.deepEqual(driver.memory.changedSince(before), []);
        assert.equal(transport.line.raised, 0);
        void driver.request(0, [buffer]);
        driver.transport.notify(0);
        assert.equal(device.held.length, 1, "nothing is taken");
        assert.deepEqual(device.rules, []);

        device.held.length = 0;
        driver.start();
        const done = driver.request(0, [buffer]);
        device.held[0]?.writer.write(new Uint8Array(8));
        device.give(1, 8);
        assert.equal(await done, 8);
      });
    }

    it("2.1.1: a driver that goes on after FAILED is told, and gets nowhere", () => {
      const device = new HoldDevice();
      const driver = new Driver(device, { kind });
      driver.negotiate();
      const { transport } = driver;
      const failed = ACKNOWLEDGE | DRIVER | FEATURES_OK | FAILED;
      transport.status = failed;
      transport.status = failed | DRIVER_OK;
      assert.equal(transport.status, failed);
      assert.equal(device.live, false);
      assert.deepEqual(device.rules, ["2.1.1"]);
    });

    it("3.1.1: bits in a wrong order are reported, each once", () => {
      const device = new HoldDevice();
      const transport = plug(device, kind, new FakeMemory());
      transport.status = DRIVER;
      assert.deepEqual(device.rules, ["3.1.1"]);
      transport.acceptFeatures(VERSION_1);
      transport.status = DRIVER | FEATURES_OK;
      assert.equal(transport.status, DRIVER | FEATURES_OK);
      assert.deepEqual(device.rules, ["3.1.1"]);
      transport.status = 0;
      transport.acceptFeatures(VERSION_1);
      transport.status = FEATURES_OK;
      assert.deepEqual(device.rules, ["3.1.1", "3.1.1"]);
    });

    it("3.1.1: all bits at once is a short way, but no wrong one", () => {
      const device = new HoldDevice();
      const transport = plug(device, kind, new FakeMemory());
      transport.acceptFeatures(VERSION_1);
      transport.status = READY;
      assert.equal(transport.status, READY);
      assert.deepEqual(device.rules, []);
    });

    it("2.2.2: the packed layout and the order hold only where they were accepted", () => {
      const all = VERSION_1 | RING_PACKED | IN_ORDER | EVENT_IDX | INDIRECT_DESC | NOTIFICATION_DATA;
      for (const accepted of [VERSION_1, VERSION_1 | RING_PACKED, VERSION_1 | IN_ORDER, all]) {
        const device = new HoldDevice({ packed: true, inOrder: true, notificationData: true });
        const driver = Driver.start(device, { kind, features: accepted });
        assert.equal(device.negotiated, accepted);
        assert.equal(device.notificationData, (accepted & NOTIFICATION_DATA) !== 0n);
        assert.equal(driver.has(RING_PACKED), (accepted & RING_PACKED) !== 0n);
        void driver.request(0, [{ address: 0x100, length: 8 }]);
        assert.equal(device.held.length, 1);
      }
    });

    it("2.2.2: the same features are accepted again after a reset", () => {
      const device = new HoldDevice();
      const driver = new Driver(device, { kind });
      for (let i = 0; i < 3; i++) driver.negotiate();
      assert.deepEqual(device.rules, []);
    });
  });
}

describe("transport registers of the status", () => {
  it("4.2.2: a status with nothing but undefined bits is no reset (virtio-mmio, 32 bits wide)", () => {
    const device = new HoldDevice();
    const { transport } = Driver.start(device, { kind: "mmio" });
    transport.status = 0x100;
    assert.equal(transport.status, READY);
  });

  it("4.1.4.3.1: feature words other than 0 and 1 offer nothing", () => {
    const driver = new Driver(new HoldDevice(), { kind: "pci" });
    const registers = asPci(driver.transport);
    for (const word of [2, 3, 4, 7, 0xffffffff]) {
      registers.write(0, 4, word);
      assert.equal(registers.read(4, 4), 0);
    }
  });

  for (const word of [2, 3, 4, 7, 0xffffffff]) {
    it(`2.2.2: a feature of word ${word} makes FEATURES_OK fail, until the driver gives it up`, () => {
      const device = new HoldDevice();
      const registers = asPci(plug(device, "pci", new FakeMemory()));
      registers.status = ACKNOWLEDGE | DRIVER;
      registers.acceptFeatures(VERSION_1);
      registers.write(8, 4, word);
      registers.write(12, 4, 0x80000001);
      registers.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
      assert.equal(registers.status, ACKNOWLEDGE | DRIVER);
      assert.deepEqual(device.rules, ["2.2.1"]);
      registers.write(12, 4, 0);
      registers.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
      assert.equal(registers.status, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    });
  }

  it("4.1.4.3.1: driver_feature shows what the driver has accepted", () => {
    const driver = new Driver(new HoldDevice(), { kind: "pci", without: INDIRECT_DESC | RING_RESET });
    driver.negotiate();
    const registers = asPci(driver.transport);
    registers.write(8, 4, 0);
    assert.equal(registers.read(12, 4), Number(EVENT_IDX));
    registers.write(8, 4, 1);
    assert.equal(registers.read(12, 4), 1);
  });
});
