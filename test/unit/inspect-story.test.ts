/** A request's way in five steps, and which request is told of while nobody has chosen one. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { QueueView } from "../../src/inspect/api.ts";
import type { TraceEvent } from "../../src/inspect/types.ts";
import { NewestRequest } from "../../src/page/inspect/newest-request.ts";
import { storyOf } from "../../src/page/inspect/request-story.ts";
import type { EventDetail } from "../../src/page/inspect/time-model.ts";
import { fakeSource } from "./inspect-source.ts";

/** Reads sector 80,000. */
const HEADER = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x38, 1, 0, 0, 0, 0, 0);
const OF = { device: "blk0", queue: 0, requests: { first: 1, last: 1 } };

function oneRequest({ suppressed = false, used = true } = {}): TraceEvent[] {
  const events = [
    { ...OF, kind: "kick", time: 100 },
    {
      ...OF,
      kind: "chain",
      time: 103,
      head: 2,
      readable: 16,
      writable: 513,
      buffers: [
        { address: 0x1000, length: 16, writable: false },
        { address: 0x2000, length: 512, writable: true },
        { address: 0x3000, length: 1, writable: true },
      ],
      sample: HEADER,
    },
    { ...OF, kind: "used", time: 1103, head: 2, written: 513, sample: new Uint8Array(64).fill(7) },
    { ...OF, kind: "interrupt", time: 1105, cause: "queue", suppressed },
  ];
  return (used ? events : events.slice(0, 2)).map((event, seq) => ({ ...event, seq }) as TraceEvent);
}

async function detailOf(events: readonly TraceEvent[]): Promise<EventDetail> {
  const source = fakeSource(events);
  const [event, related, request] = [events[0]!, await source.related(0), await source.request(1)];
  assert.ok(request, "the trace has a request");
  return { event, related, request };
}

const DEVICES = [{ name: "blk0", kind: "blk", transport: "pci", queues: ["requestq"] }];

async function story(events: readonly TraceEvent[], view?: QueueView) {
  const steps = storyOf(await detailOf(events), { devices: DEVICES, view });
  assert.ok(steps, "there is a story");
  return steps;
}

describe("the story of a request", () => {
  it("has descriptors, kick, device, used element and interrupt, in that order", async () => {
    const steps = await story(oneRequest());
    assert.deepEqual(
      steps.map(({ key, way, seq, since }) => [key, way, seq, since]),
      [
        ["descriptors", "guest", 1, undefined],
        ["kick", "to-device", 0, undefined],
        ["device", "device", 1, 3],
        ["used", "to-guest", 2, 1000],
        ["interrupt", "to-guest", 3, 2],
      ],
    );
    assert.deepEqual(
      steps[0]!.buffers.map(({ address, length }) => [address, length]),
      [
        [0x1000, 16],
        [0x2000, 512],
        [0x3000, 1],
      ],
    );
    assert.deepEqual(steps[0]!.bytes, HEADER);
    assert.deepEqual(steps[3]!.bytes, new Uint8Array(16).fill(7));
    assert.match(steps[2]!.says, /^read of 1 sector from sector 80000$/);
    assert.equal(steps[3]!.says, "id 2, len 513");
    assert.equal(steps[3]!.place, undefined);
  });

  it("names the places in the rings while they are known", async () => {
    const ring = Array.from({ length: 8 }, (_, at) => ({ id: at === 5 ? 2 : 7, len: at === 5 ? 513 : 0 }));
    const view = {
      layout: "split",
      size: 8,
      descriptorTable: { address: 0x8000n },
      used: { address: 0x9000n, idx: 0x10006 & 0xffff, ring },
    } as unknown as QueueView;
    const steps = await story(oneRequest(), view);
    assert.match(steps[0]!.says, /0x00008020/);
    assert.equal(steps[3]!.place, "entry 5 of the used ring, at 0x0000902c");
  });

  it("says what is left out and what is not yet there", async () => {
    const kept = await story(oneRequest({ suppressed: true }));
    assert.match(kept[4]!.says, /^left out/);
    const [, , , used, interrupt] = await story(oneRequest({ used: false }));
    assert.deepEqual([used!.seq, interrupt!.seq], [undefined, undefined]);
    assert.match(used!.says, /^not yet/);
    const own = oneRequest().slice(1);
    const [, kick] = await story(own.map((event, seq) => ({ ...event, seq })));
    assert.equal(kick!.seq, undefined);
  });
});

describe("the newest request", () => {
  it("is that of the device that is selected, and stays while it is read", async () => {
    const until = async (holds: () => boolean) => {
      for (let turn = 0; turn < 2000 && !holds(); turn++)
        await new Promise((resolve) => setTimeout(resolve, 5));
      assert.ok(holds(), `${holds.toString()} came to hold`);
    };
    const events = oneRequest();
    const source = fakeSource([...events, { seq: 4, time: 2000, device: "net0", kind: "kick", queue: 0 }]);
    const newest = new NewestRequest(source);
    source.selected.value = { device: "blk0", queue: 0 };
    await until(() => newest.detail.value?.request?.id === 1);
    newest.held.value = true;
    source.selected.value = { device: "net0", queue: 0 };
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(newest.detail.value?.request?.id, 1);
    newest.held.value = false;
    await until(() => newest.detail.value === undefined);
    newest.dispose();
  });
});
