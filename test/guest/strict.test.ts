/** Strict mode with the stock kernel: what its drivers break of virtio 1.3, and that a mistake is named. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { boot } from "./support.ts";

/** A disk for each: every layout, with and without its features, on every transport. */
const DISKS = [
  "transport=pci",
  "transport=pci,vectors=0",
  "transport=mmio",
  "transport=mmio-legacy",
  "event_idx=off",
  "event_idx=off,indirect=off,transport=mmio",
  "packed=on",
  "packed=on,transport=mmio",
  "packed=on,event_idx=off",
  "packed=on,indirect=off",
  "in_order=on",
  "notification_data=on",
  "queues=2",
];

/** Reads and writes, direct and through the page cache, in several streams; flushes, discards, the cache's mode, the serial number. */
const LOAD = `for disk in /sys/block/vd*; do
  d=\${disk##*/}
  cat $disk/serial >/dev/null
  for part in 0 1 2 3; do
    dd if=/dev/zero of=/dev/$d bs=4k seek=$((part * 128)) count=128 oflag=direct conv=notrunc 2>/dev/null &
    dd if=/dev/$d of=/dev/null bs=64k skip=$((part * 8)) count=8 iflag=direct 2>/dev/null &
  done
  dd if=/dev/zero of=/dev/$d bs=1M count=2 conv=notrunc 2>/dev/null
  wait
  echo 'write through' >$disk/cache_type && blkdiscard -o 1048576 -l 65536 /dev/$d || exit 1
done
sync`;

void describe("strict mode in the guest", () => {
  void it("Linux 6.1 breaks nothing: block, console and rng on every transport and layout, under load", async () => {
    await using guest = await boot(
      [
        "device=console",
        "device=rng,transport=mmio",
        ...DISKS.map((options) => `device=blk,store=memory,size=4M,${options}`),
      ].join("&"),
      { strict: true },
    );
    const { sh } = guest;
    await sh(LOAD);
    assert.equal(await sh("head -c 20000 /dev/hwrng | wc -c"), "20000");
    assert.equal((await sh("seq 1 20000")).length, 108_893);
    // The drivers leave, and come back.
    await sh("rmmod virtio_rng; modprobe virtio-rng; rmmod virtio_mmio; modprobe virtio_mmio");
    await sh("head -c 1000 /dev/hwrng >/dev/null");
    await guest.machine.powerOff();
    assert.deepEqual(
      guest.machine.violations.map(({ text }) => text),
      [],
    );
  });

  void it("Linux 6.1 breaks nothing as a legacy driver of transitional devices", async () => {
    await using guest = await boot(
      "append=virtio_pci.force_legacy=1&device=console,transport=pci-transitional&device=rng,transport=pci-transitional&" +
        "device=blk,store=memory,size=4M,transport=pci-transitional&device=blk,store=memory,size=4M,transport=pci-transitional,vectors=0",
      { strict: true },
    );
    await guest.sh(LOAD);
    assert.equal(await guest.sh("head -c 20000 /dev/hwrng | wc -c"), "20000");
    await guest.machine.powerOff();
    assert.deepEqual(
      guest.machine.violations.map(({ text }) => text),
      [],
    );
  });

  void it("a program in the guest that breaks the rules is told which, and ringside run --strict exits 3", async () => {
    const ringside = fileURLToPath(new URL("../../bin/ringside.mjs", import.meta.url));
    const commands = [
      "devmem 0xfea00050 32 99", // QueueNotify: a queue that is not there
      "devmem 0xfea00064 32 3", // InterruptACK: events that nobody has seen
      "devmem 0xfea000ac 32 0", // SHMSel: no shared memory here
      "devmem 0xfea00070 8", // Status, 8 bits of it
    ];
    const child = spawn(
      process.execPath,
      [
        ringside,
        "run",
        "--strict",
        "--timeout",
        "170",
        "--exec",
        commands.join("; "),
        "memory=128M&append=iomem=relaxed",
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    const [stderr, status] = await Promise.all([
      text(child.stderr),
      new Promise((resolve) => child.once("close", resolve)),
    ]);
    const told = stderr.split("\n").filter((line) => line.includes("broke virtio 1.3"));
    for (const expected of [
      /driver of rng broke virtio 1\.3, section 2\.3 \(queue 99\): a kick of queue 99, which does not exist\./,
      /driver of rng broke virtio 1\.3, section 4\.2\.2\.2: InterruptACK 0x3 without having read/,
      /driver of rng broke virtio 1\.3, section 4\.2\.3\.1\.1: SHMSel accessed/,
      /driver of rng broke virtio 1\.3, section 4\.2\.2\.2: a read of 1 bytes at offset 0x70 of Status/,
    ]) {
      assert.equal(told.filter((line) => expected.test(line)).length, 1, `${expected} in:\n${stderr}`);
    }
    assert.equal(told.length, 4, stderr);
    assert.equal(status, 3);
  });
});
