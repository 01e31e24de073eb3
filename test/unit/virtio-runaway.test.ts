/** Drivers whose buffers lie over their rings, so that the device itself makes the next chain available: a kick has to end. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BlockDevice } from "../../src/virtio/block.ts";
import { Driver, NEEDS_RESET, RING_PACKED } from "./driver/driver.ts";
import { FakeMemory } from "./driver/memory.ts";
import { INDIRECT, NEXT, WRITE } from "./driver/queue.ts";
import { AVAIL, USED } from "./driver/queue-packed.ts";
import { SlowDisk } from "./driver/slow-disk.ts";
import { KINDS } from "./driver/transport.ts";

const QUEUE_SIZE = 4;
/** As many sectors as a split ring has indices: a loop comes round. */
const SECTORS = 65536;
/** Where the next request's header lies in what a sector brings. */
const HEADER = 256;

/** A disk whose sectors a hostile guest has written. */
class CraftedDisk extends SlowDisk {
  reads = 0;
  readonly #craft: (sector: number, view: DataView) => void;

  constructor(craft: (sector: number, view: DataView) => void) {
    super(512 * SECTORS);
    this.#craft = craft;
  }

  override read(offset: number, target: Uint8Array): void {
    // The end of the loop if nothing else ends it.
    if (++this.reads > 100 * QUEUE_SIZE) throw new Error("too many reads");
    const sector = offset / 512;
    target.fill(0);
    const view = new DataView(target.buffer, target.byteOffset, target.length);
    view.setUint32(HEADER + 8, (sector + 1) % SECTORS, true);
    this.#craft(sector, view);
  }
}

/** A request that reads a sector over what begins at `target`: a table of its buffers. */
function requestTable(memory: FakeMemory, target: number, split: boolean): number {
  const table = memory.allocate(48);
  const status = memory.allocate(1);
  const describe = (index: number, address: number, length: number, flags: number): void => {
    const at = table + 16 * index;
    memory.view.setBigUint64(at, BigInt(address), true);
    memory.view.setUint32(at + 8, length, true);
    memory.view.setUint16(at + (split ? 12 : 14), flags | (split && index < 2 ? NEXT : 0), true);
    if (split) memory.view.setUint16(at + 14, index + 1, true);
  };
  describe(0, target + HEADER, 16, 0);
  describe(1, target, 512, WRITE);
  describe(2, status, 1, WRITE);
  return table;
}

function start(
  kind: "pci" | "mmio",
  without: bigint,
  disk: CraftedDisk,
): { driver: Driver; device: BlockDevice } {
  const device = new BlockDevice({ id: "crafted", backend: disk, packed: true });
  const driver = Driver.start(device, { kind, memory: new FakeMemory(), without, queueSize: QUEUE_SIZE });
  driver.memory.allocate(1024); // what lies behind the rings is overwritten
  driver.transport.line.onRaise = undefined;
  return { driver, device };
}

function assertStopped({ driver, device }: { driver: Driver; device: BlockDevice }, disk: CraftedDisk): void {
  assert.equal(disk.reads, QUEUE_SIZE);
  assert.equal(driver.transport.status & NEEDS_RESET, NEEDS_RESET);
  assert.equal(device.lastViolation?.rule, "2.7.13");
}

for (const kind of KINDS) {
  describe(`buffers over the ring on ${kind}`, () => {
    it("2.7.13: an available index that each request moves on", () => {
      const disk = new CraftedDisk((sector, view) => view.setUint16(2, sector + 2, true));
      const run = start(kind, RING_PACKED, disk);
      const { memory, queues } = run.driver;
      const queue = queues[0]!;
      const table = requestTable(memory, queue.available, true);
      queue.describe(queue.descriptors, 0, table, 48, INDIRECT, 0);
      queue.push(0);
      queue.expose();
      run.driver.notify(0);
      assertStopped(run, disk);
    });

    it("2.7.13: a packed ring that each request fills again", () => {
      let table = 0;
      const disk = new CraftedDisk((sector, view) => {
        const lap = Math.floor((sector + 1) / QUEUE_SIZE) % 2;
        for (let i = 0; i < QUEUE_SIZE; i++) {
          view.setUint32(16 * i, table, true);
          view.setUint32(16 * i + 8, 48, true);
          view.setUint16(16 * i + 14, INDIRECT | (lap === 0 ? AVAIL : USED), true);
        }
      });
      const run = start(kind, 0n, disk);
      const ring = run.driver.packed(0);
      table = requestTable(run.driver.memory, ring.descriptors, false);
      ring.describe(ring.descriptors, 0, table, 48, 0, INDIRECT | AVAIL);
      run.driver.notify(0);
      assertStopped(run, disk);
    });
  });
}
