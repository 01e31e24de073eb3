import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Debugger } from "../../src/machine/debugger.ts";
import { GuestClock } from "../../src/machine/guest-clock.ts";
import type { VirtioEvent } from "../../src/virtio/observer.ts";
import { Driver, settle } from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";

const BUFFER = [{ address: 0x100, length: 64, writable: true }];

/** A machine of one device whose CPU does what the test says. */
class Bench {
  readonly device = new HoldDevice({ size: 8 });
  readonly driver = Driver.start(this.device);
  readonly told: VirtioEvent[] = [];
  readonly stops: { type: string | undefined; why: string | undefined }[] = [];
  paused = false;
  stopNow = 0;
  /** The CPU. */
  interruptible = true;
  inGuest = false;
  instructions = 0;
  /** What the local APIC says. */
  taken = true;
  on = true;
  #slice: (() => void) | undefined;

  readonly debugger = new Debugger({
    board: () => (this.on ? (this.#board as never) : undefined),
    device: (name) => (name === this.device.name ? this.device : undefined),
    stopped: () => (this.paused = true),
    runs: () => (this.paused = false),
    watchChanged: () => undefined,
    tell: (event) => void this.told.push(event),
  });

  readonly #board = {
    cpu: {
      stopNow: () => this.stopNow++,
      onSlice: (listener: (() => void) | undefined) => (this.#slice = listener),
      ...accessors(this, ["interruptible", "inGuest", "instructions"]),
    },
    interrupts: {
      recorded: (raise: () => void) => {
        raise();
        return { vector: 0x30, irq: undefined };
      },
      taken: () => this.taken,
    },
  };

  constructor() {
    Object.defineProperties(
      this.#board.cpu,
      Object.fromEntries(
        (["interruptible", "inGuest", "instructions"] as const).map((name) => [
          name,
          { get: () => this[name] },
        ]),
      ),
    );
    this.device.gate = this.debugger.gate;
    this.device.observer = (event) => {
      this.told.push(event);
      this.debugger.look(event);
    };
    this.debugger.onStop = (event, why) => void this.stops.push({ type: event?.type, why });
  }

  /** The guest has run for a slice. */
  slice(instructions = 100_000): void {
    this.instructions += instructions;
    this.#slice?.();
  }

  get slicing(): boolean {
    return this.#slice !== undefined;
  }

  /** A request that the device gives back at once, from a guest that was stopped at its kick. */
  stopAtKick(): Promise<number> {
    this.debugger.breakOn((event) => event.type === "kick");
    const answer = this.driver.request(0, BUFFER);
    this.debugger.breakOn(undefined);
    return answer;
  }

  get lastStop() {
    return this.stops.at(-1);
  }
}

/** Places for what is defined later, so that the object has the type. */
function accessors<T, K extends keyof T>(of: T, names: K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, of[name]])) as Pick<T, K>;
}

describe("the debugger", () => {
  it("stops at a breakpoint at once, after the observers have seen the event, and goes on", async () => {
    const bench = new Bench();
    const answer = bench.stopAtKick();
    assert.deepEqual([bench.paused, bench.debugger.stopped, bench.stopNow], [true, true, 1]);
    assert.equal(bench.told.at(-1)?.type, "kick");
    assert.deepEqual(bench.lastStop, { type: "kick", why: undefined });
    bench.debugger.resume();
    assert.equal(bench.paused, false);
    bench.device.give(1, 9);
    assert.equal(await answer, 9);
  });

  it("steps through what was held one event after the other, and lets the CPU run only when none is left", async () => {
    const bench = new Bench();
    const answer = bench.stopAtKick();
    bench.debugger.step((event) => event.type !== "access");
    assert.deepEqual([bench.lastStop?.type, bench.paused], ["chain", true]);
    bench.debugger.step((event) => event.type !== "access");
    assert.equal(bench.paused, false, "nothing is held: the guest runs");
    bench.device.give(1, 2);
    assert.deepEqual([bench.lastStop?.type, bench.paused], ["used", true]);
    bench.debugger.step((event) => event.type !== "access");
    await settle();
    assert.equal(bench.lastStop?.type, "interrupt");
    bench.debugger.resume();
    assert.equal(await answer, 2);
  });

  it("breakpoints hold during a step, too", () => {
    const bench = new Bench();
    void bench.stopAtKick();
    bench.debugger.breakOn((event) => event.type === "chain");
    bench.debugger.step((event) => event.type === "used");
    assert.equal(bench.lastStop?.type, "chain");
    bench.debugger.resume();
    bench.device.give();
    assert.equal(bench.stops.length, 2, "the step was over");
  });

  it("a person's pause has no event, and ends a step", () => {
    const bench = new Bench();
    bench.debugger.pause();
    bench.debugger.step((event) => event.type === "kick");
    bench.debugger.pause();
    assert.deepEqual(bench.lastStop, { type: undefined, why: undefined });
    bench.debugger.resume();
    void bench.driver.request(0, BUFFER);
    assert.equal(bench.stops.length, 2);
  });

  it("does not step a machine that runs", () => {
    const bench = new Bench();
    bench.debugger.step(() => true);
    bench.debugger.stepToDelivery(bench.device.name, 0);
    void bench.driver.request(0, BUFFER);
    assert.deepEqual(bench.stops, []);
  });

  it("released, it stops at nothing, does what was held, and says that a step has no end; armed, it stops again", () => {
    const bench = new Bench();
    void bench.stopAtKick();
    bench.debugger.step((event) => event.type === "reset");
    bench.debugger.pause();
    bench.debugger.step((event) => event.type === "reset");
    bench.debugger.breakOn(() => true);
    bench.debugger.release();
    assert.match(bench.lastStop?.why ?? "", /switched off or reset/);
    assert.deepEqual(
      [bench.debugger.stopped, bench.debugger.watching, bench.device.held.length],
      [false, false, 1],
    );
    bench.debugger.arm();
    bench.device.give();
    assert.equal(bench.lastStop?.type, "used");
  });
});

describe("a step to an interrupt's delivery", () => {
  const begin = (bench: Bench): Promise<number> => {
    const answer = bench.stopAtKick();
    bench.debugger.stepToDelivery(bench.device.name, 0);
    return answer;
  };

  it("raises the interrupt when the guest takes it, and stops there", async () => {
    const bench = new Bench();
    bench.interruptible = false;
    const answer = begin(bench);
    bench.device.give(1, 1);
    await settle();
    assert.deepEqual([bench.driver.queueInterrupts, bench.slicing], [0, true]);
    bench.slice();
    assert.equal(bench.driver.queueInterrupts, 0, "the guest has masked it");
    bench.interruptible = true;
    bench.inGuest = true;
    bench.slice();
    assert.equal(bench.driver.queueInterrupts, 0, "not in the middle of an instruction");
    bench.inGuest = false;
    bench.slice();
    assert.equal(await answer, 1);
    assert.deepEqual([bench.lastStop?.type, bench.paused, bench.slicing], ["delivery", true, false]);
    const { type, device, queue } = bench.told.at(-1) as VirtioEvent & { type: "delivery" };
    assert.deepEqual([type, device, queue], ["delivery", bench.device.name, 0]);
  });

  it("waits on until the CPU has taken what was raised", async () => {
    const bench = new Bench();
    bench.taken = false;
    void begin(bench);
    bench.device.give();
    await settle();
    bench.slice();
    assert.equal(bench.driver.queueInterrupts, 1);
    assert.equal(bench.paused, false);
    bench.taken = true;
    bench.slice();
    assert.equal(bench.lastStop?.type, "delivery");
  });

  it("gives up on a guest that never takes it, and the interrupt is raised all the same", async () => {
    for (const instructions of [1_000_000, 0]) {
      const bench = new Bench();
      bench.interruptible = bench.taken = false;
      const answer = begin(bench);
      bench.device.give(1, 8);
      await settle();
      for (let i = 0; i < 10_000 && bench.slicing; i++) bench.slice(instructions);
      assert.match(bench.lastStop?.why ?? "", /has kept the interrupt masked/);
      assert.deepEqual([bench.paused, await answer], [true, 8]);
    }
  });

  it("ends at once when the interrupt is suppressed", async () => {
    const bench = new Bench();
    const suppressed = {
      type: "interrupt",
      device: bench.device.name,
      cause: "queue",
      queue: 0,
      suppressed: true,
    } as const;
    void begin(bench);
    bench.debugger.look(suppressed);
    await settle();
    assert.match(bench.lastStop?.why ?? "", /suppressed/);
    assert.equal(bench.lastStop?.type, "interrupt");
  });

  it("ends when the queue is reset while the interrupt waits", async () => {
    const bench = new Bench();
    bench.interruptible = false;
    void begin(bench);
    bench.device.give();
    await settle();
    bench.driver.transport.status = 0;
    bench.interruptible = true;
    bench.slice();
    assert.match(bench.lastStop?.why ?? "", /reset/);
    assert.equal(bench.paused, true);
  });

  it("a pause meanwhile loses no interrupt", async () => {
    const bench = new Bench();
    bench.interruptible = false;
    const answer = begin(bench);
    bench.device.give(1, 5);
    await settle();
    bench.debugger.pause();
    bench.debugger.resume();
    assert.equal(await answer, 5);
    assert.equal(bench.slicing, false);
  });

  it("says so when there is no such queue", () => {
    const bench = new Bench();
    bench.debugger.pause();
    for (const [device, queue] of [["nobody", 0] as const, [bench.device.name, 7] as const]) {
      bench.debugger.stepToDelivery(device, queue);
      assert.match(bench.lastStop?.why ?? "", /no queue/);
      assert.equal(bench.debugger.stopped, true);
    }
  });
});

describe("the guest's clock", () => {
  const spin = (milliseconds: number): void => {
    for (const end = performance.now() + milliseconds; performance.now() < end;);
  };

  it("stands still with the guest, and goes on from there", () => {
    const clock = new GuestClock();
    clock.stop();
    const stopped = clock.read();
    spin(5);
    assert.equal(clock.read(), stopped);
    clock.run();
    const before = performance.now();
    assert.ok(clock.read() - stopped <= performance.now() - before + 4, "the stop took no time");
  });

  it("stopped by the guest's own access, it goes on to the end of the slice", () => {
    const clock = new GuestClock();
    clock.enter();
    assert.ok(GuestClock.readRunning() > 0);
    clock.stop();
    const first = clock.read();
    spin(2);
    assert.ok(clock.read() > first);
    clock.leave();
    const stopped = clock.read();
    spin(2);
    assert.equal(clock.read(), stopped);
  });

  it("skips what is left of a frame, and never goes back", () => {
    const clock = new GuestClock();
    clock.enter();
    const start = clock.read();
    clock.skipFrame();
    const skipped = clock.read();
    assert.ok(skipped - start > 1, "more than v86's frame");
    assert.ok(clock.read() >= skipped);
    clock.leave();
  });

  it("makes every frame look over when slices are to be short, and timers get the time that it is", () => {
    const clock = new GuestClock();
    clock.shortSlices = true;
    clock.enter();
    const start = clock.read();
    const now = clock.read();
    assert.ok(now - start > 1);
    assert.ok(clock.unshift(start) > start);
    assert.equal(clock.unshift(now), now);
  });
});
