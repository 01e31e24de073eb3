/** What both legacy interfaces, PCI's and MMIO's, have to do alike (virtio 1.3, the "Legacy Interface" sections). */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BlockDevice } from "../../src/virtio/block.ts";
import { ConsoleDevice } from "../../src/virtio/console.ts";
import type { VirtioDevice } from "../../src/virtio/device.ts";
import { EntropyDevice } from "../../src/virtio/entropy.ts";
import { BlockDriver, OK, UNSUPP } from "./driver/block-driver.ts";
import { ConsoleDriver } from "./driver/console-driver.ts";
import { ACKNOWLEDGE, DRIVER, DRIVER_OK, Driver, settle } from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";
import { SlowDisk } from "./driver/slow-disk.ts";
import { plug } from "./driver/transport.ts";

const LEGACY = ["pci-legacy", "mmio-legacy"] as const;
const ANY_LAYOUT = 27;
const UNUSED = 30;

function bits(features: bigint): number[] {
  return Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => (features >> BigInt(bit)) & 1n);
}

for (const kind of LEGACY) {
  describe(`legacy drivers over ${kind}`, () => {
    it("2.2.3: the whole way: features, queue, request, interrupt, reset, without VERSION_1 and FEATURES_OK", async () => {
      const device = new HoldDevice({ size: 8, packed: true, inOrder: true, notificationData: true });
      const driver = new Driver(device, { kind });
      const { transport } = driver;
      for (let round = 0; round < 2; round++) {
        transport.status = 0;
        transport.status = ACKNOWLEDGE | DRIVER;
        driver.features = (1n << 28n) | (1n << 29n);
        transport.acceptFeatures(driver.features);
        driver.setUpQueues();
        transport.status = ACKNOWLEDGE | DRIVER | DRIVER_OK;
        assert.equal(transport.status, ACKNOWLEDGE | DRIVER | DRIVER_OK);
        const raised = transport.line.raised;
        const done = driver.request(0, [{ address: 0x100, length: 8, writable: true }]);
        device.give(1, 5);
        assert.equal(await done, 5);
        assert.equal(transport.line.raised, raised + 1);
      }
      assert.deepEqual(device.rules, []);
    });

    it("2.4.1: nothing in flight reaches the guest after a reset", async () => {
      const device = new HoldDevice({ size: 8 });
      const driver = Driver.start(device, { kind });
      for (let i = 0; i < 2; i++) void driver.request(0, [{ address: 0x100, length: 8, writable: true }]);
      const [early, late] = device.held.splice(0);
      device.queues[0]!.put(early!, 3);
      driver.transport.status = 0;
      driver.transport.line.onRaise = undefined;
      const before = driver.memory.u8.slice();
      const raised = driver.transport.line.raised;
      assert.equal(late!.writer.write(Uint8Array.of(1)), 0);
      device.queues[0]!.put(late!, 1);
      await settle();
      assert.deepEqual(driver.memory.changedSince(before), []);
      assert.equal(driver.transport.line.raised, raised);
    });

    it("3.1.2: device configuration may be written before the driver has read the feature bits", () => {
      const device = new HoldDevice();
      const transport = plug(device, kind, new FakeMemory());
      transport.writeConfig(12, 2, 0x1234);
      transport.status = ACKNOWLEDGE;
      transport.writeConfig(15, 1, 0x56);
      assert.equal(transport.readConfig(12, 2), 0x1234);
      assert.equal(transport.readConfig(15, 1), 0x56);
      assert.deepEqual(device.configWrites, ["half", "own"]);
      assert.deepEqual(device.rules, []);
    });

    it("3.1.2: queues may be used before DRIVER_OK, and go on when it is set", async () => {
      const device = new HoldDevice({ size: 8 });
      const driver = new Driver(device, { kind });
      driver.negotiate();
      driver.setUpQueues();
      const early = driver.request(0, [{ address: 0x100, length: 8, writable: true }]);
      device.give(1, 4);
      assert.equal(await early, 4);
      driver.transport.status = ACKNOWLEDGE | DRIVER | DRIVER_OK;
      const late = driver.request(0, [{ address: 0x100, length: 8, writable: true }]);
      device.give(1, 5);
      assert.equal(await late, 5);
      assert.deepEqual(device.rules, []);
    });

    it("6.3: every device offers ANY_LAYOUT and bit 30 besides what it has below bit 32, and nothing else", () => {
      const expected: [device: VirtioDevice, own: number[]][] = [
        [new BlockDevice({ id: "d", backend: new SlowDisk(512), packed: true }), [1, 2, 6, 9, 10, 11, 14]],
        [new BlockDevice({ id: "d", backend: new SlowDisk(512, true) }), [1, 2, 5, 6, 9, 10, 11]],
        [new ConsoleDevice([{ console: true }], { inOrder: true }), [0, 1, 2]],
        [new EntropyDevice(() => undefined, { notificationData: true }), []],
      ];
      for (const [device, own] of expected) {
        const transport = plug(device, kind, new FakeMemory());
        transport.status = ACKNOWLEDGE;
        assert.deepEqual(bits(transport.deviceFeatures()), [...own, ANY_LAYOUT, 28, 29, UNUSED]);
      }
    });

    it("6.3: a driver that accepts bit 30 does not know what it accepts, and gets nothing", () => {
      const device = new HoldDevice();
      const transport = plug(device, kind, new FakeMemory());
      transport.status = ACKNOWLEDGE | DRIVER;
      transport.acceptFeatures(transport.deviceFeatures());
      assert.equal(device.negotiated, 0n);
      assert.ok(device.rules.includes("6.3"));
    });

    it("2.7.3, 5.2.4.1, 5.2.6.3: a disk's rings, configuration and requests are little-endian, as the guest is", async () => {
      const disk = new SlowDisk(1 << 20);
      disk.bytes.set([1, 2, 3, 4], 0x203 * 512);
      const block = new BlockDriver(disk, { kind });
      const { transport } = block.driver;
      assert.deepEqual(
        [0, 1, 2, 3].map((offset) => transport.readConfig(offset, 1)),
        [0x00, 0x08, 0, 0],
        "2048 sectors",
      );
      const { status, data } = await block.read(0x203, 512);
      assert.equal(status, OK);
      assert.deepEqual([...data.subarray(0, 5)], [1, 2, 3, 4, 0]);
      assert.equal(block.device.violations, 0);
    });

    it("5.2.6.3: FLUSH_OUT is another name for a flush", async () => {
      const disk = new SlowDisk(8192);
      const block = new BlockDriver(disk, { kind });
      assert.equal((await block.request(5, 0, new Uint8Array(), 0)).status, OK);
      assert.deepEqual(disk.calls, ["flush"]);
      const modern = new BlockDriver(disk);
      assert.equal((await modern.request(5, 0, new Uint8Array(), 0)).status, UNSUPP);
    });

    it("5.3.4.1, 5.3.6.3: a console's configuration and control messages are little-endian, as the guest is", async () => {
      const device = new ConsoleDevice([{ console: true }, { name: "second" }]);
      device.resize(0x0102, 0x0304);
      const driver = new ConsoleDriver([], { kind }, device);
      const { transport } = driver.driver;
      assert.deepEqual(
        [0, 1, 2, 3, 4].map((offset) => transport.readConfig(offset, 1)),
        [0x02, 0x01, 0x04, 0x03, 2],
      );
      await driver.handshake();
      const name = driver.messages.find(({ event, id }) => event === 7 && id === 1);
      assert.equal(new TextDecoder().decode(name?.payload), "second");
      assert.equal(device.violations, 0);
    });
  });
}
