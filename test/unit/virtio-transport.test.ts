import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BlockDevice } from "../../src/virtio/block.ts";
import { ConsoleDevice } from "../../src/virtio/console.ts";
import { EntropyDevice } from "../../src/virtio/entropy.ts";
import { NetDevice } from "../../src/virtio/net.ts";
import type { VirtioEvent } from "../../src/virtio/observer.ts";
import { VirtioPci } from "../../src/virtio/transport/pci.ts";
import { MemoryDisk } from "../../src/backends/disk/memory.ts";
import { Driver, settle } from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { TestLine } from "./driver/line.ts";
import { FakeMemory } from "./driver/memory.ts";
import { OWN, TestWire } from "./driver/net-driver.ts";
import { PciTransport } from "./driver/pci-transport.ts";
import { asMmio, asPci, KINDS, plug, type MmioTransport } from "./driver/transport.ts";

const QUEUE = 1;
const CONFIG = 2;

describe("interrupts of a transport", () => {
  for (const kind of KINDS) {
    it(`4.1.4.5, 4.2.2: the line is high until every event was acknowledged (${kind})`, async () => {
      const device = new HoldDevice();
      const driver = Driver.start(device, { kind });
      const { transport } = driver;
      const { line } = transport;
      line.onRaise = undefined;
      void driver.request(0, [{ address: 0x100, length: 1 }]);
      device.give();
      await settle();
      assert.equal(line.asserted, true);
      device.changeConfig("word", 1);
      assert.equal(line.raised, 1, "high already");
      assert.equal(transport.acknowledge(), QUEUE | CONFIG);
      assert.equal(line.asserted, false);
      assert.equal(transport.acknowledge(), 0);
      device.changeConfig("word", 2);
      assert.equal(line.raised, 2);
      assert.equal(transport.acknowledge(), CONFIG);
    });

    it(`2.4.1: a reset takes the interrupt back (${kind})`, () => {
      const device = new HoldDevice();
      const { transport } = Driver.start(device, { kind });
      transport.line.onRaise = undefined;
      device.changeConfig("word", 1);
      assert.equal(transport.line.asserted, true);
      transport.status = 0;
      assert.equal(transport.line.asserted, false);
      assert.equal(transport.acknowledge(), 0);
    });

    it(`3.2.1: no configuration interrupt before DRIVER_OK (${kind})`, () => {
      const device = new HoldDevice();
      const driver = new Driver(device, { kind });
      driver.negotiate();
      device.changeConfig("word", 1);
      assert.equal(driver.transport.line.raised, 0);
    });
  }

  it("4.2.2.1: InterruptACK takes back the events that are named, and no others", () => {
    const device = new HoldDevice();
    const driver = Driver.start(device, { kind: "mmio" });
    const { registers, line } = asMmio(driver.transport);
    line.onRaise = undefined;
    device.changeConfig("word", 1);
    void driver.request(0, [{ address: 0x100, length: 1 }]);
    device.give();
    driver.transport.notify(0);
    assert.equal(registers.read(0x60, 4), QUEUE | CONFIG);
    assert.equal(registers.read(0x60, 4), QUEUE | CONFIG, "reading does not acknowledge");
    registers.write(0x64, 4, QUEUE);
    assert.equal(registers.read(0x60, 4), CONFIG);
    assert.equal(line.asserted, true);
    registers.write(0x64, 4, 0xfffffffc);
    assert.equal(registers.read(0x60, 4), CONFIG);
    registers.write(0x64, 4, CONFIG);
    assert.equal(line.asserted, false);
  });
});

describe("device configuration space", () => {
  for (const kind of KINDS) {
    it(`2.5: little-endian fields, readable in any width, also before FEATURES_OK (${kind})`, () => {
      const device = new HoldDevice();
      const transport = plug(device, kind, new FakeMemory());
      device.changeConfig("capacity", 0x0001_2345_89ab_cdef);
      device.changeConfig("word", 0xfedcba98);
      device.changeConfig("byte", 0x5a);
      assert.equal(transport.readConfig(0, 4), 0x89abcdef);
      assert.equal(transport.readConfig(4, 4), 0x00012345);
      assert.equal(transport.readConfig(8, 4), 0xfedcba98);
      assert.equal(transport.readConfig(10, 2), 0xfedc);
      assert.equal(transport.readConfig(11, 1), 0xfe);
      assert.equal(transport.readConfig(14, 1), 0x5a);
      assert.equal(transport.readConfig(16, 4), 0, "beyond the end");
      assert.equal(transport.readConfig(14, 4), 0x5a, "across the end");
    });

    it(`2.5: a change is a new generation (${kind})`, () => {
      const device = new HoldDevice();
      const transport = plug(device, kind, new FakeMemory());
      const seen = new Set([transport.generation]);
      for (let i = 0; i < 20; i++) {
        assert.ok(seen.has(transport.generation), "the same while nothing changes");
        device.changeConfig("word", i);
        assert.ok(!seen.has(transport.generation));
        seen.add(transport.generation);
      }
    });

    it(`2.5.1: what is read-only stays, what is writable is taken (${kind})`, () => {
      const device = new HoldDevice();
      const { transport } = Driver.start(device, { kind });
      for (const [offset, width] of [
        [0, 4],
        [4, 4],
        [8, 4],
        [14, 1],
        [12, 4], // spans a writable field and a read-only one
        [16, 4], // beyond the end
      ] as const) {
        transport.writeConfig(offset, width, 0xffffffff);
        assert.equal(transport.readConfig(offset, width), 0);
      }
      assert.equal(device.rules.filter((rule) => rule === "2.5.1").length, 6);
      transport.writeConfig(12, 2, 0x1234);
      transport.writeConfig(13, 1, 0x56);
      transport.writeConfig(15, 1, 0x78);
      assert.equal(transport.readConfig(12, 2), 0x5634);
      assert.equal(transport.readConfig(15, 1), 0x78);
      assert.deepEqual(device.configWrites, ["half", "half", "own"]);
    });
  }
});

describe("virtio-mmio registers", () => {
  const mmio = (): MmioTransport["registers"] =>
    asMmio(plug(new HoldDevice(), "mmio", new FakeMemory())).registers;

  it("4.2.2.1: magic value, version 2, device and vendor", () => {
    const registers = mmio();
    assert.equal(registers.read(0x00, 4), 0x74726976);
    assert.equal(registers.read(0x04, 4), 2);
    assert.equal(registers.read(0x08, 4), 4);
    assert.equal(registers.read(0x0c, 4), 0x1af4);
  });

  it("4.2.2: a shared memory region that does not exist has length and base -1", () => {
    const registers = mmio();
    registers.write(0xac, 4, 3);
    for (const offset of [0xb0, 0xb4, 0xb8, 0xbc]) assert.equal(registers.read(offset, 4), 0xffffffff);
  });

  it("4.2.2.2: accesses of the wrong width and to no register are reported and change nothing", () => {
    const device = new HoldDevice();
    const { registers } = asMmio(plug(device, "mmio", new FakeMemory()));
    for (const [offset, width] of [
      [0x70, 1],
      [0x70, 2],
      [0x71, 4],
      [0x00, 4],
      [0x48, 4],
      [0xf0, 4],
      [0x34, 4],
    ] as const) {
      registers.write(offset, width, 1);
    }
    assert.deepEqual(device.rules, new Array(7).fill("4.2.2.2"));
    assert.equal(device.status, 0);
    assert.equal(registers.read(0x48, 4), 0);
    assert.equal(registers.read(0x01, 1), 0x69, "a part of a register reads as that part");
    assert.equal(registers.read(0x02, 4), 0x00027472);
  });
});

describe("virtio-pci identity and capabilities", () => {
  const devices = {
    block: new BlockDevice({ id: "d", backend: new MemoryDisk(512) }),
    console: new ConsoleDevice([{ console: true }, { name: "a" }, { name: "b" }]),
    entropy: new EntropyDevice(() => undefined),
    network: new NetDevice({ backend: new TestWire(), mac: OWN, queues: 16 }),
  };

  for (const [name, device] of Object.entries(devices)) {
    const pci = new VirtioPci(device, new TestLine());

    it(`4.1.2.1: ${name}: vendor 0x1AF4, device 0x1040 plus the type, revision 1, subsystem 0x40 or more`, () => {
      const { vendor, device: id, revision, subsystem } = pci.identity;
      assert.equal(vendor, 0x1af4);
      assert.equal(id, 0x1040 + { network: 1, block: 2, console: 3, entropy: 4 }[name]!);
      assert.ok(revision >= 1);
      assert.ok(subsystem >= 0x40);
    });

    it(`4.1.4: ${name}: every structure has a capability, lies in the BAR, and touches no other`, () => {
      const structures = pci.capabilities(3).map(({ bytes }) => {
        const view = new DataView(bytes.buffer);
        assert.equal(bytes[0], bytes.length + 2, "4.1.4.2: cap_len covers all of it");
        return {
          type: bytes[1]!,
          bar: bytes[2]!,
          offset: view.getUint32(6, true),
          length: view.getUint32(10, true),
        };
      });
      assert.deepEqual(structures.map(({ type }) => type).sort(), [1, 2, 3, 4, 5]);
      const inBar = structures.filter(({ type }) => type !== 5).sort((a, b) => a.offset - b.offset);
      let end = 0;
      for (const { bar, offset, length } of inBar) {
        assert.equal(bar, 3);
        assert.equal(offset % 4, 0);
        assert.ok(offset >= end && length > 0);
        end = offset + length;
      }
      assert.ok(end <= VirtioPci.barSize);
    });

    it(`4.1.4.4.1: ${name}: the notification structure has room for every queue`, () => {
      const notify = pci.capabilities(0).find(({ bytes }) => bytes[1] === 2)!.bytes;
      const view = new DataView(notify.buffer);
      const [length, multiplier] = [view.getUint32(10, true), view.getUint32(14, true)];
      assert.equal(multiplier & (multiplier - 1), 0);
      for (let queue = 0; queue < device.queues.length; queue++) {
        pci.write(0x16, 2, queue);
        assert.ok(length >= pci.read(0x1e, 2) * multiplier + 2);
      }
    });
  }
});

describe("virtio-pci registers", () => {
  const start = (queues = 2): { device: HoldDevice; driver: Driver; pci: PciTransport } => {
    const device = new HoldDevice({ queues });
    const driver = Driver.start(device, { kind: "pci" });
    return { device, driver, pci: asPci(driver.transport) };
  };

  it("4.1.4.3: num_queues counts the queues", () => {
    assert.equal(start(3).pci.read(0x12, 2), 3);
  });

  it("4.1.5.1.2: without MSI-X no vector can be set", () => {
    const device = new HoldDevice({ queues: 2 });
    const pci = PciTransport.plug(device, new FakeMemory(), { vectors: 0 });
    assert.deepEqual(pci.capabilities(0x11), []);
    pci.write(0x10, 2, 0);
    pci.write(0x1a, 2, 1);
    assert.equal(pci.read(0x10, 2), 0xffff);
    assert.equal(pci.read(0x1a, 2), 0xffff);
    assert.deepEqual(device.rules, ["4.1.5.1.2.2", "4.1.5.1.2.2"]);
  });

  it("4.1.4.3.2: writes to read-only registers and of other widths are reported and change nothing", () => {
    const { pci, device } = start();
    const status = pci.status;
    for (const [offset, width] of [
      [0x04, 4],
      [0x12, 2],
      [0x15, 1],
      [0x1e, 2],
      [0x14, 2],
      [0x16, 4],
      [0x38, 4],
    ] as const) {
      pci.write(offset, width, 0);
    }
    assert.equal(device.rules.length, 7);
    assert.equal(pci.status, status);
  });

  it("4.1.4.5.1: reading the ISR status clears it, a write or a read beside it does not", () => {
    const { pci, device, driver } = start();
    driver.transport.line.onRaise = undefined;
    device.changeConfig("word", 1);
    assert.equal(pci.registers.read(0x101, 1), 0);
    pci.registers.write(0x100, 1, 0);
    assert.equal(pci.line.asserted, true);
    assert.equal(pci.acknowledge(), CONFIG);
    assert.equal(pci.acknowledge(), 0);
  });

  it("4.1.5.2: a doorbell rung with another index, in another width or off its address is reported", () => {
    const { pci, device } = start();
    pci.registers.write(0x1000, 2, 1);
    pci.registers.write(0x1004, 4, 1);
    pci.registers.write(0x1005, 1, 1);
    assert.deepEqual(device.rules, ["4.1.5.2.1", "4.1.5.2.1", "4.1.5.2.1"]);
    pci.registers.write(0x1004, 2, 1);
    assert.equal(device.rules.length, 3);
  });

  it("4.1.4.3: queue_notif_config_data is there with its feature only, and then the doorbell takes it and no index", () => {
    assert.equal(start().pci.read(0x38, 2), 0);
    const device = new HoldDevice({ queues: 2, notifConfigData: true });
    const pci = asPci(Driver.start(device).transport);
    const values = [0, 1].map((queue) => {
      pci.selectQueue(queue);
      return pci.read(0x38, 2);
    });
    assert.notEqual(values[0], values[1]);
    pci.selectQueue(2);
    assert.equal(pci.read(0x38, 2), 0, "no such queue");
    pci.registers.write(0x1004, 2, values[1]!);
    assert.deepEqual(device.rules, []);
    pci.registers.write(0x1004, 2, 1);
    pci.registers.write(0x1004, 2, values[0]!);
    assert.deepEqual(device.rules, ["4.1.5.2.1", "4.1.5.2.1"]);
  });

  it("4.1.5.2: with NOTIFICATION_DATA a doorbell is 32 bits wide, without it 16", () => {
    const device = new HoldDevice({ notificationData: true });
    const driver = Driver.start(device);
    const pci = asPci(driver.transport);
    pci.registers.write(0x1000, 4, 0);
    assert.deepEqual(device.rules, []);
    pci.registers.write(0x1000, 2, 0);
    assert.deepEqual(device.rules, ["4.1.5.2.1"]);
  });

  it("4.1.4.3.1: without administration virtqueues their fields are 0, and read-only", () => {
    const { pci, device } = start();
    for (const offset of [0x3c, 0x3e]) {
      pci.write(offset, 2, 1);
      assert.equal(pci.read(offset, 2), 0);
    }
    assert.equal(device.rules.length, 2);
  });

  it("4.1.4: a write where there is no structure is reported", () => {
    const { pci, device } = start();
    pci.registers.write(0x80, 4, 0xffffffff);
    assert.equal(pci.registers.read(0x80, 4), 0);
    assert.equal(pci.registers.read(0x1000, 2), 0);
    assert.deepEqual(device.rules, ["4.1.4"]);
  });
});

describe("bus mastering (PCI 3.0, 6.2.2)", () => {
  it("queues wait until the function may reach memory", async () => {
    const device = new HoldDevice();
    const driver = Driver.start(device);
    device.setBusMaster(false);
    const done = driver.request(0, [{ address: 0x100, length: 4, writable: true }]);
    assert.equal(device.held.length, 0);
    device.setBusMaster(true);
    device.give(1, 4);
    assert.equal(await done, 4);
  });

  it("what is in flight when it is taken away writes nothing any more, not even when it is given back", async () => {
    const device = new HoldDevice();
    const driver = Driver.start(device);
    void driver.request(0, [{ address: 0x100, length: 4, writable: true }]);
    void driver.request(0, [{ address: 0x200, length: 4, writable: true }]);
    const [done, lost] = device.held.splice(0);
    device.queues[0]!.put(done!, 4);
    device.setBusMaster(false);
    assert.equal(driver.queues[0]!.usedIndex, 1, "what was done before is published");
    const before = driver.memory.u8.slice();
    assert.equal(lost!.writer.write(Uint8Array.of(1, 2, 3)), 0);
    device.queues[0]!.put(lost!, 3);
    await settle();
    device.setBusMaster(true);
    assert.equal(lost!.writer.write(Uint8Array.of(1, 2, 3)), 0);
    device.queues[0]!.put(lost!, 3);
    await settle();
    assert.deepEqual(driver.memory.changedSince(before), []);

    const next = driver.request(0, [{ address: 0x300, length: 4, writable: true }]);
    device.queues[0]!.put(lost!, 3); // still dead, though a chain is in flight again
    device.give(1, 2);
    assert.equal(await next, 2);
    assert.equal(driver.queues[0]!.usedIndex, 2);
  });
});

describe("events for an observer", () => {
  for (const kind of KINDS) {
    it(`tell a whole request in order, and nothing is built without a listener (${kind})`, async () => {
      const device = new HoldDevice();
      const events: VirtioEvent[] = [];
      const driver = Driver.start(device, { kind });
      device.observer = (event) => events.push(event);
      const done = driver.request(0, [
        { address: 0x100, length: 3 },
        { address: 0x200, length: 5, writable: true },
      ]);
      device.give(1, 5);
      await done;
      const told = events.filter(({ type }) => type !== "access");
      assert.deepEqual(
        told.map(({ type }) => type),
        ["kick", "chain", "used", "interrupt", "acknowledge"],
      );
      const [, taken, used] = told;
      assert.ok(taken?.type === "chain" && used?.type === "used", "their types, as above");
      const { head, chain } = taken;
      assert.equal(used.chain, chain);
      assert.deepEqual(taken, {
        type: "chain",
        device: "entropy",
        queue: 0,
        head,
        readable: 3,
        writable: 5,
        chain,
      });
      assert.deepEqual(used, { type: "used", device: "entropy", queue: 0, head, written: 5, chain });
      const registers = events.flatMap((event) => (event.type === "access" ? [event.register] : []));
      assert.ok(registers.includes(kind === "pci" ? "queue_notify" : "QueueNotify"));
      assert.ok(registers.includes(kind === "pci" ? "isr_status" : "InterruptStatus"));
      device.observer = undefined;
    });

    it(`name every register that a driver uses (${kind})`, () => {
      const device = new HoldDevice({ queues: 2 });
      const names = new Set<string>();
      device.observer = (event) => {
        if (event.type === "access") names.add(event.register);
      };
      const driver = Driver.start(device, { kind });
      driver.transport.readConfig(8, 4);
      assert.ok(names.has("config.word"));
      assert.ok(!names.has("reserved"));
      assert.ok(names.size > 12);
    });
  }

  it("2.1.2: DEVICE_NEEDS_RESET shows as violation, status and interrupt", () => {
    const device = new HoldDevice();
    Driver.start(device);
    const types: string[] = [];
    device.observer = (event) => types.push(event.type);
    device.fatal("2.6 exists", "on purpose");
    assert.deepEqual(
      types.filter((type) => type !== "access" && type !== "acknowledge"),
      ["violation", "status", "interrupt"],
    );
  });
});
