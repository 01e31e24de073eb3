/** The transitional virtio-pci device and its legacy interface (virtio 1.3, 4.1.4.10 and the other legacy sections). */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryDisk } from "../../src/backends/disk/memory.ts";
import { BlockDevice } from "../../src/virtio/block.ts";
import { ConsoleDevice } from "../../src/virtio/console.ts";
import type { VirtioDevice } from "../../src/virtio/device.ts";
import { EntropyDevice } from "../../src/virtio/entropy.ts";
import { NetDevice } from "../../src/virtio/net.ts";
import { BlockDriver, OK } from "./driver/block-driver.ts";
import { ACKNOWLEDGE, Driver, DRIVER, DRIVER_OK, EVENT_IDX, settle, VERSION_1 } from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";
import { OWN, TestWire } from "./driver/net-driver.ts";
import { LegacyPciTransport } from "./driver/pci-legacy-transport.ts";
import { ENABLE, NO_VECTOR, PciTransport } from "./driver/pci-transport.ts";
import { asLegacyPci } from "./driver/transport.ts";

const ANY_LAYOUT = 1n << 27n;
const FEATURES = 0;
const DRIVER_FEATURES = 4;
const QUEUE_ADDRESS = 8;
const QUEUE_SIZE = 12;
const QUEUE_SELECT = 14;
const NOTIFY = 16;
const STATUS = 18;
const ISR = 19;
const CONFIG_VECTOR = 20;
const QUEUE_VECTOR = 22;

const plug = (device: VirtioDevice, msix = false): LegacyPciTransport =>
  new LegacyPciTransport(device, new FakeMemory(), { msix });

const start = (msix = false): { device: HoldDevice; driver: Driver; legacy: LegacyPciTransport } => {
  const device = new HoldDevice({ queues: 2, size: 8 });
  const driver = Driver.start(device, { kind: msix ? "pci-legacy-msix" : "pci-legacy" });
  return { device, driver, legacy: asLegacyPci(driver.transport) };
};

describe("a transitional device's identity (4.1.2.3)", () => {
  for (const [what, device, id] of [
    ["a network device", new NetDevice({ backend: new TestWire(), mac: OWN }), 0x1000],
    ["a disk", new BlockDevice({ id: "x", backend: new MemoryDisk(512) }), 0x1001],
    ["a console", new ConsoleDevice([{ console: true }]), 0x1003],
    ["an entropy source", new EntropyDevice((target) => target.fill(0)), 0x1005],
  ] as const) {
    it(`${what} has device ID 0x${id.toString(16)}, revision 0, and its type as subsystem`, () => {
      const { pciFunction } = plug(device).pci;
      assert.equal(pciFunction.read(0x00, 4), id * 0x10000 + 0x1af4);
      assert.equal(pciFunction.read(0x08, 1), 0);
      assert.equal(pciFunction.read(0x2e, 2), device.type);
    });
  }

  it("4.1.2.1: a device that is not has another ID, revision and subsystem, and no I/O BAR", () => {
    const { pciFunction } = PciTransport.plug(new HoldDevice(), new FakeMemory());
    assert.equal(pciFunction.read(0x02, 2), 0x1044);
    assert.ok(pciFunction.read(0x08, 1) >= 1);
    assert.ok(pciFunction.read(0x2e, 2) >= 0x40);
    for (let bar = 0; bar < 6; bar++) assert.equal(pciFunction.read(0x10 + 4 * bar, 4) & 1, 0);
  });

  it("4.1.4.10, 4.1.5.1.1.1: the legacy interface is BAR 0, in I/O space; the modern structures are in another one", () => {
    const { pci, ports } = plug(new HoldDevice());
    assert.equal(pci.pciFunction.read(0x10, 4) & 1, 1);
    assert.notEqual(pci.registers, ports);
    for (const at of pci.capabilities(0x09)) assert.notEqual(pci.pciFunction.read(at + 4, 1), 0);
    pci.pciFunction.write(0x10, 4, 0xffffffff);
    assert.equal(-(pci.pciFunction.read(0x10, 4) & ~3) >>> 0, 64, "24 bytes of header, 17 of configuration");
  });
});

describe("the legacy header (4.1.4.10)", () => {
  it("has feature bits 0 to 31 only, and none that legacy drivers cannot have", () => {
    const { ports } = plug(new HoldDevice());
    ports.write(STATUS, 1, ACKNOWLEDGE);
    const offered = BigInt(ports.read(FEATURES, 4));
    assert.equal(offered & EVENT_IDX, EVENT_IDX);
    assert.equal(offered & ANY_LAYOUT, ANY_LAYOUT, "2.7.4.3: any framing is accepted");
  });

  it("what a driver accepts has no bit above 31: VERSION_1 is not acknowledged", () => {
    const { driver, device } = start();
    assert.equal(device.negotiated & ~0xffffffffn, 0n);
    assert.equal(device.has(32n), false);
    assert.equal(driver.has(VERSION_1), false);
    assert.equal(device.live, true, "3.1.2: without FEATURES_OK");
  });

  it("queue size is the device's, and cannot be written", () => {
    const { ports } = plug(new HoldDevice({ queues: 2, size: 64 }));
    ports.write(QUEUE_SELECT, 2, 1);
    assert.equal(ports.read(QUEUE_SIZE, 2), 64);
    ports.write(QUEUE_SIZE, 2, 32);
    assert.equal(ports.read(QUEUE_SIZE, 2), 64);
    ports.write(QUEUE_SELECT, 2, 2);
    assert.equal(ports.read(QUEUE_SIZE, 2), 0, "no such queue");
    assert.equal(ports.read(QUEUE_ADDRESS, 4), 0);
  });

  it("4.1.5.1.3.1: the address counts pages of 4096 bytes, starts the queue, and 0 takes it away", () => {
    const { device, legacy } = start();
    const [queue] = device.queues;
    legacy.selectQueue(0);
    const page = legacy.ports.read(QUEUE_ADDRESS, 4);
    assert.ok(page > 0);
    assert.equal(queue!.descriptors, BigInt(page * 4096));
    assert.equal(queue!.available, queue!.descriptors + 16n * 8n);
    assert.equal(queue!.used, queue!.descriptors + 4096n);
    legacy.ports.write(QUEUE_ADDRESS, 4, page + 1);
    assert.equal(legacy.ports.read(QUEUE_ADDRESS, 4), page, "it runs where it is");
    assert.deepEqual(device.rules, ["4.1.5.1.3"]);
    legacy.ports.write(QUEUE_ADDRESS, 4, 0);
    assert.equal(queue!.enabled, false);
    assert.equal(legacy.ports.read(QUEUE_ADDRESS, 4), 0);
    legacy.selectQueue(5);
    legacy.ports.write(QUEUE_ADDRESS, 4, 1);
    assert.deepEqual(device.rules, ["4.1.5.1.3", "4.1.5.1.3"]);
  });

  it("a queue beyond the end of memory is refused: the device needs a reset", () => {
    const { device, legacy } = start();
    legacy.selectQueue(1);
    legacy.ports.write(QUEUE_ADDRESS, 4, 0);
    legacy.ports.write(QUEUE_ADDRESS, 4, 0xffffffff);
    assert.equal(device.queues[1]!.enabled, false);
    assert.equal(legacy.status & 64, 64);
  });

  it("reading the ISR status clears it and the line", () => {
    const { device, driver, legacy } = start();
    driver.transport.line.onRaise = undefined;
    device.changeConfig("word", 1);
    assert.equal(legacy.line.asserted, true);
    assert.equal(legacy.ports.read(ISR, 1), 2);
    assert.equal(legacy.line.asserted, false);
    assert.equal(legacy.ports.read(ISR, 1), 0);
  });

  it("a wrong width, a read-only field or another queue's number is reported and changes nothing", () => {
    const { device, legacy } = start();
    const status = legacy.status;
    for (const [offset, width] of [
      [FEATURES, 4],
      [QUEUE_SIZE, 2],
      [ISR, 1],
      [STATUS, 2],
      [DRIVER_FEATURES, 2],
    ] as const) {
      legacy.ports.write(offset, width, 0);
    }
    assert.deepEqual(device.rules, Array<string>(5).fill("4.1.4.10"));
    legacy.ports.write(NOTIFY, 2, 9);
    assert.equal(device.rules.at(-1), "2.3");
    assert.equal(legacy.status, status);
  });

  it("device configuration follows the header, in accesses of any width and alignment", () => {
    const { device, legacy } = start();
    device.config.set("word", 0xcafe1234);
    device.config.set("byte", 0x77);
    assert.equal(legacy.ports.read(20 + 8, 4), 0xcafe1234);
    assert.deepEqual(
      [8, 9, 10, 11].map((offset) => legacy.ports.read(20 + offset, 1)),
      [0x34, 0x12, 0xfe, 0xca],
    );
    assert.equal(legacy.ports.read(20 + 9, 2), 0xfe12);
    assert.equal(legacy.ports.read(20 + 11, 4), 0x770000ca, "across fields");
    // "half" (offset 12) is two bytes wide and can be written, "byte" cannot, "own" can.
    legacy.ports.write(20 + 12, 1, 0x56);
    legacy.ports.write(20 + 13, 1, 0x78);
    assert.equal(device.config.get("half"), 0x7856);
    legacy.ports.write(20 + 12, 4, 0x99aabbcc);
    assert.equal(device.config.get("half"), 0xbbcc);
    assert.equal(device.config.get("byte"), 0x77);
    assert.equal(device.config.get("own"), 0x99);
    assert.deepEqual(device.rules, ["2.5.1"], "the read-only byte between them");
    assert.equal(legacy.ports.read(60, 4), 0, "behind the configuration");
  });
});

describe("the legacy header with MSI-X (4.1.4.10)", () => {
  it("has the vectors while MSI-X is enabled, and the device configuration moves behind them and back", () => {
    const { device, legacy } = start();
    device.config.set("capacity", 0x1122334455667788);
    const capacity = device.config.read(0, 4);
    assert.equal(legacy.ports.read(20, 4), capacity);
    legacy.pci.msixControl = ENABLE;
    assert.equal(legacy.ports.read(CONFIG_VECTOR, 2), NO_VECTOR);
    assert.equal(legacy.ports.read(24, 4), capacity);
    legacy.ports.write(CONFIG_VECTOR, 2, 1);
    assert.equal(legacy.ports.read(CONFIG_VECTOR, 2), 1);
    legacy.selectQueue(1);
    legacy.ports.write(QUEUE_VECTOR, 2, 3);
    assert.equal(legacy.ports.read(QUEUE_VECTOR, 2), NO_VECTOR, "the table has 3 entries");
    assert.deepEqual(device.rules, ["4.1.5.1.2.2"]);
    legacy.ports.write(QUEUE_VECTOR, 2, 2);
    assert.equal(legacy.ports.read(QUEUE_VECTOR, 2), 2);
    legacy.pci.msixControl = 0;
    assert.equal(legacy.ports.read(20, 4), capacity);
  });

  it("requests complete by message, without a look at the ISR status", async () => {
    const { device, driver, legacy } = start(true);
    const registers: string[] = [];
    device.observer = (event) => event.type === "access" && registers.push(event.register);
    for (let i = 0; i < 20; i++) {
      const done = driver.request(1, [{ address: driver.memory.allocate(8), length: 8, writable: true }]);
      device.give(1, 8, 1);
      assert.equal(await done, 8);
    }
    assert.deepEqual(registers, Array<string>(20).fill("legacy.queue_notify"));
    assert.deepEqual(
      new Set(legacy.pci.messages.map(({ data }) => data)),
      new Set([0x42]),
      "queue 1's own vector",
    );
    assert.equal(legacy.ports.read(ISR, 1), 0);
  });
});

describe("a transitional device driven both ways", () => {
  for (const kind of ["pci-legacy", "pci-legacy-msix"] as const) {
    it(`a disk works by its legacy interface, ${kind}`, async () => {
      const disk = new MemoryDisk(1 << 16);
      const block = new BlockDriver(disk, { kind });
      const data = Uint8Array.from({ length: 4096 }, (_, i) => i & 0xff);
      assert.equal((await block.write(3, data)).status, OK);
      const { status, data: back } = await block.read(3, 4096);
      assert.equal(status, OK);
      assert.deepEqual(back, data);
      assert.equal(block.device.violations, 0);
    });
  }

  it("the interface that a driver finds the device in reset with drives it; a reset by either changes over", async () => {
    const device = new HoldDevice({ size: 8 });
    const { pci, ports } = plug(device);
    const offeredHigh = (): number => {
      pci.write(0, 4, 1);
      return pci.read(4, 4);
    };
    pci.status = ACKNOWLEDGE | DRIVER;
    assert.notEqual(offeredHigh(), 0);
    assert.equal(device.legacy, false);
    ports.write(DRIVER_FEATURES, 4, 0xffffffff);
    ports.write(QUEUE_ADDRESS, 4, 1);
    assert.deepEqual(device.rules, ["4.1.4.10", "4.1.4.10"]);
    assert.equal(device.negotiated, 0n);
    assert.equal(device.queues[0]!.enabled, false);
    assert.equal(ports.read(STATUS, 1), ACKNOWLEDGE | DRIVER, "to look does no harm");

    ports.write(STATUS, 1, 0);
    assert.equal(device.status, 0);
    ports.write(STATUS, 1, ACKNOWLEDGE);
    assert.equal(device.legacy, true);
    assert.equal(ports.read(FEATURES, 4), Number(device.offered));
    pci.write(0x16, 2, 1);
    assert.equal(device.rules.length, 3);
    assert.equal(ports.read(QUEUE_SELECT, 2), 0);

    pci.status = 0;
    pci.status = ACKNOWLEDGE | DRIVER;
    assert.equal(device.legacy, false);
    assert.equal(offeredHigh() & 1, 1, "VERSION_1 is there again");
    await settle();
    assert.equal(device.rules.length, 3);
  });

  it("2.4.1: a reset by the legacy interface ends everything in flight, and its interrupts", async () => {
    const { device, driver, legacy } = start(true);
    const address = driver.memory.allocate(8);
    void driver.request(0, [{ address, length: 8, writable: true }]);
    const before = driver.memory.u8.slice();
    legacy.ports.write(STATUS, 1, 0);
    device.give(1, 8);
    await settle();
    assert.deepEqual(driver.memory.changedSince(before), []);
    assert.equal(legacy.pci.messages.length, 0);
    assert.equal(legacy.ports.read(QUEUE_ADDRESS, 4), 0);
    assert.equal(legacy.ports.read(CONFIG_VECTOR, 2), NO_VECTOR);
  });

  it("3.1.2: buffers may be offered before DRIVER_OK", async () => {
    const device = new HoldDevice({ size: 8 });
    const driver = new Driver(device, { kind: "pci-legacy" });
    driver.negotiate();
    driver.setUpQueues();
    const done = driver.request(0, [{ address: driver.memory.allocate(8), length: 8, writable: true }]);
    device.give(1, 8);
    assert.equal(await done, 8);
    driver.transport.status = ACKNOWLEDGE | DRIVER | DRIVER_OK;
    assert.deepEqual(device.rules, []);
  });
});
