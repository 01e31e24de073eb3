/** The power and reset buttons while the guest is busy with what was asked of it before. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { boot, until, within } from "./support.ts";

void describe("a reset while the guest is asked to power off", () => {
  void it("wins: the power is not cut later, and the next guest does not power off", async () => {
    await using guest = await boot("memory=96M&device=rng");
    const { machine, sh } = guest;
    await sh("true");
    // The agent is busy: the request to power off waits behind this.
    const busy = assert.rejects(machine.run("sleep 1000"), { name: "GuestGoneError" });
    const off = machine.powerOff({ graceMs: 5000 });
    await within(machine.reset(), "the reset");
    await within(Promise.all([busy, off]), "what was asked before");
    assert.equal(machine.state.name, "booting");
    // Longer than the old power-off had patience.
    assert.equal(await sh("sleep 6; echo alive"), "alive");
    assert.equal(machine.state.name, "running");
  });

  void it("of two power-offs both resolve, and the machine is off", async () => {
    await using guest = await boot("memory=96M&device=rng");
    const { machine, sh } = guest;
    await sh("true");
    await within(Promise.all([machine.powerOff(), machine.powerOff()]), "two power-offs");
    await until(() => ["off", "halted"].includes(machine.state.name), "the machine off");
  });
});
