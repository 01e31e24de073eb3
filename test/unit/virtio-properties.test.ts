/**
 * The same random life of a disk's driver over every transport and ring layout: requests in batches, a backend that answers
 * when and in what order it likes, interrupts wanted or not, resets of queue and device with requests in flight. What comes
 * of it is the same everywhere, and what an array of bytes gives.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BlockDriver, OK } from "./driver/block-driver.ts";
import { INDIRECT_DESC, settle } from "./driver/driver.ts";
import { FakeMemory } from "./driver/memory.ts";
import { resetQueue } from "./driver/queue-reset.ts";
import type { Placement } from "./driver/queue.ts";
import { EVERYTHING, RING_FEATURES, type Setting, SETTINGS, sizeFor, withoutFor } from "./driver/settings.ts";
import { Gate } from "../../src/virtio/gate.ts";
import { ShuffledDisk } from "./driver/shuffled-disk.ts";
import { suppress, type Suppression } from "./driver/suppression.ts";

const SECTORS = 32;
/** More random lives, for a night: RINGSIDE_PROPERTY_RUNS=1000. */
const RUNS = Number(process.env.RINGSIDE_PROPERTY_RUNS ?? 30);

interface Request {
  do: "read" | "write" | "flush";
  sector: number;
  sectors: number;
  seed: number;
  pieces: number[];
  placement: Placement;
}

type Step =
  | { do: "send"; requests: Request[] }
  /** The backend goes on with one of the requests that wait in it, as often as there are numbers. */
  | { do: "go"; which: number[] }
  | { do: "slow"; slow: boolean }
  | { do: "suppress"; how: Suppression }
  | { do: "reset"; what: "queue" | "device" };

interface Life {
  /** After how many events the gate closes, in turn; it opens with the next step. Never unless given. */
  stops?: number[];
  steps: Step[];
  without: bigint;
  queueSize: number;
}

const request: fc.Arbitrary<Request> = fc.record({
  do: fc.constantFrom("read", "read", "write", "write", "flush"),
  sector: fc.nat(SECTORS - 4),
  sectors: fc.integer({ min: 1, max: 4 }),
  seed: fc.nat(255),
  pieces: fc
    .tuple(fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 3 }), fc.integer({ min: 300, max: 3000 }))
    .map(([some, last]) => [...some, last]),
  placement: fc.constantFrom("direct", "indirect", "unaligned-indirect", "mixed"),
});

const suppression: fc.Arbitrary<Suppression> = fc.oneof(
  fc.record({ want: fc.constant("each" as const) }),
  fc.record({ want: fc.constant("none" as const) }),
  fc.record({ want: fc.constant("later" as const), after: fc.integer({ min: 1, max: 5 }) }),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("send" as const),
      requests: fc.array(request, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("go" as const), which: fc.array(fc.nat(9), { maxLength: 5 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("slow" as const), slow: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("suppress" as const), how: suppression }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("reset" as const), what: fc.constantFrom("queue", "device") }),
  },
);

const life: fc.Arbitrary<Life> = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 16 }),
  without: fc.subarray([...RING_FEATURES]).map((bits) => bits.reduce((set, bit) => set | bit, 0n)),
  queueSize: fc.constantFrom(16, 23, 64, 255),
});

function bytes({ sectors, seed }: Request): Uint8Array {
  return Uint8Array.from({ length: 512 * sectors }, (_, i) => (i * 31 + seed) & 0xff);
}

/** Two requests whose order matters: the driver sends the second only when the first is answered. */
function conflict(a: Request, b: Request): boolean {
  if (a.do === "flush" || b.do === "flush" || (a.do === "read" && b.do === "read")) return false;
  return a.sector < b.sector + b.sectors && b.sector < a.sector + a.sectors;
}

interface Pending {
  request: Request;
  /** What the specification says should come back: bytes that are read. */
  expected: Uint8Array;
  answered: boolean;
}

/** One life over one transport and layout. */
class Run {
  readonly disk = new ShuffledDisk(512 * SECTORS);
  readonly block: BlockDriver;
  /** What the disk holds when all that was sent is done. */
  readonly model = new Uint8Array(512 * SECTORS);
  readonly #life: Life;
  readonly #setting: Setting;
  #pending: Pending[] = [];
  readonly #gate = new Gate();
  /** Counts resets: answers to what was sent before one are none. */
  #generation = 0;
  /** What was wrong with an answer. */
  #failure: Error | undefined;

  constructor(life: Life, setting: Setting) {
    this.#life = life;
    this.#setting = setting;
    this.disk.slow = true;
    this.block = new BlockDriver(this.disk, {
      kind: setting.kind,
      memory: new FakeMemory(1 << 20),
      without: withoutFor(setting, life.without),
      queueSize: sizeFor(setting, life.queueSize),
      device: EVERYTHING,
      // This driver does not look whether its queue's reset is done, which strict mode would report.
      strict:
        life.stops !== undefined && !life.steps.some((step) => step.do === "reset" && step.what === "queue"),
    });
    if (life.stops) this.#stopAtEvents(life.stops);
  }

  /** The driver runs on, as a guest does for a few instructions; what it does has to wait. */
  #stopAtEvents(stops: readonly number[]): void {
    const { device } = this.block;
    const { observer } = device;
    let events = 0;
    let turn = 0;
    device.gate = this.#gate;
    device.observer = (event) => {
      observer?.(event);
      if (++events < stops[turn % stops.length]!) return;
      events = 0;
      turn++;
      this.#gate.close();
    };
  }

  async live(): Promise<void> {
    for (const step of this.#life.steps) await this.#step(step);
    await this.#drain();
    assert.equal(this.block.device.violations, 0, this.block.device.lastViolation?.what);
    assert.equal(this.#ring.free, this.#ring.size, "every descriptor came back");
    assert.deepEqual(this.disk.bytes, this.model);
  }

  async #step(step: Step): Promise<void> {
    if (this.#gate.closed) {
      this.#gate.open();
      await settle(); // answers that waited are heard before anything else
    }
    switch (step.do) {
      case "send":
        for (const request of step.requests) await this.#send(request);
        break;
      case "go":
        for (const which of step.which) this.disk.go(which);
        await settle();
        break;
      case "slow":
        this.disk.slow = step.slow;
        break;
      case "suppress":
        suppress(this.block.driver, 0, step.how);
        break;
      case "reset":
        await this.#reset(step.what);
    }
  }

  async #send(request: Request): Promise<void> {
    const blocked = this.#pending.some((other) => conflict(other.request, request));
    if (blocked || this.#ring.free < 16) await this.#drain();
    const start = 512 * request.sector;
    const expected =
      request.do === "read" ? this.model.slice(start, start + 512 * request.sectors) : new Uint8Array();
    if (request.do === "write") this.model.set(bytes(request), start);
    const pending = { request, expected, answered: false };
    this.#pending.push(pending);
    this.#submit(pending);
  }

  #submit(pending: Pending): void {
    const { block } = this;
    const { request, expected } = pending;
    const indirect = (this.#life.without & INDIRECT_DESC) === 0n;
    const options = { pieces: request.pieces, placement: indirect ? request.placement : ("direct" as const) };
    const sent =
      request.do === "flush"
        ? block.flush(options)
        : request.do === "write"
          ? block.write(request.sector, bytes(request), options)
          : block.read(request.sector, 512 * request.sectors, options);
    const generation = this.#generation;
    void sent
      .then((answer) => {
        assert.equal(generation, this.#generation, "an answer from before the reset");
        assert.equal(pending.answered, false, "a second answer");
        pending.answered = true;
        this.#pending = this.#pending.filter((other) => other !== pending);
        assert.deepEqual(answer, { status: OK, length: expected.length + 1, data: expected });
      })
      .catch((error: unknown) => (this.#failure ??= error as Error));
  }

  /** Lets everything that was sent be answered, of which interrupts have to tell. */
  async #drain(): Promise<void> {
    suppress(this.block.driver, 0, { want: "each" });
    await settle();
    for (let turn = 0; this.#pending.length > 0; turn++) {
      assert.ok(
        turn < 1000,
        `${this.#pending.length} requests are not answered, or no interrupt tells of them`,
      );
      this.#gate.open();
      this.disk.go(0);
      await settle();
      if (this.#failure) throw this.#failure;
    }
  }

  /** Takes everything back that is in flight, waits for what must not come, and sends it again. */
  async #reset(what: "queue" | "device"): Promise<void> {
    const { driver } = this.block;
    const { transport, memory } = driver;
    this.#generation++;
    const partly = what === "queue" && !transport.legacy;
    if (partly) resetQueue(driver, 0);
    else transport.status = 0;
    const before = memory.u8.slice();
    const raised = transport.line.raised;
    while (this.disk.waiting > 0) {
      this.disk.go(0);
      await settle();
    }
    this.#gate.open(); // what it held is nobody's any more
    await settle();
    assert.deepEqual(memory.u8, before, "memory is the driver's again");
    assert.equal(transport.line.raised, raised, "nothing is left to tell");
    if (partly) driver.rings[0] = driver.setUpRing(0, sizeFor(this.#setting, this.#life.queueSize));
    else driver.start();
    for (const pending of this.#pending) this.#submit(pending);
  }

  get #ring() {
    return this.block.driver.rings[0]!;
  }
}

describe("a disk's driver at random", () => {
  it("comes to the same when the machine is stopped at any event, and goes on", async () => {
    const stops = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(life, stops, async (life, stops) => {
        for (const setting of SETTINGS) await new Run({ ...life, stops }, setting).live();
      }),
      { numRuns: Math.ceil(RUNS / 4), includeErrorInReport: true },
    );
  });

  it("2.1, 2.4, 2.6.1, 2.7, 2.8, 5.2.6: comes to the same over every transport and ring layout", async () => {
    await fc.assert(
      fc.asyncProperty(life, async (life) => {
        const disks: Uint8Array[] = [];
        for (const setting of SETTINGS) {
          const run = new Run(life, setting);
          await run.live();
          disks.push(run.disk.bytes);
        }
        for (const disk of disks) assert.deepEqual(disk, disks[0]);
      }),
      { numRuns: RUNS },
    );
  });
});
