/** Strict mode: a driver that keeps to virtio 1.3 breaks nothing, and the list of sentences is what is checked. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { MemoryDisk } from "../../src/backends/disk/memory.ts";
import { EntropyDevice } from "../../src/virtio/entropy.ts";
import type { Violation } from "../../src/virtio/observer.ts";
import { type Sentence, SENTENCES, type Unseen } from "../../src/virtio/strict/sentences.ts";
import { BlockDriver, GET_ID } from "./driver/block-driver.ts";
import { ConsoleDriver } from "./driver/console-driver.ts";
import { Driver, EVENT_IDX, IN_ORDER, NOTIFICATION_DATA, RING_PACKED, settle } from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";
import type { Placement, Segment } from "./driver/queue.ts";
import { SlowDisk } from "./driver/slow-disk.ts";
import type { Kind } from "./driver/transport.ts";

const KINDS: readonly Kind[] = ["pci", "pci-msix", "pci-legacy", "pci-legacy-msix", "mmio", "mmio-legacy"];
const LAYOUTS = ["split", "packed"] as const;
const EVERYTHING = { packed: true, inOrder: true, notificationData: true, notifConfigData: true };
const SETTINGS = KINDS.flatMap((kind) =>
  LAYOUTS.filter((layout) => layout === "split" || !kind.includes("legacy")).map((layout) => ({
    kind,
    layout,
  })),
);

/** What the driver is said to have broken. */
function listen(device: { onViolation: ((violation: Violation) => void) | undefined }): string[] {
  const seen: string[] = [];
  device.onViolation = ({ sentence, what }) => seen.push(`${sentence}: ${what}`);
  return seen;
}

describe("strict mode: a driver that keeps to the specification", () => {
  for (const { kind, layout } of SETTINGS) {
    const without = layout === "split" ? RING_PACKED : 0n;

    for (const more of [0n, EVENT_IDX, IN_ORDER, EVENT_IDX | IN_ORDER | NOTIFICATION_DATA]) {
      it(`breaks nothing with a disk (${kind}, ${layout}, without 0x${more.toString(16)})`, async () => {
        const disk = new SlowDisk(512 * 64);
        const options = {
          kind,
          memory: new FakeMemory(1 << 22),
          without: without | more,
          device: EVERYTHING,
        };
        const block = new BlockDriver(disk, { ...options, strict: true });
        const seen = listen(block.device);
        let answering = true;
        const answer = (): void => {
          disk.answer();
          if (answering) setImmediate(answer);
        };
        answer();
        for (let round = 0; round < 60; round++) {
          disk.slow = round % 3 !== 0;
          const placement: Placement = round % 2 ? "direct" : "indirect";
          const pieces = round % 5 === 0 ? [7, 100] : [512];
          await Promise.all([
            block.read(round, 512, { placement, pieces }),
            block.write(round, new Uint8Array(1024), { placement }),
            block.flush(),
            block.request(GET_ID, 0, new Uint8Array(), 20, { placement }),
          ]);
        }
        answering = false;
        assert.deepEqual(seen, []);
        assert.equal(block.device.violations, 0);
        assert.ok(block.device.queues[0]!.counters.chains === 240);
      });
    }

    it(`breaks nothing with a console and a source of entropy (${kind}, ${layout})`, async () => {
      const options = { kind, without, strict: true };
      const console = new ConsoleDriver([{ console: true }, { name: "second" }], options);
      const seen = listen(console.device);
      console.device.ports[0]!.connect({ write: () => undefined });
      if (!kind.includes("legacy")) console.driver.transport.readConfig(0, 2);
      await console.handshake();
      const received = console.receive(0, 64);
      await console.device.ports[0]!.send(new Uint8Array(10));
      await received;
      await console.write(0, new Uint8Array(100));
      assert.deepEqual(seen, []);
      assert.equal(console.device.violations, 0);

      const device = new EntropyDevice((target) => target.fill(7), { packed: true });
      const driver = Driver.start(device, options);
      await driver.request(0, [{ address: driver.memory.allocate(100), length: 100, writable: true }]);
      assert.equal(device.violations, 0);
    });

    it(`breaks nothing over a reset, and with another driver after it (${kind}, ${layout})`, async () => {
      const device = new BlockDriver(new MemoryDisk(512 * 8), { kind, without, strict: true }).device;
      const again = new Driver(device, { kind, without });
      again.start();
      again.start();
      await settle();
      assert.equal(device.violations, 0, device.lastViolation?.what);
    });
  }

  it("breaks nothing with any number of chains in flight, given back in any order", async () => {
    const chain = fc.record({
      segments: fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 4 }),
      writable: fc.nat(4),
      placement: fc.constantFrom<Placement>("direct", "indirect", "unaligned-indirect", "mixed"),
    });
    const step = fc.oneof(
      fc.record({ add: fc.array(chain, { minLength: 1, maxLength: 3 }) }),
      fc.record({ give: fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }) }),
    );
    const features = fc
      .subarray([EVENT_IDX, IN_ORDER, RING_PACKED])
      .map((all) => all.reduce((a, b) => a | b, 0n));
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        features,
        fc.integer({ min: 0, max: 9 }),
        async (steps, without, limit) => {
          const device = new HoldDevice({ packed: true, inOrder: true, size: 16 });
          device.limit = limit;
          const driver = Driver.start(device, { without, strict: true, memory: new FakeMemory(1 << 20) });
          const room = driver.memory.allocate(64);
          for (const step of steps) {
            if ("add" in step) {
              for (const { segments, writable, placement } of step.add) {
                if (driver.rings[0]!.free < segments.length) continue;
                const buffers = segments.map((length, i): Segment => ({
                  address: room,
                  length,
                  writable: i >= writable,
                }));
                void driver.enqueue(
                  0,
                  buffers,
                  buffers.length === 1 && placement === "mixed" ? "direct" : placement,
                );
              }
              driver.kick(0);
            } else {
              for (const which of step.give) {
                const [chain] = device.held.splice(which % Math.max(1, device.held.length), 1);
                if (chain) device.queues[0]!.put(chain, 0);
              }
              await settle();
              device.wake();
            }
            assert.deepEqual(device.rules, [], device.lastViolation?.what);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("strict mode: the sentences", () => {
  const root = new URL("../../", import.meta.url);
  const source = (folder: string, keep: (name: string) => boolean): string =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !name.endsWith("sentences.ts") && keep(name))
      .map((name) => readFileSync(new URL(`${folder}/${name}`, root), "utf8"))
      .join("\n");
  const core = source("src/virtio", (name) => !name.startsWith("strict"));
  const strict = source("src/virtio/strict", () => true);
  const tests = source("test/unit", (name) => name.includes("virtio-strict"));
  /** The transports put these together from a section and the fault. */
  const composed = /^(4\.2\.2\.2|4\.2\.4) (described|readOnly|writeOnly|width|config|acknowledge|queue)$/;

  const sentences: [string, Sentence | Unseen][] = Object.entries(SENTENCES);
  for (const [key, sentence] of sentences) {
    it(`${key} has its section, its words, and its place`, () => {
      assert.match(key, /^\d+(\.\d+)+ [a-zA-Z0-9]+$/);
      assert.match(sentence.demands, /^[A-Z].*\.$/);
      const quoted = `"${key}"`;
      if ("unseen" in sentence) {
        assert.ok(!core.includes(quoted) && !strict.includes(quoted), "it is reported after all");
      } else if (sentence.seen === "strict") {
        assert.ok(strict.includes(quoted), "strict mode does not report it");
        assert.ok(tests.includes(quoted), "it has no test");
      } else {
        assert.ok(core.includes(quoted) || composed.test(key), "nothing reports it");
      }
    });
  }
});
