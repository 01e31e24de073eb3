import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { boot, type Guest } from "./support.ts";

const DISK = "/sys/bus/pci/devices/0000:00:02.0";

void describe("PCI in the guest", { concurrency: 1 }, () => {
  let guest: Guest;
  before(async () => {
    guest = await boot("device=none&device=console&device=blk,id=first,store=memory,size=8M&device=rng");
  });
  after(() => guest[Symbol.asyncDispose]());

  void it("brings a device back after remove and rescan", async () => {
    const { sh } = guest;
    await sh("echo kept | dd of=/dev/vda bs=512 count=1 conv=sync,fsync 2>/dev/null");
    for (let round = 0; round < 3; round++) {
      await sh(`echo 1 >${DISK}/remove`);
      assert.equal(await sh("ls /sys/block | grep -c vda || true"), "0");
      await sh("echo 1 >/sys/bus/pci/rescan");
      assert.equal(await sh("head -c 4 /dev/vda"), "kept");
    }
    assert.equal(guest.machine.counters().violations, 0, guest.messages.join("\n"));
  });

  void it("moves a memory BAR where the guest wants it", async () => {
    const { sh } = guest;
    const readAt = (offset: number): string =>
      `$(dd if=${DISK}/config bs=1 skip=${offset} count=4 2>/dev/null | hexdump -e '1/4 "%08x"')`;
    const writeAt = (offset: number, bytes: string): string =>
      `printf '${bytes}' | dd of=${DISK}/config bs=1 seek=${offset} conv=notrunc 2>/dev/null`;
    const before = (await sh(`echo ${readAt(0x10)}`)).slice(0, 5);
    await sh(
      `echo virtio1 >/sys/bus/virtio/drivers/virtio_blk/unbind; echo 0000:00:02.0 >/sys/bus/pci/drivers/virtio-pci/unbind`,
    );
    // All ones: the size comes back, only address bits are writable (PCI 3.0, 6.2.5.1).
    await sh(writeAt(0x04, "\\0\\0") + "; " + writeAt(0x10, "\\377\\377\\377\\377"));
    assert.equal(await sh(`echo ${readAt(0x10)}`), "ffffe000");
    // Identity cannot be written.
    await sh(writeAt(0x00, "\\1\\2\\3\\4"));
    assert.equal(await sh(`echo ${readAt(0x00)}`), "10421af4");
    await sh(writeAt(0x10, "\\0\\0\\0\\321"));
    assert.equal(await sh(`echo ${readAt(0x10)}`), "d1000000");
    // Decoding is off: nothing answers at either place. Then on: the device is at the new one only.
    const queues = (bar: string): string => `devmem 0x${bar}012 16`; // num_queues (4.1.4.3)
    assert.equal(await sh(`${queues(before)}; ${queues("d1000")}`), "0xFFFF\n0xFFFF");
    await sh(writeAt(0x04, "\\6\\0"));
    assert.equal(await sh(`${queues(before)}; ${queues("d1000")}`), "0xFFFF\n0x0001");
    // A BAR over memory or over the IOAPIC does not hide these: the bridge does not pass such addresses on.
    for (const place of ["\\0\\0\\0\\1", "\\0\\0\\300\\376"]) await sh(writeAt(0x10, place));
    await sh(`echo 1 >${DISK}/remove; echo 1 >/sys/bus/pci/rescan`);
    assert.equal(await sh("dd if=/dev/vda bs=4k count=100 iflag=direct 2>/dev/null | wc -c"), "409600");
  });

  void it("shows the capabilities of a modern virtio device", async () => {
    const config = Buffer.from(await guest.sh(`hexdump -ve '1/1 "%02x"' ${DISK}/config`), "hex");
    assert.equal(config.readUInt16LE(0x2c), 0x1af4);
    assert.ok(config[0x08]! >= 1, "revision of a non-transitional device");
    const types: number[] = [];
    for (let at = config[0x34]!; at !== 0; at = config[at + 1]!) {
      if (config[at] === 0x09) types.push(config[at + 3]!);
    }
    for (const type of [1, 2, 3, 4]) assert.ok(types.includes(type), `cfg_type ${type} (4.1.4)`);
  });
});
