/** The page's model of an inspection, with a worker of the test's own. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { signal } from "@preact/signals";
import type { InspectorListener } from "../../src/inspect/api.ts";
import { Trace } from "../../src/inspect/trace.ts";
import type { StopReason } from "../../src/inspect/types.ts";
import { type InspectedSession, Inspection } from "../../src/page/inspect/model.ts";
import type { SessionInspection, SessionState } from "../../src/page/session.ts";
import { everyKind, head } from "./inspect-file-support.ts";

type Api = SessionInspection["api"];

function open(t: TestContext) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const asked: string[] = [];
  const trace = Trace.from(everyKind, head);
  const worker = {
    listener: undefined as InspectorListener | undefined,
    refuses: false,
    /** Answers to `devices`, in order, when the test lets them. */
    waiting: [] as (() => void)[],
    end: (): void => undefined,
    closed: 0,
  };
  const api = {
    devices: () => {
      asked.push("devices");
      return new Promise((resolve) => worker.waiting.push(() => resolve([{ name: "blk root" }])));
    },
    queue: (device: string, queue: number) => {
      asked.push(`queue ${device} ${queue}`);
      return Promise.resolve({ device, index: queue });
    },
    events: (query: Parameters<Api["events"]>[0]) => {
      asked.push(`events ${query.limit}`);
      return Promise.resolve(trace.events(query));
    },
    setBreakpoints: (list: readonly unknown[]) =>
      Promise.resolve(void asked.push(`breakpoints ${list.length}`)),
    slowMotion: (milliseconds: number) => Promise.resolve(void asked.push(`slow ${milliseconds}`)),
    step: () => Promise.reject(new Error("The machine runs: pause it before you step.")),
    account: () => new Promise(() => undefined),
  } as unknown as Api;
  const state = signal<SessionState>({ name: "loading" });
  const session: InspectedSession = {
    state,
    inspect(listener) {
      asked.push("inspect");
      if (worker.refuses) return Promise.reject(new Error("There is no machine."));
      worker.listener = listener;
      const ended = new Promise<void>((resolve) => (worker.end = resolve));
      return Promise.resolve({ api, ended, close: () => worker.closed++ });
    },
  };
  const inspection = new Inspection();
  const tell = (start = 1): void =>
    worker.listener!.onUpdate({
      summary: { ...trace.summary(), start },
      statistics: trace.statistics(),
      count: 7,
      newest: trace.events({ newest: true, limit: 2 }),
    });
  return { inspection, session, state, worker, asked, tell, trace };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

describe("the page's inspection", () => {
  it("shows what updates say, and what the machine's devices are while somebody sees them", async (t) => {
    const { inspection, session, worker, asked, tell } = open(t);
    inspection.open(session);
    await settle();
    tell();
    assert.deepEqual(
      [inspection.live.value, inspection.count.value, inspection.newest.value.length],
      [true, 7, 2],
    );
    t.mock.timers.tick(2000);
    assert.deepEqual(asked, ["inspect"]);

    inspection.selected.value = { device: "blk root", queue: 0 };
    inspection.visible.value = true;
    await settle();
    // One question at a time, however long the answer takes.
    t.mock.timers.tick(5000);
    assert.deepEqual(asked, ["inspect", "devices", "queue blk root 0"]);
    worker.waiting.shift()!();
    await settle();
    assert.deepEqual([inspection.deviceViews.value.length, inspection.queueView.value?.index], [1, 0]);
    t.mock.timers.tick(200);
    await settle();
    assert.deepEqual(asked.slice(3), ["devices", "queue blk root 0"]);
    inspection.close();
  });

  it("is frozen while the machine stands still, after one look, unless it is asked", async (t) => {
    const { inspection, session, worker, asked } = open(t);
    inspection.visible.value = true;
    inspection.open(session);
    const answer = async (): Promise<void> => {
      await settle();
      worker.waiting.shift()?.();
      await settle();
      t.mock.timers.tick(200);
      await settle();
    };
    const looks = (): number => asked.filter((what) => what === "devices").length;
    await answer();
    await answer();
    const stop: StopReason = { by: "person" };
    worker.listener!.onStop(stop);
    for (let i = 0; i < 4; i++) await answer();
    const frozen = looks();
    for (let i = 0; i < 4; i++) await answer();
    assert.deepEqual([inspection.stop.value, looks()], [stop, frozen]);
    inspection.refresh();
    await answer();
    assert.equal(looks(), frozen + 1);
    worker.listener!.onStop(undefined);
    for (let i = 0; i < 4; i++) await answer();
    assert.ok(looks() > frozen + 2, `${looks()} looks`);
    inspection.close();
  });

  it("does not ask for the newest events that the last update had, and asks for all others", async (t) => {
    const { inspection, session, asked, tell, trace } = open(t);
    inspection.open(session);
    await settle();
    tell();
    const { next } = trace.summary();
    const told = inspection.newest.value;
    const newest = { newest: true, to: next };
    assert.deepEqual(await inspection.events({ ...newest, limit: 1 }), told.slice(-1));
    assert.deepEqual(await inspection.events({ ...newest, limit: 2 }), told);
    assert.deepEqual(asked, ["inspect"]);
    for (const query of [
      { ...newest, limit: 3 },
      { ...newest, limit: 2, device: "blk root" },
      { ...newest, limit: 2, from: next - 1 },
      { newest: true, to: next - 1, limit: 2 },
      { newest: true, limit: 2 },
      { to: next, limit: 2 },
    ]) {
      assert.deepEqual(await inspection.events(query), trace.events(query));
    }
    assert.equal(asked.length, 7);
    inspection.close();
  });

  it("forgets the chosen event when another trace begins", async (t) => {
    const { inspection, session, tell } = open(t);
    inspection.open(session);
    await settle();
    tell(1);
    inspection.selected.value = { device: "blk root", seq: 5 };
    tell(1);
    assert.equal(inspection.selected.value.seq, 5);
    tell(2);
    assert.deepEqual(inspection.selected.value, { device: "blk root", seq: undefined });
    inspection.close();
  });

  it("rejects what a worker that died was asked, and tells the next one what it has to know", async (t) => {
    const { inspection, session, state, worker, asked } = open(t);
    inspection.open(session);
    await settle();
    await inspection.setBreakpoints([{ id: "b1", enabled: true }]);
    await inspection.slowMotion(20);
    await assert.rejects(inspection.step({ to: "crossing" }), /runs/);
    const account = inspection.account("sleep 100");
    worker.listener!.onStop({ by: "person" });
    worker.end();
    await assert.rejects(account, /went away/);
    assert.deepEqual([inspection.live.value, inspection.stop.value], [false, undefined]);
    await assert.rejects(inspection.devices(), /no machine/);

    asked.length = 0;
    worker.refuses = true;
    state.value = { name: "crashed", reason: "out of memory" };
    await settle();
    assert.equal(inspection.live.value, false);
    worker.refuses = false;
    state.value = { name: "loading" };
    await settle();
    assert.deepEqual(asked, ["inspect", "inspect", "breakpoints 1", "slow 20"]);
    assert.equal(inspection.live.value, true);
    inspection.close();
  });

  it("ends the inspection, and hears no more of it", async (t) => {
    const { inspection, session, worker, tell, state, asked } = open(t);
    inspection.open(session);
    await settle();
    inspection.close();
    assert.equal(worker.closed, 1);
    tell();
    worker.listener!.onStop({ by: "person" });
    assert.deepEqual([inspection.summary.value, inspection.stop.value], [undefined, undefined]);
    state.value = { name: "booting" };
    await settle();
    assert.deepEqual(asked, ["inspect"]);

    // One that is closed before it is there.
    inspection.open(session);
    inspection.close();
    await settle();
    assert.deepEqual([worker.closed, inspection.live.value], [2, false]);
  });
});
