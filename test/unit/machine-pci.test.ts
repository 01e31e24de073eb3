import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MmioBus, type MmioRegion } from "../../src/machine/mmio.ts";
import { PCI_PORTS, PCI_WINDOW, PciBus } from "../../src/machine/pci.ts";
import { PciFunction, type PciFunctionOptions } from "../../src/machine/pci-function.ts";
import { VirtioPci } from "../../src/virtio/transport/pci.ts";
import { FakeCpu } from "./driver/fake-cpu.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { TestLine } from "./driver/line.ts";
import { FakeMemory } from "./driver/memory.ts";

const COMMAND = 0x04;
const STATUS = 0x06;
const BAR = 0x10;
const MEMORY = 2;
const MASTER = 4;
const INTX_DISABLE = 0x400;

const IDENTITY = {
  vendor: 0x1af4,
  device: 0x1042,
  subsystemVendor: 0x1af4,
  subsystem: 0x42,
  classCode: 0x010203,
  revision: 1,
};

/** Answers every read with its number, and remembers what is written. */
class Region implements MmioRegion {
  readonly writes: string[] = [];
  readonly #answer: number;

  constructor(answer: number) {
    this.#answer = answer;
  }

  read(offset: number, width: number): number {
    return width === 1 ? offset & 0xff : this.#answer;
  }

  write(offset: number, width: number, value: number): void {
    this.writes.push(`${offset.toString(16)}/${width}=${value.toString(16)}`);
  }
}

class Scene {
  readonly cpu = new FakeCpu();
  readonly mmio = new MmioBus(this.cpu);
  readonly pci = new PciBus(this.cpu, this.mmio);
  readonly line = new TestLine();

  add(slot: number, options: Partial<PciFunctionOptions> = {}): PciFunction {
    return this.pci.add(slot, { identity: IDENTITY, interrupt: { line: this.line, irq: 11 }, ...options });
  }

  /** A function with one BAR; also where it is. */
  addWithBar(slot: number, size: number, answer: number): { region: Region; address: number } {
    const region = new Region(answer);
    const address = this.pci.allocate("memory", size);
    this.add(slot, { bars: [{ index: 0, space: "memory", size, address, region }] });
    return { region, address };
  }

  select(slot: number, offset: number, more = 0): void {
    this.cpu.out(0xcf8, 4, (0x80000000 | (slot << 11) | (offset & 0xfc) | more) >>> 0);
  }

  read(slot: number, offset: number, width: 1 | 2 | 4 = 4): number {
    this.select(slot, offset);
    const value = this.cpu.in(0xcfc + (offset & 3), width);
    assert.notEqual(value, undefined, "nobody answers");
    return value!;
  }

  write(slot: number, offset: number, width: 1 | 2 | 4, value: number): void {
    this.select(slot, offset);
    this.cpu.out(0xcfc + (offset & 3), width, value);
  }
}

describe("PCI configuration mechanism #1 (PCI 3.0, 3.2.2.3.2)", () => {
  it("slot 0 is a host bridge", () => {
    const scene = new Scene();
    assert.equal(scene.read(0, 0), 0x12378086);
    assert.equal(scene.read(0, 0x0b, 1), 0x06);
    assert.equal(scene.read(0, 0x0a, 1), 0x00);
    assert.equal(scene.read(0, 0x0e, 1), 0, "header type 0, one function");
  });

  it("8, 16 and 32 bits wide accesses reach the bytes that they name", () => {
    const scene = new Scene();
    scene.add(3);
    assert.equal(scene.read(3, 0x00, 4), 0x10421af4);
    assert.equal(scene.read(3, 0x00, 2), 0x1af4);
    assert.equal(scene.read(3, 0x02, 2), 0x1042);
    assert.deepEqual(
      [0, 1, 2, 3].map((byte) => scene.read(3, byte, 1)),
      [0xf4, 0x1a, 0x42, 0x10],
    );
    scene.write(3, 0x3c, 1, 5);
    assert.equal(scene.read(3, 0x3c, 4), 0x00000105);
    scene.write(3, COMMAND, 2, MEMORY | MASTER);
    assert.equal(scene.read(3, COMMAND, 1), MEMORY | MASTER);
  });

  it("without the enable bit, on other buses, functions and empty slots there is nothing: all ones, writes ignored", () => {
    const scene = new Scene();
    scene.add(3);
    const nothing = (address: number): void => {
      scene.cpu.out(0xcf8, 4, address);
      assert.equal(scene.cpu.in(0xcfc, 4), 0xffffffff);
      assert.equal(scene.cpu.in(0xcfc, 2), 0xffff);
      assert.equal(scene.cpu.in(0xcff, 1), 0xff);
      scene.cpu.out(0xcfc, 4, 0);
    };
    nothing(3 << 11);
    nothing(0x80000000 + (3 << 11) + (1 << 8));
    nothing(0x80000000 + (3 << 11) + (1 << 16));
    nothing(0x80000000 + (3 << 11) + (255 << 16));
    nothing(0x80000000 + (4 << 11));
    assert.equal(scene.read(3, 0), 0x10421af4);
  });

  it("the address register reads back, its reserved bits as 0, and takes 32 bits only", () => {
    const { cpu } = new Scene();
    cpu.out(0xcf8, 4, 0xffffffff);
    assert.equal(cpu.in(0xcf8, 4), 0x80fffffc);
    cpu.out(0xcf8, 4, 0x80001234);
    cpu.out(0xcf8, 1, 0);
    cpu.out(0xcfb, 1, 0);
    cpu.out(0xcf8, 2, 0);
    assert.equal(cpu.in(0xcf8, 4), 0x80001234);
  });

  it("port 0xCF9 is the reset control register, whatever stands in the address register", () => {
    const scene = new Scene();
    const values: number[] = [];
    scene.pci.onResetControl = (value) => values.push(value);
    scene.cpu.out(0xcf9, 1, 2);
    scene.cpu.out(0xcf9, 1, 6);
    assert.deepEqual(values, [2, 6]);
  });

  it("a slot that does not exist is refused with a sentence", () => {
    const scene = new Scene();
    scene.add(31);
    assert.throws(() => scene.add(32), { name: "RangeError", message: /room for 31 devices/ });
  });
});

describe("PCI configuration space of a function (PCI 3.0, 6)", () => {
  it("6.1, 6.2: only the bits that can be written change", () => {
    const scene = new Scene();
    scene.addWithBar(1, 0x2000, 0);
    const before = Array.from({ length: 64 }, (_, i) => scene.read(1, 4 * i));
    for (let offset = 0; offset < 256; offset += 4) scene.write(1, offset, 4, 0xffffffff);
    const ones = Array.from({ length: 64 }, (_, i) => scene.read(1, 4 * i));
    for (let offset = 0; offset < 256; offset += 4) scene.write(1, offset, 4, 0);
    const zeros = Array.from({ length: 64 }, (_, i) => scene.read(1, 4 * i));
    const writable = ones.map((value, i) => (value ^ zeros[i]!) >>> 0);
    const expected = new Array<number>(64).fill(0);
    expected[COMMAND / 4] = MEMORY | MASTER | INTX_DISABLE;
    expected[0x0c / 4] = 0xff; // cache line size
    expected[BAR / 4] = 0xffffe000;
    expected[0x3c / 4] = 0xff; // interrupt line
    assert.deepEqual(writable, expected);
    ones.forEach((value, i) =>
      assert.equal((value & ~writable[i]!) >>> 0, (before[i]! & ~writable[i]!) >>> 0),
    );
  });

  it("6.2.1: identity where the header has it", () => {
    const scene = new Scene();
    scene.add(1);
    assert.equal(scene.read(1, 0x08), 0x01020301);
    assert.equal(scene.read(1, 0x2c), 0x00421af4);
    assert.equal(scene.read(1, 0x3d, 1), 1, "INTA#");
    assert.equal(scene.read(1, 0x3c, 1), 11);
    assert.equal(scene.read(1, 0x30), 0, "no expansion ROM");
  });

  for (const size of [0x1000, 0x2000, 0x10000]) {
    it(`6.2.5.1: a BAR of ${size} bytes tells its size and keeps its address`, () => {
      const scene = new Scene();
      const { address } = scene.addWithBar(1, size, 7);
      assert.equal(scene.read(1, BAR), address);
      scene.write(1, BAR, 4, 0xffffffff);
      const mask = scene.read(1, BAR);
      assert.equal(mask & 0xf, 0, "32-bit memory, not prefetchable");
      assert.equal((~mask + 1) >>> 0, size);
      scene.write(1, BAR, 4, address + 5);
      assert.equal(scene.read(1, BAR), address, "aligned to its size");
      for (const bar of [1, 2, 3, 4, 5]) {
        scene.write(1, BAR + 4 * bar, 4, 0xffffffff);
        assert.equal(scene.read(1, BAR + 4 * bar), 0, "there are no others");
      }
    });
  }

  it("6.2.2: memory is decoded only while the command register says so", () => {
    const scene = new Scene();
    const { address, region } = scene.addWithBar(1, 0x1000, 0x11111111);
    assert.equal(scene.cpu.read(address, 4), 0xffffffff);
    scene.write(1, COMMAND, 2, MEMORY);
    assert.equal(scene.cpu.read(address, 4), 0x11111111);
    scene.cpu.write(address + 0x20, 2, 0x1234);
    assert.deepEqual(region.writes, ["20/2=1234"]);
    scene.write(1, COMMAND, 2, 0);
    assert.equal(scene.cpu.read(address, 4), 0xffffffff);
    scene.cpu.write(address, 4, 1);
    assert.equal(region.writes.length, 1);
  });

  it("6.2.5: a BAR that is written moves at once, and leaves nothing behind", () => {
    const scene = new Scene();
    const { address } = scene.addWithBar(1, 0x2000, 0x11111111);
    scene.write(1, COMMAND, 2, MEMORY);
    const elsewhere = PCI_WINDOW.end - 0x2000;
    scene.write(1, BAR, 4, elsewhere);
    assert.equal(scene.cpu.read(address, 4), 0xffffffff);
    assert.equal(scene.cpu.read(address + 0x1ffc, 4), 0xffffffff);
    assert.equal(scene.cpu.read(elsewhere, 4), 0x11111111);
    assert.equal(scene.cpu.read(elsewhere + 0x1fff, 1), 0xff);
    assert.equal(scene.cpu.read(elsewhere + 0x1012, 1), 0x12);
  });

  it("6.2.5.1: sizing with decoding on takes the BAR away and brings it back", () => {
    const scene = new Scene();
    const { address } = scene.addWithBar(1, 0x1000, 0x11111111);
    scene.write(1, COMMAND, 2, MEMORY);
    scene.write(1, BAR, 4, 0xffffffff);
    assert.equal(scene.cpu.read(address, 4), 0xffffffff);
    scene.write(1, BAR, 4, address);
    assert.equal(scene.cpu.read(address, 4), 0x11111111);
  });

  it("a BAR outside the host bridge's window answers nowhere: not over RAM, not over the APICs", () => {
    const scene = new Scene();
    scene.addWithBar(1, 0x1000, 0x11111111);
    scene.write(1, COMMAND, 2, MEMORY);
    for (const address of [
      0,
      0x1000,
      0x7ffff000,
      PCI_WINDOW.start - 0x1000,
      PCI_WINDOW.end,
      0xfec00000,
      0xfee00000,
    ]) {
      scene.write(1, BAR, 4, address);
      assert.equal(scene.read(1, BAR), address);
      assert.equal(scene.cpu.read(address, 4), 0xffffffff);
    }
    assert.ok(
      [...scene.cpu.blocks.keys()].every((start) => start >= PCI_WINDOW.start && start < PCI_WINDOW.end),
    );
  });

  it("several BARs share one of v86's 128 KiB blocks, each with its own offsets", () => {
    const scene = new Scene();
    const places = Array.from({ length: 20 }, (_, i) =>
      scene.addWithBar(i + 1, 0x1000 << (i % 3), 0x01010101 * i),
    );
    for (let slot = 1; slot <= 20; slot++) scene.write(slot, COMMAND, 2, MEMORY);
    places.forEach(({ address, region }, i) => {
      const size = 0x1000 << (i % 3);
      assert.equal(address % size, 0);
      assert.equal(scene.cpu.read(address, 4), 0x01010101 * i);
      assert.equal(scene.cpu.read(address + size - 4, 4), 0x01010101 * i);
      scene.cpu.write(address + size - 2, 2, i);
      assert.deepEqual(region.writes, [`${(size - 2).toString(16)}/2=${i.toString(16)}`]);
    });
    assert.ok(scene.cpu.blocks.size < 4, `${scene.cpu.blocks.size} blocks`);
  });

  it("a BAR that lay over another one gives it its place back when it moves away", () => {
    const scene = new Scene();
    const first = scene.addWithBar(1, 0x1000, 0x11111111);
    const second = scene.addWithBar(2, 0x1000, 0x22222222);
    for (const slot of [1, 2]) scene.write(slot, COMMAND, 2, MEMORY);
    scene.write(2, BAR, 4, first.address);
    scene.write(2, BAR, 4, second.address);
    assert.equal(scene.cpu.read(first.address, 4), 0x11111111);
    assert.equal(scene.cpu.read(second.address, 4), 0x22222222);
  });
});

describe("I/O BARs (PCI 3.0, 6.2.5)", () => {
  const PORTS = 1;

  const withPorts = (
    scene: Scene,
    slot: number,
    size: number,
    answer: number,
  ): { region: Region; address: number } => {
    const region = new Region(answer);
    const address = scene.pci.allocate("ports", size);
    scene.add(slot, { bars: [{ index: 0, space: "ports", size, address, region }] });
    return { region, address };
  };

  for (const size of [4, 32, 256]) {
    it(`6.2.5.1: one of ${size} ports says that it is one, tells its size and keeps its address`, () => {
      const scene = new Scene();
      const { address } = withPorts(scene, 1, size, 7);
      assert.equal(scene.read(1, BAR), address | 1);
      scene.write(1, BAR, 4, 0xffffffff);
      assert.equal(scene.read(1, BAR), ((-size >>> 0) | 1) >>> 0);
      scene.write(1, BAR, 4, address);
      assert.equal(scene.read(1, BAR), address | 1, "bit 0 cannot be written");
    });
  }

  it("6.2.2: ports are decoded only while the command register says so, which memory's bit does not", () => {
    const scene = new Scene();
    const { address, region } = withPorts(scene, 1, 32, 0x12345678);
    scene.write(1, COMMAND, 2, MEMORY | MASTER);
    assert.equal(scene.cpu.in(address, 4), undefined);
    scene.write(1, COMMAND, 2, PORTS);
    assert.equal(scene.read(1, COMMAND, 2), PORTS);
    assert.equal(scene.cpu.in(address, 4), 0x12345678);
    assert.equal(scene.cpu.in(address + 5, 1), 5);
    scene.cpu.out(address + 16, 2, 0x1234);
    scene.cpu.out(address + 4, 4, 0x80000000);
    scene.cpu.out(address + 31, 1, 9);
    assert.deepEqual(region.writes, ["10/2=1234", "4/4=80000000", "1f/1=9"]);
    scene.write(1, COMMAND, 2, 0);
    assert.deepEqual(
      ([1, 2, 4] as const).map((width) => scene.cpu.in(address, width)),
      [0xff, 0xffff, 0xffffffff],
    );
    scene.cpu.out(address, 4, 1);
    assert.equal(region.writes.length, 3);
  });

  it("a function without ports has no bit for them", () => {
    const scene = new Scene();
    scene.addWithBar(1, 0x1000, 7);
    scene.write(1, COMMAND, 2, 0xffff);
    assert.equal(scene.read(1, COMMAND, 2) & PORTS, 0);
  });

  it("one that is written moves at once; where it lay over another, that one answers again afterwards", () => {
    const scene = new Scene();
    const [first, second] = [withPorts(scene, 1, 16, 0x11111111), withPorts(scene, 2, 16, 0x22222222)];
    for (const slot of [1, 2]) scene.write(slot, COMMAND, 2, PORTS);
    scene.write(2, BAR, 4, first.address);
    assert.equal(scene.cpu.in(first.address, 4), 0x22222222);
    assert.equal(scene.cpu.in(second.address, 4), 0xffffffff);
    scene.write(2, BAR, 4, 0xfff0);
    assert.equal(scene.cpu.in(first.address, 4), 0x11111111);
    assert.equal(scene.cpu.in(0xfff0, 4), 0x22222222);
    assert.equal(scene.cpu.in(0xfffe, 1), 14);
  });

  it("outside the bridge's ports it answers nowhere: not over the configuration ports, not over the ACPI registers", () => {
    const scene = new Scene();
    withPorts(scene, 1, 4, 0x11111111);
    scene.write(1, COMMAND, 2, PORTS);
    const before = [...scene.cpu.ports.keys()];
    for (const address of [0, 0x3f8, 0xcfc, 0xb004, PCI_PORTS.start - 4, 0x10000, 0xfffffffc]) {
      scene.write(1, BAR, 4, address);
      assert.equal(scene.read(1, BAR), address + 1);
    }
    assert.deepEqual([...scene.cpu.ports.keys()], before);
    assert.equal(scene.read(1, 0), 0x10421af4);
  });
});

describe("INTA# (PCI 3.0, 6.2.2, 6.2.3)", () => {
  it("shows in the status register, and goes out unless it is disabled", () => {
    const scene = new Scene();
    const pciFunction = scene.add(1);
    const status = (): boolean => (scene.read(1, STATUS, 2) & 8) !== 0;
    pciFunction.interrupt.set(true);
    assert.deepEqual([status(), scene.line.asserted], [true, true]);
    scene.write(1, COMMAND, 2, INTX_DISABLE);
    assert.deepEqual([status(), scene.line.asserted], [true, false]);
    pciFunction.interrupt.set(false);
    assert.deepEqual([status(), scene.line.asserted], [false, false]);
    pciFunction.interrupt.set(true);
    assert.deepEqual([status(), scene.line.asserted], [true, false]);
    scene.write(1, COMMAND, 2, 0);
    assert.deepEqual([status(), scene.line.asserted], [true, true]);
    scene.write(1, STATUS, 2, 0xffff);
    assert.deepEqual([status(), scene.line.asserted], [true, true], "nobody can clear it but the device");
  });
});

describe("a virtio device on the bus", () => {
  const plug = (): { scene: Scene; device: HoldDevice; transport: VirtioPci; pciFunction: PciFunction } => {
    const scene = new Scene();
    const device = new HoldDevice({ queues: 3 });
    const transport: VirtioPci = new VirtioPci(device, { set: (on) => pciFunction.interrupt.set(on) });
    const pciFunction = scene.add(5, {
      identity: transport.identity,
      bars: [
        {
          index: 0,
          space: "memory",
          size: VirtioPci.barSize,
          address: scene.pci.allocate("memory", 0x2000),
          region: transport,
        },
      ],
      capabilities: transport.capabilities(0).map((fields) => ({ id: 9, ...fields })),
    });
    device.connect(new FakeMemory(), transport);
    return { scene, device, transport, pciFunction };
  };

  /** Walks the list as a driver does (PCI 3.0, 6.7). */
  const walk = (
    scene: Scene,
  ): { at: number; type: number; bar: number; offset: number; length: number }[] => {
    assert.ok(scene.read(5, STATUS, 2) & 0x10, "6.2.3: there is a list");
    const found = [];
    const seen = new Set<number>();
    for (let at = scene.read(5, 0x34, 1); at !== 0; at = scene.read(5, at + 1, 1)) {
      assert.ok(at >= 0x40 && at % 4 === 0 && !seen.has(at), `capability at ${at}`);
      seen.add(at);
      assert.equal(scene.read(5, at, 1), 0x09);
      const length = scene.read(5, at + 2, 1);
      assert.ok(at + length <= 256);
      assert.ok([...seen].every((other) => other >= at || other + scene.read(5, other + 2, 1) <= at));
      found.push({
        at,
        type: scene.read(5, at + 3, 1),
        bar: scene.read(5, at + 4, 1),
        offset: scene.read(5, at + 8),
        length: scene.read(5, at + 12),
      });
    }
    return found;
  };

  it("6.7, virtio 4.1.4: a driver finds common, ISR, device, notify and configuration access capabilities", () => {
    const { scene, device } = plug();
    const list = walk(scene);
    assert.deepEqual(list.map(({ type }) => type).sort(), [1, 2, 3, 4, 5]);
    const common = list.find(({ type }) => type === 1)!;
    const bar = scene.read(5, BAR + 4 * common.bar);
    scene.write(5, COMMAND, 2, MEMORY);
    assert.equal(scene.cpu.read(bar + common.offset + 0x12, 1), device.queues.length);
    scene.cpu.write(bar + common.offset + 0x14, 1, 1);
    assert.equal(device.status, 1);
  });

  it("virtio 4.1.4.9: every structure can be reached through pci_cfg_data, also while memory is not decoded", () => {
    const { scene, device, pciFunction } = plug();
    const list = walk(scene);
    const { at } = list.find(({ type }) => type === 5)!;
    const [common, notify, isr, config] = [1, 2, 3, 4].map((type) => list.find((cap) => cap.type === type)!);
    const aim = (offset: number, length: number, bar = 0): void => {
      scene.write(5, at + 4, 1, bar);
      scene.write(5, at + 8, 4, offset);
      scene.write(5, at + 12, 4, length);
    };
    assert.equal(pciFunction.memoryEnabled, false);
    aim(common!.offset + 0x12, 2);
    assert.equal(scene.read(5, at + 16, 2), 3);
    aim(common!.offset + 0x14, 1);
    scene.write(5, at + 16, 1, 1);
    assert.equal(device.status, 1);
    assert.equal(scene.read(5, at + 16, 1), 1);
    aim(common!.offset, 4);
    scene.write(5, at + 16, 4, 1);
    aim(common!.offset + 4, 4);
    assert.equal(scene.read(5, at + 16, 4), 0x101, "VERSION_1 and RING_RESET in word 1");
    device.changeConfig("word", 0xcafe1234);
    aim(config!.offset + 8, 4);
    assert.equal(scene.read(5, at + 16, 4), 0xcafe1234);
    aim(notify!.offset + 4, 2);
    scene.write(5, at + 16, 2, 1);
    assert.deepEqual(device.rules, ["2.3"], "a kick of a queue that is not enabled: it got there");
    aim(isr!.offset, 1);
    assert.equal(scene.read(5, at + 16, 1), 0);
  });

  it("virtio 4.1.4.9: aimed at nothing, pci_cfg_data reads as 0, and a write is reported and goes nowhere", () => {
    const { scene, device } = plug();
    const { at } = walk(scene).find(({ type }) => type === 5)!;
    const before = device.status;
    for (const [bar, offset, length] of [
      [1, 0x14, 1],
      [0, 0x14, 3],
      [0, 0x14, 0],
      [0, 0x15, 2],
      [0, 0x3e, 4],
      [0, 0x1800, 2],
      [0, 0xffffffff, 1],
      [255, 0, 0xffffffff],
    ] as const) {
      scene.write(5, at + 4, 1, bar);
      scene.write(5, at + 8, 4, offset);
      scene.write(5, at + 12, 4, length);
      device.rules.length = 0;
      assert.equal(scene.read(5, at + 16, 4), 0);
      scene.write(5, at + 16, 4, 0xffffffff);
      assert.deepEqual(device.rules, ["4.1.4.9.2"], "the write: lspci -xxx reads everything");
    }
    assert.equal(device.status, before);
  });

  it("virtio 4.1.4.9: type, length and pointers of the capability cannot be written", () => {
    const { scene } = plug();
    const { at } = walk(scene).find(({ type }) => type === 5)!;
    const head = scene.read(5, at);
    scene.write(5, at, 4, 0xffffffff);
    scene.write(5, at + 4, 4, 0xffffff00);
    assert.equal(scene.read(5, at), head);
    assert.equal(scene.read(5, at + 4), 0);
  });

  it("virtio 4.1.4.5.1: the status register's interrupt bit follows the ISR status", () => {
    const { scene, device, transport } = plug();
    transport.writeStatus(1);
    const bit = (): number => scene.read(5, STATUS, 2) & 8;
    assert.equal(bit(), 0);
    transport.config();
    assert.equal(bit(), 8);
    assert.equal(scene.line.asserted, true);
    transport.read(0x100, 1);
    assert.equal(bit(), 0);
    assert.equal(scene.line.asserted, false);
    assert.equal(device.violations, 0);
  });
});
