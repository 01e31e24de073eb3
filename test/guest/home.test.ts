/** The disk at /root: a power cut leaves it what was flushed, damage is repaired, what is foreign is left alone. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { ensureImages } from "../../images/ensure.ts";
import { streamProgress } from "../../images/progress.ts";
import { MemoryDisk } from "../../src/backends/disk/memory.ts";
import { Machine } from "../../src/machine/machine.ts";
import { IMAGES_FOLDER, loadImage, parseConfig } from "../../src/node/index.ts";
import { CollectingSink } from "../../src/node/sinks.ts";
import { loadWasm } from "../../src/node/wasm.ts";

const MIB = 2 ** 20;
const SIZE = 64 * MIB;
const BLOCK = 4096;
/** Of the ext4 superblock: s_state, and the value that says that there were mistakes. */
const STATE = 1024 + 0x3a;
const CLEAN_WITH_ERRORS = 3;

/** A disk of which a power cut leaves exactly what it held at the last flush. */
class CutDisk extends MemoryDisk {
  durable = new Uint8Array(SIZE);
  readonly #written = new Set<number>();

  override write(offset: number, source: Uint8Array): void {
    super.write(offset, source);
    for (let at = offset; at < offset + source.length; at += 512) this.#written.add(at);
  }

  override readonly unmap = {
    unit: MIB,
    range: (offset: number, length: number): void => {
      this.erase(offset, length);
      for (let at = offset; at < offset + length; at += 512) this.#written.add(at);
    },
  };

  override flush(): undefined {
    for (const at of this.#written) this.read(at, this.durable.subarray(at, at + 512));
    this.#written.clear();
    super.flush();
  }
}

void describe("the home disk", () => {
  before(() => ensureImages(["debian-busybox"], streamProgress(process.stderr, "")));

  void it("keeps what was synced, when the power goes right after; and is repaired", async () => {
    const bytes = await withDisk(new Uint8Array(SIZE), async (sh, disk) => {
      assert.match(await sh("dmesg"), /EXT4-fs \(vda\): mounted filesystem with ordered data mode/);
      await sh("mkdir /root/d; for i in $(seq 40); do echo $i >/root/d/$i; done; sync");
      return disk.durable.slice();
    });
    const unmounted = await withDisk(bytes, async (sh, disk) => {
      assert.match(await sh("dmesg"), /EXT4-fs \(vda\): recovery complete/);
      assert.equal(await sh("cat /root/d/* | wc -l"), "40\n");
      await sh("cd /; umount /root");
      return disk.durable.slice();
    });

    const view = new DataView(unmounted.buffer);
    const blockBitmap = view.getUint32(BLOCK, true);
    assert.ok(blockBitmap > 1 && view.getUint8(blockBitmap * BLOCK) === 0xff, "the first blocks are in use");
    unmounted.fill(0, blockBitmap * BLOCK, (blockBitmap + 1) * BLOCK);
    view.setUint16(STATE, CLEAN_WITH_ERRORS, true);
    await withDisk(unmounted, async (sh, disk) => {
      assert.match(await sh("cat /run/home"), /what is written there stays/);
      assert.match(await sh("dmesg"), /ringside: checking \/dev\/vda/);
      assert.equal(await sh("cat /root/d/* | wc -l"), "40\n");
      assert.equal(disk.durable[blockBitmap * BLOCK], 0xff);
    });
  });

  void it("is left as it is when it holds something else", async () => {
    const foreign = new Uint8Array(SIZE);
    foreign.set(Buffer.from("somebody's data"), MIB - 100);
    await withDisk(foreign, async (sh, disk) => {
      assert.match(await sh("cat /run/home"), /is not blank.*left as it is/);
      await sh("sync");
      disk.flush();
      assert.equal(Buffer.compare(disk.durable, foreign), 0);
    });
  });
});

/** Boots a machine whose home disk has these bytes; the machine is gone, without a farewell to the disk, at the end. */
async function withDisk<T>(
  bytes: Uint8Array,
  use: (sh: (command: string) => Promise<string>, disk: CutDisk) => Promise<T>,
): Promise<T> {
  const disk = new CutDisk(SIZE);
  disk.write(0, bytes);
  disk.flush();
  const machine = new Machine({
    config: parseConfig(`memory=128M&device=blk,id=home,store=memory,size=${SIZE / MIB}M`, "node"),
    image: await loadImage("debian-busybox", IMAGES_FOLDER),
    wasm: await loadWasm(),
    disks: new Map([["home", disk]]),
    terminal: { write: () => undefined },
  });
  try {
    await machine.start();
    return await use(async (command) => {
      const stdout = new CollectingSink(MIB, () => undefined);
      await machine.exec(command, { stdout });
      return stdout.text();
    }, disk);
  } finally {
    await machine.dispose();
  }
}
