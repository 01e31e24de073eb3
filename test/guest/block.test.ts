import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { MemoryDisk } from "../../src/backends/disk/memory.ts";
import { loadImage, IMAGES_FOLDER, parseConfig } from "../../src/node/index.ts";
import { loadWasm } from "../../src/node/wasm.ts";
import { Machine } from "../../src/machine/machine.ts";
import { CollectingSink } from "../../src/node/sinks.ts";
import { boot, patternDisk, sha256, temporaryFolder, until } from "./support.ts";

/** Requests of the load test; the release run asks for 200,000. */
const REQUESTS = Number(process.env["RINGSIDE_REQUESTS"] ?? 24_000);
const ROUNDS = Number(process.env["RINGSIDE_ROUNDS"] ?? 4);
const MIB = 2 ** 20;
/** Of a direct request; busybox falls back to the page cache for smaller ones. */
const BLOCK = 4096;

void describe("disks in the guest", () => {
  void it("have their names, sizes and modes", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "readonly.img");
    patternDisk(path, MIB, 7);
    await using guest = await boot(
      `device=blk,id=alpha,store=memory,size=3M&device=blk,id=beta,store=file,path=${path},readonly=on,transport=mmio`,
    );
    const { sh } = guest;
    assert.equal(await sh("for d in vda vdb; do echo $(cat /sys/block/$d/serial); done"), "alpha\nbeta");
    assert.equal(await sh("cat /sys/block/vda/size /sys/block/vdb/size"), "6144\n2048");
    assert.equal(await sh("cat /sys/block/vda/ro /sys/block/vdb/ro"), "0\n1");
    const before = readFileSync(path);
    await sh("! dd if=/dev/zero of=/dev/vdb bs=4k count=1 oflag=direct 2>/dev/null");
    assert.deepEqual(readFileSync(path), before);
    assert.equal(await sh("cat /sys/block/vda/queue/write_cache"), "write back");
  });

  void it(`carry ${REQUESTS} direct requests between both transports, and lose nothing`, async () => {
    const folder = temporaryFolder();
    const [from, to] = [join(folder, "from.img"), join(folder, "to.img")];
    // Half of the requests read on PCI, half write on MMIO, in four streams at once.
    const blocks = Math.ceil(REQUESTS / 2 / 4) * 4;
    const expected = patternDisk(from, blocks * BLOCK, 42);
    writeFileSync(to, new Uint8Array(blocks * BLOCK));
    {
      await using guest = await boot(
        `device=blk,id=from,store=file,path=${from}&device=blk,id=to,store=file,path=${to},transport=mmio`,
      );
      const stream = (i: number): string =>
        `dd if=/dev/vda of=/dev/vdb bs=4k iflag=direct oflag=direct conv=notrunc skip=$((${i} * ${blocks / 4})) seek=$((${i} * ${blocks / 4})) count=${blocks / 4} 2>/dev/null || exit 1`;
      await guest.sh("for d in vda vdb; do echo 2 >/sys/block/$d/queue/nomerges; done");
      const before = guest.machine.counters().chains;
      await guest.machine.exec(`${[0, 1, 2, 3].map((i) => `(${stream(i)}) &`).join(" ")} wait; sync`);
      const requests = guest.machine.counters().chains - before;
      assert.ok(requests >= 2 * blocks, `${requests} requests`);
      assert.equal(guest.machine.counters().violations, 0, guest.messages.join("\n"));
      await guest.machine.powerOff();
    }
    assert.equal(await sha256(to), expected, "as the host finds it");
  });

  for (const load of ["pci", "mmio"] as const) {
    const other = load === "pci" ? "mmio" : "pci";
    void it(`survive ${ROUNDS} rounds of unloading every driver under load, on ${load}`, async () => {
      const folder = temporaryFolder();
      const path = join(folder, "data.img");
      const expected = patternDisk(path, 4 * MIB, 99);
      await using guest = await boot(
        `device=console,transport=${other}&device=blk,id=load,store=file,path=${path},transport=${load}` +
          `&device=rng,transport=${load}&device=blk,id=side,store=memory,size=4M,transport=${other}`,
      );
      const { sh } = guest;
      const disk = "$(grep -l load /sys/block/vd*/serial | cut -d/ -f4)";
      const keepBusy = `d=/dev/${disk}; (while :; do dd if=$d of=/dev/null bs=4k iflag=direct || break; done) >/dev/null 2>&1 &`;
      for (let round = 0; round < ROUNDS; round++) {
        // The transport goes away from under the disk's traffic, ...
        await sh(`${keepBusy} ${keepBusy} sleep 0.3; rmmod virtio_${load}; modprobe virtio_${load}`);
        await until(
          async () => (await sh(`sha256sum </dev/${disk} 2>&1`)).startsWith(expected),
          "the disk's return",
        );
        // ... the random number generator's driver while the disk is busy, the disk's right after it was.
        await sh(
          `${keepBusy} sleep 0.2; rmmod virtio_rng; modprobe virtio-rng; kill %1; killall dd; wait; rmmod virtio_blk; modprobe virtio_blk`,
        );
        assert.equal((await sh(`sha256sum </dev/${disk}`)).slice(0, 64), expected);
        assert.equal(await sh("head -c 1000 /dev/hwrng | wc -c"), "1000");
      }
      assert.equal(guest.machine.counters().violations, 0, guest.messages.join("\n"));
    });
  }

  void it("grow while the guest looks on", async () => {
    const config = parseConfig(
      "device=blk,id=elastic,store=memory,size=1M&device=blk,id=other,store=memory,size=1M,transport=mmio",
      "node",
    );
    const disks = new Map([
      ["elastic", new MemoryDisk(MIB)],
      ["other", new MemoryDisk(MIB)],
    ]);
    const image = await loadImage("debian-busybox", IMAGES_FOLDER);
    const machine = new Machine({
      config,
      image,
      wasm: await loadWasm(),
      disks,
      terminal: { write: () => undefined },
    });
    try {
      await machine.start();
      const stdout = new CollectingSink(MIB, () => undefined);
      await machine.exec("cat /sys/block/vda/size /sys/block/vdb/size", { stdout });
      assert.equal(stdout.text(), "2048\n2048\n");
      for (const disk of disks.values()) disk.resize(3 * MIB);
      await until(async () => {
        const sizes = new CollectingSink(MIB, () => undefined);
        await machine.exec("cat /sys/block/vda/size /sys/block/vdb/size", { stdout: sizes });
        return sizes.text() === "6144\n6144\n";
      }, "the new capacity in the guest");
    } finally {
      await machine.dispose();
    }
  });

  void it("keep a file system's files over a power cut after sync", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "home.img");
    const config = `device=blk,id=home,store=file,path=${path},size=16M`;
    {
      await using guest = await boot(config);
      await guest.sh(
        "echo kept >/root/note; head -c 1000000 /dev/urandom >/root/noise; sha256sum /root/noise >/root/sum; sync",
      );
    }
    await using guest = await boot(config);
    assert.equal(await guest.sh("cat /root/note"), "kept");
    assert.match(await guest.sh("sha256sum -c /root/sum"), /OK/);
  });
});
