/** Messages and I/O ports of virtio-pci, used by programs of a few instructions on the real CPU. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { BoardOptions } from "../../src/machine/board.ts";
import { GuestCode } from "./driver/guest-code.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { RealBoard } from "./driver/real-board.ts";

const boards: RealBoard[] = [];
after(() => boards.forEach((board) => board.dispose()));

async function newBoard(devices: BoardOptions["devices"]): Promise<RealBoard> {
  const board = await RealBoard.create([...devices]);
  boards.push(board);
  return board;
}

const IDT = 0x200000;
const POINTER = 0x201000;
const COUNT = 0x202000;
const LOOP = 0x202010;
const RINGS = 0x400000;
const VECTOR = 0x41;
const SIZE = 8;

/** Where the first function's BARs are when the guest starts, and its MSI-X capability. */
const REGISTERS = 0xc0000000;
const TABLE = 0xc0002000;
const MSIX = 0x98;
const DOORBELL = REGISTERS + 0x1000;

/** Writes to the first function's configuration space. */
function configure(code: GuestCode, offset: number, width: 1 | 2 | 4, value: number): GuestCode {
  code.out(0xcf8, 4, (0x80000000 | (1 << 11) | (offset & 0xfc)) >>> 0);
  return code.out(0xcfc + (offset & 3), width, value);
}

/** Enables MSI-X, with vector `entry` of the table as interrupt VECTOR of our CPU. */
function enableMessages(code: GuestCode, entry: number): GuestCode {
  configure(code, 0x04, 2, 6);
  configure(code, MSIX + 2, 2, 0x8000);
  return code
    .write(TABLE + 16 * entry, 4, 0xfee00000)
    .write(TABLE + 16 * entry + 4, 4, 0)
    .write(TABLE + 16 * entry + 8, 4, VECTOR)
    .write(TABLE + 16 * entry + 12, 4, 0);
}

/** Brings the first function up with queue 0 mapped to vector `entry`. Every entry of its ring is head 0. */
function bringUp(code: GuestCode, entry: number): GuestCode {
  const at = (offset: number): number => REGISTERS + offset;
  code.write(at(0x14), 1, 0).write(at(0x14), 1, 3);
  code.write(at(0x08), 4, 1).write(at(0x0c), 4, 1); // VERSION_1
  code.write(at(0x14), 1, 11);
  code.write(at(0x16), 2, 0).write(at(0x18), 2, SIZE).write(at(0x1a), 2, entry);
  for (const [i, offset] of [0x20, 0x28, 0x30].entries()) {
    code.write(at(offset), 4, RINGS + 0x1000 * i).write(at(offset + 4), 4, 0);
  }
  code
    .write(RINGS, 4, RINGS + 0x3000)
    .write(RINGS + 8, 4, 4)
    .write(RINGS + 12, 4, 2);
  return code.write(at(0x1c), 2, 1).write(at(0x14), 1, 15);
}

/** A handler that counts, does what is told, and ends the interrupt. */
function catchMessages(code: GuestCode, serve: (handler: GuestCode) => void = () => undefined): GuestCode {
  code.handler(IDT, VECTOR, (handler) => {
    handler.increment(COUNT, 4);
    serve(handler);
    handler.write(0xfee000b0, 4, 0); // EOI
  });
  return code.loadIdt(IDT, POINTER).write(0xfee00080, 4, 0); // TPR
}

/** Gives every chain back at once, in the kick. */
class Echo extends HoldDevice {
  protected override process(...[queue]: Parameters<HoldDevice["process"]>): void {
    for (let chain = queue.take(); chain; chain = queue.take()) queue.put(chain, 4);
  }
}

describe("messages into the real CPU", () => {
  it("one interrupt for each completion within a kick, none lost, none twice, one register access each", async () => {
    const device = new Echo({ size: SIZE });
    const board = await newBoard([{ device, transport: "pci" }]);
    const code = bringUp(enableMessages(catchMessages(new GuestCode()), 1), 1);
    code.repeat(2000, LOOP, (body) =>
      body
        .increment(RINGS + 0x1002, 2)
        .write(DOORBELL, 2, 0)
        .waitForInterrupt(),
    );
    await board.run(code.end());
    const { u32, u16 } = board.board.cpu.memory;
    assert.deepEqual(board.events, ["end"]);
    assert.equal(u16[(RINGS + 0x2002) / 2], 2000);
    assert.equal(u32[COUNT / 4], 2000);
    assert.ok(device.accesses < 2050, `${device.accesses} accesses`);
    assert.deepEqual(device.rules, []);
  });

  it("completions from the event loop wake a halted CPU", async () => {
    const device = new HoldDevice({ size: SIZE });
    const timer = setInterval(() => device.give(), 1);
    const board = await newBoard([{ device, transport: "pci" }]);
    const code = bringUp(enableMessages(catchMessages(new GuestCode()), 0), 0);
    code.repeat(100, LOOP, (body) =>
      body
        .increment(RINGS + 0x1002, 2)
        .write(DOORBELL, 2, 0)
        .waitForInterrupt(),
    );
    await board.run(code.end()).finally(() => clearInterval(timer));
    assert.deepEqual(board.events, ["end"]);
    assert.equal(board.board.cpu.memory.u32[COUNT / 4], 100);
  });

  it("one is an edge: nobody acknowledges it, and it comes once; those that come while it waits are one", async () => {
    const device = new Echo({ size: SIZE });
    const board = await newBoard([{ device, transport: "pci" }]);
    const code = bringUp(enableMessages(catchMessages(new GuestCode()), 1), 1);
    for (let i = 0; i < 3; i++) code.increment(RINGS + 0x1002, 2).write(DOORBELL, 2, 0);
    code.letInterruptsIn().letInterruptsIn().read(COUNT, 4);
    code
      .increment(RINGS + 0x1002, 2)
      .write(DOORBELL, 2, 0)
      .waitForInterrupt()
      .letInterruptsIn()
      .read(COUNT, 4);
    assert.deepEqual(await board.run(code.end()), [1, 2]);
  });

  it("unmasking a vector delivers what waited, from within the write to its table entry", async () => {
    const device = new Echo({ size: SIZE });
    const board = await newBoard([{ device, transport: "pci" }]);
    const code = bringUp(enableMessages(catchMessages(new GuestCode()), 1), 1);
    code.write(TABLE + 16 + 12, 4, 1);
    code.repeat(200, LOOP, (body) =>
      body
        .increment(RINGS + 0x1002, 2)
        .write(DOORBELL, 2, 0)
        .letInterruptsIn()
        .write(TABLE + 16 + 12, 4, 0)
        .waitForInterrupt()
        .write(TABLE + 16 + 12, 4, 1),
    );
    code
      .increment(RINGS + 0x1002, 2)
      .write(DOORBELL, 2, 0)
      .letInterruptsIn()
      .read(COUNT, 4)
      .read(TABLE + 0x800, 4);
    assert.deepEqual(await board.run(code.end()), [200, 2]);
  });
});

describe("I/O ports on the real CPU", () => {
  const PORTS = 0xc000;
  const STATUS = 18;
  const ISR = 19;

  it("the legacy header answers accesses of every width, and moves with its BAR", async () => {
    const device = new HoldDevice({ queues: 2, size: 64 });
    device.config.set("word", 0xcafe1234);
    const board = await newBoard([{ device, transport: "pci-transitional" }]);
    const code = new GuestCode().in(PORTS + STATUS, 1); // not decoded yet
    configure(code, 0x04, 2, 7);
    code
      .out(PORTS + STATUS, 1, 0)
      .out(PORTS + STATUS, 1, 3)
      .in(PORTS + STATUS, 1)
      .in(PORTS, 4)
      .out(PORTS + 14, 2, 1)
      .in(PORTS + 12, 2)
      .in(PORTS + ISR, 1)
      .in(PORTS + 20 + 8, 4)
      .in(PORTS + 20 + 9, 1)
      .in(PORTS + 20 + 10, 2);
    configure(code, 0x10, 4, 0xd000);
    code.in(0xd000 + STATUS, 1).in(PORTS + STATUS, 1);
    // ANY_LAYOUT, INDIRECT_DESC, EVENT_IDX and UNUSED (6.3).
    const features = (1 << 27) | (1 << 28) | (1 << 29) | (1 << 30);
    assert.deepEqual(await board.run(code.end()), [
      0xff,
      3,
      features,
      64,
      0,
      0xcafe1234,
      0x12,
      0xcafe,
      3,
      0xff,
    ]);
    assert.deepEqual(device.rules, []);
  });

  it("a legacy driver's kick by port completes with messages, and without by INTx and its ISR status", async () => {
    const device = new Echo({ size: SIZE });
    const board = await newBoard([{ device, transport: "pci-transitional" }]);
    const table = 0xc0002000;
    const code = catchMessages(new GuestCode());
    configure(code, 0x04, 2, 7);
    configure(code, MSIX + 2, 2, 0x8000);
    [0xfee00000, 0, VECTOR, 0].forEach((word, i) => code.write(table + 4 * i, 4, word));
    code
      .out(PORTS + STATUS, 1, 0)
      .out(PORTS + STATUS, 1, 3)
      .out(PORTS + 4, 4, 0)
      .out(PORTS + 14, 2, 0)
      .out(PORTS + 22, 2, 0) // queue_msix_vector
      .in(PORTS + 22, 2)
      .out(PORTS + 8, 4, RINGS / 4096)
      .in(PORTS + 8, 4);
    const available = RINGS + 16 * SIZE;
    code
      .write(RINGS, 4, RINGS + 0x3000)
      .write(RINGS + 8, 4, 4)
      .write(RINGS + 12, 4, 2)
      .out(PORTS + STATUS, 1, 7);
    code.repeat(500, LOOP, (body) =>
      body
        .increment(available + 2, 2)
        .out(PORTS + 16, 2, 0)
        .waitForInterrupt(),
    );
    code.read(COUNT, 4).in(PORTS + ISR, 1);
    configure(code, MSIX + 2, 2, 0);
    code
      .increment(available + 2, 2)
      .out(PORTS + 16, 2, 0)
      .letInterruptsIn()
      .read(COUNT, 4)
      .in(PORTS + ISR, 1)
      .in(PORTS + ISR, 1);
    assert.deepEqual(await board.run(code.end()), [0, RINGS / 4096, 500, 0, 500, 1, 0]);
    assert.equal(board.board.cpu.memory.u16[(RINGS + 0x1002) / 2], 501, "the used ring is on the next page");
    assert.deepEqual(device.rules, []);
  });
});
