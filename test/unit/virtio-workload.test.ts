/** The same random work over both ring layouts and both transports, with random framing, against a plain array of bytes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { MemoryDisk } from "../../src/backends/disk/memory.ts";
import type { BlockBackend } from "../../src/virtio/block-backend.ts";
import { type BlockAnswer, BlockDriver, IOERR, OK } from "./driver/block-driver.ts";
import {
  EVENT_IDX,
  IN_ORDER,
  INDIRECT_DESC,
  NOTIF_CONFIG_DATA,
  NOTIFICATION_DATA,
  RING_PACKED,
} from "./driver/driver.ts";
import { FakeMemory } from "./driver/memory.ts";
import type { Placement } from "./driver/queue.ts";
import { SlowDisk } from "./driver/slow-disk.ts";
import { KINDS, type Kind } from "./driver/transport.ts";

const SECTORS = 40;

interface Request {
  do: "read" | "write" | "flush";
  sector: number;
  sectors: number;
  seed: number;
  pieces: number[];
  placement: Placement;
}

interface Workload {
  /** Requests of one batch are made available together. */
  batches: Request[][];
  without: bigint;
  queueSize: number;
}

/** What the device offers beside the standard features. */
const EVERYTHING = { packed: true, inOrder: true, notificationData: true, notifConfigData: true };
const LAYOUTS = ["split", "packed"] as const;

interface Setting {
  kind: Kind;
  layout: (typeof LAYOUTS)[number];
}

const SETTINGS: readonly Setting[] = [
  ...KINDS.flatMap((kind) => LAYOUTS.map((layout) => ({ kind, layout }))),
  { kind: "pci-msix", layout: "packed" },
  { kind: "pci-legacy", layout: "split" },
  { kind: "pci-legacy-msix", layout: "split" },
  { kind: "mmio-legacy", layout: "split" },
];

const request: fc.Arbitrary<Request> = fc.record({
  do: fc.constantFrom("read", "write", "flush"),
  sector: fc.nat(SECTORS + 2),
  sectors: fc.nat(4),
  seed: fc.nat(255),
  // Few pieces below 64 bytes in a row: a chain has at most as many buffers as the queue.
  pieces: fc
    .tuple(fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 3 }), fc.integer({ min: 300, max: 3000 }))
    .map(([some, last]) => [...some, last]),
  placement: fc.constantFrom("direct", "indirect", "unaligned-indirect", "mixed"),
});

const workload: fc.Arbitrary<Workload> = fc.record({
  batches: fc.array(fc.array(request, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 12 }),
  without: fc
    .subarray([EVENT_IDX, INDIRECT_DESC, IN_ORDER, NOTIFICATION_DATA, NOTIF_CONFIG_DATA])
    .map((bits) => bits.reduce((set, bit) => set | bit, 0n)),
  // The split ring takes the next smaller power of two.
  queueSize: fc.constantFrom(128, 150, 255, 256),
});

function bytes({ sectors, seed }: Request): Uint8Array {
  return Uint8Array.from({ length: 512 * sectors }, (_, i) => (i * 31 + seed) & 0xff);
}

/** What the specification says should come back, from an array. */
class Model {
  readonly disk = new Uint8Array(512 * SECTORS);

  apply(request: Request): Omit<BlockAnswer, "length"> {
    const { sector, sectors } = request;
    const nothing = new Uint8Array();
    if (request.do === "flush") return { status: OK, data: nothing };
    const inside = sector + sectors <= SECTORS;
    if (request.do === "write") {
      if (inside) this.disk.set(bytes(request), 512 * sector);
      return { status: inside ? OK : IOERR, data: nothing };
    }
    const data = inside ? this.disk.slice(512 * sector, 512 * (sector + sectors)) : nothing;
    return { status: inside ? OK : IOERR, data };
  }
}

function send(block: BlockDriver, request: Request, indirect: boolean): Promise<BlockAnswer> {
  const { sector, sectors, pieces, placement } = request;
  const options = { pieces, placement: indirect ? placement : ("direct" as const) };
  if (request.do === "flush") return block.flush(options);
  return request.do === "write"
    ? block.write(sector, bytes(request), options)
    : block.read(sector, 512 * sectors, options);
}

/** Runs all batches on a fresh device; throws where an answer is not the model's. */
async function run(
  work: Workload,
  { kind, layout }: Setting,
  disk: BlockBackend,
  model: Model,
): Promise<BlockAnswer[]> {
  const memory = new FakeMemory(1 << 20);
  const split = layout === "split";
  const queueSize = split ? 2 ** Math.floor(Math.log2(work.queueSize)) : work.queueSize;
  const without = work.without | (split ? RING_PACKED : 0n);
  const block = new BlockDriver(disk, { kind, memory, without, queueSize, device: EVERYTHING });
  assert.equal(block.driver.has(RING_PACKED), !split);
  const answers: BlockAnswer[] = [];
  for (const batch of work.batches) {
    const expected = batch.map((request) => model.apply(request));
    const got = await Promise.all(
      batch.map((request) => send(block, request, (work.without & INDIRECT_DESC) === 0n)),
    );
    got.forEach((answer, i) => {
      const { status, data } = expected[i]!;
      assert.equal(answer.status, status);
      if (status === OK) assert.deepEqual(answer.data, data);
      assert.equal(answer.length, status === OK ? data.length + 1 : answer.data.length > 0 ? 0 : 1);
    });
    answers.push(...got);
  }
  assert.equal(block.device.violations, 0);
  const [ring] = block.driver.rings;
  assert.equal(ring!.free, ring!.size, "every descriptor came back");
  return answers;
}

describe("random block workloads", () => {
  it("2.7.4, 2.8.5, 5.2.6: split and packed, PCI and MMIO give the same, which is what an array gives", async () => {
    await fc.assert(
      fc.asyncProperty(workload, async (work) => {
        const results = [];
        for (const setting of SETTINGS) {
          const disk = new MemoryDisk(512 * SECTORS);
          const model = new Model();
          results.push(await run(work, setting, disk, model));
          const whole = new Uint8Array(512 * SECTORS);
          disk.read(0, whole);
          assert.deepEqual(whole, model.disk);
        }
        for (const other of results.slice(1)) assert.deepEqual(other, results[0]);
      }),
      { numRuns: 60 },
    );
  });

  it("2.7.4, 5.2.6: the same with a backend that answers later, one request at a time", async () => {
    await fc.assert(
      fc.asyncProperty(workload, async (work) => {
        const single = { ...work, batches: work.batches.flat().map((request) => [request]) };
        for (const setting of SETTINGS) {
          const disk = new SlowDisk(512 * SECTORS);
          disk.slow = true;
          let ended = false;
          const answer = (): void => {
            disk.answer();
            if (!ended) setImmediate(answer);
          };
          answer();
          await run(single, setting, disk, new Model()).finally(() => (ended = true));
        }
      }),
      { numRuns: 40 },
    );
  });
});
