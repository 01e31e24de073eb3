/** virtio-mmio as Linux's own driver uses it: version 1, and devices that the command line announces. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ensureImages } from "../../images/ensure.ts";
import { streamProgress } from "../../images/progress.ts";
import { boot, type Guest, patternDisk, sha256, temporaryFolder, until } from "./support.ts";

const BLOCKS = Number(process.env["RINGSIDE_REQUESTS"] ?? 6_000) / 2;
const ROUNDS = Number(process.env["RINGSIDE_ROUNDS"] ?? 2);
const BLOCK = 4096;

/** Copies one disk to the other by direct requests in four streams at once, and compares as the host finds them. */
async function copyAndCompare(
  config: (from: string, to: string) => string,
  look: (guest: Guest) => Promise<void>,
) {
  const folder = temporaryFolder();
  const [from, to] = [join(folder, "from.img"), join(folder, "to.img")];
  const expected = patternDisk(from, BLOCKS * BLOCK, 17);
  writeFileSync(to, new Uint8Array(BLOCKS * BLOCK));
  {
    await using guest = await boot(config(from, to));
    await look(guest);
    const disk = (id: string): string => `/dev/$(grep -l ^${id}$ /sys/block/vd*/serial | cut -d/ -f4)`;
    const part = BLOCKS / 4;
    const stream = (i: number): string =>
      `(dd if=${disk("from")} of=${disk("to")} bs=4k iflag=direct oflag=direct conv=notrunc ` +
      `skip=$((${i} * ${part})) seek=$((${i} * ${part})) count=${part} 2>/dev/null) &`;
    await guest.sh(`${[0, 1, 2, 3].map(stream).join(" ")} wait; sync`);
    assert.equal(guest.machine.counters().violations, 0, guest.messages.join("\n"));
    await guest.machine.powerOff();
  }
  assert.equal(await sha256(to), expected);
}

/** Unloads the transport's driver under the disk's traffic and loads it again; the disk must come back whole. */
async function reloadUnderLoad(guest: Guest, expected: string): Promise<void> {
  const disk = "/dev/$(grep -l ^load$ /sys/block/vd*/serial | cut -d/ -f4)";
  const busy = `d=${disk}; (while :; do dd if=$d of=/dev/null bs=4k iflag=direct || break; done) >/dev/null 2>&1 &`;
  for (let round = 0; round < ROUNDS; round++) {
    await guest.sh(`${busy} ${busy} sleep 0.3; rmmod virtio_mmio; modprobe virtio_mmio`);
    await until(
      async () => (await guest.sh(`sha256sum <${disk} 2>&1 || true`)).startsWith(expected),
      "the disk's return",
    );
    assert.equal(await guest.sh("head -c 1000 /dev/hwrng | wc -c"), "1000");
  }
  assert.equal(guest.machine.counters().violations, 0, guest.messages.join("\n"));
}

void describe("version 1 of virtio-mmio in the guest", () => {
  void it("carries the console, entropy and two disks, byte for byte", async () => {
    await copyAndCompare(
      (from, to) =>
        "device=none&device=console,transport=mmio-legacy&device=rng,transport=mmio-legacy" +
        `&device=blk,id=from,store=file,path=${from},transport=mmio-legacy` +
        `&device=blk,id=to,store=file,path=${to},transport=mmio-legacy`,
      async ({ sh, machine, screen }) => {
        const features = (await sh("cat /sys/bus/virtio/devices/*/features")).split("\n");
        assert.equal(features.length, 4);
        for (const bits of features) assert.match(bits, /^[01]{32}0{32}$/, "no bit above 31");
        assert.equal(await sh("head -c 100000 /dev/hwrng | wc -c"), "100000");
        for (const device of machine.describe()) {
          assert.equal(device.transport, "mmio-legacy");
          assert.ok(device.driverReady, device.kind);
          assert.ok(device.features.includes("EVENT_IDX") && !device.features.includes("VERSION_1"));
        }
        await machine.type("echo $((6 * 7)) on the console\n");
        await until(() => screen().includes("42 on the console"), "the answer to a typed command");
      },
    );
  });

  void it(`survives ${ROUNDS} rounds of unloading its driver under load`, async () => {
    const path = join(temporaryFolder(), "data.img");
    const expected = patternDisk(path, 2 ** 21, 99);
    await using guest = await boot(
      `device=console&device=rng,transport=mmio-legacy&device=blk,id=load,store=file,path=${path},transport=mmio-legacy`,
    );
    await reloadUnderLoad(guest, expected);
  });
});

void describe("virtio-mmio devices on the kernel's command line", () => {
  const IMAGE = "debian-busybox-mmio-cmdline";
  const make = (): Promise<unknown> => ensureImages([IMAGE], streamProgress(process.stderr, ""));

  void it("are found by a kernel that looks there, on both versions, byte for byte", async () => {
    await make();
    await copyAndCompare(
      (from, to) =>
        `image=${IMAGE}&mmio=cmdline&device=console,transport=mmio&device=rng,transport=mmio-legacy` +
        `&device=blk,id=from,store=file,path=${from},transport=mmio` +
        `&device=blk,id=to,store=file,path=${to},transport=mmio-legacy` +
        "&device=blk,id=fifth,store=memory,size=1M,transport=mmio&device=blk,id=pci,store=memory,size=1M",
      async ({ sh, machine }) => {
        assert.equal(
          await sh("tr -d '\\0' </sys/module/virtio_mmio/parameters/device"), // Linux 6.1 ends it with a NUL
          "0x200@0xfea00000:5:0\n0x200@0xfea01000:10:1\n0x200@0xfea02000:11:2\n0x200@0xfea03000:7:3\n0x200@0xfea04000:5:4",
        );
        assert.equal(await sh("ls -d /sys/devices/virtio-mmio-cmdline/virtio-mmio.*/virtio* | wc -l"), "5");
        assert.equal(await sh("ls -d /sys/bus/acpi/devices/LNRO0005:* 2>/dev/null | wc -l"), "0");
        // Level-triggered, as two devices on one line need it: the MADT says so, the parameter cannot.
        assert.match(await sh("cat /proc/interrupts"), /IO-APIC +5-fasteoi +virtio\d, virtio\d/);
        assert.equal(await sh("cat /proc/version | cut -d' ' -f3"), await sh("uname -r"));
        assert.match(await sh("dmesg"), /virtio_mmio: module verification failed/);
        for (const device of machine.describe()) assert.ok(device.driverReady, device.kind);
      },
    );
  });

  void it("come back when the driver was unloaded under load, also with the PIC's interrupts", async () => {
    await make();
    const path = join(temporaryFolder(), "data.img");
    const expected = patternDisk(path, 2 ** 21, 7);
    await using guest = await boot(
      `image=${IMAGE}&mmio=cmdline&append=noapic&device=console&device=rng,transport=mmio` +
        `&device=blk,id=load,store=file,path=${path},transport=mmio`,
    );
    assert.match(await guest.sh("cat /proc/interrupts"), /XT-PIC +virtio/);
    await reloadUnderLoad(guest, expected);
  });
});
