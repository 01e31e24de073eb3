/** MSI-X and INTx with the stock kernel at the other end, and what each costs at the registers. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { boot, type Guest } from "./support.ts";

const REQUESTS = 1000;

/** Accesses to the disk's registers, by name, during direct reads one after the other. */
async function accessesOfReads(guest: Guest, accesses: string[]): Promise<Map<string, number>> {
  accesses.length = 0;
  await guest.sh(`dd if=/dev/vda of=/dev/null bs=4k count=${REQUESTS} iflag=direct 2>/dev/null`);
  const counts = new Map<string, number>();
  for (const register of accesses) counts.set(register, (counts.get(register) ?? 0) + 1);
  return counts;
}

const bootWatched = async (config: string): Promise<{ guest: Guest; accesses: string[] }> => {
  const accesses: string[] = [];
  const guest = await boot(config, {
    observer: (event) => {
      if (event.type === "access" && event.device === "blk first") accesses.push(event.register);
    },
  });
  return { guest, accesses };
};

void describe("PCI interrupts in the guest", () => {
  void it("are messages, one vector for each queue; a request costs its doorbell and no look at the ISR status", async () => {
    const { guest, accesses } = await bootWatched("device=blk,id=first,store=memory,size=8M&device=rng");
    try {
      const interrupts = await guest.sh("cat /proc/interrupts");
      assert.match(interrupts, /PCI-MSI +\d+-edge +virtio\d-req\.0/);
      assert.match(interrupts, /PCI-MSI +\d+-edge +virtio\d-config/);
      assert.doesNotMatch(interrupts, /fasteoi +virtio/);
      const counts = await accessesOfReads(guest, accesses);
      assert.equal(counts.get("isr_status"), undefined);
      const doorbells = counts.get("queue_notify") ?? 0;
      assert.ok(doorbells <= REQUESTS + 10 && doorbells > REQUESTS / 2, `${doorbells} doorbells`);
      assert.deepEqual([...counts.keys()], ["queue_notify"]);
      assert.equal(guest.machine.counters().violations, 0, guest.messages.join("\n"));
    } finally {
      await guest.machine.dispose();
    }
  });

  void it("are INTx where the kernel wants no messages (pci=nomsi): the ISR status is read for each", async () => {
    const { guest, accesses } = await bootWatched(
      "append=pci=nomsi&device=blk,id=first,store=memory,size=8M",
    );
    try {
      const interrupts = await guest.sh("cat /proc/interrupts");
      assert.doesNotMatch(interrupts, /PCI-MSI/);
      assert.match(interrupts, /IO-APIC +\d+-fasteoi +virtio\d/);
      const counts = await accessesOfReads(guest, accesses);
      assert.ok((counts.get("isr_status") ?? 0) > REQUESTS / 2, `${counts.get("isr_status")} reads`);
      assert.equal(guest.machine.counters().violations, 0, guest.messages.join("\n"));
    } finally {
      await guest.machine.dispose();
    }
  });

  void it("follow the number of vectors: none, one (too few for Linux) and two, which queues share", async () => {
    const { guest, accesses } = await bootWatched(
      "device=none&device=console,vectors=2&device=blk,id=first,store=memory,size=8M,vectors=0&device=rng,vectors=1",
    );
    try {
      const interrupts = await guest.sh("cat /proc/interrupts");
      assert.match(interrupts, /PCI-MSI +\d+-edge +virtio0-virtqueues/);
      assert.match(interrupts, /fasteoi +virtio1$/m);
      assert.match(interrupts, /fasteoi +virtio2$/m);
      const counts = await accessesOfReads(guest, accesses);
      assert.ok((counts.get("isr_status") ?? 0) > REQUESTS / 2, `${counts.get("isr_status")} reads`);
      assert.equal(await guest.sh("head -c 1000 /dev/hwrng | wc -c"), "1000");
      assert.equal(guest.machine.counters().violations, 0, guest.messages.join("\n"));
    } finally {
      await guest.machine.dispose();
    }
  });
});
