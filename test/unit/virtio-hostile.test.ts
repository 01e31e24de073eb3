/** Drivers that do anything at all: the device may stop, but it does not throw, hang, or write where it was not asked to. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BlockDevice } from "../../src/virtio/block.ts";
import { ConsoleDevice, type ConsoleSink } from "../../src/virtio/console.ts";
import type { VirtioDevice } from "../../src/virtio/device.ts";
import { EntropyDevice } from "../../src/virtio/entropy.ts";
import { Driver, EVENT_IDX, INDIRECT_DESC } from "./driver/driver.ts";
import { FakeMemory } from "./driver/memory.ts";
import { type DriverQueue, INDIRECT, NEXT, WRITE } from "./driver/queue.ts";
import { SlowDisk } from "./driver/slow-disk.ts";
import { asMmio, asPci, type Kind } from "./driver/transport.ts";

const MEMORY = 1 << 16;
/** The driver's rings lie below, then its indirect tables, then its buffers. */
const TABLES = 0x8000;
const BUFFERS = 0xa000;
const QUEUE_SIZE = 8;

interface RawDescriptor {
  address: number;
  length: number;
  flags: number;
  next: number;
}

type Step =
  /** Fills descriptors from `first` on of a table (undefined: the queue's own). */
  | { do: "describe"; queue: number; table: number | undefined; first: number; descriptors: RawDescriptor[] }
  | { do: "offer"; queue: number; heads: number[]; ahead: number }
  | { do: "kick"; queue: number }
  | { do: "register"; offset: number; width: 1 | 2 | 4; value: number }
  | { do: "poke"; address: number; value: number }
  | { do: "host"; what: "answer" | "fail" | "resize" | "input" | "sink" }
  | { do: "restart" };

interface Attack {
  kind: Kind;
  device: "block" | "console" | "entropy";
  without: bigint;
  steps: Step[];
}

const index = fc.oneof(
  { weight: 8, arbitrary: fc.nat(QUEUE_SIZE - 1) },
  { weight: 1, arbitrary: fc.nat(0xffff) },
);
const length = fc.oneof(
  { weight: 6, arbitrary: fc.nat(64) },
  { weight: 2, arbitrary: fc.constantFrom(512, 513, 1024, 4096) },
  { weight: 1, arbitrary: fc.constantFrom(0x7fffffff, 0x80000000, 0xffffffff) },
);
const flags = fc.oneof(
  { weight: 3, arbitrary: fc.constant(WRITE) },
  { weight: 3, arbitrary: fc.constant(WRITE | NEXT) },
  { weight: 3, arbitrary: fc.constantFrom(0, NEXT) },
  { weight: 1, arbitrary: fc.nat(0xffff) },
);
const anywhere = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: BUFFERS, max: MEMORY - 1 }) },
  { weight: 1, arbitrary: fc.constantFrom(MEMORY - 1, MEMORY, 0xffffffff, 2 ** 32 + BUFFERS, 2 ** 53 - 1) },
);
const descriptor: fc.Arbitrary<RawDescriptor> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ address: anywhere, length, flags, next: index }) },
  {
    weight: 1,
    arbitrary: fc.record({
      address: fc.integer({ min: TABLES, max: TABLES + 256 }),
      length: fc.constantFrom(16, 32, 48, 128, 17, 0),
      flags: fc.constantFrom(INDIRECT, INDIRECT | WRITE, INDIRECT | NEXT),
      next: index,
    }),
  },
);
const queue = fc.nat(5);

const ringSteps: fc.WeightedArbitrary<Step>[] = [
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("describe"),
      queue,
      table: fc.option(fc.integer({ min: TABLES, max: TABLES + 256 }), { nil: undefined, freq: 2 }),
      first: fc.nat(QUEUE_SIZE - 1),
      descriptors: fc.array(descriptor, { minLength: 1, maxLength: QUEUE_SIZE }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("offer"),
      queue,
      heads: fc.array(index, { minLength: 1, maxLength: 4 }),
      ahead: fc.oneof({ weight: 20, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(0xffff) }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("kick"), queue }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("host"),
      what: fc.constantFrom("answer", "fail", "resize", "input", "sink"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart") }) },
];

const anySteps: fc.WeightedArbitrary<Step>[] = [
  ...ringSteps,
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("register"),
      offset: fc.oneof(fc.nat(0xff), fc.nat(0x3ff), fc.nat(0x1fff), fc.integer({ min: 0x1000, max: 0x1020 })),
      width: fc.constantFrom(1, 2, 4),
      value: fc.oneof(
        fc.nat(15),
        fc.nat(0xffffffff),
        fc.constantFrom(0, 1, 0xf, 0xffff, MEMORY - 16, 0x1000),
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("poke"), address: fc.nat(MEMORY - 1), value: fc.nat(255) }),
  },
];

function attack(steps: fc.WeightedArbitrary<Step>[], maxLength: number): fc.Arbitrary<Attack> {
  return fc.record({
    kind: fc.constantFrom("pci", "mmio"),
    device: fc.constantFrom("block", "console", "entropy"),
    without: fc.constantFrom(0n, EVENT_IDX, INDIRECT_DESC, 2n /* MULTIPORT */),
    steps: fc.array(fc.oneof(...steps), { minLength: 4, maxLength, size: "max" }),
  });
}

/** The scene of an attack: a device, what stands behind it, and the memory of its driver. */
class Scene {
  readonly memory = new FakeMemory(MEMORY);
  readonly disk = new SlowDisk(64 * 512);
  readonly driver: Driver;
  readonly device: VirtioDevice;
  /** The most bytes that a sink got at once. */
  longestWrite = 0;
  /** Ranges that a driver offered in chains that the specification allows. */
  readonly offered: [start: number, end: number][] = [];
  readonly #kind: Kind;
  #sinkReady: (() => void) | undefined;

  constructor({ device, kind, without }: Attack) {
    this.#kind = kind;
    this.device = this.#make(device);
    for (let at = BUFFERS; at < MEMORY; at += 16) {
      const n = (at - BUFFERS) / 16;
      this.memory.view.setUint32(at, [0, 1, 4, 8, 3, 6, 0, 1][n % 8]!, true);
      this.memory.view.setUint32(at + 8, n % 66, true);
    }
    this.driver = new Driver(this.device, { kind, without, memory: this.memory, queueSize: QUEUE_SIZE });
    this.driver.start();
    // Acknowledges and leaves it at that: a driver that took used buffers would write into its rings, too.
    this.driver.transport.line.onRaise = () => void this.driver.transport.acknowledge();
  }

  queue(number: number): DriverQueue {
    return this.driver.queues[number % this.driver.queues.length]!;
  }

  step(step: Step): void {
    switch (step.do) {
      case "describe": {
        const queue = this.queue(step.queue);
        const table = step.table ?? queue.descriptors;
        step.descriptors.forEach(({ address, length, flags, next }, i) => {
          const at = step.table === undefined ? (step.first + i) % QUEUE_SIZE : step.first + i;
          queue.describe(table, at, address, length, flags, next);
        });
        break;
      }
      case "offer": {
        const queue = this.queue(step.queue);
        for (const head of step.heads) queue.push(head);
        queue.expose();
        if (step.ahead) {
          this.memory.view.setUint16(queue.available + 2, (queue.availableIndex + step.ahead) & 0xffff, true);
        }
        break;
      }
      case "kick":
        this.driver.transport.notify(step.queue % this.driver.queues.length);
        break;
      case "register":
        this.#access(step);
        break;
      case "poke":
        this.memory.u8[step.address] = step.value;
        break;
      case "host":
        this.#host(step.what);
        break;
      case "restart":
        this.offered.length = 0;
        this.#restart();
        break;
    }
  }

  end(): void {
    this.driver.transport.line.onRaise = undefined;
    this.disk.answer();
    this.#sinkReady?.();
  }

  /** Adds what is offered now: every chain in every ring that is well-formed. Written anew from the specification. */
  note(): void {
    for (const queue of this.driver.queues) {
      for (let i = 0; i < QUEUE_SIZE; i++) {
        this.#noteChain(queue, this.memory.view.getUint16(queue.available + 4 + 2 * i, true));
      }
    }
  }

  /** The first byte that was changed since `before` and that nobody offered, if any. */
  trespass(before: Uint8Array): number | undefined {
    if (Buffer.compare(before, this.memory.u8) === 0) return undefined;
    const rings = this.driver.queues.map(({ used, size }) => [used, used + 6 + 8 * size] as const);
    return this.memory
      .changedSince(before)
      .find((at) => ![...this.offered, ...rings].some(([start, end]) => at >= start && at < end));
  }

  #noteChain(queue: DriverQueue, head: number): void {
    const { view } = this.memory;
    const writable: [number, number][] = [];
    let [table, entries, at] = [queue.descriptors, QUEUE_SIZE, head];
    for (let count = 0; count < 300; count++) {
      if (at >= entries || table + 16 * at + 16 > MEMORY) return;
      const address = Number(view.getBigUint64(table + 16 * at, true));
      const length = view.getUint32(table + 16 * at + 8, true);
      const flags = view.getUint16(table + 16 * at + 12, true);
      if (address + length > MEMORY) return;
      if (flags & INDIRECT) {
        if (table !== queue.descriptors || flags & NEXT || length % 16 !== 0) return;
        [table, entries, at] = [address, length / 16, 0];
        continue;
      }
      if (flags & WRITE) writable.push([address, address + length]);
      if (!(flags & NEXT)) {
        this.offered.push(...writable);
        return;
      }
      at = view.getUint16(table + 16 * at + 14, true);
    }
  }

  #access({ offset, width, value }: { offset: number; width: 1 | 2 | 4; value: number }): void {
    const masked = width === 4 ? value : value & ((1 << (8 * width)) - 1);
    const { registers } =
      this.#kind === "mmio" ? asMmio(this.driver.transport) : asPci(this.driver.transport);
    registers.write(offset, width, masked);
    const read = registers.read(offset, width);
    assert.ok(Number.isInteger(read) && read >= 0 && read < 2 ** (8 * width), `${read} read`);
  }

  #host(what: "answer" | "fail" | "resize" | "input" | "sink"): void {
    if (what === "answer") this.disk.answer(1);
    else if (what === "fail") this.disk.answer(1, new Error("on purpose"));
    else if (what === "sink") this.#sinkReady?.();
    else if (this.device instanceof ConsoleDevice) {
      if (what === "resize") this.device.resize(90, 30);
      else void this.device.ports[1]!.send(new Uint8Array(20));
    } else if (what === "resize") this.disk.resize(this.disk.capacity === 32 * 512 ? 64 * 512 : 32 * 512);
  }

  #restart(): void {
    const { queues, transport } = this.driver;
    // The same rings again, as they are: allocating new ones for ever would use up the memory.
    this.driver.negotiate();
    queues.forEach((queue, i) => {
      this.memory.u8.fill(0, queue.available, queue.available + 4);
      transport.selectQueue(i);
      transport.setQueueSize(QUEUE_SIZE);
      transport.setAreas(queue);
      transport.enableQueue();
    });
    transport.status = 15;
  }

  #make(device: Attack["device"]): VirtioDevice {
    if (device === "entropy") return new EntropyDevice((target) => target.fill(0x55));
    if (device === "block") {
      this.disk.slow = true;
      return new BlockDevice({ id: "hostile", backend: this.disk });
    }
    const console = new ConsoleDevice([{ console: true }, { name: "port" }]);
    const sink: ConsoleSink = {
      write: (data) => {
        this.longestWrite = Math.max(this.longestWrite, data.length);
        return new Promise<void>((resolve) => (this.#sinkReady = resolve));
      },
    };
    for (const port of console.ports) port.connect(sink);
    return console;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => queueMicrotask(() => queueMicrotask(resolve)));

describe("hostile drivers", () => {
  it("2.7.5.1: random rings: no exception, and no byte written that a well-formed chain did not offer", async () => {
    let [tables, chains, broken] = [0, 0, 0];
    await fc.assert(
      fc.asyncProperty(attack(ringSteps, 24), async (attack) => {
        const scene = new Scene(attack);
        const before = scene.memory.u8.slice();
        for (const step of attack.steps) {
          scene.step(step);
          if (step.do === "describe" || step.do === "offer" || step.do === "restart") {
            // What the driver itself wrote; the device acts in the other steps.
            before.set(scene.memory.u8);
            scene.note();
            if (step.do === "describe") tables++;
            continue;
          }
          await turn();
          const at = scene.trespass(before);
          assert.equal(at, undefined, `wrote to 0x${(at ?? 0).toString(16)}`);
        }
        chains += scene.device.queues.reduce((sum, { counters }) => sum + counters.chains, 0);
        if (scene.device.status & 64) broken++;
        assert.ok(scene.disk.longest <= 4 << 20);
        assert.ok(scene.longestWrite <= 65536);
        scene.end();
      }),
      { numRuns: 2000 },
    );
    // Otherwise the test would show nothing.
    assert.ok(tables > 5000, `${tables} tables`);
    assert.ok(chains > 1000, `${chains} chains`);
    assert.ok(broken > 250, `${broken} broken`);
  });

  it("random rings, registers and memory that changes under the device: no exception, no hang", async () => {
    await fc.assert(
      fc.asyncProperty(attack(anySteps, 40), async (attack) => {
        const scene = new Scene(attack);
        for (const step of attack.steps) scene.step(step);
        await turn();
        scene.end();
        await turn();
        assert.ok(scene.longestWrite <= 65536);
        // And a driver that behaves can use the device again.
        const { line } = scene.driver.transport;
        const memory = new FakeMemory(MEMORY * 4);
        line.onRaise = undefined;
        const next = Driver.start(scene.device, { kind: attack.kind, memory });
        assert.ok(scene.device.live);
        if (attack.device !== "entropy") return;
        const { address, length } = { address: memory.allocate(8), length: 8 };
        assert.equal(await next.request(0, [{ address, length, writable: true }]), 8);
      }),
      { numRuns: 1200 },
    );
  });
});
