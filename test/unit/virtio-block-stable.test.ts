import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BlockDriver, IOERR, OK } from "./driver/block-driver.ts";
import { settle } from "./driver/driver.ts";
import { SlowDisk } from "./driver/slow-disk.ts";
import { KINDS } from "./driver/transport.ts";

/** FLUSH and CONFIG_WCE: with the latter alone a driver has the cache of virtio-block-cache.test.ts. */
const NEITHER = (1n << 9n) | (1n << 11n);
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

describe("stable writes", () => {
  for (const kind of KINDS) {
    it(`5.2.6.2: for a driver without FLUSH a write is done only when it is on persistent storage (${kind})`, async () => {
      const disk = new SlowFlush(8192);
      const block = new BlockDriver(disk, { kind, without: NEITHER });
      let status = -1;
      const write = block.write(2, SECTOR).then((answer) => (status = answer.status));
      await settle();
      assert.equal(disk.waiting, 1, "the write asks for a flush");
      assert.equal(status, -1, "and is not done before that is");
      assert.equal((await block.read(2, 512)).status, OK, "others pass it");
      disk.answer();
      assert.equal(await write, OK);
      assert.deepEqual(disk.bytes.subarray(1024, 1536), SECTOR);
    });
  }

  it("5.2.6.2: for a driver without FLUSH a write that cannot be made persistent fails", async () => {
    const disk = new SlowFlush(8192);
    const block = new BlockDriver(disk, { without: NEITHER });
    const late = block.write(0, SECTOR);
    await settle();
    disk.answer(1, new Error("the store is full"));
    assert.equal((await late).status, IOERR);
    disk.failing = "flush";
    assert.equal((await block.write(0, SECTOR)).status, IOERR);
    disk.failing = "none";
    assert.equal((await block.read(0, 512)).status, OK, "reads ask for no flush");
  });

  it("5.2.6.2: for a driver without FLUSH a write that had to wait for its place is made persistent too", async () => {
    const disk = new SlowDisk(8192);
    const block = new BlockDriver(disk, { without: NEITHER });
    disk.slow = true;
    const write = block.write(0, SECTOR);
    await settle();
    disk.answer();
    await settle();
    assert.deepEqual(disk.calls.filter((call) => call === "flush").length, 1);
    disk.answer();
    assert.equal((await write).status, OK);
  });

  it("5.2.6.2: for a driver with FLUSH a write does not wait for persistent storage", async () => {
    const disk = new SlowFlush(8192);
    const block = new BlockDriver(disk);
    assert.equal((await block.write(2, SECTOR)).status, OK);
    assert.equal(disk.waiting, 0);
    assert.ok(!disk.calls.includes("flush"));
  });
});
