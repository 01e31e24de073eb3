/** What the split view shows of a trace: crossings, a request's chain, what is said, and how large it all is. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TraceEvent } from "../../src/inspect/types.ts";
import { decoded, keptBytes, memoryBytes } from "../../src/page/inspect/buffer-bytes.ts";
import { chainOfEvent, type ChainShown } from "../../src/page/inspect/chain-shown.ts";
import { choose, ROWS, sideOf } from "../../src/page/inspect/crossings.ts";
import { hexRows } from "../../src/page/inspect/hex.ts";
import { LARGEST, SMALLEST, sizeByKey, sizeByPointer } from "../../src/page/inspect/pane-size.ts";
import { SplitModel } from "../../src/page/inspect/split-model.ts";
import { saidSince } from "../../src/page/inspect/voice.ts";
import { type FakeSource, fakeSource } from "./inspect-source.ts";

const HEADER = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0);

/** 200 requests of blk0, each a kick, a chain, a used element and an interrupt, with five kicks of net0 between two of them. */
function events(): TraceEvent[] {
  const list: TraceEvent[] = [];
  const add = (event: Omit<TraceEvent, "seq" | "time"> & Record<string, unknown>) =>
    list.push({ seq: list.length, time: 10 * list.length, ...event } as TraceEvent);
  for (let id = 1; id <= 200; id++) {
    const of = { device: "blk0", queue: 0, requests: { first: id, last: id } };
    add({ ...of, kind: "kick" });
    add({
      ...of,
      kind: "chain",
      head: id % 8,
      readable: 16,
      writable: 513,
      buffers: [
        { address: 0x1000, length: 16, writable: false },
        { address: 0x2000, length: 512, writable: true },
        { address: 0x3000, length: 1, writable: true },
      ],
      sample: HEADER,
    });
    for (let i = 0; i < 5; i++) add({ device: "net0", kind: "kick", queue: 0 });
    add({ ...of, kind: "used", head: id % 8, written: 513, sample: Uint8Array.of(0x55, 0xaa) });
    add({ ...of, kind: "interrupt", cause: "queue", suppressed: false });
  }
  return list;
}

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500 && !holds(); turn++) await new Promise((resolve) => setTimeout(resolve, 2));
  assert.ok(holds(), `${holds.toString()} came to hold`);
}

async function model(run: (model: SplitModel, source: FakeSource) => Promise<void>): Promise<void> {
  const source = fakeSource(events());
  const model = new SplitModel(source);
  await until(() => model.crossings.rows.value.length > 0);
  await run(model, source).finally(() => model.dispose());
}

describe("crossings", () => {
  it("the newest are listed, and the others are counted exactly", () =>
    model(({ crossings }, source) => {
      const rows = crossings.rows.value;
      assert.equal(rows.length, ROWS);
      assert.equal(rows.at(-1)?.event.seq, source.trace.summary().next - 1);
      assert.equal(crossings.notListed.value, source.trace.summary().next - ROWS);
      return Promise.resolve();
    }));

  it("of one device only: what is between two of them is counted", () =>
    model(async ({ crossings, source }) => {
      assert.equal(source.selected.value.device, "blk0", "a device is selected to begin with");
      crossings.onlyDevice.value = true;
      await until(() => crossings.rows.value.every(({ event }) => event.device === "blk0"));
      assert.deepEqual(
        crossings.rows.value.slice(-4).map(({ before }) => before),
        [0, 0, 5, 0],
      );
    }));

  it("of a few new ones each is shown to cross, of many none", () =>
    model(async ({ crossings }, source) => {
      assert.ok(
        crossings.rows.value.every(({ fresh }) => !fresh),
        "there were more than are listed",
      );
      const { next } = source.trace.summary();
      source.trace.record({ type: "kick", device: "net0", queue: 0 });
      source.update();
      await until(() => crossings.rows.value.at(-1)?.event.seq === next);
      assert.deepEqual(
        crossings.rows.value.filter(({ fresh }) => fresh).map(({ event }) => event.seq),
        [next],
      );
    }));

  it("an event that is selected stands among its request's others, and the list stands still", () =>
    model(async (model, source) => {
      const kick = 9 * 50;
      model.chooseEvent(kick);
      await until(() => model.look.detail.value?.event.seq === kick);
      await until(() => model.crossings.rows.value.some(({ event }) => event.seq === kick));
      const seen = new Set(model.crossings.rows.value.map(({ event }) => event.seq));
      for (const seq of [kick, kick + 1, kick + 7, kick + 8])
        assert.ok(seen.has(seq), `event ${seq} is listed`);
      const before = model.crossings.rows.value.map(({ event }) => event.seq);
      source.update();
      await new Promise((resolve) => setTimeout(resolve, 120));
      assert.deepEqual(
        model.crossings.rows.value.map(({ event }) => event.seq),
        before,
      );
    }));

  it("a request with more events than rows does not push the selected one out", () => {
    const all = events();
    const related = all.filter(({ device }) => device === "blk0");
    const chosen = choose(900, related, all.slice(890, 910));
    assert.equal(chosen.length, ROWS);
    assert.ok(
      chosen.some(({ seq }) => seq === 900),
      "it is there",
    );
  });

  it("arrows go where the event goes", () => {
    const side = (event: Partial<TraceEvent>) => sideOf(event as TraceEvent);
    assert.equal(side({ kind: "kick" }), "guest");
    assert.equal(side({ kind: "interrupt" }), "device");
    assert.equal(side({ kind: "frame", direction: "in" }), "device");
    assert.equal(side({ kind: "frame", direction: "out" }), "guest");
  });
});

describe("a chain as the trace has kept it", () => {
  it("brings up its queue and its buffers, each with its part of the samples", () =>
    model(async (model, source) => {
      model.choose("net0", 0);
      model.chooseEvent(9 * 10 + 8);
      await until(() => source.selected.value.device === "blk0");
      assert.equal(model.chain.value, 11 % 8);
      const chain = chainOfEvent(model.look.detail.value!, (device, queue) => ({
        device,
        kind: "blk",
        queue,
        queueName: "requestq",
        negotiated: 0n,
      }));
      assert.ok(chain, "there is a chain");
      assert.equal(chain.state, "given back, 513 bytes written");
      assert.deepEqual(
        chain.buffers.map(({ sample }) => sample?.length),
        [16, 2, undefined],
      );
      assert.deepEqual(chain.buffers[1]?.sample, Uint8Array.of(0x55, 0xaa));
      assert.equal(chain.missing, 0);
      const [header] = decoded(chain, 0, keptBytes(chain, 0)!);
      assert.equal(header?.fields.find(({ name }) => name === "sector")?.value, "16");
      assert.equal(keptBytes(chain, 2), undefined);
    }));

  it("the choice of another device is kept while the event is", () =>
    model(async (model, source) => {
      model.chooseEvent(9 * 10);
      await until(() => model.look.detail.value !== undefined);
      model.choose("net0", 0);
      source.update();
      await new Promise((resolve) => setTimeout(resolve, 30));
      assert.deepEqual(source.selected.value, { device: "net0", queue: 0 });
    }));
});

describe("a buffer in memory", () => {
  const chain: ChainShown = {
    place: { device: "blk0", kind: "blk", queue: 0, queueName: "requestq", negotiated: 0n },
    head: 0,
    state: "",
    buffers: [
      { address: 0x1000, length: 16, writable: false, offset: 0, sample: undefined },
      { address: 0x2000, length: 1 << 20, writable: true, offset: 0, sample: undefined },
      { address: 0x3000, length: 1, writable: true, offset: 1 << 20, sample: undefined },
    ],
    missing: 0,
    fault: undefined,
    request: undefined,
  };

  it("is read with the request that it belongs to, and no more of it than one reads", async () => {
    const asked: number[][] = [];
    const memory = (address: number, length: number) => {
      asked.push([address, length]);
      return Promise.resolve(address === 0x1000 ? HEADER : new Uint8Array(length));
    };
    const shown = await memoryBytes(chain, 1, memory);
    assert.deepEqual(asked, [
      [0x2000, 4096],
      [0x1000, 16],
    ]);
    assert.deepEqual(
      decoded(chain, 1, shown).map(({ title }) => title),
      ["Data read"],
    );
    const [status] = decoded(chain, 2, await memoryBytes(chain, 2, memory));
    assert.match(status?.fields[0]?.meaning ?? "", /VIRTIO_BLK_S_OK/);
  });
});

describe("the inspector's smaller parts", () => {
  it("bytes have an offset, digits and letters", () => {
    assert.equal(
      hexRows(new TextEncoder().encode("Ringside\n"), 8),
      "0000  52 69 6e 67 73 69 64 65  Ringside\n0008  0a                       ·",
    );
  });

  it("the separator obeys its keys and the pointer within its limits", () => {
    assert.equal(sizeByKey("ArrowLeft", 50, "beside"), 52);
    assert.equal(sizeByKey("ArrowUp", LARGEST, "below"), LARGEST);
    assert.equal(sizeByKey("ArrowUp", 50, "beside"), undefined);
    assert.equal(sizeByKey("Home", 50, "below"), SMALLEST);
    assert.equal(sizeByPointer(600, 1000), 40);
    assert.equal(sizeByPointer(-50, 1000), LARGEST);
  });

  it("what is said is what happened since", () => {
    const statistics = fakeSource(events()).trace.statistics();
    const before = structuredClone(statistics);
    assert.equal(saidSince(before, statistics), "");
    const [device] = before.devices;
    device!.queues[0]!.requests -= 2;
    device!.interrupts -= 1;
    assert.equal(saidSince(before, statistics), "blk0: 2 requests, 1 interrupt");
  });
});
