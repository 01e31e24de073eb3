/** A queue's rings as they are drawn: what is where, whose it is, and what a pointer is over. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { ChainView, PackedEntry, QueueView } from "../../src/inspect/api.ts";
import { entryWords, ringWords } from "../../src/page/inspect/rings/entry-words.ts";
import {
  annulus,
  BANDS,
  entryAt,
  link,
  markAt,
  numbered,
  sectors,
  separators,
  triangle,
} from "../../src/page/inspect/rings/geometry.ts";
import { chainWith, layoutOf, type RingLayout, type Run } from "../../src/page/inspect/rings/layout.ts";
import { faultsOf } from "../../src/page/inspect/rings/faults.ts";
import { legendOf } from "../../src/page/inspect/rings/legend.ts";
import { queueView } from "../../src/virtio/view/queue-view.ts";
import { Driver } from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";

const SIZE = 8;
const NO_FEATURES = { packed: false, eventIdx: true, indirect: true, inOrder: false };

function chain(head: number, state: ChainView["state"], descriptors: number[]): ChainView {
  return { head, state, descriptors, buffers: [], fault: undefined };
}

/** Eight entries; chain 2 (2, 3) is in flight, chains 5 and 0 wait; the indices have gone round at 65,536. */
function split(change: Partial<Extract<QueueView, { layout: "split" }>> = {}): QueueView {
  return {
    layout: "split",
    device: "blk root",
    index: 0,
    name: "requestq",
    size: SIZE,
    features: NO_FEATURES,
    chains: [chain(2, "in flight", [2, 3]), chain(5, "available", [5, 6]), chain(0, "available", [0])],
    descriptorTable: {
      address: 0x1000n,
      entries: Array.from({ length: SIZE }, (_, at) => ({
        address: 0x5000n + BigInt(at),
        length: 512,
        flags: at === 2 || at === 5 ? 1 : 0,
        flagNames: at === 2 || at === 5 ? ["NEXT"] : [],
        next: at + 1,
      })),
    },
    available: {
      address: 0x2000n,
      flags: 0,
      idx: 1,
      ring: [0, 1, 2, 3, 4, 7, 2, 5],
      usedEvent: 0xffff,
      next: 0xffff,
    },
    used: {
      address: 0x3000n,
      flags: 0,
      idx: 0xfffe,
      ring: Array.from({ length: SIZE }, (_, at) => ({ id: at, len: 1 })),
      availEvent: 0,
      next: 0xfffc,
    },
    ...change,
  };
}

function packed(): QueueView {
  const entries = Array.from({ length: SIZE }, (_, at): PackedEntry => {
    const flagNames = at < 3 ? ["AVAIL"] : ["USED"];
    return { address: 0n, length: 1, id: at, flags: 0, flagNames, owner: at < 3 ? "device" : "driver" };
  });
  return {
    layout: "packed",
    device: "net net0",
    index: 1,
    name: "transmitq1",
    size: SIZE,
    features: { ...NO_FEATURES, packed: true },
    chains: [chain(1, "available", [1, 2])],
    ring: { address: 0n, entries },
    nextAvailable: { offset: 1, wrap: true },
    nextUsed: { offset: 7, wrap: false },
    driverEvent: { address: 0n, flags: 0, offset: 0, wrap: true },
    deviceEvent: { address: 0n, flags: 0, offset: 0, wrap: true },
  };
}

const shown = (runs: readonly Run[]) =>
  runs.map(({ from, count, state, chain }) => `${from}+${count} ${state} ${chain ?? "-"}`);

function ringOf(view: QueueView, id: RingLayout["id"]): RingLayout {
  const ring = layoutOf(view).find((candidate) => candidate.id === id);
  assert.ok(ring, `there is a ring "${id}"`);
  return ring;
}

describe("a split queue's rings", () => {
  it("a chain has its descriptors, its place in the available ring, and its colour in both", () => {
    assert.deepEqual(shown(ringOf(split(), "descriptors").runs), [
      "0+1 waiting 0",
      "2+2 taken 2",
      "5+2 waiting 5",
    ]);
    // Entries 0xffff and 0x10000, so 7 and 0, wait; the one before them was taken.
    assert.deepEqual(shown(ringOf(split(), "available").runs), [
      "0+1 waiting 0",
      "6+1 taken 2",
      "7+1 waiting 5",
    ]);
  });

  it("the indices are marked where they are in the ring", () => {
    const marks = (id: RingLayout["id"]) =>
      ringOf(split(), id).marks.map(({ who, at, value }) => `${who} ${at} ${value}`);
    assert.deepEqual(marks("available"), ["driver 1 1", "device 7 65535"]);
    assert.deepEqual(marks("used"), ["driver 4 65532", "device 6 65534"]);
    const silent = split();
    assert.ok(silent.layout === "split", "it is a split queue");
    silent.used.next = undefined;
    assert.deepEqual(
      ringOf(silent, "used").marks.map(({ who }) => who),
      ["device"],
    );
  });

  it("elements that were never written are not shown as used", () => {
    const view = split();
    assert.ok(view.layout === "split", "it is a split queue");
    view.used = {
      ...view.used,
      idx: 1,
      next: 1,
      ring: Array.from({ length: SIZE }, () => ({ id: 0, len: 0 })),
    };
    assert.deepEqual(shown(ringOf(view, "used").runs), ["0+1 used 0"]);
  });

  it("what a hostile driver writes stays in the rings", () => {
    const view = split({
      chains: [chain(9, "available", [9, 70_000, -1, 3]), chain(4, "in flight", [3, 4])],
    });
    assert.ok(view.layout === "split", "it is a split queue");
    // More entries than there are places, and heads that are none.
    view.available = { ...view.available, idx: 0x7000, next: 3, ring: new Array<number>(SIZE).fill(0xffff) };
    view.used = { ...view.used, idx: 0, next: 0x9000 };
    for (const ring of layoutOf(view)) {
      for (const { from, count } of ring.runs)
        assert.ok(from >= 0 && from + count <= SIZE, `${from}+${count}`);
      for (const { at } of ring.marks) assert.ok(at < SIZE, `mark at ${at}`);
    }
    // The first that claims an entry has it.
    assert.deepEqual(shown(ringOf(view, "descriptors").runs), ["3+1 waiting 9", "4+1 taken 4"]);
  });

  it("what is wrong with the queue is said", () => {
    assert.deepEqual(faultsOf(split()), []);
    const view = split({
      available: { address: 0n, flags: 0, idx: 20, ring: [], usedEvent: 0, next: 3 },
      chains: [
        chain(1, "in flight", [1]),
        { ...chain(5, "available", [5]), fault: "Descriptor 9 is a loop." },
      ],
    });
    const [ahead, broken, ...more] = faultsOf(view);
    assert.match(ahead!, /17 entries ahead of the device's in a ring of 8/);
    assert.equal(broken, "Chain 5 is broken: Descriptor 9 is a loop.");
    assert.deepEqual(more, []);
  });

  it("of two chains with one head the one in flight is meant", () => {
    const view = split({ chains: [chain(2, "available", []), chain(2, "in flight", [1])] });
    assert.equal(chainWith(view, 2)?.state, "in flight");
    assert.equal(chainWith(view, 3), undefined);
  });
});

describe("a packed queue's ring", () => {
  it("has its chains, its bits, and the device's places with their wrap counters", () => {
    const view = packed();
    assert.deepEqual(shown(ringOf(view, "packed").runs), ["1+2 waiting 1"]);
    assert.deepEqual(shown(ringOf(view, "avail-bits").runs), ["0+3 set -"]);
    assert.deepEqual(shown(ringOf(view, "used-bits").runs), ["3+5 set -"]);
    assert.deepEqual(
      ringOf(view, "packed").marks.map(({ at, value }) => `${at}: ${value}`),
      ["1: 1, wrap 1", "7: 7, wrap 0"],
    );
  });
});

describe("rings in words", () => {
  it("each ring has a sentence, and each entry", () => {
    const view = split();
    assert.equal(
      ringWords(ringOf(view, "available")),
      "Available ring, 8 entries: 2 wait for the device, 1 taken by it, the driver is at 1, the device is at 65535.",
    );
    assert.equal(
      entryWords(view, ringOf(view, "descriptors"), 2),
      "Descriptor table, entry 2, chain 2: 0x00005002, 512 bytes, NEXT, next 3",
    );
    assert.equal(entryWords(view, ringOf(view, "available"), 7), "Available ring, entry 7, chain 5: head 5");
    assert.match(entryWords(view, ringOf(view, "used"), 1), /entry 1.*head 1, 1 bytes written/);
    assert.match(entryWords(packed(), ringOf(packed(), "packed"), 1), /AVAIL, buffer ID 1, the device's$/);
  });
});

describe("circles", () => {
  it("a point is over the entry that is drawn there", () => {
    for (const [band, { inner, outer }] of BANDS.entries()) {
      for (const at of [0, 1, 127, 128, 255]) {
        const angle = (2 * Math.PI * (at + 0.5)) / 256;
        const radius = (inner + outer) / 2;
        assert.deepEqual(entryAt(Math.sin(angle) * radius, -Math.cos(angle) * radius, 256), { band, at });
      }
    }
    assert.equal(entryAt(0, 0, 256), undefined);
    assert.equal(entryAt(400, 0, 256), undefined);
  });

  it("a single entry of a thousand is wide enough to be seen, and of many only some are apart", () => {
    const [band] = BANDS;
    const run = (count: number): Run => ({ from: 0, count, state: "taken", chain: 1 });
    const width = (path: string) => {
      const [from, to] = [...path.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)];
      const ends = [...path.matchAll(/0 [01] 1 (-?[\d.]+) (-?[\d.]+)/g)][0]!;
      assert.ok(from && to, path);
      return Math.hypot(Number(from[1]) - Number(ends[1]), Number(from[2]) - Number(ends[2]));
    };
    assert.ok(width(sectors([run(1)], 1024, band!)) >= 2.9, "it is drawn");
    // A whole ring is no arc from a point to itself, which would be nothing.
    assert.ok(!/NaN/.test(sectors([run(8)], 8, band!)), "it has numbers");
    assert.ok(width(sectors([run(8)], 8, band!)) > 0, "it has a length");
    assert.equal(separators(1024, band!).match(/M/g)?.length, 32);
    assert.equal(separators(64, band!).match(/M/g)?.length, 64);
  });
});

describe("the legend of the rings", () => {
  const words = (view: QueueView) =>
    legendOf(view, layoutOf(view)).map(({ title, address, wishes }) =>
      [title, address, ...wishes.map(({ words }) => words)].join(" "),
    );

  it("says where each area is, and from where on each side wants to be told", () => {
    assert.deepEqual(words(split()), [
      "Descriptor table 4096",
      "Available ring 8192 an interrupt at 65535 (used_event)",
      "Used ring 12288 a kick at 0 (avail_event)",
    ]);
  });

  it("without event indices it has the flags", () => {
    const view = split();
    assert.equal(view.layout, "split");
    view.available.usedEvent = view.used.availEvent = undefined;
    view.available.flags = 1;
    assert.deepEqual(words(view).slice(1), ["Available ring 8192 no interrupts", "Used ring 12288 kicks"]);
  });

  it("of a packed ring it has the event suppression structures", () => {
    const view = packed();
    assert.equal(view.layout, "packed");
    view.driverEvent = { address: 16n, flags: 2, offset: 5, wrap: true };
    view.deviceEvent = { address: 32n, flags: 1, offset: 0, wrap: false };
    assert.deepEqual(
      legendOf(view, layoutOf(view)).map(({ wishes }) => wishes.map(({ words }) => words).join()),
      ["", "interrupts at 5, wrap 1", "no kicks"],
    );
  });
});

describe("rings of a guest with every byte random", () => {
  it("are drawn and put into words: nothing throws, and every length is a number", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.boolean(),
        fc.constantFrom(2, 16, 256),
        fc.boolean(),
        (seed, isPacked, size, kicks) => {
          const memory = new FakeMemory(1 << 16);
          const device = new HoldDevice({ size, packed: isPacked });
          const driver = Driver.start(device, { memory });
          void driver.request(0, [{ address: 0x100, length: 1 }], "direct");
          let state = seed >>> 0;
          for (let i = 0; i < memory.u32.length; i++)
            memory.u32[i] = state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          if (kicks) device.kick(0);
          const view = queueView(device, 0)!;
          const rings = layoutOf(view);
          const drawn: string[] = [];
          for (const [band, ring] of rings.entries()) {
            const where = BANDS[band]!;
            assert.ok(ringWords(ring).length > 0, "the ring is put into words");
            drawn.push(annulus(where), separators(size, where), sectors(ring.runs, size, where));
            for (const { at } of ring.marks) {
              assert.ok(at >= 0 && at < size, `a mark at ${at} of ${size}`);
              drawn.push(triangle(at, size, where, true), markAt(at, size, where, false).join(" "));
            }
            for (const { from, count } of ring.runs)
              assert.ok(from >= 0 && from + count <= size, `a run of ${count} from ${from} of ${size}`);
            for (let at = 0; at < size; at++) assert.match(entryWords(view, ring, at), /entry \d+/);
          }
          for (const { head } of view.chains) {
            const places = chainWith(view, head)!.descriptors;
            for (const at of places) {
              assert.ok(at < size, `descriptor ${at} of ${size}`);
              drawn.push(link({ at, band: BANDS[0]! }, { at: places[0]!, band: BANDS[1]! }, size));
            }
          }
          assert.ok(!/NaN|Infinity|undefined/.test(drawn.join()), "every length is a number");
          for (const fault of faultsOf(view)) assert.match(fault, /^[A-Z0-9].*\.$/s);
          assert.equal(legendOf(view, rings).length, rings.length);
          assert.equal(numbered(size).length, Math.min(size, 8));
        },
      ),
      { numRuns: 40 },
    );
  });
});
