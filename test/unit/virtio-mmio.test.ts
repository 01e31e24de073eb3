/** Version 2 of virtio-mmio, register by register (virtio 1.3, 4.2.2). */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Driver, NOTIF_CONFIG_DATA, NOTIFICATION_DATA, RING_RESET } from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { asMmio, type MmioTransport } from "./driver/transport.ts";

const QUEUE_SEL = 0x30;
const QUEUE_READY = 0x44;
const QUEUE_NOTIFY = 0x50;
const INTERRUPT_ACK = 0x64;
const QUEUE_RESET = 0xc0;
const CONFIG = 0x100;

/** Every register, by what the driver may do with it. */
const READABLE = [0x00, 0x04, 0x08, 0x0c, 0x10, 0x34, 0x44, 0x60, 0x70, 0xb0, 0xb4, 0xb8, 0xbc, 0xc0, 0xfc];
const WRITE_ONLY = [...[0x14, 0x20, 0x24, 0x30, 0x38, 0x50, 0x64, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0xac]];

function start(device = new HoldDevice({ queues: 2, size: 8 }), without = 0n) {
  const driver = Driver.start(device, { kind: "mmio", without });
  const { registers }: MmioTransport = asMmio(driver.transport);
  return { device, driver, registers };
}

describe("virtio-mmio accesses (4.2.2.2)", () => {
  it("registers that can be read are read without a word; all else below the configuration space is reported", () => {
    const { device, registers } = start();
    for (const offset of READABLE) registers.read(offset, 4);
    assert.deepEqual(device.rules, []);
    for (let offset = 0; offset < CONFIG; offset += 4) {
      if (READABLE.includes(offset)) continue;
      assert.equal(registers.read(offset, 4), 0, `0x${offset.toString(16)}`);
      assert.deepEqual(device.rules.splice(0), ["4.2.2.2"], `0x${offset.toString(16)}`);
    }
  });

  it("what is neither readable nor write-only is no register: those of version 1 are not there", () => {
    const { device, registers } = start();
    for (let offset = 0; offset < CONFIG; offset += 4) {
      if (READABLE.includes(offset) || WRITE_ONLY.includes(offset)) continue;
      registers.write(offset, 4, 4096);
      assert.deepEqual(device.rules.splice(0), ["4.2.2.2"], `0x${offset.toString(16)}`);
    }
  });

  it("a read of other than 32 aligned bits is reported", () => {
    const { device, registers } = start();
    for (const [offset, width] of [
      [0x00, 1],
      [0x00, 2],
      [0x02, 4],
      [0x61, 1],
      [0x70, 2],
    ] as const) {
      registers.read(offset, width);
      assert.deepEqual(device.rules.splice(0), ["4.2.2.2"], `${width} at ${offset}`);
    }
  });

  it("a field of the configuration is accessed as wide as it is, 64 bits in two halves, anything else is reported", () => {
    const { device, registers } = start();
    // capacity 64, word 32, half 16, byte 8, own 8 bits
    const natural = new Set(["0/4", "4/4", "8/4", "12/2", "14/1", "15/1"]);
    // The halves of a 16-bit read, in which v86 hands it over.
    for (const half of ["12/1", "13/1"]) natural.add(half);
    for (let offset = 0; offset < 20; offset++) {
      for (const width of [1, 2, 4]) {
        registers.read(CONFIG + offset, width);
        const expected = natural.has(`${offset}/${width}`) ? [] : ["4.2.2.2"];
        assert.deepEqual(device.rules.splice(0), expected, `${width} bytes at ${offset}`);
      }
    }
    registers.write(CONFIG + 12, 2, 0x1234);
    registers.write(CONFIG + 15, 1, 0x56);
    assert.deepEqual(device.rules, []);
    registers.write(CONFIG + 13, 1, 0x56);
    assert.deepEqual(device.rules, ["4.2.2.2"]);
  });

  it("InterruptACK with bits that mean nothing is reported", () => {
    const { device, registers } = start();
    registers.write(INTERRUPT_ACK, 4, 3);
    assert.deepEqual(device.rules, []);
    registers.write(INTERRUPT_ACK, 4, 0x80000004);
    assert.deepEqual(device.rules, ["4.2.2.2"]);
  });
});

describe("virtio-mmio queues", () => {
  it("4.2.2: QueueReady takes 0 and 1; any other value is reported and changes nothing", () => {
    const { device, registers } = start();
    registers.write(QUEUE_SEL, 4, 1);
    for (const value of [2, 0x100, 0xffffffff]) {
      registers.write(QUEUE_READY, 4, value);
      assert.equal(registers.read(QUEUE_READY, 4), 1);
      assert.deepEqual(device.rules.splice(0), ["4.2.2"]);
    }
    registers.write(QUEUE_SEL, 4, 2);
    registers.write(QUEUE_READY, 4, 1);
    registers.write(QUEUE_READY, 4, 0);
    assert.equal(registers.read(QUEUE_READY, 4), 0);
    assert.deepEqual(device.rules, ["2.6", "2.6"]);
  });

  it("4.2.2: QueueReset takes 1, and only for a queue that is there", () => {
    const { device, driver, registers } = start();
    assert.ok(driver.has(RING_RESET));
    registers.write(QUEUE_SEL, 4, 1);
    registers.write(QUEUE_RESET, 4, 0);
    registers.write(QUEUE_RESET, 4, 2);
    assert.deepEqual(device.rules.splice(0), ["4.2.2", "4.2.2"]);
    assert.equal(device.queues[1]!.enabled, true);
    registers.write(QUEUE_RESET, 4, 1);
    assert.equal(registers.read(QUEUE_RESET, 4), 0);
    assert.equal(registers.read(QUEUE_READY, 4), 0);
    assert.deepEqual(device.rules, []);
    assert.equal(device.queues[0]!.enabled, true, "the other one goes on");
    registers.write(QUEUE_SEL, 4, 9);
    registers.write(QUEUE_RESET, 4, 1);
    assert.deepEqual(device.rules, ["2.6"]);
  });

  it("2.6.1: without VIRTIO_F_RING_RESET, QueueReset does nothing but complain", () => {
    const { device, registers } = start(undefined, RING_RESET);
    registers.write(QUEUE_SEL, 4, 0);
    registers.write(QUEUE_RESET, 4, 1);
    assert.equal(registers.read(QUEUE_READY, 4), 1);
    assert.deepEqual(device.rules, ["2.6.1"]);
  });

  it("4.2.3.3: without VIRTIO_F_NOTIFICATION_DATA the whole of QueueNotify is the index", () => {
    const { device, registers } = start();
    registers.write(QUEUE_NOTIFY, 4, 1);
    assert.deepEqual(device.rules, []);
    registers.write(QUEUE_NOTIFY, 4, 0x10001);
    assert.deepEqual(device.rules, ["2.3"]);
  });

  it("4.2.3.3: with it, the index is in the low half, and what the high one says is checked", () => {
    const { device, driver, registers } = start(new HoldDevice({ queues: 2, notificationData: true }));
    assert.ok(driver.has(NOTIFICATION_DATA));
    void driver.request(1, [{ address: 0x100, length: 4 }]);
    assert.equal(device.held.length, 1);
    assert.deepEqual(device.rules, []);
    registers.write(QUEUE_NOTIFY, 4, 0x70001);
    assert.deepEqual(device.rules, ["2.9"]);
  });

  it("4.1: VIRTIO_F_NOTIF_CONFIG_DATA is PCI's alone", () => {
    const device = new HoldDevice({ notificationData: true, notifConfigData: true });
    const { driver } = start(device);
    assert.equal(driver.transport.deviceFeatures() & NOTIF_CONFIG_DATA, 0n);
  });
});

describe("virtio-mmio shared memory registers (2.10, 4.2.2)", () => {
  /** A device with one region, number 2. */
  class SharingDevice extends HoldDevice {
    override sharedMemory(id: number): { address: bigint; length: bigint } | undefined {
      return id === 2 ? { address: 0x12_3456_7000n, length: 0x1_0000_2000n } : undefined;
    }
  }

  it("show the region that SHMSel names, and all ones where there is none", () => {
    const { device, driver, registers } = start(new SharingDevice());
    const region = (): number[] => [0xb0, 0xb4, 0xb8, 0xbc].map((offset) => registers.read(offset, 4));
    const none = new Array<number>(4).fill(0xffffffff);
    assert.deepEqual(region(), none, "region 0 is selected at first");
    registers.write(0xac, 4, 2);
    assert.deepEqual(region(), [0x2000, 1, 0x3456_7000, 0x12]);
    registers.write(0xac, 4, 3);
    assert.deepEqual(region(), none);
    registers.write(0xac, 4, 2);
    driver.transport.status = 0;
    assert.deepEqual(region(), none, "a reset selects region 0");
    assert.deepEqual(device.rules, []);
  });
});
