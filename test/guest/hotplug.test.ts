/** Disks that come and go under the stock kernel, with strict mode looking on. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { HotPlugError } from "../../src/node/index.ts";
import { boot, type Guest, temporaryFolder, until, within } from "./support.ts";

const CYCLES = 8;

/** Where Linux has the disk with that name: `vdb`. */
const device = (id: string): string => `$(grep -lx ${id} /sys/block/vd*/serial | cut -d/ -f4)`;

const attach = (guest: Guest, disk: string): Promise<void> => within(guest.machine.attach(disk), disk);
const detach = (guest: Guest, id: string, options?: { force: boolean }): Promise<void> =>
  within(guest.machine.detach(id, options), `detach of ${id}`);
const addresses = (guest: Guest): Record<string, string> =>
  Object.fromEntries(guest.machine.describe().map(({ id, kind, address }) => [id ?? kind, address]));

function assertClean({ machine, messages }: Guest): void {
  assert.deepEqual(
    machine.violations.map(({ text }) => text),
    [],
  );
  assert.deepEqual(messages, []);
}

void describe("a disk attached while the guest runs", () => {
  void describe("whose disk is another one", { concurrency: 1 }, () => {
    let guest: Guest;
    before(async () => {
      guest = await boot("device=blk,id=home,store=memory,size=8M", { strict: true });
    });
    after(() => guest[Symbol.asyncDispose]());

    void it("carries a file system, stays while it is used, and has its data when it comes back", async () => {
      const path = join(temporaryFolder(), "data.img");
      const disk = `blk,id=data,path=${path},size=16M`;
      const { sh, machine } = guest;
      await attach(guest, disk);
      assert.equal(await sh(`cat /sys/block/${device("data")}/size`), "32768");
      assert.equal(await sh(`cut -d[ -f2 /sys/block/${device("data")}/queue/scheduler`), "none] mq-deadline");
      assert.deepEqual(
        machine.config.devices.filter((each) => each.device === "blk").map(({ id }) => id),
        ["home", "data"],
      );
      await sh(
        `mkfs.ext4 -q /dev/${device("data")} && mkdir -p /mnt/data && mount -t ext4 /dev/${device("data")} /mnt/data`,
      );
      await sh("head -c 3000000 /dev/urandom >/mnt/data/noise; sha256sum </mnt/data/noise >/root/sum");
      await assert.rejects(detach(guest, "data"), (error) => {
        assert.ok(error instanceof HotPlugError && error.inUse);
        assert.match(error.message, /^The guest uses the disk "data": vdb is mounted at \/mnt\/data\./);
        return true;
      });
      assert.equal(
        await sh("sha256sum </mnt/data/noise"),
        await sh("cat /root/sum"),
        "as if nothing had been",
      );
      await sh("umount /mnt/data");
      await detach(guest, "data");
      assert.equal(await sh("ls /sys/block"), "vda");
      assert.equal(addresses(guest)["data"], undefined);

      await attach(guest, disk);
      await sh(`mount -t ext4 -o ro /dev/${device("data")} /mnt/data`);
      assert.equal(await sh("sha256sum </mnt/data/noise"), await sh("cat /root/sum"));
      await sh("umount /mnt/data");
      await detach(guest, "data");
      assertClean(guest);
    });

    void it(`comes and goes ${CYCLES} times, by message and by INTx, and leaves nothing behind`, async () => {
      const { sh, machine } = guest;
      const before = addresses(guest);
      const found = new Set<string>();
      let accesses = 0;
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        await attach(
          guest,
          `blk,id=data,store=memory,size=4M,${["vectors=0", "transport=pci-transitional", "packed=on"][cycle % 3]}`,
        );
        found.add(addresses(guest)["data"]!);
        await sh(
          `d=/dev/${device("data")}; dd if=/dev/urandom of=$d bs=64k count=32 oflag=direct 2>/dev/null && sync && dd if=$d of=/dev/null bs=4k count=64 iflag=direct 2>/dev/null`,
        );
        if (cycle === 0) assert.match(await sh("cat /proc/interrupts"), /IO-APIC +\d+-fasteoi +virtio\d+$/m);
        await detach(guest, "data");
        assert.ok(machine.counters().accesses > accesses, "what was counted stays counted");
        ({ accesses } = machine.counters());
      }
      assert.deepEqual([...found], ["00:04.0"]);
      assert.deepEqual(addresses(guest), before);
      assert.equal(await sh("ls /sys/block; ls /sys/bus/virtio/devices | wc -l"), "vda\n4");
      // The BARs are where they were at first: nothing is used up.
      const bars = (await sh("dmesg | grep -E '00:04.0: BAR 0 .*assigned'")).split("\n");
      assert.ok(new Set(bars.map((line) => line.replace(/^.*\] pci/, ""))).size <= 3, bars.join("\n"));
      assertClean(guest);
    });

    void it("is kept for whatever uses it: swap, a process, the kernel; and goes by force", async () => {
      const { sh } = guest;
      await attach(guest, "blk,id=data,store=memory,size=16M");
      const refused = (why: RegExp): Promise<void> => assert.rejects(detach(guest, "data"), why);

      await sh("mkswap /dev/vdb && swapon /dev/vdb");
      await refused(/vdb is swap space/);
      await sh("swapoff /dev/vdb");
      await sh("(exec sleep 1000 </dev/vdb) >/dev/null 2>&1 & echo $! >/tmp/pid");
      await refused(/the process \d+ \(sleep\) has it open/);
      await sh("kill $(cat /tmp/pid)");
      // By a name that no list shows.
      await sh("mknod /tmp/node b $(tr : ' ' </sys/block/vdb/dev) && swapon /tmp/node");
      await refused(/the kernel uses vdb/);
      await sh("swapoff /tmp/node");
      await sh(
        "printf 'n\\np\\n1\\n\\n\\nw\\n' | fdisk /dev/vdb >/dev/null; mkfs.ext4 -q /dev/vdb1 && mount -t ext4 /dev/vdb1 /mnt",
      );
      await refused(/vdb1 is mounted at \/mnt/);

      await detach(guest, "data", { force: true });
      assert.equal(await sh("ls /sys/block"), "vda");
      assert.notEqual((await guest.machine.run("ls -l /mnt/lost+found && touch /mnt/x && sync")).status, 0);
      await sh("umount -l /mnt");
      await detach(guest, "home", { force: true });
      assert.equal(await sh("ls /sys/block"), "");
      assertClean(guest);
    });
  });

  void it("is part of the machine after a reset, and a detached one is not", async () => {
    await using guest = await boot(
      "device=blk,id=home,store=memory,size=8M&device=blk,id=old,store=memory,size=2M",
      {
        strict: true,
      },
    );
    const { sh, machine } = guest;
    await sh("true"); // an agent that is still to come is not waited for long
    await attach(guest, "blk,id=data,store=memory,size=4M");
    await detach(guest, "old");
    await sh(`echo kept | dd of=/dev/${device("data")} conv=fsync 2>/dev/null; echo none >/tmp/mark`);
    await within(machine.reset(), "the reset");
    await until(
      async () => (await machine.run("test -e /tmp/mark").catch(() => ({ status: 0 }))).status === 1,
      "reboot",
    );
    assert.equal(await sh("cat /sys/block/vd*/serial"), "homedata");
    assert.equal(await sh(`head -c 4 /dev/${device("data")}`), "kept");
    assert.deepEqual(addresses(guest), {
      console: "00:01.0",
      rng: "0xfea00000",
      net0: "00:02.0",
      home: "00:03.0",
      data: "00:04.0",
    });
    // The reboot of the guest itself.
    await sh("echo none >/tmp/mark; reboot");
    await until(
      async () => (await machine.run("test -e /tmp/mark").catch(() => ({ status: 0 }))).status === 1,
      "reboot",
    );
    assert.equal(await sh("cat /sys/block/vd*/serial"), "homedata");
    await detach(guest, "data");
    assertClean(guest);
  });

  void it("is found by a guest that had no disk and no PCI driver so far, also while it still starts", async () => {
    await using guest = await boot("device=none&device=console,transport=mmio&device=rng,transport=mmio", {
      strict: true,
    });
    assert.equal(guest.machine.state.name, "booting");
    await attach(guest, "blk,id=data,store=memory,size=4M");
    assert.equal(await guest.sh("cat /sys/block/vda/serial"), "data");
    await detach(guest, "data");
    assert.equal(await guest.sh("ls /sys/block"), "");
    assertClean(guest);
  });

  void it("on virtio-mmio is refused, as are names that are taken; the host's file is closed again", async () => {
    const path = join(temporaryFolder(), "data.img");
    writeFileSync(path, new Uint8Array(2 ** 20));
    await using guest = await boot("device=blk,id=home,store=memory,size=8M,transport=mmio", {
      strict: true,
    });
    await guest.sh("true");
    const { machine } = guest;
    await assert.rejects(
      machine.attach(`blk,id=data,path=${path},transport=mmio`),
      /nothing tells a running guest/,
    );
    await assert.rejects(machine.attach("blk,id=home,store=memory"), /There is a disk "home" already/);
    await assert.rejects(machine.detach("home"), /is on virtio-mmio/);
    await assert.rejects(machine.detach("data"), /There is no disk "data"/);
    await attach(guest, `blk,id=data,path=${path}`);
    await detach(guest, "data");
    assertClean(guest);
  });

  void it("goes with a guest that powers off meanwhile, or stays: the machine starts again either way", async () => {
    await using guest = await boot("device=blk,id=home,store=memory,size=8M", { strict: true });
    const { sh, machine } = guest;
    await sh("true");
    await attach(guest, "blk,id=kept,store=memory,size=2M");
    await sh(`echo kept | dd of=/dev/${device("kept")} 2>/dev/null`);
    const outcomes = await within(
      Promise.allSettled([
        machine.attach("blk,id=late,store=memory,size=2M"),
        machine.powerOff(),
        machine.detach("home"),
      ]),
      "power-off among attach and detach",
    );
    assert.equal(machine.state.name === "halted" || machine.state.name === "off", true);
    const there = machine.config.devices.flatMap((each) => (each.device === "blk" ? [each.id] : []));
    assert.equal(there.includes("late"), outcomes[0].status === "fulfilled");
    assert.equal(there.includes("home"), outcomes[2].status === "rejected");
    await within(machine.attach("blk,id=off,store=memory,size=2M"), "attach while off");
    await machine.reset();
    assert.equal(
      (await sh("cat /sys/block/vd*/serial | wc -c")).trim(),
      `${[...there, "off"].join("").length}`,
    );
    assert.equal(await sh(`head -c 4 /dev/${device("kept")}`), "kept");
    assertClean(guest);
  });
});
