/** Ring layouts and their features, with the stock kernel's driver at the other end. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { boot, type Guest, patternDisk, sha256, temporaryFolder, until } from "./support.ts";

const MIB = 2 ** 20;
const [INDIRECT_DESC, EVENT_IDX, VERSION_1, RING_PACKED] = [28, 29, 32, 34];

/** Negotiated feature bits as the kernel shows them: a character for each bit. */
async function features(guest: Guest, name: string): Promise<(bit: number) => boolean> {
  const bits = await guest.sh(`cat ${name}`);
  return (bit) => bits[bit] === "1";
}

void describe("ring layouts in the guest", () => {
  void it("carry the same data: split and packed, with and without event indices and indirect tables", async () => {
    const settings = [
      "packed=off",
      "packed=on",
      "packed=on,transport=mmio",
      "packed=on,event_idx=off",
      "packed=on,indirect=off",
      "packed=on,event_idx=off,indirect=off,transport=mmio",
      "event_idx=off,indirect=off",
    ];
    const folder = temporaryFolder();
    const paths = settings.map((_, i) => join(folder, `${i}.img`));
    const expected = patternDisk(paths[0]!, 8 * MIB, 5);
    for (const path of paths.slice(1)) patternDisk(path, 8 * MIB, 6);
    {
      await using guest = await boot(
        [
          "device=console,packed=on",
          "device=rng,packed=on,transport=mmio",
          ...settings.map((setting, i) => `device=blk,id=d${i},store=file,path=${paths[i]},${setting}`),
        ].join("&"),
      );
      const { sh } = guest;
      const names: string[] = [];
      for (const [i, setting] of settings.entries()) {
        names.push(await sh(`grep -l '^d${i}$' /sys/block/vd*/serial | cut -d/ -f4`));
        const has = await features(guest, `/sys/block/${names[i]}/device/features`);
        assert.ok(has(VERSION_1));
        assert.equal(has(RING_PACKED), setting.includes("packed=on"), setting);
        assert.equal(has(EVENT_IDX), !setting.includes("event_idx=off"), setting);
        assert.equal(has(INDIRECT_DESC), !setting.includes("indirect=off"), setting);
      }
      for (const driver of ["virtio_console", "virtio_rng"]) {
        const has = await features(guest, `/sys/bus/virtio/drivers/${driver}/virtio*/features`);
        assert.ok(has(RING_PACKED), driver);
      }
      // Each disk's data goes to the next one: direct, in four streams at once, then small writes through the page cache.
      const stream = (from: string, to: string, i: number): string =>
        `dd if=/dev/${from} of=/dev/${to} bs=64k iflag=direct oflag=direct conv=notrunc skip=$((${i} * 32)) seek=$((${i} * 32)) count=32 2>/dev/null || exit 1`;
      for (let i = 1; i < names.length; i++) {
        const streams = [0, 1, 2, 3].map((part) => `(${stream(names[i - 1]!, names[i]!, part)}) &`);
        await guest.machine.exec(`${streams.join(" ")} wait; sync`);
        assert.equal((await sh(`sha256sum </dev/${names[i]}`)).slice(0, 64), expected, settings[i]);
      }
      assert.equal(await sh("head -c 100000 /dev/hwrng | wc -c"), "100000");
      const numbers = Array.from({ length: 10_000 }, (_, i) => String(i + 1)).join("\n");
      assert.equal(await sh("seq 1 10000"), numbers, "through the console's ports");
      assert.equal(guest.machine.counters().violations, 0, guest.messages.join("\n"));
      await guest.machine.powerOff();
    }
    for (const path of paths) assert.equal(await sha256(path), expected, `as the host finds ${path}`);
  });

  for (const load of ["pci", "mmio"] as const) {
    const other = load === "pci" ? "mmio" : "pci";
    void it(`survive the unloading of every driver under load, packed, on ${load}`, async () => {
      const path = join(temporaryFolder(), "data.img");
      const expected = patternDisk(path, 4 * MIB, 99);
      await using guest = await boot(
        `device=console,packed=on,transport=${other}&device=blk,id=load,packed=on,store=file,path=${path},transport=${load}` +
          `&device=rng,packed=on,transport=${load}`,
      );
      const { sh } = guest;
      const keepBusy =
        "(while :; do dd if=/dev/vda of=/dev/null bs=4k iflag=direct || break; done) >/dev/null 2>&1 &";
      for (let round = 0; round < 3; round++) {
        await sh(`${keepBusy} ${keepBusy} sleep 0.3; rmmod virtio_${load}; modprobe virtio_${load}`);
        await until(
          async () => (await sh("sha256sum </dev/vda 2>&1")).startsWith(expected),
          "the disk's return",
        );
        await sh(`${keepBusy} sleep 0.2; rmmod virtio_rng; modprobe virtio-rng; kill %1; killall dd; wait`);
        assert.equal((await sh("sha256sum </dev/vda")).slice(0, 64), expected);
      }
      assert.equal(guest.machine.counters().violations, 0, guest.messages.join("\n"));
    });
  }
});
