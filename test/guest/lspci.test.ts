import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lspciDisk, unpackLspci } from "./pciutils.ts";
import { boot } from "./support.ts";

void describe("lspci -vv in the guest", () => {
  void it("decodes every capability of modern and transitional devices, MSI-X enabled", async () => {
    const tools = await lspciDisk();
    await using guest = await boot(
      "device=none&device=console&device=blk,id=old,store=memory,size=8M,transport=pci-transitional&device=rng,vectors=0&" +
        tools,
    );
    const lspci = await unpackLspci(guest);
    const slots = (await guest.sh(`${lspci} -vv 2>/dev/null`)).split("\n\n");
    const [bridge, modern, transitional, withoutMessages] = slots;
    assert.equal(slots.length, 4, slots.join("\n\n"));
    assert.match(bridge!, /^00:00\.0 Host bridge: Intel/);

    assert.match(
      modern!,
      /^00:01\.0 Communication controller: Red Hat, Inc\. Virtio 1\.0 console \(rev 01\)/,
    );
    assert.match(modern!, /Control: I\/O- Mem\+ BusMaster\+ .*DisINTx\+/);
    assert.match(modern!, /Region 0: Memory at c0000000 \(32-bit, non-prefetchable\) \[size=8K\]/);
    assert.match(modern!, /Region 1: Memory at [0-9a-f]+ \(32-bit, non-prefetchable\) \[size=4K\]/);
    assert.match(
      modern!,
      /MSI-X: Enable\+ Count=11 Masked-\s+Vector table: BAR=1 offset=00000000\s+PBA: BAR=1/,
    );
    assert.match(modern!, /Notify\s+BAR=0 offset=00001000 size=00000028 multiplier=00000004/);

    assert.match(transitional!, /^00:02\.0 SCSI storage controller: Red Hat, Inc\. Virtio block device\n/);
    assert.match(transitional!, /Subsystem: Red Hat, Inc\. Device 0002\n/);
    assert.match(transitional!, /Control: I\/O\+ Mem\+ BusMaster\+/);
    assert.match(transitional!, /Region 0: I\/O ports at c000 \[size=128\]/);
    assert.match(transitional!, /Region 4: Memory at [0-9a-f]+ \(32-bit, non-prefetchable\) \[size=8K\]/);
    assert.match(transitional!, /MSI-X: Enable\+ Count=2 Masked-/);

    assert.match(withoutMessages!, /Control: .*DisINTx-/);
    assert.doesNotMatch(withoutMessages!, /MSI-X|Region 1/);

    for (const [slot, bar] of [
      [modern!, 0],
      [transitional!, 4],
      [withoutMessages!, 0],
    ] as const) {
      const structures = [...slot.matchAll(/VirtIO: (\S+)\s+BAR=(\d)/g)].map(
        ([, name, number]) => `${name} ${number}`,
      );
      // Debian 12's lspci has no name for the configuration access capability (4.1.4.9).
      const names = ["CommonCfg", "ISR", "DeviceCfg", "Notify", "<unknown>"];
      assert.deepEqual(
        structures,
        names.map((name) => `${name} ${bar}`),
      );
      assert.match(slot, /Interrupt: pin A routed to IRQ \d+/);
      assert.match(slot, /Kernel driver in use: virtio-pci/);
      assert.doesNotMatch(slot, /Status: .*(?:TAbort|MAbort|SERR|PERR|INTx)\+/);
    }
    // -xxx reads all of configuration space, pci_cfg_data too.
    await guest.sh(`${lspci} -xxx`);
    assert.equal(guest.machine.counters().violations, 0, guest.messages.join("\n"));
  });
});
