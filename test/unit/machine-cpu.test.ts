/** The seam to v86, the buses and the start-up code, used by programs of a few instructions on the real CPU. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { BoardOptions } from "../../src/machine/board.ts";
import { BOOT_PARAMETERS } from "../../src/machine/rom.ts";
import { GuestCode } from "./driver/guest-code.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { RealBoard } from "./driver/real-board.ts";

const boards: RealBoard[] = [];
after(() => boards.forEach((board) => board.dispose()));

async function newBoard(devices: BoardOptions["devices"] = []): Promise<RealBoard> {
  const board = await RealBoard.create([...devices]);
  boards.push(board);
  return board;
}

const MMIO = 0xfea00000;

describe("a program on the CPU", () => {
  it("starts by the 32-bit boot protocol: flat segments, no paging, no interrupts, ESI at boot_params", async () => {
    const board = await newBoard();
    const code = new GuestCode().esi().keep().cr0().keep().flags().keep();
    for (const segment of [0, 1, 2, 3]) code.segment(segment).keep();
    const [esi, cr0, flags, es, cs, ss, ds] = await board.run(code.end());
    assert.equal(esi, BOOT_PARAMETERS);
    assert.equal(cr0! & 0x80000001, 1);
    assert.equal(flags! & 0x200, 0);
    assert.deepEqual([cs, ds, es, ss], [0x10, 0x18, 0x18, 0x18]);
    assert.deepEqual(board.events, ["end"]);
    assert.ok(board.board.cpu.instructions > 20);
  });

  it("reads PCI configuration space by ports, 8, 16 and 32 bits wide", async () => {
    const board = await newBoard([{ device: new HoldDevice(), transport: "pci" }]);
    const code = new GuestCode()
      .in(0xcfc, 4) // nothing selected
      .out(0xcf8, 4, 0x80000000 + (1 << 11))
      .in(0xcf8, 4)
      .in(0xcfc, 4)
      .in(0xcfc, 2)
      .in(0xcfe, 2)
      .in(0xcff, 1)
      .in(0xcf8, 1)
      .out(0xcf8, 4, 0x80000000 + (2 << 11))
      .in(0xcfc, 4);
    assert.deepEqual(
      await board.run(code.end()),
      [0xffffffff, 0x80000800, 0x10441af4, 0x1af4, 0x1044, 0x10, 0xff, 0xffffffff],
    );
  });

  it("finds a BAR where it puts it, and registers of every width behind it; a doorbell rings once", async () => {
    const device = new HoldDevice({ queues: 2 });
    const kicks: number[] = [];
    device.observer = (event) => event.type === "kick" && kicks.push(event.queue);
    const board = await newBoard([{ device, transport: "pci" }]);
    const config = 0x80000000 + (1 << 11);
    const bar = 0xd0020000;
    const code = new GuestCode()
      .read(bar + 0x12, 2) // nothing there yet
      .out(0xcf8, 4, config + 0x10)
      .out(0xcfc, 4, bar)
      .out(0xcf8, 4, config + 4)
      .out(0xcfc, 2, 2)
      .read(bar + 0x12, 2)
      .read(bar + 0x12, 1)
      .write(bar, 4, 1)
      .read(bar + 4, 4)
      .write(bar + 0x14, 1, 3)
      .read(bar + 0x14, 1)
      .write(bar + 0x1004, 2, 1)
      .read(bar + 0x10000, 4) // nobody's, in the same block of v86's
      .read(bar + 0x10000, 2);
    const results = await board.run(code.end());
    assert.deepEqual(results, [0xffff, 2, 2, 0x101, 3, 0xffffffff, 0xffff]);
    assert.deepEqual(kicks, [1]);
    assert.deepEqual(device.rules, ["2.3"]);
  });

  it("finds virtio-mmio registers, each device in a page of its own", async () => {
    const devices = [new HoldDevice({ queues: 1 }), new HoldDevice({ queues: 2, size: 32 })];
    const board = await newBoard(devices.map((device) => ({ device, transport: "mmio" as const })));
    assert.deepEqual(board.board.places, ["0xfea00000", "0xfea01000"]);
    const code = new GuestCode()
      .read(MMIO, 4)
      .read(MMIO + 4, 4)
      .write(MMIO + 0x1000 + 0x30, 4, 1)
      .read(MMIO + 0x1000 + 0x34, 4)
      .read(MMIO + 0x2000, 4);
    assert.deepEqual(await board.run(code.end()), [0x74726976, 2, 32, 0xffffffff]);
  });

  it("ACPI 4.8.3.2: SLP_EN with soft-off's type powers off, without the bit or with another type not", async () => {
    const board = await newBoard();
    const code = new GuestCode()
      .in(0xb004, 2)
      .out(0xb004, 2, 5 << 10)
      .out(0xb004, 2, (1 << 13) | (3 << 10))
      .out(0xb004, 2, (1 << 13) | (5 << 10));
    assert.equal((await board.run(code.end()))[0]! & 1, 1, "SCI_EN");
    assert.equal(board.events[0], "power off");
  });

  for (const [how, code] of [
    ["the reset control register", new GuestCode().out(0xcf9, 1, 2).out(0xcf9, 1, 6)],
    ["the keyboard controller", new GuestCode().out(0x64, 1, 0xfe)],
    ["a triple fault", new GuestCode().tripleFault(0x200000)],
  ] as const) {
    it(`resets by ${how}`, async () => {
      const board = await newBoard();
      await board.run(code.end());
      assert.equal(board.events[0], "reset");
    });
  }

  it("crashes with a sentence at what v86 cannot do", async () => {
    const board = await newBoard();
    await board.run(new GuestCode().badGate(0x201000, 0x200000).end());
    assert.deepEqual(board.events, ["crash: Error: The guest did what v86's CPU cannot do (unreachable)."]);
  });
});

describe("a board", () => {
  it("has places for 31 PCI functions and 256 virtio-mmio devices, and says so when there are more", async () => {
    const devices = (transport: "pci" | "mmio", count: number): BoardOptions["devices"] =>
      Array.from({ length: count }, () => ({ device: new HoldDevice({ size: 4 }), transport }));
    const board = await newBoard([...devices("pci", 31), ...devices("mmio", 256)]);
    assert.equal(board.board.places[30], "00:1f.0");
    assert.equal(board.board.places.at(-1), "0xfeaff000");
    assert.deepEqual(
      await board.run(new GuestCode().read(0xfeaff000, 4).out(0xcf8, 4, 0x8000f800).in(0xcfc, 4).end()),
      [0x74726976, 0x10441af4],
      "and the tables fit",
    );
    await assert.rejects(newBoard(devices("pci", 32)), {
      name: "RangeError",
      message: /room for 31 devices/,
    });
    await assert.rejects(newBoard(devices("mmio", 257)), { name: "RangeError", message: /room for 256/ });
  });
});

describe("interrupts into the real CPU", () => {
  const IDT = 0x200000;
  const POINTER = 0x201000;
  const COUNT = 0x202000;
  const LOOP = 0x202010;
  const RINGS = 0x400000;
  const VECTOR = 0x41;
  const SIZE = 8;

  /** Brings the virtio-mmio device at `base` up, with rings at `rings` (descriptor table, available, used: a page each). */
  function bringUp(code: GuestCode, base: number, rings: number): GuestCode {
    code.write(base + 0x70, 4, 0).write(base + 0x70, 4, 3);
    code.write(base + 0x24, 4, 1).write(base + 0x20, 4, 1); // VERSION_1
    code.write(base + 0x70, 4, 11);
    code.write(base + 0x30, 4, 0).write(base + 0x38, 4, SIZE);
    for (const [i, offset] of [0x80, 0x90, 0xa0].entries()) {
      code.write(base + offset, 4, rings + 0x1000 * i).write(base + offset + 4, 4, 0);
    }
    // Every entry of the ring is head 0: a descriptor of 4 writable bytes.
    code
      .write(rings, 4, rings + 0x3000)
      .write(rings + 8, 4, 4)
      .write(rings + 12, 4, 2);
    return code.write(base + 0x44, 4, 1).write(base + 0x70, 4, 15);
  }

  /** Routes IOAPIC pin `gsi` to a handler, level-triggered; it counts, serves the devices, and ends the interrupt. */
  function catchInterrupts(code: GuestCode, gsi: number, serve: (handler: GuestCode) => void): GuestCode {
    code.handler(IDT, VECTOR, (handler) => {
      handler.increment(COUNT, 4);
      serve(handler);
      handler.write(0xfee000b0, 4, 0); // EOI
    });
    code.loadIdt(IDT, POINTER);
    code.write(0xfec00000, 4, 0x10 + 2 * gsi).write(0xfec00010, 4, VECTOR | (1 << 15));
    return code.write(0xfee00080, 4, 0); // TPR
  }

  /** InterruptACK of the first virtio-mmio device. */
  function acknowledge(handler: GuestCode): void {
    handler.write(MMIO + 0x64, 4, 3);
  }

  /** Gives every chain back at once, in the kick. */
  class Echo extends HoldDevice {
    protected override process(...[queue]: Parameters<HoldDevice["process"]>): void {
      for (let chain = queue.take(); chain; chain = queue.take()) queue.put(chain, 4);
    }
  }

  it("4.2.3.4: one interrupt for each completion within a kick, none lost, none twice", async () => {
    const device = new Echo({ size: SIZE });
    const board = await newBoard([{ device, transport: "mmio" }]);
    const code = bringUp(catchInterrupts(new GuestCode(), 5, acknowledge), MMIO, RINGS);
    code.repeat(2000, LOOP, (body) =>
      body
        .increment(RINGS + 0x1002, 2)
        .write(MMIO + 0x50, 4, 0)
        .waitForInterrupt(),
    );
    await board.run(code.end());
    const { u32, u16 } = board.board.cpu.memory;
    assert.deepEqual(board.events, ["end"]);
    assert.equal(u16[(RINGS + 0x2002) / 2], 2000);
    assert.equal(u32[COUNT / 4], 2000);
    assert.equal(device.queues[0]!.counters.interrupts, 2000);
  });

  it("4.2.3.4: completions from the event loop wake a halted CPU", async () => {
    const device = new HoldDevice({ size: SIZE });
    const timer = setInterval(() => device.give(), 1);
    const board = await newBoard([{ device, transport: "mmio" }]);
    const code = bringUp(catchInterrupts(new GuestCode(), 5, acknowledge), MMIO, RINGS);
    code.repeat(100, LOOP, (body) =>
      body
        .increment(RINGS + 0x1002, 2)
        .write(MMIO + 0x50, 4, 0)
        .waitForInterrupt(),
    );
    await board.run(code.end()).finally(() => clearInterval(timer));
    assert.deepEqual(board.events, ["end"]);
    assert.equal(board.board.cpu.memory.u32[COUNT / 4], 100);
  });

  it("4.2.3.4: a line that is not acknowledged interrupts again and again: it is a level", async () => {
    const device = new Echo({ size: SIZE });
    const board = await newBoard([{ device, transport: "mmio" }]);
    const code = catchInterrupts(new GuestCode(), 5, (handler) =>
      handler.whenAtLeast(COUNT, 20, acknowledge),
    );
    bringUp(code, MMIO, RINGS)
      .increment(RINGS + 0x1002, 2)
      .write(MMIO + 0x50, 4, 0);
    code.waitForInterrupt().letInterruptsIn().read(COUNT, 4);
    assert.deepEqual(await board.run(code.end()), [20]);
    assert.equal(device.queues[0]!.counters.interrupts, 1);
  });

  it("two devices on one line: it stays high until both are served", async () => {
    // The first and the fifth virtio-mmio device share IRQ 5.
    const devices = Array.from({ length: 5 }, () => new Echo({ size: SIZE }));
    const board = await newBoard(devices.map((device) => ({ device, transport: "mmio" as const })));
    const fifth = MMIO + 0x4000;
    // Serves the first device at once, the fifth only on the third interrupt.
    const code = catchInterrupts(new GuestCode(), 5, (handler) => {
      acknowledge(handler);
      handler.whenAtLeast(COUNT, 3, (later) => later.write(fifth + 0x64, 4, 3));
    });
    bringUp(code, MMIO, RINGS);
    bringUp(code, fifth, RINGS + 0x10000);
    code.increment(RINGS + 0x1002, 2).increment(RINGS + 0x11002, 2);
    code.write(MMIO + 0x50, 4, 0).write(fifth + 0x50, 4, 0);
    code.read(MMIO + 0x60, 4).read(fifth + 0x60, 4);
    code.waitForInterrupt().letInterruptsIn();
    code
      .read(MMIO + 0x60, 4)
      .read(fifth + 0x60, 4)
      .read(COUNT, 4);
    assert.deepEqual(await board.run(code.end()), [1, 1, 0, 0, 3]);
  });

  it("through the PIC pair, for guests without IOAPIC: IRQ 10 by way of the slave", async () => {
    // The second virtio-mmio device has IRQ 10.
    const devices = [new Echo({ size: SIZE }), new Echo({ size: SIZE })];
    const board = await newBoard(devices.map((device) => ({ device, transport: "mmio" as const })));
    const base = MMIO + 0x1000;
    const code = new GuestCode();
    code.handler(IDT, 0x72, (handler) => {
      handler.increment(COUNT, 4);
      handler.write(base + 0x64, 4, 3);
      handler.out(0xa0, 1, 0x20).out(0x20, 1, 0x20); // EOI
    });
    code.loadIdt(IDT, POINTER);
    // ICW1 to ICW4: vectors 0x68 and 0x70, cascade on 2; then all masked but the cascade and IRQ 10.
    for (const [port, values] of [
      [0x20, [0x11, 0x68, 4, 1]],
      [0xa0, [0x11, 0x70, 2, 1]],
    ] as const) {
      values.forEach((value, i) => code.out(port + (i === 0 ? 0 : 1), 1, value));
    }
    code.out(0x21, 1, 0xfb).out(0xa1, 1, 0xfb);
    bringUp(code, base, RINGS);
    code.repeat(1000, LOOP, (body) =>
      body
        .increment(RINGS + 0x1002, 2)
        .write(base + 0x50, 4, 0)
        .waitForInterrupt(),
    );
    // A request that is taken back before the CPU looks: nothing may hang after it.
    code
      .increment(RINGS + 0x1002, 2)
      .write(base + 0x50, 4, 0)
      .write(base + 0x64, 4, 3);
    code.letInterruptsIn();
    code.repeat(10, LOOP, (body) =>
      body
        .increment(RINGS + 0x1002, 2)
        .write(base + 0x50, 4, 0)
        .waitForInterrupt(),
    );
    await board.run(code.end());
    assert.deepEqual(board.events, ["end"]);
    assert.equal(board.board.cpu.memory.u32[COUNT / 4], 1010);
  });
});
