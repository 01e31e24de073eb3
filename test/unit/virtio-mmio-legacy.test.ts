/** Version 1 of virtio-mmio (virtio 1.3, 4.2.4 and the other legacy sections). */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryDisk } from "../../src/backends/disk/memory.ts";
import { BlockDriver, OK } from "./driver/block-driver.ts";
import {
  ACKNOWLEDGE,
  Driver,
  DRIVER,
  DRIVER_OK,
  EVENT_IDX,
  FEATURES_OK,
  NEEDS_RESET,
} from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";
import { LegacyMmioTransport } from "./driver/mmio-legacy-transport.ts";
import { asLegacyMmio } from "./driver/transport.ts";

const HOST_FEATURES = 0x10;
const HOST_FEATURES_SEL = 0x14;
const GUEST_PAGE_SIZE = 0x28;
const QUEUE_SEL = 0x30;
const QUEUE_NUM_MAX = 0x34;
const QUEUE_NUM = 0x38;
const QUEUE_ALIGN = 0x3c;
const QUEUE_PFN = 0x40;
const STATUS = 0x70;

const ALL = { packed: true, inOrder: true, ringReset: true, notificationData: true, notifConfigData: true };

function start(size = 8): {
  device: HoldDevice;
  driver: Driver;
  registers: LegacyMmioTransport["registers"];
} {
  const device = new HoldDevice({ queues: 2, size, ...ALL });
  const driver = Driver.start(device, { kind: "mmio-legacy" });
  return { device, driver, registers: asLegacyMmio(driver.transport).registers };
}

describe("version 1 of virtio-mmio (4.2.4)", () => {
  it("says so, under the same magic value, device and vendor", () => {
    const { registers } = new LegacyMmioTransport(new HoldDevice(), new FakeMemory());
    assert.equal(registers.read(0x00, 4), 0x74726976);
    assert.equal(registers.read(0x04, 4), 1);
    assert.equal(registers.read(0x08, 4), 4);
    assert.equal(registers.read(0x0c, 4), 0x1af4);
  });

  it("2.2.3, 6.3: offers feature bits 0 to 31 only, whatever the device has besides", () => {
    const { device, registers } = start();
    assert.equal(registers.read(HOST_FEATURES, 4), 0, "the driver selected the upper word last");
    registers.write(HOST_FEATURES_SEL, 4, 0);
    const offered = BigInt(registers.read(HOST_FEATURES, 4));
    assert.equal(offered & EVENT_IDX, EVENT_IDX);
    assert.equal(offered & (1n << 27n), 1n << 27n, "VIRTIO_F_ANY_LAYOUT: any framing is accepted");
    assert.equal(device.negotiated >> 32n, 0n);
  });

  it("3.1.2: works without FEATURES_OK", async () => {
    const { device, driver } = start();
    assert.equal(driver.transport.status, ACKNOWLEDGE | DRIVER | DRIVER_OK);
    const done = driver.request(0, [{ address: 0x100, length: 4, writable: true }]);
    device.give(1, 4);
    assert.equal(await done, 4);
    assert.deepEqual(device.rules, []);
  });

  it("3.1.2: FEATURES_OK means nothing to it", () => {
    const { device, registers } = start();
    registers.write(STATUS, 4, ACKNOWLEDGE | DRIVER | DRIVER_OK | FEATURES_OK);
    assert.equal(registers.read(STATUS, 4) & FEATURES_OK, 0);
    assert.deepEqual(device.rules, ["2.1"]);
  });

  it("2.7.2: QueuePFN places the queue in one piece, in pages of GuestPageSize, the used ring at QueueAlign", () => {
    for (const [pageSize, align, size] of [
      [4096, 4096, 8],
      [4096, 4096, 256],
      [1024, 64, 16],
      [65536, 4096, 128],
      [256, 256, 2],
    ] as const) {
      const device = new HoldDevice({ size: 256 });
      const { registers } = new LegacyMmioTransport(device, new FakeMemory(1 << 20));
      registers.write(GUEST_PAGE_SIZE, 4, pageSize);
      registers.write(QUEUE_SEL, 4, 0);
      registers.write(QUEUE_NUM, 4, size);
      registers.write(QUEUE_ALIGN, 4, align);
      registers.write(QUEUE_PFN, 4, 3);
      const { descriptors, available, used, enabled } = device.queues[0]!;
      assert.equal(enabled, true);
      assert.equal(descriptors, BigInt(3 * pageSize));
      assert.equal(available, BigInt(3 * pageSize + 16 * size));
      const end = 3 * pageSize + 16 * size + 2 * (3 + size); // ALIGN() of the specification's vring_size
      assert.equal(used, BigInt(Math.ceil(end / align) * align));
      assert.equal(registers.read(QUEUE_PFN, 4), 3);
      assert.deepEqual(device.rules, []);
    }
  });

  it("the page size survives a reset: Linux writes it once, before its first one", async () => {
    const { device, driver } = start();
    driver.transport.status = 0;
    driver.start(); // writes no GuestPageSize
    const done = driver.request(1, [{ address: 0x100, length: 4, writable: true }]);
    device.give(1, 2, 1);
    assert.equal(await done, 2);
    assert.deepEqual(device.rules, []);
  });

  it("a reset sets QueuePFN to 0 for every queue, and lowers the interrupt", () => {
    const { device, driver, registers } = start();
    driver.transport.line.onRaise = undefined;
    device.changeConfig("word", 1);
    assert.equal(driver.transport.line.asserted, true);
    registers.write(STATUS, 4, 0);
    for (const queue of [0, 1]) {
      registers.write(QUEUE_SEL, 4, queue);
      assert.equal(registers.read(QUEUE_PFN, 4), 0);
    }
    assert.equal(driver.transport.line.asserted, false);
    assert.equal(registers.read(0x60, 4), 0);
  });

  it("0 in QueuePFN takes the queue away: nothing of what is in flight reaches the guest", async () => {
    const { device, driver, registers } = start();
    void driver.request(0, [{ address: 0x100, length: 4, writable: true }]);
    const [chain] = device.held.splice(0);
    registers.write(QUEUE_SEL, 4, 0);
    registers.write(QUEUE_PFN, 4, 0);
    assert.equal(registers.read(QUEUE_PFN, 4), 0);
    const before = driver.memory.u8.slice();
    assert.equal(chain!.writer.write(Uint8Array.of(1, 2, 3)), 0);
    device.queues[0]!.put(chain!, 3);
    await Promise.resolve();
    assert.deepEqual(driver.memory.changedSince(before), []);

    driver.rings[0] = driver.setUpRing(0, 4); // smaller, at another place
    const done = driver.request(0, [{ address: 0x100, length: 4, writable: true }]);
    device.give(1, 1);
    assert.equal(await done, 1);
    assert.deepEqual(device.rules, []);
  });

  it("a queue in use stays where it is and as it is", () => {
    const { device, registers } = start();
    registers.write(QUEUE_SEL, 4, 0);
    const page = registers.read(QUEUE_PFN, 4);
    registers.write(QUEUE_PFN, 4, page + 1);
    registers.write(QUEUE_NUM, 4, 4);
    registers.write(QUEUE_ALIGN, 4, 64);
    assert.equal(registers.read(QUEUE_PFN, 4), page);
    assert.equal(device.queues[0]!.size, 8);
    assert.deepEqual(device.rules, ["4.2.4", "4.2.4", "4.2.4"]);
  });

  it("a page size or an alignment that is no power of two is reported, and no queue starts without one", () => {
    const device = new HoldDevice();
    const transport = new LegacyMmioTransport(device, new FakeMemory());
    const { registers } = transport;
    registers.write(QUEUE_SEL, 4, 0);
    registers.write(QUEUE_PFN, 4, 1);
    assert.equal(transport.queueEnabled(), false);
    for (const bad of [0, 3, 4097, 0xffffffff]) {
      registers.write(QUEUE_ALIGN, 4, bad);
      registers.write(GUEST_PAGE_SIZE, 4, bad);
    }
    registers.write(QUEUE_PFN, 4, 1);
    assert.equal(transport.queueEnabled(), false);
    assert.deepEqual(device.rules, new Array(10).fill("4.2.4"));
    assert.equal(transport.status & NEEDS_RESET, 0);
  });

  it("a queue size that is none, and a queue beyond the end of memory, make the device need a reset", () => {
    for (const break_ of [
      (registers: LegacyMmioTransport["registers"]) => registers.write(QUEUE_NUM, 4, 3),
      (registers: LegacyMmioTransport["registers"]) => registers.write(GUEST_PAGE_SIZE, 4, 0x80000000),
    ]) {
      const { device, driver, registers } = start();
      registers.write(QUEUE_SEL, 4, 0);
      registers.write(QUEUE_PFN, 4, 0);
      break_(registers);
      registers.write(QUEUE_ALIGN, 4, 4096);
      registers.write(QUEUE_PFN, 4, 0xffffffff);
      assert.equal(device.queues[0]!.enabled, false);
      assert.equal(driver.transport.status & NEEDS_RESET, NEEDS_RESET);
    }
  });

  it("a queue that does not exist has size 0, page 0, and takes nothing", () => {
    const { device, registers } = start();
    for (const queue of [2, 0xffff, 0xffffffff]) {
      registers.write(QUEUE_SEL, 4, queue);
      assert.equal(registers.read(QUEUE_NUM_MAX, 4), 0);
      assert.equal(registers.read(QUEUE_PFN, 4), 0);
      for (const offset of [QUEUE_NUM, QUEUE_ALIGN, QUEUE_PFN]) registers.write(offset, 4, 64);
      registers.write(QUEUE_PFN, 4, 0);
    }
    assert.deepEqual(device.rules, new Array(3).fill(["4.2.4", "4.2.4", "4.2.4", "2.6"]).flat());
  });

  it("has none of version 2's registers, and reports whoever looks for them", () => {
    const { device, registers } = start();
    const modern = [0x44, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0xac, 0xb0, 0xb4, 0xb8, 0xbc, 0xc0, 0xfc];
    for (const offset of modern) {
      registers.write(offset, 4, 1);
      assert.equal(registers.read(offset, 4), 0);
    }
    assert.deepEqual(device.rules, new Array(2 * modern.length).fill("4.2.4"));
  });

  it("2.5.4: the configuration space may be read byte by byte", () => {
    const { device, driver } = start();
    device.changeConfig("word", 0xfedcba98);
    const bytes = [8, 9, 10, 11].map((offset) => driver.transport.readConfig(offset, 1));
    assert.deepEqual(bytes, [0x98, 0xba, 0xdc, 0xfe]);
    assert.deepEqual(device.rules, []);
    assert.equal(driver.transport.readConfig(16, 4), 0);
    assert.deepEqual(device.rules, ["4.2.4"], "beyond its end");
  });

  it("carries a disk's requests, started before DRIVER_OK (3.1.2)", async () => {
    const block = new BlockDriver(new MemoryDisk(8 * 512), { kind: "mmio-legacy" });
    const data = Uint8Array.from({ length: 1024 }, (_, i) => i & 0xff);
    assert.equal((await block.write(2, data)).status, OK);
    const answer = await block.read(2, 1024);
    assert.deepEqual(answer.data, data);
    assert.equal(block.device.violations, 0);

    const device = new HoldDevice();
    const driver = new Driver(device, { kind: "mmio-legacy" });
    driver.negotiate();
    driver.setUpQueues();
    const early = driver.request(0, [{ address: 0x100, length: 4, writable: true }]);
    device.give(1, 4);
    assert.equal(await early, 4);
    assert.deepEqual(device.rules, []);
  });
});
