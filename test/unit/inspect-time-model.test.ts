/** What the time view shows of a trace, and what its controls order. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TraceEvent } from "../../src/inspect/types.ts";
import { breakpointsOf, MOST_BREAKPOINTS } from "../../src/page/inspect/breakpoints.ts";
import { ControlModel } from "../../src/page/inspect/control-model.ts";
import { TimeModel } from "../../src/page/inspect/time-model.ts";
import { slower, stepKey } from "../../src/page/inspect/step-keys.ts";
import { type FakeSource, fakeSource } from "./inspect-source.ts";

const MILLISECOND = 1000;

/** 3,000 events a millisecond apart, from event 100 on; every third of blk0: a kick, its chain, its used element. */
function events(): TraceEvent[] {
  return Array.from({ length: 3000 }, (_, at): TraceEvent => {
    const place = { seq: 100 + at, time: at * MILLISECOND };
    if (at % 3 !== 0) return { ...place, device: "net0", kind: "kick", queue: 0 };
    const id = Math.floor(at / 9) + 1;
    const of = { ...place, device: "blk0", queue: 0, head: 1, requests: { first: id, last: id } };
    const sample = new Uint8Array();
    if (at % 9 === 0) return { ...of, kind: "kick" };
    if (at % 9 === 3) return { ...of, kind: "chain", readable: 16, writable: 513, buffers: [], sample };
    return { ...of, kind: "used", written: 513, sample };
  });
}

/** Waits for what comes by itself; fails in the end. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500 && !holds(); turn++) await new Promise((resolve) => setTimeout(resolve, 2));
  assert.ok(holds(), `${holds.toString()} came to hold`);
}

async function model(run: (model: TimeModel, source: FakeSource) => Promise<void>): Promise<void> {
  const source = fakeSource(events());
  const model = new TimeModel(source);
  await until(() => model.rows.value.length > 0 && model.window.value !== undefined);
  await run(model, source).finally(() => model.dispose());
}

describe("the time view", () => {
  it("follows the newest events while none is selected", () =>
    model((model) => {
      assert.equal(model.rows.value.at(-1)?.seq, 3099);
      assert.equal(model.window.value?.to, 2999 * MILLISECOND);
      assert.ok(model.following.value, "it follows");
      return Promise.resolve();
    }));

  it("selects the event nearest to a moment, and lists those around it", () =>
    model(async (model, source) => {
      model.scrub(1000.4 * MILLISECOND);
      await until(() => model.detail.value?.event.seq === 1100);
      await until(() => model.rows.value[0]?.seq === 700);
      assert.equal(model.rows.value.length, 800);
      assert.equal(source.selected.value.seq, 1100);
    }));

  it("selects among what the filter lets through", () =>
    model(async (model, source) => {
      model.filter.value = { device: "blk0", kind: undefined };
      model.scrub(1000.4 * MILLISECOND);
      await until(() => source.selected.value.seq === 1099);
      await model.step(1);
      assert.equal(source.selected.value.seq, 1102);
      await model.step(-1);
      assert.equal(source.selected.value.seq, 1099);
      await model.stepToEnd("first");
      assert.equal(source.selected.value.seq, 100);
    }));

  it("has the request of what is selected, and its events", () =>
    model(async (model) => {
      model.select(109);
      await until(() => model.detail.value?.request?.id === 2);
      assert.deepEqual(
        model.detail.value?.related.map(({ seq }) => seq),
        [109, 112, 115],
      );
    }));

  it("shows nothing of an event that is gone", () =>
    model(async (model) => {
      model.select(109);
      await until(() => model.detail.value !== undefined);
      model.select(5);
      await until(() => model.detail.value === undefined);
    }));
});

describe("the controls", () => {
  const machine = (source: FakeSource) => ({
    pause: () => Promise.resolve(void source.orders.push("pause")),
    resume: () => Promise.resolve(void source.orders.push("resume")),
  });

  it("pause a machine that runs and let one go on that stands still", async () => {
    const source = fakeSource(events());
    const model = new ControlModel(source, machine(source));
    await model.toggle();
    source.stop.value = { by: "person" };
    await model.toggle();
    assert.deepEqual(source.orders, ["pause", "resume"]);
    model.dispose();
  });

  it("step by the request of the event at which it stands still", async () => {
    const source = fakeSource(events());
    const model = new ControlModel(source, machine(source));
    source.stop.value = { by: "breakpoint", breakpoint: "b1", event: 109 };
    assert.equal(source.selected.value.seq, 109);
    await until(() => model.request.value === 2);
    await model.step("used");
    await model.step("crossing");
    assert.deepEqual(source.orders, [{ step: { to: "used", request: 2 } }, { step: { to: "crossing" } }]);
    model.dispose();
  });

  it("say what failed, and keep what holds", async () => {
    const source = fakeSource(events());
    const model = new ControlModel(source, machine(source));
    source.refuses = "There is no machine.";
    await model.slow(500);
    assert.equal(model.problem.value, "There is no machine.");
    assert.equal(model.slowness.value, 0);
    model.dispose();
  });

  it("have keys, but not while somebody types", () => {
    const press = {
      key: "N",
      ctrlKey: false,
      altKey: false,
      metaKey: false,
      defaultPrevented: false,
      repeat: false,
    };
    assert.equal(stepKey(press, false), "crossing");
    assert.equal(stepKey(press, true), undefined);
    assert.equal(stepKey({ ...press, ctrlKey: true }, false), undefined);
    assert.equal(stepKey({ ...press, repeat: true }, false), "crossing");
    assert.equal(stepKey({ ...press, key: "p", repeat: true }, false), undefined);
    assert.equal(stepKey({ ...press, key: "x" }, false), undefined);
  });

  it("go through the paces of slow motion and back", () => {
    const paces = [0];
    for (let turn = 0; turn < 4; turn++) paces.push(slower(paces.at(-1)!));
    assert.deepEqual(paces, [0, 100, 500, 1000, 0]);
  });
});

describe("breakpoints", () => {
  it("are told to the machine at each change, and are the same for all views", async () => {
    const source = fakeSource([]);
    const breakpoints = breakpointsOf(source);
    assert.equal(breakpointsOf(source), breakpoints);
    await breakpoints.add({ kind: "kick" });
    await breakpoints.enable("b1", false);
    await breakpoints.add({ kind: "kick" });
    await breakpoints.replace("b1", { kind: "used", device: "blk0" });
    await breakpoints.remove("b1");
    assert.deepEqual(source.orders, [
      { breakpoints: [{ id: "b1", enabled: true, kind: "kick" }] },
      { breakpoints: [{ id: "b1", enabled: false, kind: "kick" }] },
      { breakpoints: [{ id: "b1", enabled: true, kind: "kick" }] },
      { breakpoints: [{ id: "b1", enabled: true, kind: "used", device: "blk0" }] },
      { breakpoints: [] },
    ]);
  });

  it("are bounded, and say so", async () => {
    const breakpoints = breakpointsOf(fakeSource([]));
    for (let queue = 0; queue <= MOST_BREAKPOINTS; queue++) await breakpoints.add({ queue });
    assert.equal(breakpoints.list.value.length, MOST_BREAKPOINTS);
    assert.match(breakpoints.problem.value ?? "", /remove one first/);
  });
});
