/** What a disk offers besides reads and writes, as the stock kernel and its tools use it, on both transports. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { ensureImages } from "../../images/ensure.ts";
import { streamProgress } from "../../images/progress.ts";
import { MemoryDisk } from "../../src/backends/disk/memory.ts";
import { Machine } from "../../src/machine/machine.ts";
import { IMAGES_FOLDER, loadImage, parseConfig } from "../../src/node/index.ts";
import { CollectingSink } from "../../src/node/sinks.ts";
import { loadWasm } from "../../src/node/wasm.ts";
import { within } from "./support.ts";

const MIB = 2 ** 20;
const HOME = 64 * MIB;
const DATA = 8 * MIB;

/** A disk in memory that counts its flushes. */
class CountingDisk extends MemoryDisk {
  flushes = 0;

  override flush(): undefined {
    this.flushes++;
    super.flush();
  }
}

for (const transport of ["pci", "mmio"] as const) {
  void describe(`a disk's features in the guest, on ${transport}`, () => {
    let guest: Guest;
    before(async () => (guest = await bootWithDisks(transport)));
    after(() => guest.dispose());

    void it("5.2.6: fstrim gives back what files have left, and nothing of those that are there", async () => {
      const { sh, home } = guest;
      await sh("head -c 3000000 /dev/urandom >/root/kept; head -c 9000000 /dev/urandom >/root/gone");
      await sh("sync; sha256sum /root/kept >/root/sum; sync");
      const full = home.allocated;
      assert.ok(full >= 12_000_000, `${full} bytes allocated`);
      await sh("rm /root/gone; sync");
      assert.equal(home.allocated, full, "before it is trimmed");
      assert.match(await sh("fstrim -v /root"), /^\/root: [1-9]\d{6,} bytes/);
      assert.ok(home.allocated <= full - 8 * MIB, `${home.allocated} of ${full} bytes still allocated`);
      await sh("echo 3 >/proc/sys/vm/drop_caches");
      assert.match(await sh("sha256sum -c /root/sum"), /OK/);
      assert.equal(await sh("dmesg | grep -c 'EXT4-fs error\\|I/O error' || true"), "0");
    });

    void it("5.2.6: blkdiscard clears its range, and leaves its neighbours as they were", async () => {
      const { sh, data } = guest;
      const bytes = new Uint8Array(DATA);
      for (let at = 0; at < DATA; at++) bytes[at] = 1 + (at % 251) + ((at >> 12) & 3);
      data.write(0, bytes);
      assert.equal(data.allocated, DATA);
      const d = "/dev/vdb";
      await sh(`blkdiscard -o ${2 * MIB} -l ${3 * MIB} ${d}`);
      assert.equal(data.allocated, DATA - 3 * MIB);
      bytes.fill(0, 2 * MIB, 5 * MIB);
      assert.equal((await sh(`sha256sum <${d}`)).slice(0, 64), sha256(bytes), "as the guest sees it");
      assert.equal(sha256(contents(data)), sha256(bytes), "as the host has it");
    });

    void it("5.2.5: the cache is switched from sysfs, and write-through makes each write durable", async () => {
      const { sh, data } = guest;
      const write = "dd if=/dev/zero of=/dev/vdb bs=4k count=8 oflag=direct 2>/dev/null";
      const type = "/sys/block/vdb/cache_type";
      assert.equal(await sh(`cat ${type}`), "write back");
      const flushesOf = async (command: string): Promise<number> => {
        const before = data.flushes;
        await sh(command);
        return data.flushes - before;
      };
      assert.ok((await flushesOf(write)) < 8);
      await sh(`echo "write through" >${type}`);
      assert.equal(await sh(`cat ${type} /sys/block/vdb/queue/write_cache`), "write through\nwrite through");
      const through = await flushesOf(write);
      assert.ok(through >= 8 && through <= 10, `${through} flushes for 8 writes`);
      await sh(`echo "write back" >${type}`);
      assert.equal(await sh(`cat ${type}`), "write back");
      assert.ok((await flushesOf(write)) < 8);
    });

    void it("5.2.4: its limits, block sizes and queues are those of the kernel's queue", async () => {
      const { sh } = guest;
      const queue = (name: string): Promise<string> => sh(`cat /sys/block/vdb/queue/${name}`);
      assert.equal(await queue("logical_block_size"), "4096");
      assert.equal(await queue("physical_block_size"), "4096");
      assert.equal(await queue("minimum_io_size"), "4096");
      assert.equal(await queue("discard_granularity"), `${MIB}`);
      assert.equal(await queue("discard_max_bytes"), `${2 ** 30}`);
      assert.equal(await queue("write_zeroes_max_bytes"), `${2 ** 26}`);
      assert.equal(await queue("max_segment_size"), `${4 * MIB}`);
      assert.equal(await sh("ls /sys/block/vda/mq"), "0");
      // Four are offered; a guest with one processor uses one of them.
      assert.equal(await sh("ls /sys/block/vdb/mq"), "0");
      assert.match(await sh("cat /sys/block/vdb/device/features"), /^.{12}1/, "bit 12: MQ");
    });

    void it("break no rule", () => {
      assert.deepEqual(guest.violations, []);
    });
  });
}

interface Guest {
  sh: (command: string) => Promise<string>;
  home: CountingDisk;
  data: CountingDisk;
  violations: string[];
  dispose: () => Promise<void>;
}

async function bootWithDisks(transport: "pci" | "mmio"): Promise<Guest> {
  await ensureImages(["debian-busybox"], streamProgress(process.stderr, ""));
  const [home, data] = [new CountingDisk(HOME), new CountingDisk(DATA)];
  const violations: string[] = [];
  const machine = new Machine({
    config: parseConfig(
      `memory=128M&device=blk,id=home,store=memory,size=64M,transport=${transport}` +
        `&device=blk,id=data,store=memory,size=8M,blk_size=4096,queues=4,transport=${transport}`,
      "node",
    ),
    image: await loadImage("debian-busybox", IMAGES_FOLDER),
    wasm: await loadWasm(),
    disks: new Map([
      ["home", home],
      ["data", data],
    ]),
    terminal: { write: () => undefined },
    observer: (event) => {
      if (event.type === "violation") violations.push(event.violation.what);
    },
  });
  const sh = async (command: string): Promise<string> => {
    const stdout = new CollectingSink(MIB, () => undefined);
    const status = await within(machine.exec(command, { stdout }), command);
    assert.equal(status, 0, `${command}: ${stdout.text()}`);
    return stdout.text().trimEnd();
  };
  await machine.start();
  return { sh, home, data, violations, dispose: () => machine.dispose() };
}

function contents(disk: MemoryDisk): Uint8Array {
  const bytes = new Uint8Array(disk.capacity);
  disk.read(0, bytes);
  return bytes;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
