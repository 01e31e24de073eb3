import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GuestGoneError } from "../../src/node/index.ts";
import { boot, type Guest, until, within } from "./support.ts";

/** One device of each kind on each transport. */
const BOTH =
  "image=debian-busybox&memory=128M&device=console&device=blk,id=first,store=memory,size=8M" +
  "&device=blk,id=second,store=memory,size=8M,transport=mmio&device=rng&device=rng,transport=mmio";

void describe("a stock Debian kernel", () => {
  void it("drives our devices on both transports with its own drivers", async () => {
    await using guest = await boot(BOTH);
    const { sh, machine } = guest;
    assert.match(await sh("uname -a"), /^Linux ringside 6\.\d+\.\d+-\d+-686 .* i686 GNU\/Linux$/);
    assert.equal(
      await sh("cat /sys/class/dmi/id/product_name /sys/class/dmi/id/sys_vendor"),
      "Ringside\nRingside",
    );
    const paths = (await sh("for d in /sys/bus/virtio/devices/*; do readlink -f $d; done")).split("\n");
    assert.equal(paths.filter((path) => path.includes("/pci0000:00/")).length, 4);
    assert.equal(paths.filter((path) => path.includes("/LNRO0005:")).length, 2);
    const interrupts = await sh("cat /proc/interrupts");
    assert.match(interrupts, /PCI-MSI \d+-edge +virtio\d+-req\.0/);
    assert.match(interrupts, /IO-APIC +5-fasteoi +virtio/);
    assert.equal(
      await sh("cat /sys/bus/pci/devices/*/vendor | sort | uniq -c | sed 's/^ *//'"),
      "4 0x1af4\n1 0x8086",
    );
    // Nothing to schedule before a disk in memory: /init leaves the scheduler out.
    assert.equal(await sh("cat /sys/block/vd*/queue/scheduler | sort -u"), "[none] mq-deadline");
    assert.equal(await sh("head -c 100000 /dev/hwrng | wc -c"), "100000");
    for (const device of machine.describe()) {
      assert.ok(device.driverReady, `${device.kind} on ${device.transport}`);
      assert.ok(device.features.includes("VERSION_1") && device.features.includes("EVENT_IDX"));
    }
    assert.equal(machine.counters().violations, 0, guest.messages.join("\n"));
    assert.deepEqual(guest.messages, []);
  });

  void it("shows its messages from the first one on, once each, and then the login shell, in 64M of memory", async () => {
    await using guest = await boot("memory=64M");
    assert.ok((await memoryOf(guest)) > 64 * 1024 * 0.6, "of 64M");
    const screen = await until(() => guest.screen().includes("# "), "a prompt").then(() => guest.screen());
    assert.equal(screen.split("Linux version 6.").length - 1, 1);
    assert.equal(screen.split("ringside: init").length - 1, 1);
    await guest.machine.type("echo $((6 * 7)) is it; tty\n");
    await until(() => guest.screen().includes("42 is it"), "the answer to a typed command");
    await until(() => /\/dev\/(hvc0|console)/.test(guest.screen()), "the terminal's name");
  });

  void it("runs without IOAPIC, its interrupts through the PIC", async () => {
    await using guest = await boot(`${BOTH}&append=noapic`);
    assert.match(await guest.sh("cat /proc/interrupts"), /XT-PIC +virtio/);
    assert.equal(await guest.sh("dd if=/dev/vda bs=4k count=200 iflag=direct 2>/dev/null | wc -c"), "819200");
    assert.equal(await guest.sh("dd if=/dev/vdb bs=4k count=200 iflag=direct 2>/dev/null | wc -c"), "819200");
  });

  void it("powers the machine off, restarts it, and leaves a crashed one with the reason when it panics", async () => {
    const states: string[] = [];
    await using guest = await boot("memory=2048M", { onState: ({ name }) => states.push(name) });
    const { machine, sh } = guest;
    const kib = await memoryOf(guest);
    assert.ok(kib > 2 ** 21 * 0.9 && kib <= 2 ** 21, `${kib} KiB of 2048M`);
    await sh("touch /tmp/before");
    await assert.rejects(machine.exec("reboot; sleep 60"), GuestGoneError);
    assert.equal(await sh("ls /tmp/before 2>/dev/null || echo gone"), "gone");
    assert.deepEqual(states, ["booting", "running", "booting", "running"]);

    await assert.rejects(machine.exec("echo c >/proc/sysrq-trigger"), /Kernel panic/);
    const { state } = machine;
    assert.ok(state.name === "crashed", state.name);
    assert.match(state.reason, /^Kernel panic: .*sysrq/i);
    await machine.reset();
    assert.equal(await sh("echo alive"), "alive");

    await assert.rejects(machine.exec("poweroff; sleep 60"), GuestGoneError);
    assert.equal((await within(machine.when("halted"), "power-off")).name, "halted");
    await assert.rejects(machine.exec("true"), /halted/);
  });
});

/** In KiB. */
async function memoryOf(guest: Guest): Promise<number> {
  return Number(/MemTotal: +(\d+)/.exec(await guest.sh("cat /proc/meminfo"))?.[1]);
}
