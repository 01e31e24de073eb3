/** Streams at random over every transport and ring layout: a console's ports in both directions, and a source of randomness. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ConsoleDevice, type ConsoleSink } from "../../src/virtio/console.ts";
import { EntropyDevice } from "../../src/virtio/entropy.ts";
import { ConsoleDriver, transmitQueue } from "./driver/console-driver.ts";
import { Driver, INDIRECT_DESC, settle } from "./driver/driver.ts";
import { FakeMemory } from "./driver/memory.ts";
import type { Segment } from "./driver/queue.ts";
import { EVERYTHING, RING_FEATURES, type Setting, SETTINGS, sizeFor, withoutFor } from "./driver/settings.ts";
import { suppress, type Suppression } from "./driver/suppression.ts";

/** More random streams, for a night: RINGSIDE_PROPERTY_RUNS=1000. */
const RUNS = Number(process.env.RINGSIDE_PROPERTY_RUNS ?? 20);
const PORTS = [{ console: true }, { name: "second" }];

const without = fc.subarray([...RING_FEATURES]).map((bits) => bits.reduce((set, bit) => set | bit, 0n));
const queueSize = fc.constantFrom(8, 11, 16, 29);
const suppression: fc.Arbitrary<Suppression> = fc.oneof(
  fc.record({ want: fc.constant("each" as const) }),
  fc.record({ want: fc.constant("none" as const) }),
  fc.record({ want: fc.constant("later" as const), after: fc.integer({ min: 1, max: 5 }) }),
);

const port = fc.nat(PORTS.length - 1);
const length = fc.integer({ min: 1, max: 300 });
const consoleStep = fc.oneof(
  // The host sends, the driver offers a buffer for it, the driver writes.
  { weight: 3, arbitrary: fc.record({ do: fc.constant("input" as const), port, length }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("offer" as const), port, length }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("output" as const), port, length }) },
  // Whoever takes the output wants it, or lets the guest wait.
  { weight: 2, arbitrary: fc.record({ do: fc.constant("slow" as const), port, slow: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("go" as const), port }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("suppress" as const), port, how: suppression }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
);
type ConsoleStep = typeof consoleStep extends fc.Arbitrary<infer T> ? T : never;

const conversation = fc.record({
  steps: fc.array(consoleStep, { minLength: 1, maxLength: 25 }),
  without,
  queueSize,
});
type Conversation = typeof conversation extends fc.Arbitrary<infer T> ? T : never;

/** A stream whose bytes tell where they belong. */
class Stream {
  #next: number;

  constructor(first: number) {
    this.#next = first;
  }

  take(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => (this.#next++ * 7) & 0xff);
  }
}

class Sink implements ConsoleSink {
  slow = false;
  readonly taken: number[] = [];
  #waiting: (() => void)[] = [];

  write(data: Uint8Array): Promise<void> | undefined {
    this.taken.push(...data);
    return this.slow ? new Promise((resolve) => this.#waiting.push(resolve)) : undefined;
  }

  go(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** One port's streams: what was sent and what came. */
class PortRun {
  readonly sink = new Sink();
  readonly input: Stream;
  readonly output: Stream;
  readonly sent: number[] = [];
  readonly written: number[] = [];
  readonly received: number[] = [];
  /** Requests of the driver that are not answered. */
  offers = 0;
  outputs = 0;

  constructor(number: number) {
    this.input = new Stream(100 * number);
    this.output = new Stream(100 * number + 50);
  }
}

class ConsoleRun {
  readonly console: ConsoleDriver;
  readonly ports = PORTS.map((_, number) => new PortRun(number));
  readonly #conversation: Conversation;

  constructor(conversation: Conversation, setting: Setting) {
    this.#conversation = conversation;
    const options = {
      kind: setting.kind,
      memory: new FakeMemory(1 << 20),
      without: withoutFor(setting, conversation.without),
      queueSize: sizeFor(setting, conversation.queueSize),
    };
    this.console = new ConsoleDriver(PORTS, options, new ConsoleDevice(PORTS, EVERYTHING));
    this.ports.forEach(({ sink }, number) => this.console.device.ports[number]!.connect(sink));
  }

  async live(): Promise<void> {
    await this.console.handshake();
    for (const step of this.#conversation.steps) {
      await this.#step(step);
      await settle();
    }
    await this.#drain();
    for (const { sink, sent, written, received } of this.ports) {
      assert.deepEqual(received, sent);
      assert.deepEqual(sink.taken, written);
    }
    const { device } = this.console;
    assert.equal(device.violations, 0, device.lastViolation?.what);
  }

  async #step(step: ConsoleStep): Promise<void> {
    if (step.do === "restart") {
      await this.#drain();
      this.console.driver.start();
      this.console.listen();
      return;
    }
    const run = this.ports[step.port]!;
    const transmit = transmitQueue(step.port);
    switch (step.do) {
      case "input": {
        const data = run.input.take(step.length);
        run.sent.push(...data);
        void this.console.device.ports[step.port]!.send(data);
        break;
      }
      case "offer":
        if (this.console.driver.rings[transmit - 1]!.free === 0) await this.#drain();
        this.#offer(step.port, step.length);
        break;
      case "output":
        if (this.console.driver.rings[transmit]!.free === 0) await this.#drain();
        this.#write(step.port, run.output.take(step.length));
        break;
      case "slow":
        run.sink.slow = step.slow;
        break;
      case "go":
        run.sink.go();
        break;
      case "suppress":
        for (const queue of [transmit, transmit - 1]) suppress(this.console.driver, queue, step.how);
    }
  }

  #offer(port: number, size: number): void {
    const run = this.ports[port]!;
    run.offers++;
    void this.console.receive(port, size).then((data) => {
      run.offers--;
      run.received.push(...data);
    });
  }

  #write(port: number, data: Uint8Array): void {
    const run = this.ports[port]!;
    run.outputs++;
    run.written.push(...data);
    void this.console.write(port, data).then(() => run.outputs--);
  }

  /** Everything that is on its way arrives, of which interrupts have to tell. */
  async #drain(): Promise<void> {
    for (const [port, run] of this.ports.entries()) {
      const transmit = transmitQueue(port);
      for (const queue of [transmit, transmit - 1]) suppress(this.console.driver, queue, { want: "each" });
      run.sink.slow = false;
      run.sink.go();
      // What the host has sent fills the offers that are open, and then new ones; one byte more closes those left open.
      for (let turn = 0; ; turn++) {
        assert.ok(
          turn < 1000,
          `port ${port}: ${run.outputs} outputs and ${run.offers} offers are not answered`,
        );
        await settle();
        if (run.received.length < run.sent.length) {
          if (run.offers === 0) this.#offer(port, 64);
        } else if (run.offers > 0) {
          const data = run.input.take(1);
          run.sent.push(...data);
          void this.console.device.ports[port]!.send(data);
        } else if (run.outputs === 0) break;
      }
    }
  }
}

describe("a console's driver at random", () => {
  it("5.3.6, 2.6, 2.7, 2.8: every byte arrives once and in order, over every transport and ring layout", async () => {
    await fc.assert(
      fc.asyncProperty(conversation, async (conversation) => {
        for (const setting of SETTINGS) await new ConsoleRun(conversation, setting).live();
      }),
      { numRuns: RUNS },
    );
  });
});

const entropyRequest = fc.record({
  pieces: fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 4 }),
  indirect: fc.boolean(),
});

describe("a driver that wants randomness", () => {
  it("5.4.6: gets all of the source, in order and nothing twice, over every transport and ring layout", async () => {
    const batches = fc.array(fc.array(entropyRequest, { minLength: 1, maxLength: 2 }), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(batches, without, queueSize, async (batches, without, queueSize) => {
        for (const setting of SETTINGS) {
          const source = new Stream(0);
          const expected = new Stream(0);
          const device = new EntropyDevice((target) => target.set(source.take(target.length)), EVERYTHING);
          const driver = Driver.start(device, {
            kind: setting.kind,
            memory: new FakeMemory(1 << 18),
            without: withoutFor(setting, without),
            queueSize: sizeFor(setting, queueSize),
          });
          const mayIndirect = driver.has(INDIRECT_DESC);
          for (const batch of batches) {
            const requests = batch.map(({ pieces, indirect }) => {
              const segments = pieces.map((length): Segment => ({
                address: driver.memory.allocate(length, 1),
                length,
                writable: true,
              }));
              const placement = mayIndirect && indirect ? ("indirect" as const) : ("direct" as const);
              return { segments, done: driver.enqueue(0, segments, placement) };
            });
            driver.kick(0);
            for (const { segments, done } of requests) {
              assert.equal(
                await done,
                segments.reduce((sum, { length }) => sum + length, 0),
              );
              for (const { address, length } of segments) {
                assert.deepEqual(driver.memory.get(address, length), expected.take(length));
              }
            }
          }
          assert.equal(device.violations, 0);
        }
      }),
      { numRuns: RUNS },
    );
  });
});
