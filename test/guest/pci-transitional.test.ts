/** The transitional device with the stock kernel, driven both ways, and every kind of PCI device taken away under load. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { boot, patternDisk, sha256, temporaryFolder, until } from "./support.ts";

const MIB = 2 ** 20;
const ROUNDS = Number(process.env["RINGSIDE_ROUNDS"] ?? 3);
const VERSION_1 = 32;

void describe("transitional PCI devices in the guest", () => {
  void it("are driven as modern ones by default", async () => {
    await using guest = await boot(
      "device=none&device=console,transport=pci-transitional&device=rng,transport=pci-transitional&" +
        "device=blk,id=first,store=memory,size=8M,transport=pci-transitional,packed=on",
    );
    const { sh } = guest;
    for (const name of (await sh("ls /sys/bus/virtio/devices")).split("\n")) {
      const features = await sh(`cat /sys/bus/virtio/devices/${name}/features`);
      assert.equal(features[VERSION_1], "1", name);
    }
    assert.doesNotMatch(await sh("cat /proc/ioports"), /virtio-pci-legacy/);
    assert.match(await sh("cat /proc/interrupts"), /PCI-MSI.*-req\.0/);
    await sh("dd if=/dev/urandom of=/dev/vda bs=64k count=16 oflag=direct 2>/dev/null");
    assert.equal(await sh("head -c 1000 /dev/hwrng | wc -c"), "1000");
    assert.equal(guest.machine.counters().violations, 0, guest.messages.join("\n"));
  });

  void it("are driven by their legacy interface where the driver wants it, beside modern ones", async () => {
    const folder = temporaryFolder();
    const kinds = [
      { id: "legacy", options: "transport=pci-transitional", legacy: true, interrupt: "PCI-MSI" },
      {
        id: "legacy-intx",
        options: "transport=pci-transitional,vectors=0",
        legacy: true,
        interrupt: "IO-APIC",
      },
      { id: "modern", options: "transport=pci", legacy: false, interrupt: "PCI-MSI" },
      { id: "modern-intx", options: "transport=pci,vectors=0", legacy: false, interrupt: "IO-APIC" },
    ].map((kind) => ({ ...kind, path: join(folder, `${kind.id}.img`) }));
    const sums = kinds.map(({ path }, i) => patternDisk(path, 2 * MIB, i + 1));
    // The console, and with it the guest's agent, stays out of what happens to PCI.
    await using guest = await boot(
      [
        "append=virtio_pci.force_legacy=1",
        "device=console,transport=mmio",
        "device=rng,transport=pci-transitional",
        ...kinds.map(({ id, options, path }) => `device=blk,id=${id},store=file,path=${path},${options}`),
      ].join("&"),
    );
    const { sh } = guest;
    const diskOf = (id: string): Promise<string> =>
      sh(`grep -l '^${id}$' /sys/block/vd*/serial | cut -d/ -f4`);
    for (const { id, legacy, interrupt } of kinds) {
      const disk = await diskOf(id);
      const features = await sh(`cat /sys/block/${disk}/device/features`);
      assert.equal(features[VERSION_1], legacy ? "0" : "1", id);
      const name = await sh(`basename $(readlink -f /sys/block/${disk}/device)`);
      assert.match(
        await sh("cat /proc/interrupts"),
        new RegExp(`${interrupt}.* ${name}(-req\\.0)?$`, "m"),
        id,
      );
    }
    const ports = await sh("cat /proc/ioports");
    assert.equal(ports.match(/virtio-pci-legacy/g)?.length, 3, ports);
    assert.equal(await sh("head -c 1000 /dev/hwrng | wc -c"), "1000");

    const busy = (disk: string): string =>
      `(while :; do dd if=/dev/${disk} of=/dev/null bs=4k iflag=direct || break; done) >/dev/null 2>&1 &`;
    const returns = (id: string, sum: string): Promise<void> =>
      until(
        async () =>
          (
            await sh(`sha256sum </dev/$(grep -l '^${id}$' /sys/block/vd*/serial | cut -d/ -f4) 2>&1 || true`)
          ).startsWith(sum),
        `${id}'s return`,
      );
    for (let round = 0; round < ROUNDS; round++) {
      // Each is taken away from under its traffic, and found again.
      for (const [i, { id }] of kinds.entries()) {
        const disk = await diskOf(id);
        const address = await sh(`basename $(readlink -f /sys/block/${disk}/device/..)`);
        await sh(`${busy(disk)} ${busy(disk)} sleep 0.2; echo 1 >/sys/bus/pci/devices/${address}/remove`);
        await sh("echo 1 >/sys/bus/pci/rescan");
        await returns(id, sums[i]!);
      }
      // Then the driver of all of them.
      const all = await Promise.all(kinds.map(({ id }) => diskOf(id)));
      await sh(`${all.map(busy).join(" ")} sleep 0.3; rmmod virtio_pci; modprobe virtio_pci`);
      for (const [i, { id }] of kinds.entries()) await returns(id, sums[i]!);
    }
    const [from, to] = [await diskOf("legacy"), await diskOf("modern")];
    await sh(`dd if=/dev/${from} of=/dev/${to} bs=64k iflag=direct oflag=direct conv=fsync 2>/dev/null`);
    assert.equal(guest.machine.counters().violations, 0, guest.messages.join("\n"));
    await guest.machine.powerOff();
    assert.equal(await sha256(kinds[2]!.path), sums[0], "as the host finds it");
  });
});
