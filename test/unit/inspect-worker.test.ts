/** The worker's end of an inspection and the page's model, with comlink between them as in the browser. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { signal } from "@preact/signals";
import { expose, proxy, releaseProxy, wrap } from "comlink";
import { parseConfig } from "../../src/config/grammar.ts";
import type { InspectorListener } from "../../src/inspect/api.ts";
import { Inspection as PageInspection } from "../../src/page/inspect/model.ts";
import type { SessionInspection, SessionState } from "../../src/page/session.ts";
import { Inspection } from "../../src/worker/inspection.ts";
import { TestMachine } from "./inspect-machine.ts";

class ConfiguredMachine extends TestMachine {
  readonly config = parseConfig("memory=128M&device=blk,id=root,store=memory,size=1M");
}

function connect() {
  const run = (): Promise<never> => Promise.reject(new Error("The machine is off: it runs no commands."));
  const inspection = new Inspection(run);
  const { port1, port2 } = new MessageChannel();
  const host = { inspect: (listener: InspectorListener) => inspection.begin(listener) };
  expose(host, port1);
  const remote = wrap<typeof host>(port2);
  const session = {
    state: signal<SessionState>({ name: "running" }),
    async inspect(listener: InspectorListener): Promise<SessionInspection> {
      const opened = await remote.inspect(proxy(listener));
      const close = (): void => {
        opened.close().catch(() => undefined);
        opened[releaseProxy]();
      };
      return {
        api: opened as unknown as SessionInspection["api"],
        ended: new Promise(() => undefined),
        close,
      };
    },
  };
  const page = new PageInspection();
  page.open(session);
  const end = (): void => {
    port1.close();
    port2.close();
  };
  return { inspection, page, end };
}

/** Waits for the other end. */
async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`never came: ${what}`);
}

describe("an inspection through comlink", () => {
  it("follows machines as they come and go, and leaves the last one as it was", async () => {
    const { inspection, page, end } = connect();
    try {
      await until(() => page.live.value, "the inspection");
      await assert.rejects(page.devices(), /no machine/);
      const machine = new ConfiguredMachine();
      machine.onState = () => inspection.stateChanged();
      inspection.follow(machine);
      await machine.blk.read(3, 512);
      await until(() => (page.summary.value?.next ?? 0) > 0, "an update");
      assert.match(page.summary.value!.config, /blk,id=root/);
      const [chain] = await page.events({ kinds: ["chain"], limit: 1 });
      assert.ok(chain?.kind === "chain" && chain.sample[8] === 3, "bytes come across");
      assert.deepEqual((await page.related(chain.seq)).length, 4);
      assert.ok((await page.file("ringside")).size > 0, "a file");
      await assert.rejects(page.account("true"), /runs no commands/);
      await assert.rejects(page.step({ to: "crossing" }), /pause it/);

      await page.setBreakpoints([{ id: "b", enabled: true, kind: "kick" }]);
      machine.blk.device.kick(0);
      await until(() => page.stop.value?.by === "breakpoint", "the stop");
      machine.resume();
      await until(() => page.stop.value === undefined, "that it goes on");

      const next = new ConfiguredMachine();
      inspection.follow(next);
      await until(() => page.summary.value?.next === 0, "another trace");
      assert.deepEqual([machine.observer, next.breaks], [undefined, true]);
      page.close();
      await until(() => next.observer === undefined, "the end");
      assert.equal(next.breaks, false);
    } finally {
      page.close();
      end();
    }
  });

  it("is one at a time", async () => {
    const { inspection, page, end } = connect();
    try {
      await until(() => page.live.value, "the inspection");
      const machine = new ConfiguredMachine();
      inspection.follow(machine);
      inspection.begin({ onUpdate: () => undefined, onStop: () => undefined });
      await assert.rejects(page.setBreakpoints([]), /ended/);
      assert.notEqual(machine.observer, undefined);
    } finally {
      page.close();
      end();
    }
  });
});
