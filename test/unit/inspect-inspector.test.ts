/** The inspector on a machine: updates, stops, steps, slow motion, what a command cost, and the end. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { InspectorListener, TraceUpdate } from "../../src/inspect/api.ts";
import { Inspector } from "../../src/inspect/inspector.ts";
import type { StopReason } from "../../src/inspect/types.ts";
import { TestMachine } from "./inspect-machine.ts";

interface Heard extends InspectorListener {
  updates: TraceUpdate[];
  stops: (StopReason | undefined)[];
}

function open(t: TestContext, run: (command: string) => Promise<{ status: number }> = never) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const heard: Heard = {
    updates: [],
    stops: [],
    onUpdate: (update) => void heard.updates.push(update),
    onStop: (stop) => void heard.stops.push(stop),
  };
  const machine = new TestMachine();
  const inspector = new Inspector({
    listener: heard,
    run: async (command) => ({ ...(await run(command)), stdout: "out", stderr: "err" }),
  });
  machine.onState = () => inspector.stateChanged();
  inspector.follow(machine, "memory=128M");
  return { heard, machine, inspector, blk: machine.blk };
}

function never(): Promise<never> {
  return Promise.reject(new Error("no guest"));
}

/** Lets what was told be heard. */
async function hear(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

describe("an inspector", () => {
  it("tells ten times a second at most what happened, and nothing while nothing does", async (t) => {
    const { heard, blk, inspector } = open(t);
    t.mock.timers.tick(100);
    await hear();
    assert.equal(heard.updates.length, 1); // that there is a trace
    for (let i = 0; i < 60; i++) await blk.read(0, 512);
    assert.equal(heard.updates.length, 1);
    t.mock.timers.tick(100);
    await hear();
    const update = heard.updates[1]!;
    const { next } = inspector.summary();
    assert.deepEqual([update.count, update.newest.length, update.newest.at(-1)?.seq], [next, 100, next - 1]);
    assert.equal(update.statistics.devices[0]!.queues[0]!.requests, 60);
    assert.equal(update.summary.config, "memory=128M");
    t.mock.timers.tick(1000);
    await hear();
    assert.equal(heard.updates.length, 2);
    // After so much it comes later, and then as before.
    blk.device.kick(0);
    t.mock.timers.tick(249);
    await hear();
    assert.equal(heard.updates.length, 2);
    t.mock.timers.tick(1);
    await hear();
    assert.deepEqual([heard.updates[2]!.count, heard.updates[2]!.newest.length], [1, 1]);
    blk.device.kick(0);
    t.mock.timers.tick(100);
    await hear();
    assert.equal(heard.updates.length, 4);
  });

  it("waits for a listener that is slow, and then tells of everything at once", async (t) => {
    const { heard, blk } = open(t);
    let done: () => void = () => undefined;
    heard.onUpdate = (update) => {
      heard.updates.push(update);
      return new Promise<void>((resolve) => (done = resolve)) as unknown as undefined;
    };
    t.mock.timers.tick(100);
    for (let i = 0; i < 5; i++) {
      blk.device.kick(0);
      t.mock.timers.tick(100);
      await hear();
    }
    assert.equal(heard.updates.length, 1);
    done();
    await hear();
    t.mock.timers.tick(100);
    await hear();
    assert.deepEqual([heard.updates.length, heard.updates[1]!.count], [2, 5]);
  });

  it("says at which breakpoint and event the machine stands still, and that it goes on", async (t) => {
    const { heard, machine, blk, inspector } = open(t);
    inspector.setBreakpoints([{ id: "mine", enabled: true, kind: "chain" }]);
    await blk.read(0, 512);
    await hear();
    const [chain] = inspector.events({ kinds: ["chain"], limit: 1 });
    assert.deepEqual(heard.stops, [{ by: "breakpoint", breakpoint: "mine", event: chain!.seq }]);
    machine.resume();
    await hear();
    assert.deepEqual(heard.stops.slice(1), [undefined]);
    inspector.setBreakpoints([]);
    assert.equal(machine.breaks, false);
    machine.pause();
    await hear();
    assert.deepEqual(heard.stops.slice(2), [{ by: "person" }]);
  });

  it("steps to the next crossing, to the end of a request and to its interrupt's delivery", async (t) => {
    const { heard, machine, blk, inspector } = open(t);
    assert.throws(() => inspector.step({ to: "crossing" }), /runs/);
    machine.disk.slow = true;
    const answers = [blk.read(0, 512), blk.read(1, 512)];
    machine.pause();
    await hear();
    heard.stops.length = 0;

    inspector.step({ to: "used", request: 2 });
    machine.disk.answer(1);
    await answers[0];
    assert.equal(machine.debugger.stopped, false);
    machine.disk.answer(1);
    await answers[1];
    await hear();
    assert.deepEqual(heard.stops.at(-1), { by: "step", event: inspector.request(2)!.used });
    assert.throws(() => inspector.step({ to: "used", request: 2 }), /already/);
    assert.throws(() => inspector.step({ to: "used", request: 99 }), /not in the trace/);

    const third = blk.read(2, 512);
    heard.stops.length = 0;
    inspector.step({ to: "delivery", request: 3 });
    assert.deepEqual(machine.deliveries, []);
    machine.disk.answer(1);
    await third;
    await hear();
    assert.deepEqual(machine.deliveries, ["blk root 0"]);
    machine.event({ type: "delivery", device: "blk root", cause: "queue", queue: 0 });
    machine.stop({ type: "delivery", device: "blk root", cause: "queue", queue: 0 });
    await hear();
    assert.deepEqual(heard.stops.at(-1), { by: "step", event: inspector.request(3)!.delivery });

    inspector.step({ to: "crossing" });
    blk.device.kick(0);
    await hear();
    const { next } = inspector.summary();
    assert.deepEqual(heard.stops.at(-1), { by: "step", event: next - 1 });
  });

  it("ends a step whose request will never be given back, and says why", async (t) => {
    const { heard, machine, blk, inspector } = open(t);
    machine.disk.slow = true;
    void blk.read(0, 512);
    machine.pause();
    inspector.step({ to: "delivery", request: 1 });
    blk.driver.transport.status = 0;
    await hear();
    const stop = heard.stops.at(-1);
    assert.ok(stop?.by === "end" && /reset/.test(stop.why), JSON.stringify(stop));
    assert.deepEqual(machine.deliveries, []);
  });

  it("says so when the machine itself ends a step, and does not stand still", async (t) => {
    const { heard, machine } = open(t);
    machine.debugger.onStop?.(undefined, "It was switched off.");
    await hear();
    assert.deepEqual(heard.stops, [{ by: "end", why: "It was switched off." }, undefined]);
  });

  it("goes on by itself after each crossing in slow motion, until a person stops it", async (t) => {
    const { heard, machine, blk, inspector } = open(t);
    inspector.slowMotion(500);
    blk.device.kick(0);
    assert.equal(machine.debugger.stopped, true);
    t.mock.timers.tick(499);
    assert.equal(machine.debugger.stopped, true);
    t.mock.timers.tick(1);
    assert.equal(machine.debugger.stopped, false);
    await hear();
    assert.deepEqual(heard.stops, []);

    blk.device.kick(0);
    machine.pause();
    inspector.personPauses();
    t.mock.timers.tick(10_000);
    await hear();
    assert.deepEqual([machine.debugger.stopped, heard.stops], [true, [{ by: "person" }]]);

    machine.resume();
    blk.device.kick(0);
    inspector.slowMotion(0);
    assert.deepEqual([machine.debugger.stopped, machine.breaks], [false, false]);
  });

  it("counts what a command cost", async (t) => {
    const { machine, inspector } = open(t, async () => {
      await machine.blk.read(0, 1024);
      machine.instructions += 7;
      return { status: 3 };
    });
    await machine.blk.read(0, 512);
    const { milliseconds, ...account } = await inspector.account("dd");
    assert.ok(milliseconds >= 0, "some time");
    const { requests, bytesRead, bytesWritten, kicks } = account.devices[0]!;
    assert.deepEqual([requests, bytesRead, bytesWritten, kicks], [1, 16, 1025, 1]);
    const { command, status, stdout, stderr, instructions } = account;
    assert.deepEqual([command, status, stdout, stderr, instructions], ["dd", 3, "out", "err", 7]);
  });

  it("has a new trace for a new machine, with the breakpoints there were", async (t) => {
    const { heard, machine, inspector } = open(t);
    inspector.setBreakpoints([{ id: "mine", enabled: true, kind: "kick" }]);
    machine.blk.device.kick(0);
    await hear();
    inspector.follow(undefined);
    await hear();
    assert.deepEqual(heard.stops.length, 2);
    assert.equal(heard.stops[1], undefined);
    assert.ok(inspector.summary().next > 0, "what was recorded is there");
    assert.throws(() => inspector.devices(), /no machine/);
    const next = new TestMachine();
    inspector.follow(next, "memory=64M");
    assert.deepEqual([inspector.summary().next, inspector.summary().config], [0, "memory=64M"]);
    assert.deepEqual([machine.breaks, next.breaks, machine.observer], [false, true, undefined]);
  });

  it("learns of a device that comes later", (t) => {
    const { machine, inspector } = open(t);
    machine.others = [{ kind: "blk", id: "late", transport: "pci", queues: [{ name: "requestq" }] }];
    machine.event({ type: "kick", device: "blk late", queue: 0 });
    assert.deepEqual(
      inspector.summary().devices.map(({ name }) => name),
      ["blk root", "blk late"],
    );
  });

  it("reads at most 64 KiB of memory", (t) => {
    const { machine, inspector } = open(t);
    inspector.memory(0x1000, 1 << 30);
    inspector.memory(0x1000, -5);
    inspector.memory(0x1000, NaN);
    assert.deepEqual(machine.memory, [
      [0x1000, 65536],
      [0x1000, 0],
      [0x1000, 0],
    ]);
  });

  it("leaves nothing behind", async (t) => {
    const { heard, machine, inspector } = open(t);
    inspector.setBreakpoints([{ id: "mine", enabled: true }]);
    inspector.slowMotion(5);
    machine.blk.device.kick(0);
    inspector.close();
    inspector.close();
    assert.deepEqual(
      [machine.observer, machine.breaks, machine.debugger.onStop, machine.debugger.stopped],
      [undefined, false, undefined, false],
    );
    const { resumed } = machine;
    await hear();
    heard.updates.length = 0;
    t.mock.timers.tick(10_000);
    await hear();
    assert.deepEqual([heard.updates, machine.resumed], [[], resumed]);
    assert.throws(() => inspector.setBreakpoints([]), /ended/);
    await assert.rejects(inspector.account("true"), /ended/);
  });
});
