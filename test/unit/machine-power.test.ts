/** The power button and the reset button, pressed while the machine is still switching on. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../../src/config/grammar.ts";
import type { GuestImage } from "../../src/machine/image.ts";
import { Machine } from "../../src/machine/machine.ts";
import { loadWasm } from "../../src/node/wasm.ts";
import { GuestCode } from "./driver/guest-code.ts";

interface Bench extends AsyncDisposable {
  machine: Machine;
  /** Each state that the machine came to, in order. */
  states: string[];
  /** Resolves when the guest has written to its serial port. */
  wrote: Promise<void>;
}

/** A machine whose guest is a program of a few instructions; it writes a byte to the serial port at its end. */
async function bench(code = new GuestCode()): Promise<Bench> {
  const states: string[] = [];
  let tell: () => void = () => undefined;
  const wrote = new Promise<void>((resolve) => (tell = resolve));
  const machine = new Machine({
    config: parseConfig("memory=64M&device=none&device=rng&device=rng,transport=mmio", "node"),
    image: {
      kernel: code.end().kernel(),
      initrd: new Uint8Array(1),
      manifest: { kernelParameters: "" } as GuestImage["manifest"],
    },
    wasm: await loadWasm(),
    disks: new Map(),
    terminal: {
      write: () => {
        tell();
        return undefined;
      },
    },
    onState: ({ name }) => states.push(name),
  });
  return { machine, states, wrote, [Symbol.asyncDispose]: () => machine.dispose() };
}

describe("a machine that is switching on", () => {
  it("has one guest, however often it is reset meanwhile", async () => {
    await using it = await bench();
    await Promise.all([it.machine.start(), it.machine.reset(), it.machine.reset()]);
    assert.deepEqual(it.states, ["booting"]);
    await it.wrote;
    await it.machine.reset();
    assert.deepEqual(it.states, ["booting", "booting"]);
  });

  it("stays off when it is switched off meanwhile, and can be switched on again", async () => {
    await using it = await bench();
    const start = it.machine.start();
    await it.machine.powerOff();
    await start;
    assert.deepEqual(it.states, ["off"]);
    assert.equal(it.machine.counters().instructions, 0);
    await it.machine.start();
    await it.wrote;
    assert.deepEqual(it.states, ["off", "booting"]);
  });

  it("has no guest when it is disposed of meanwhile", async () => {
    const { machine, states } = await bench();
    const start = machine.start();
    await machine.dispose();
    await start;
    assert.deepEqual(states, []);
    await assert.rejects(machine.start(), /has been disposed of/);
  });
});

describe("a machine that its guest resets", () => {
  it("does not hear what the guest does after that, before the CPU stops", async () => {
    await using it = await bench(new GuestCode().out(0xcf9, 1, 6).badGate(0x201000, 0x200000));
    await it.machine.start();
    while (it.states.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.deepEqual(it.states.slice(0, 3), ["booting", "booting", "booting"]);
  });
});
