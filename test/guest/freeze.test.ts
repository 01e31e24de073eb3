/** Linux's virtio freeze and restore, which suspending the machine does, on every transport and kind of interrupt. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { boot, patternDisk, temporaryFolder, until } from "./support.ts";

const MIB = 2 ** 20;
const ROUNDS = 3;

void describe("a suspend of the guest's devices", () => {
  void it("and their return, under load, lose nothing", async () => {
    const folder = temporaryFolder();
    const kinds = [
      "pci",
      "pci,vectors=0",
      "pci,packed=on",
      "pci-transitional",
      "pci-transitional,vectors=0",
      "mmio",
    ];
    const disks = kinds.map((transport, i) => ({ transport, id: `d${i}`, path: join(folder, `d${i}.img`) }));
    const sums = disks.map(({ path }, i) => patternDisk(path, 2 * MIB, i + 1));
    const report = join(folder, "report.img");
    writeFileSync(report, new Uint8Array(64 * 1024));
    const resets = new Map<string, number>();
    const states: string[] = [];
    await using guest = await boot(
      [
        "append=virtio_pci.force_legacy=1",
        "device=console",
        "device=rng",
        ...disks.map(
          ({ transport, id, path }) => `device=blk,id=${id},store=file,path=${path},transport=${transport}`,
        ),
        `device=blk,id=report,store=file,path=${report}`,
      ].join("&"),
      {
        observer: (event) => {
          if (event.type === "reset") resets.set(event.device, (resets.get(event.device) ?? 0) + 1);
        },
        onState: ({ name }) => states.push(name),
      },
    );
    // The console's driver is suspended, too, and the guest's agent with it: a script of its own does the work, and leaves
    // what it finds on a disk. "devices" is as deep as it goes: drivers freeze and are restored, the machine does not sleep.
    await guest.sh(`cat >/tmp/suspend <<'EOF'
echo 0 >/sys/module/suspend/parameters/pm_test_delay
echo devices >/sys/power/pm_test
disk() { echo /dev/$(grep -l "^$1$" /sys/block/vd*/serial | cut -d/ -f4); }
disks="${disks.map(({ id }) => id).join(" ")}"
for d in $disks; do
	(while :; do dd if=$(disk $d) of=/dev/null bs=4k iflag=direct || break; done) >/dev/null 2>&1 &
done
for round in ${Array.from({ length: ROUNDS }, (_, i) => i).join(" ")}; do
	sleep 0.3
	echo freeze >/sys/power/state
	echo "freeze $?"
done
sleep 0.3
kill $(jobs -p)
killall dd
for d in $disks; do sha256sum <$(disk $d) | cut -c 1-64; done
head -c 1000 /dev/hwrng | wc -c
EOF`);
    await guest.sh(
      "(sh /tmp/suspend >/tmp/out 2>/dev/null; dd if=/tmp/out of=/dev/$(grep -l '^report$' /sys/block/vd*/serial | cut -d/ -f4) conv=fsync 2>/dev/null; poweroff -f) >/dev/null 2>&1 &",
    );
    await until(() => states.includes("halted"), "the guest's end");
    const lines = readFileSync(report, "latin1").replace(/\0+$/, "").trimEnd().split("\n");
    assert.deepEqual(lines, [...Array<string>(ROUNDS).fill("freeze 0"), ...sums, "1000"]);
    for (const { id } of disks) {
      assert.ok((resets.get(`blk ${id}`) ?? 0) >= ROUNDS, `${id} was reset ${resets.get(`blk ${id}`)} times`);
    }
    assert.equal(guest.machine.counters().violations, 0, guest.messages.join("\n"));
  });

  void it("does not cut off who runs commands in it", async () => {
    await using guest = await boot("");
    await guest.sh(
      "echo 0 >/sys/module/suspend/parameters/pm_test_delay; echo devices >/sys/power/pm_test; " +
        "(for i in 1 2 3; do sleep 0.5; echo freeze >/sys/power/state; done; echo $? >/tmp/frozen) >/dev/null 2>&1 &",
    );
    // It takes the agent away and brings it back: a command that runs just then is lost, as the caller is told.
    await until(
      async () => (await guest.sh("cat /tmp/frozen").catch(() => "")) === "0",
      "the guest's return",
    );
    assert.equal(await guest.sh("echo back"), "back");
  });
});
