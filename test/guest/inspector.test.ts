import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { InspectorListener, TraceUpdate } from "../../src/inspect/api.ts";
import { Inspector } from "../../src/inspect/inspector.ts";
import type { StopReason } from "../../src/inspect/types.ts";
import { bootStepped } from "./stepping.ts";
import { within } from "./support.ts";

const DISK = "blk data";

describe("an inspector on a real machine", () => {
  it("counts what the machine counts, stops at a sector, follows its request to the interrupt, and lets go", async () => {
    await using guest = await bootStepped(
      "memory=128M&device=blk,id=data,store=memory,size=8M,transport=pci&device=console",
    );
    const { machine, sh } = guest;
    await sh("true");
    const updates: TraceUpdate[] = [];
    let heard: ((stop: StopReason) => void) | undefined;
    const listener: InspectorListener = {
      onUpdate: (update) => void updates.push(update),
      onStop: (stop) => stop && heard?.(stop),
    };
    const nextStop = (): Promise<StopReason> =>
      within(new Promise<StopReason>((resolve) => (heard = resolve)), "a stop");
    const run = async (command: string) => ({ status: 0, stdout: await sh(command), stderr: "" });
    const inspector = new Inspector({ listener, run });
    inspector.follow(machine);

    const before = machine.counters();
    const read = "dd if=/dev/vda of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null";
    const { devices, instructions } = await inspector.account(read);
    const after = machine.counters();
    const disk = devices.find(({ name }) => name === DISK)!;
    assert.ok(disk.bytesWritten >= 1 << 20, `the disk wrote ${disk.bytesWritten} bytes`);
    assert.ok(instructions > 1000, `${instructions} instructions`);
    const sum = (key: "kicks" | "exits" | "requests" | "interrupts"): number =>
      devices.reduce((all, device) => all + device[key], 0);
    const counted = (key: "kicks" | "accesses" | "chains" | "interrupts"): number => after[key] - before[key];
    assert.deepEqual(
      [sum("kicks"), sum("exits"), sum("requests"), sum("interrupts")],
      [counted("kicks"), counted("accesses"), counted("chains"), counted("interrupts")],
    );

    inspector.setBreakpoints([
      { id: "sector", enabled: true, device: DISK, sectors: { first: 4096, last: 4096 } },
    ]);
    const one = sh("dd if=/dev/vda of=/dev/null bs=4k count=1 skip=512 iflag=direct 2>/dev/null");
    const at = await nextStop();
    assert.ok(at.by === "breakpoint", JSON.stringify(at));
    assert.equal(machine.state.name, "paused");
    const [chain] = inspector.events({ from: at.event, to: at.event + 1, limit: 1 });
    const id = chain!.requests!.first;
    inspector.setBreakpoints([]);
    let stop = nextStop();
    inspector.step({ to: "used", request: id });
    const used = await stop;
    assert.deepEqual(used, { by: "step", event: inspector.request(id)!.used });
    stop = nextStop();
    inspector.step({ to: "delivery", request: id });
    const delivered = await stop;
    const { kick, interrupt, delivery } = inspector.request(id)!;
    assert.deepEqual(delivered, { by: "step", event: delivery });
    assert.ok(kick! < at.event && interrupt! < delivery!, "in order");
    assert.deepEqual(
      inspector.related(delivery!).map(({ kind }) => kind),
      ["kick", "chain", "used", "interrupt", "delivery"],
    );

    // Closing lets it go on, and nothing is lost.
    inspector.close();
    await one;
    assert.equal(await sh("echo still here"), "still here");
    const events = updates.reduce((all, { count }) => all + count, 0);
    const { length } = updates;
    await sh("true");
    assert.ok(events > 0 && updates.length === length, `${events} events in ${length} updates`);
  });
});
