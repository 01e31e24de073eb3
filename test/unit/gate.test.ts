import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Gate } from "../../src/virtio/gate.ts";
import type { VirtioEvent } from "../../src/virtio/observer.ts";
import { Driver, EVENT_IDX, IN_ORDER, RING_PACKED, settle } from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { resetQueue } from "./driver/queue-reset.ts";

const BUFFER = [{ address: 0x100, length: 64, writable: true }];

describe("the gate", () => {
  it("holds actions while it is closed, and does them in order", () => {
    const gate = new Gate();
    const done: number[] = [];
    gate.close();
    for (const n of [1, 2, 3]) gate.hold(() => done.push(n));
    assert.equal(gate.waiting, 3);
    gate.open();
    assert.deepEqual(done, [1, 2, 3]);
    assert.equal(gate.closed, false);
  });

  it("an action that closes it keeps the others waiting, and the rest of it comes before them", () => {
    const gate = new Gate();
    const done: string[] = [];
    gate.close();
    gate.hold(() => {
      done.push("first");
      gate.close();
      gate.hold(() => done.push("rest of first"));
      gate.hold(() => done.push("end of first"));
    });
    gate.hold(() => done.push("second"));
    gate.open();
    assert.deepEqual(done, ["first"]);
    gate.open();
    assert.deepEqual(done, ["first", "rest of first", "end of first", "second"]);
  });

  it("opened from inside an action lets that one, and then the others, go on", () => {
    const gate = new Gate();
    const done: number[] = [];
    gate.close();
    gate.hold(() => {
      gate.close();
      gate.open();
      done.push(1);
    });
    gate.hold(() => done.push(2));
    gate.open();
    assert.deepEqual(done, [1, 2]);
  });

  it("an action that throws does not keep the others for ever", () => {
    const gate = new Gate();
    const done: number[] = [];
    gate.close();
    gate.hold(() => {
      throw new Error("a device model");
    });
    gate.hold(() => done.push(2));
    assert.throws(() => gate.open(), /a device model/);
    gate.open();
    assert.deepEqual(done, [2]);
  });
});

/** A device behind a gate that closes at the events that the test names. */
function gated({ without = 0n, strict = true, interruptLater = false } = {}) {
  const device = new HoldDevice({ size: 8, packed: true, inOrder: true, interruptLater });
  const driver = Driver.start(device, { without, strict });
  const gate = new Gate();
  device.gate = gate;
  const events: VirtioEvent[] = [];
  let stopAt: string | undefined;
  const { observer } = device;
  device.observer = (event) => {
    observer?.(event);
    if (event.type === "access" || event.type === "acknowledge") return;
    events.push(event);
    if (event.type === stopAt) gate.close();
  };
  return {
    device,
    driver,
    gate,
    types: () => events.map(({ type }) => type),
    stopAt: (type: string | undefined) => (stopAt = type),
    memory: () => driver.memory.u8.slice(),
  };
}

/** Gives the oldest chain back, with zeros in it, where there are zeros. */
function give(device: HoldDevice, written: number): void {
  device.held[0]!.writer.write(new Uint8Array(written));
  device.give(1, written);
}

const LAYOUTS = [
  ["split", RING_PACKED | IN_ORDER],
  ["split, without EVENT_IDX", RING_PACKED | IN_ORDER | EVENT_IDX],
  ["split, in order", RING_PACKED],
  ["packed", IN_ORDER],
  ["packed, in order", 0n],
] as const;

for (const [layout, without] of LAYOUTS) {
  describe(`devices behind a gate: ${layout}`, () => {
    it("stopped at a kick, the device has nothing before the gate opens", async () => {
      const { device, driver, gate, stopAt, types } = gated({ without });
      stopAt("kick");
      void driver.request(0, BUFFER);
      assert.equal(gate.closed, true);
      assert.equal(device.held.length, 0);
      device.wake();
      await settle();
      assert.equal(device.held.length, 0);
      assert.equal(gate.waiting, 1, "one run, however often it was asked for");
      stopAt(undefined);
      gate.open();
      assert.equal(device.held.length, 1);
      assert.deepEqual(types(), ["kick", "chain"]);
    });

    it("stopped at a chain, the device gets that one first, and no second event tells of it", () => {
      const { device, driver, gate, stopAt, types } = gated({ without });
      stopAt("chain");
      void driver.enqueue(0, BUFFER);
      void driver.request(0, BUFFER);
      assert.deepEqual([device.held.length, device.queues[0]!.counters.chains], [0, 1]);
      assert.equal(device.queues[0]!.hasAvailable, true);
      gate.open();
      assert.deepEqual([device.held.length, device.queues[0]!.counters.chains], [1, 2]);
      gate.open();
      assert.equal(device.held.length, 2);
      assert.deepEqual(types(), ["kick", "chain", "chain"]);
      assert.notEqual(device.held[0], device.held[1]);
    });

    it("stopped at a used one, nothing of it is in the ring before the gate opens", async () => {
      const { device, driver, gate, stopAt, memory } = gated({ without });
      const answer = driver.request(0, BUFFER);
      stopAt("used");
      const before = memory();
      give(device, 40);
      await settle();
      assert.deepEqual(memory(), before);
      gate.open();
      assert.equal(await answer, 40);
      assert.equal(device.violations, 0, device.lastViolation?.what);
    });

    it("stopped at an interrupt, the line is low before the gate opens", async () => {
      for (const interruptLater of [false, true]) {
        const { device, driver, gate, stopAt, types } = gated({ without, interruptLater });
        const answer = driver.request(0, BUFFER);
        stopAt("interrupt");
        give(device, 4);
        await settle();
        assert.equal(types().at(-1), "interrupt");
        assert.equal(driver.queueInterrupts, 0);
        gate.open();
        assert.equal(await answer, 4);
        assert.equal(driver.queueInterrupts, 1);
      }
    });

    it("completions wait in a closed gate in their order, and memory stays as it is", async () => {
      const { device, driver, gate, memory, types } = gated({ without });
      const answers = [1, 2, 3].map(() => driver.enqueue(0, BUFFER));
      driver.kick(0);
      gate.close();
      const before = memory();
      [11, 12, 13].forEach((written) => give(device, written));
      await settle();
      assert.deepEqual(memory(), before);
      assert.equal(types().includes("used"), false);
      gate.open();
      assert.deepEqual(await Promise.all(answers), [11, 12, 13]);
      assert.equal(device.violations, 0, device.lastViolation?.what);
    });

    it("what was put just before it closed is published when it opens", async () => {
      const { device, driver, gate, memory } = gated({ without });
      const answer = driver.request(0, BUFFER);
      give(device, 7);
      gate.close();
      const before = memory();
      await settle();
      assert.deepEqual(memory(), before);
      gate.open();
      assert.equal(await answer, 7);
    });

    for (const what of ["device", "queue"] as const) {
      it(`a reset of the ${what} meanwhile leaves nothing to do`, async () => {
        const { device, driver, gate, stopAt, memory } = gated({ without, strict: false });
        stopAt("chain");
        void driver.enqueue(0, BUFFER);
        void driver.request(0, BUFFER);
        gate.open(); // the first is the device's, the second waits
        give(device, 5);
        if (what === "device") driver.transport.status = 0;
        else resetQueue(driver, 0);
        stopAt(undefined);
        const before = memory();
        const { raised } = driver.transport.line;
        gate.open();
        await settle();
        assert.deepEqual(memory(), before);
        assert.equal(driver.transport.line.raised, raised);
        device.held.length = 0;
        if (what === "device") driver.start();
        else driver.rings[0] = driver.setUpRing(0, 8);
        const answer = driver.request(0, BUFFER);
        give(device, 6);
        assert.equal(await answer, 6);
      });
    }

    it("an interrupt whose queue was reset before the gate opened is not raised", async () => {
      const { device, driver, gate, stopAt } = gated({ without, strict: false });
      void driver.request(0, BUFFER);
      stopAt("interrupt");
      device.give();
      await settle();
      resetQueue(driver, 0);
      const { raised } = driver.transport.line;
      gate.open();
      assert.equal(driver.transport.line.raised, raised);
    });

    it("an interrupt can be kept back and raised later", async () => {
      const { device, driver, gate } = gated({ without });
      let raise: (() => boolean) | undefined;
      gate.keepInterrupt = (queue, later) => {
        assert.equal(queue, device.queues[0]);
        raise = later;
        return true;
      };
      const answer = driver.request(0, BUFFER);
      give(device, 3);
      await settle();
      assert.equal(driver.queueInterrupts, 0);
      assert.equal(raise!(), true);
      assert.equal(await answer, 3);
      resetQueue(driver, 0);
      assert.equal(raise!(), false, "that queue is gone");
    });
  });
}

describe("configuration changes behind a gate", () => {
  it("come as one interrupt, after the gate has opened", () => {
    const { device, driver, gate, types } = gated();
    gate.close();
    for (const value of [1, 2, 3]) device.changeConfig("word", value);
    assert.deepEqual([driver.configChanges, gate.waiting], [0, 1]);
    gate.open();
    assert.equal(driver.configChanges, 1);
    assert.deepEqual(types(), ["interrupt"]);
  });

  it("stopped at its event, the interrupt comes with the opening, and not after a reset", () => {
    for (const reset of [false, true]) {
      const { device, driver, gate, stopAt } = gated();
      stopAt("interrupt");
      device.changeConfig("word", 1);
      assert.equal(driver.configChanges, 0);
      if (reset) driver.transport.status = 0;
      gate.open();
      assert.equal(driver.configChanges, reset ? 0 : 1);
    }
  });
});
