/** Strict mode: drivers that use the registers as they must not. Each test names the sentence that has to be reported. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryDisk } from "../../src/backends/disk/memory.ts";
import { BlockDevice } from "../../src/virtio/block.ts";
import { ConsoleDevice } from "../../src/virtio/console.ts";
import { ACKNOWLEDGE, DRIVER, Driver, DRIVER_OK, FEATURES_OK, VERSION_1 } from "./driver/driver.ts";
import { plugged, sentences, started } from "./driver/strict.ts";
import { asLegacyPci, asMmio, asPci, type DriverTransport, KINDS, type Kind } from "./driver/transport.ts";

const AREAS = { descriptors: 0x1000, available: 0x2000, used: 0x3000 };

/** Up to the point where features are accepted. */
function begin(transport: DriverTransport): void {
  transport.identify?.();
  transport.status = 0;
  assert.equal(transport.status, 0);
  transport.status = ACKNOWLEDGE;
  transport.status = ACKNOWLEDGE | DRIVER;
}

/** Up to FEATURES_OK, without looking at whether it stuck. */
function negotiate(transport: DriverTransport): void {
  begin(transport);
  transport.acceptFeatures(transport.deviceFeatures() & (VERSION_1 | (1n << 40n)));
  transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
}

describe("strict mode: initialization (3.1.1)", () => {
  for (const kind of KINDS) {
    const breaks = (rule: string, how: string, drive: (transport: DriverTransport) => void): void => {
      void it(`${rule}: ${how} (${kind})`, () => {
        const { transport, seen } = plugged(kind);
        drive(transport);
        assert.deepEqual(seen, [rule]);
      });
    };

    breaks("3.1.1 reset", "a driver that does not reset the device first", (transport) => {
      transport.identify?.();
      transport.status = ACKNOWLEDGE;
      transport.status = ACKNOWLEDGE | DRIVER;
    });

    breaks("3.1.1 features", "features accepted before DRIVER is set", (transport) => {
      transport.identify?.();
      transport.status = 0;
      assert.equal(transport.status, 0);
      transport.status = ACKNOWLEDGE;
      transport.acceptFeatures(transport.deviceFeatures());
      transport.status = ACKNOWLEDGE | DRIVER;
    });

    breaks("3.1.1 read", "features accepted that were not read", (transport) => {
      begin(transport);
      transport.acceptFeatures(VERSION_1);
      transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
    });

    breaks("3.1.1 reread", "DRIVER_OK without a look at whether FEATURES_OK is still set", (transport) => {
      negotiate(transport);
      transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
    });

    breaks("3.1.1 reread", "FEATURES_OK and DRIVER_OK in one", (transport) => {
      begin(transport);
      transport.acceptFeatures(transport.deviceFeatures());
      transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
    });

    breaks("3.1.1 reread", "a queue that is enabled without that look", (transport) => {
      negotiate(transport);
      transport.selectQueue(0);
      transport.setQueueSize(16);
      transport.setAreas(AREAS);
      transport.enableQueue();
    });

    breaks("3.1.1 early", "configuration written before FEATURES_OK", (transport) => {
      begin(transport);
      transport.writeConfig(12, 2, 7);
    });

    breaks("3.1.1 look", "configuration read before DRIVER", (transport) => {
      transport.identify?.();
      transport.readConfig(8, 4);
    });

    breaks(
      kind === "pci" ? "4.1.4.3.2 fields" : "4.2.3.2 fields",
      "a queue that is enabled without addresses",
      (transport) => {
        negotiate(transport);
        assert.ok(transport.status & FEATURES_OK);
        transport.selectQueue(0);
        transport.setAreas({ ...AREAS, available: 0 });
        transport.enableQueue();
      },
    );

    it(`3.1.1: what is right breaks nothing, also the second time (${kind})`, () => {
      const { transport, seen } = plugged(kind);
      for (let time = 0; time < 2; time++) {
        negotiate(transport);
        assert.ok(transport.status & FEATURES_OK);
        transport.selectQueue(0);
        transport.setAreas(AREAS);
        transport.enableQueue();
        transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
        transport.writeConfig(12, 2, 7);
      }
      assert.deepEqual(seen, []);
    });

    it(`each sentence is reported once, and again after the next power-on (${kind})`, () => {
      const { transport, seen, device } = plugged(kind);
      for (let i = 0; i < 3; i++) transport.readConfig(8, 4);
      assert.equal(seen.filter((rule) => rule === "3.1.1 look").length, 1);
      assert.equal(device.violations, seen.length);
      device.auditor!.connected();
      transport.readConfig(8, 4);
      assert.equal(seen.filter((rule) => rule === "3.1.1 look").length, 2);
    });
  }

  it("5.3.5.1: emergency output needs no initialization at all", () => {
    for (const kind of KINDS) {
      const { transport, seen } = plugged(kind, new ConsoleDevice([{ console: true }]));
      transport.identify?.();
      transport.writeConfig(8, 4, 65);
      assert.deepEqual(seen, []);
    }
  });
});

describe("strict mode: configuration space", () => {
  for (const kind of KINDS) {
    it(`2.5.1: a field whose feature is not offered ("2.5.1 optional", ${kind})`, () => {
      const device = new BlockDevice({ id: "disk", backend: new MemoryDisk(512) });
      const seen = sentences(device);
      const { transport } = Driver.start(device, { kind, strict: true });
      transport.readConfig(20, 4); // blk_size
      transport.readConfig(12, 4); // seg_max
      assert.deepEqual(seen, []);
      transport.readConfig(16, 2); // geometry
      transport.readConfig(18, 1);
      assert.deepEqual(seen, ["2.5.1 optional"]);
    });

    it(`5.2.5.1: writeback read before FEATURES_OK ("5.2.5.1 writeback", ${kind})`, () => {
      const device = new BlockDevice({ id: "disk", backend: new MemoryDisk(512) });
      const { transport, seen } = plugged(kind, device);
      begin(transport);
      transport.acceptFeatures(transport.deviceFeatures());
      transport.readConfig(32, 1);
      transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
      assert.ok(transport.status & FEATURES_OK);
      transport.readConfig(32, 1);
      assert.deepEqual(seen, ["5.2.5.1 writeback"]);
    });
  }

  it(`4.1.3.1: fields in another width ("4.1.3.1 config")`, () => {
    for (const [offset, width] of [
      [0, 1],
      [8, 2],
      [10, 2],
      [12, 4],
      [14, 2],
    ] as const) {
      const { driver, seen } = started();
      driver.transport.readConfig(offset, width);
      assert.deepEqual(seen, ["4.1.3.1 config"], `${width} bytes at ${offset}`);
    }
    const { driver, seen } = started();
    driver.transport.readConfig(0, 4);
    driver.transport.readConfig(4, 4);
    assert.deepEqual(seen, []);
    driver.transport.readConfig(0x40, 4);
    assert.deepEqual(seen, ["2.5.1 optional"], "where there is nothing");
  });
});

describe("strict mode: reads of 16 bits that come as two of 8", () => {
  for (const [where, rule] of [
    ["a register", "4.1.3.1 read"],
    ["configuration on pci", "4.1.3.1 config"],
    ["configuration on mmio", "4.2.2.2 config"],
  ] as const) {
    const reader = (): {
      read: (half: number, width?: number) => void;
      other: () => void;
      seen: string[];
    } => {
      const { driver, seen } = started({ kind: where.endsWith("mmio") ? "mmio" : "pci" });
      const { transport } = driver;
      return {
        seen,
        read: (half, width = 1) => {
          if (where === "a register") asPci(transport).read(0x12 + half, width);
          else transport.readConfig(12 + half, width);
        },
        other: () => transport.status,
      };
    };

    it(`are one read of 16 bits: ${where}`, () => {
      const { read, other, seen } = reader();
      read(0);
      read(1);
      other();
      read(0, 2);
      assert.deepEqual(seen, []);
    });

    it(`are not if something comes between, or one is missing (${rule})`, () => {
      for (const halves of [[0], [1], [0, 0], [1, 0]]) {
        const { read, other, seen } = reader();
        for (const half of halves) read(half);
        other();
        assert.deepEqual(seen, [rule], `${where}: ${halves.join()}`);
      }
      const { read, other, seen } = reader();
      read(0);
      other();
      read(1);
      assert.deepEqual(seen, [rule]);
    });
  }
});

describe("strict mode: queues are reset and taken away", () => {
  for (const kind of KINDS) {
    const again = (verify: boolean, areas: typeof AREAS | undefined): string[] => {
      const { driver, seen } = started({ kind });
      const { transport } = driver;
      transport.selectQueue(0);
      resetQueue(transport, kind);
      if (verify) isReset(transport, kind);
      if (areas) transport.setAreas(areas);
      transport.enableQueue();
      return seen;
    };

    it(`2.6.1.1.2: a queue reset that is not verified (${kind})`, () => {
      assert.deepEqual(again(true, AREAS), []);
      assert.deepEqual(again(false, AREAS), ["2.6.1.1.2 verify"]);
    });

    it(`2.6.1.2.2: a queue that is enabled again and not set up (${kind})`, () => {
      assert.deepEqual(again(true, undefined), ["2.6.1.2.2 configure"]);
    });
  }

  it("4.2.2.2: QueueReady that is set to 0 and not read back", () => {
    const { driver, seen } = started({ kind: "mmio" });
    const { transport } = driver;
    transport.selectQueue(0);
    transport.enableQueue(0);
    transport.queueEnabled();
    transport.setAreas(AREAS);
    transport.enableQueue();
    assert.deepEqual(seen, []);
    transport.enableQueue(0);
    transport.selectQueue(0);
    assert.deepEqual(seen, ["4.2.2.2 readBack"]);
  });
});

describe("strict mode: PCI", () => {
  it("4.1.4.3.2: a driver that does not wait for the reset", () => {
    const { transport, seen } = plugged("pci");
    transport.status = 0;
    transport.status = ACKNOWLEDGE;
    assert.deepEqual(seen, ["4.1.4.3.2 wait"]);
  });

  it("4.1.3.1: registers read in another width", () => {
    const { driver, seen } = started();
    asPci(driver.transport).read(0x14, 1);
    asPci(driver.transport).read(0x12, 2);
    assert.deepEqual(seen, []);
    asPci(driver.transport).read(0x14, 4);
    assert.deepEqual(seen, ["4.1.3.1 read"]);
  });

  it("4.1.4.1: a capability written", () => {
    const { driver, seen } = started();
    const pci = asPci(driver.transport);
    const { pciFunction } = pci;
    const at = pci.capabilities(0x09);
    for (const capability of at) {
      if (pciFunction.read(capability + 3, 1) === 5) pciFunction.write(capability + 8, 4, 0x14);
    }
    assert.deepEqual(seen, []);
    const before = pciFunction.read(at[0]! + 8, 4);
    pciFunction.write(at[0]! + 8, 4, 0x100);
    assert.deepEqual(seen, ["4.1.4.1 capability"]);
    assert.equal(pciFunction.read(at[0]! + 8, 4), before);
  });

  for (const kind of ["pci-msix", "pci-legacy-msix"] as const) {
    it(`4.1.5.1.2.2: a vector that is not read back (${kind})`, () => {
      const { transport, seen } = plugged(kind);
      const write = writer(transport, kind);
      transport.status = 0;
      assert.equal(transport.status, 0);
      write.vector(0xffff);
      transport.selectQueue(0);
      assert.deepEqual(seen, [], "one that is taken away need not be");
      write.vector(1);
      transport.selectQueue(0);
      assert.deepEqual(seen, ["4.1.5.1.2.2 verify"]);
    });
  }
});

describe("strict mode: MMIO", () => {
  it("4.2.3.1.1: a driver that does not look what it is", () => {
    for (const first of [0x08, 0x70, 0x60, 0x100]) {
      const { transport, seen } = plugged("mmio");
      asMmio(transport).registers.read(0, 4);
      asMmio(transport).registers.read(first, 4);
      assert.equal(seen[0], "4.2.3.1.1 start");
    }
  });

  it("4.2.3.1.1: shared memory that is not there", () => {
    const { driver, seen } = started({ kind: "mmio" });
    asMmio(driver.transport).registers.write(0xac, 4, 0);
    asMmio(driver.transport).registers.read(0xb0, 4);
    assert.deepEqual(seen, ["4.2.3.1.1 sharedMemory"]);
  });

  it("4.2.2.2: feature words that were not selected", () => {
    const { transport, seen } = plugged("mmio");
    begin(transport);
    const { registers } = asMmio(transport);
    registers.read(0x10, 4);
    registers.write(0x20, 4, 0);
    assert.deepEqual(seen, ["4.2.2.2 deviceSel", "4.2.2.2 driverSel"]);
  });

  it("4.2.2.2: events acknowledged that were not seen", () => {
    const { driver, device, seen } = started({ kind: "mmio" });
    const { registers } = asMmio(driver.transport);
    device.changeConfig("word", 1);
    assert.deepEqual(seen, [], "the driver's handler reads, then acknowledges");
    driver.transport.line.onRaise = undefined;
    device.changeConfig("word", 2);
    registers.read(0x60, 4);
    registers.write(0x64, 4, 3);
    assert.deepEqual(seen, ["4.2.2.2 handled"]);
  });
});

function resetQueue(transport: DriverTransport, kind: Kind): void {
  if (kind === "pci") asPci(transport).write(0x3a, 2, 1);
  else asMmio(transport).registers.write(0xc0, 4, 1);
}

function isReset(transport: DriverTransport, kind: Kind): boolean {
  return (kind === "pci" ? asPci(transport).read(0x3a, 2) : asMmio(transport).registers.read(0xc0, 4)) === 0;
}

function writer(transport: DriverTransport, kind: Kind): { vector: (value: number) => void } {
  if (kind === "pci-msix") return { vector: (value) => asPci(transport).write(0x10, 2, value) };
  return { vector: (value) => asLegacyPci(transport).ports.write(20, 2, value) };
}
