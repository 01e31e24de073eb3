import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BlockDevice } from "../../src/virtio/block.ts";
import { BlockDriver, IOERR, OK, WRITE_ZEROES } from "./driver/block-driver.ts";
import { ACKNOWLEDGE, DRIVER, DRIVER_OK, Driver, settle } from "./driver/driver.ts";
import { FakeMemory } from "./driver/memory.ts";
import { SlowDisk } from "./driver/slow-disk.ts";
import { KINDS, plug } from "./driver/transport.ts";

const FLUSH = 1n << 9n;
const CONFIG_WCE = 1n << 11n;
/** Where `writeback` is, 5.2.4. */
const WRITEBACK = 32;
const SECTOR = new Uint8Array(512).fill(7);

/** A disk whose flush takes until the test answers it, while everything else is done at once. */
class SlowFlush extends SlowDisk {
  override flush(): Promise<void> | undefined {
    this.slow = true;
    const waiting = super.flush();
    this.slow = false;
    return waiting;
  }
}

/** Whether a write waits for the disk to flush; lets it. */
async function writesThrough(block: BlockDriver, disk: SlowFlush): Promise<boolean> {
  const write = block.write(1, SECTOR);
  const waited = await Promise.race([write.then(() => false), settle().then(() => true)]);
  assert.equal(disk.waiting, waited ? 1 : 0, "a flush is asked for");
  disk.answer();
  assert.equal((await write).status, OK);
  return waited;
}

describe("switching the cache", () => {
  for (const kind of KINDS) {
    it(`5.2.5, 5.2.6.2: the driver switches to write-through and back, and gets what it asked for (${kind})`, async () => {
      const disk = new SlowFlush(8192);
      const block = new BlockDriver(disk, { kind });
      const { transport } = block.driver;
      assert.equal(transport.readConfig(WRITEBACK, 1), 1);
      assert.equal(await writesThrough(block, disk), false);
      for (const mode of [0, 1, 0, 0, 1]) {
        transport.writeConfig(WRITEBACK, 1, mode);
        assert.equal(transport.readConfig(WRITEBACK, 1), mode);
        assert.equal(await writesThrough(block, disk), mode === 0);
      }
      assert.equal(block.device.violations, 0);
      assert.equal(block.driver.configChanges, 0, "its own doing is no news to the driver");
    });

    it(`5.2.5: a reset brings write-back again (${kind})`, async () => {
      const disk = new SlowFlush(8192);
      const block = new BlockDriver(disk, { kind });
      block.driver.transport.writeConfig(WRITEBACK, 1, 0);
      assert.equal(await writesThrough(block, disk), true);
      block.driver.start();
      assert.equal(block.driver.transport.readConfig(WRITEBACK, 1), 1);
      assert.equal(await writesThrough(block, disk), false);
    });
  }

  for (const kind of ["pci", "mmio"] as const) {
    it(`5.2.5.2: writeback starts as 0 for a driver with CONFIG_WCE and without FLUSH, which may set it (${kind})`, async () => {
      const disk = new SlowFlush(8192);
      const block = new BlockDriver(disk, { kind, without: FLUSH });
      const { transport } = block.driver;
      assert.equal(transport.readConfig(WRITEBACK, 1), 0);
      assert.equal(await writesThrough(block, disk), true);
      transport.writeConfig(WRITEBACK, 1, 1);
      assert.equal(await writesThrough(block, disk), false, "5.2.6.2: as it asked for");
    });

    it(`2.5.1: without CONFIG_WCE writeback cannot be written (${kind})`, async () => {
      for (const configWce of [true, false]) {
        const disk = new SlowFlush(8192);
        const block = new BlockDriver(disk, { kind, without: CONFIG_WCE, device: { configWce } });
        const { transport } = block.driver;
        const before = transport.readConfig(WRITEBACK, 1);
        transport.writeConfig(WRITEBACK, 1, 0);
        assert.equal(transport.readConfig(WRITEBACK, 1), before);
        assert.equal(block.device.lastViolation?.rule, "2.5.1");
        assert.equal(await writesThrough(block, disk), false);
      }
    });
  }

  it("5.2.5: any other value than 0 is write-back, and reads as 1", async () => {
    const disk = new SlowFlush(8192);
    const block = new BlockDriver(disk);
    const { transport } = block.driver;
    transport.writeConfig(WRITEBACK, 1, 0);
    transport.writeConfig(WRITEBACK, 1, 0x82);
    assert.equal(transport.readConfig(WRITEBACK, 1), 1);
    assert.equal(await writesThrough(block, disk), false);
  });

  it("5.2.6.2: in write-through a write that cannot be made durable fails, and zeroes are writes", async () => {
    const disk = new SlowFlush(8192);
    const block = new BlockDriver(disk);
    block.driver.transport.writeConfig(WRITEBACK, 1, 0);
    const write = block.write(0, SECTOR);
    await settle();
    disk.answer(1, new Error("on purpose"));
    assert.equal((await write).status, IOERR);
    const zeroes = block.ranges(WRITE_ZEROES, [{ sector: 0, count: 1 }]);
    await settle();
    assert.equal(disk.waiting, 1);
    disk.answer();
    assert.equal((await zeroes).status, OK);
  });
});

for (const kind of ["pci-legacy", "mmio-legacy"] as const) {
  describe(`the cache of a legacy driver over ${kind}`, () => {
    it("5.2.5.3: it may be switched before anything else, and neither status nor features change it", () => {
      const device = new BlockDevice({ id: "d", backend: new SlowDisk(8192) });
      const transport = plug(device, kind, new FakeMemory());
      const modes: number[] = [];
      const look = (): void => void modes.push(transport.readConfig(WRITEBACK, 1));
      for (const mode of [1, 0]) {
        transport.status = 0;
        transport.writeConfig(WRITEBACK, 1, mode);
        look();
        transport.status = ACKNOWLEDGE;
        look();
        transport.status = ACKNOWLEDGE | DRIVER;
        look();
        transport.acceptFeatures(CONFIG_WCE); // and not FLUSH
        look();
        transport.status = ACKNOWLEDGE | DRIVER | DRIVER_OK;
        look();
        assert.deepEqual(modes.splice(0), [mode, mode, mode, mode, mode]);
      }
      assert.equal(device.violations, 0);
    });

    it("5.2.5.3: at DRIVER_OK a driver without CONFIG_WCE gets the cache that its FLUSH allows", async () => {
      for (const [without, cached] of [
        [CONFIG_WCE, true],
        [CONFIG_WCE | FLUSH, false],
      ] as const) {
        const disk = new SlowFlush(8192);
        const block = new BlockDriver(disk, { kind, without });
        assert.equal(await writesThrough(block, disk), !cached);
      }
    });

    it("5.2.6.2: before DRIVER_OK, too, a write is durable for a driver that accepted neither", async () => {
      const disk = new SlowFlush(8192);
      const device = new BlockDevice({ id: "d", backend: disk });
      const driver = new Driver(device, { kind, features: 0n });
      driver.negotiate();
      driver.setUpQueues();
      const header = driver.memory.put(Uint8Array.of(1, ...new Uint8Array(15)));
      const data = driver.memory.put(SECTOR);
      const status = driver.memory.allocate(1);
      let done = false;
      const request = driver
        .request(0, [
          { address: header, length: 16 },
          { address: data, length: 512 },
          { address: status, length: 1, writable: true },
        ])
        .then(() => (done = true));
      await settle();
      assert.equal(done, false);
      assert.equal(disk.waiting, 1);
      disk.answer();
      await request;
    });
  });
}
