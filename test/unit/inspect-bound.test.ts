/** What a trace takes up: by its own account, and by the engine's. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Trace } from "../../src/inspect/trace.ts";
import type { VirtioEvent } from "../../src/virtio/observer.ts";
import { type Rule, SENTENCES } from "../../src/virtio/strict/sentences.ts";

const MIB = 2 ** 20;
const BOUND = 4 * MIB;
const EVENTS = 2_000_000;
const SENTENCE = Object.keys(SENTENCES)[0] as Rule;
/** What everything else in the process may differ by, before and after. */
const SLACK = MIB;

describe("the memory of a trace", () => {
  it("stays within its bound whatever comes, by its own account and by the engine's", () => {
    const packet = new Uint8Array(65_550).fill(0x5a);
    const devices = [{ name: "net", kind: "net", transport: "pci", queues: ["receiveq1", "transmitq1"] }];
    hostile(new Trace({ bound: 0, devices }), packet, 10_000);
    const before = taken();
    const trace = new Trace({ bound: BOUND, devices });
    for (let round = 0; round < 10; round++) {
      hostile(trace, packet, EVENTS / 10);
      const { bytes, bound } = trace.summary();
      assert.ok(bytes <= bound && bound === BOUND, `${bytes} bytes of ${bound}`);
    }
    const growth = taken() - before;
    assert.ok(growth <= BOUND + SLACK, `${(growth / MIB).toFixed(1)} MiB more than before`);
    const { next, first, dropped } = trace.summary();
    assert.deepEqual([next, first, dropped > EVENTS / 2], [EVENTS, dropped, true]);
  });
});

/** Jumbo frames, kicks of queues that do not exist, register accesses without end, and now and then a very long sentence. */
function hostile(trace: Trace, packet: Uint8Array, events: number): void {
  for (let i = 0; i < events; i++) trace.record(i % 25 === 0 ? longViolation(i) : KINDS[i % 4]!(i, packet));
}

const device = "net";

const KINDS: readonly ((i: number, packet: Uint8Array) => VirtioEvent)[] = [
  (_, packet) => ({ type: "frame", device, direction: "out", packet }),
  (i) => ({ type: "kick", device, queue: i }),
  (i) => ({ type: "kick", device, queue: 0xffff_ffff - i }),
  (i) => ({ type: "access", device, register: "status", offset: i, width: 4, write: true, value: i }),
];

function longViolation(i: number): VirtioEvent {
  const what = `${i} is wrong. `.repeat(2000);
  const violation = { rule: "2.1", sentence: SENTENCE, what, queue: i, descriptor: i };
  return { type: "violation", device, violation };
}

/** Bytes of the heap and of buffers, after everything that nobody needs is gone. */
function taken(): number {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  gc();
  gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
