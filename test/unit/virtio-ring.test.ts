import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Virtqueue } from "../../src/virtio/queue.ts";
import {
  Driver,
  type DriverOptions,
  EVENT_IDX,
  INDIRECT_DESC,
  NEEDS_RESET,
  settle,
} from "./driver/driver.ts";
import { HoldDevice, type HoldOptions } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";
import { type DriverQueue, INDIRECT, NEXT, type Placement, WRITE } from "./driver/queue.ts";

const MEMORY = 1 << 20;

function start(
  options: HoldOptions = {},
  driverOptions: DriverOptions = {},
): [HoldDevice, Driver, DriverQueue] {
  const device = new HoldDevice({ size: 16, ...options });
  const driver = Driver.start(device, { memory: new FakeMemory(MEMORY), ...driverOptions });
  return [device, driver, driver.queues[0]!];
}

describe("descriptor chains", () => {
  for (const placement of ["direct", "indirect", "unaligned-indirect", "mixed"] satisfies Placement[]) {
    it(`2.7.5: readable bytes, then writable ones, whatever the segments (${placement})`, () => {
      const [device, driver] = start();
      const text = new TextEncoder().encode("written by the driver");
      const [a, b, c] = [text.subarray(0, 1), text.subarray(1, 9), text.subarray(9)].map((part) =>
        driver.memory.put(part),
      );
      const target = driver.memory.allocate(16);
      void driver.request(
        0,
        [
          { address: a!, length: 1 },
          { address: b!, length: 8 },
          { address: c!, length: text.length - 9 },
          { address: target, length: 3, writable: true },
          { address: target + 8, length: 5, writable: true },
        ],
        placement,
      );
      const [chain] = device.held;
      assert.ok(chain);
      assert.equal(chain.reader.total, text.length);
      assert.equal(chain.writer.total, 8);
      const got = new Uint8Array(100);
      assert.equal(chain.reader.read(got), text.length);
      assert.deepEqual(got.subarray(0, text.length), text);
      assert.equal(chain.reader.remaining, 0);
      assert.equal(chain.writer.write(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9)), 8);
      assert.deepEqual([...driver.memory.get(target, 14)], [1, 2, 3, 0, 0, 0, 0, 0, 4, 5, 6, 7, 8, 0]);
      assert.deepEqual(device.rules, []);
    });
  }

  it("2.7.5: empty descriptors are passed over", () => {
    const [device, driver] = start();
    const address = driver.memory.put(Uint8Array.of(7, 8));
    void driver.request(0, [
      { address: 0, length: 0 },
      { address, length: 1 },
      { address: MEMORY, length: 0 },
      { address: address + 1, length: 1 },
      { address: 0, length: 0, writable: true },
    ]);
    const got = new Uint8Array(2);
    assert.equal(device.held[0]?.reader.read(got), 2);
    assert.deepEqual([...got], [7, 8]);
    assert.equal(device.held[0].writer.write(got), 0);
  });

  it("2.7.5.3.2: the write flag of a descriptor that refers to an indirect table is ignored", () => {
    const [device, driver, queue] = start();
    const table = driver.memory.allocate(16);
    queue.describe(table, 0, 0x100, 4, 0, 0);
    queue.describe(queue.descriptors, 5, table, 16, INDIRECT | WRITE, 0);
    queue.push(5);
    driver.kick(0);
    assert.equal(device.held[0]?.reader.total, 4);
    assert.equal(device.held[0].writer.total, 0);
  });

  it("2.7.5: the index of the last descriptor's next field means nothing", () => {
    const [device, driver, queue] = start();
    queue.describe(queue.descriptors, 0, 0x100, 4, 0, 9999);
    queue.push(0);
    driver.kick(0);
    assert.equal(device.held.length, 1);
  });

  it("2.7.5.3.1: a chain may be as long as the queue", async () => {
    const [device, driver] = start({ size: 16 });
    const segments = Array.from({ length: 16 }, (_, i) => ({ address: 0x100 + i, length: 1 }));
    const direct = driver.request(0, segments);
    device.give();
    await direct;
    void driver.request(0, segments, "indirect");
    assert.equal(device.held[0]?.reader.total, 16);
    assert.deepEqual(device.rules, []);
  });

  it("2.7.5.3.1: through an indirect table, as long as the device's queue even if the driver's is smaller", () => {
    // Linux chooses a smaller queue when memory is short, and still makes chains of up to seg_max + 2.
    const [device, driver] = start({ size: 64 }, { queueSize: 16 });
    const segments = Array.from({ length: 64 }, (_, i) => ({ address: 0x100 + i, length: 1 }));
    void driver.request(0, segments, "indirect");
    assert.equal(device.held[0]?.reader.total, 64);
    void driver.request(0, [...segments, { address: 0, length: 1 }], "indirect");
    assert.deepEqual(device.rules, ["2.7.5.3.1"]);
  });

  it("2.7.5.1: descriptor table and available ring are never written", () => {
    const [device, driver, queue] = start();
    const before = driver.memory.u8.slice();
    void driver.request(0, [{ address: 0x100, length: 8, writable: true }], "indirect");
    device.held[0]?.writer.write(new Uint8Array(8).fill(1));
    const exposed = driver.memory.u8.slice(queue.descriptors, queue.used);
    device.give(1, 8);
    assert.deepEqual(driver.memory.u8.slice(queue.descriptors, queue.used), exposed);
    assert.ok(driver.memory.changedSince(before).length > 0);
  });

  for (const without of [0n, EVENT_IDX]) {
    it(`every byte that the device writes is reported as dirty at once (${without ? "flags" : "EVENT_IDX"})`, async () => {
      const [device, driver] = start({}, { without });
      const { memory, transport } = driver;
      transport.line.onRaise = () => void transport.acknowledge(); // the test's driver writes nothing meanwhile
      let wrote = 0;
      const step = async (act: () => void): Promise<void> => {
        const before = memory.u8.slice();
        memory.told.fill(0);
        act();
        await settle();
        const changed = memory.changedSince(before);
        wrote += changed.length;
        assert.deepEqual(
          changed.filter((at) => memory.told[at] === 0),
          [],
        );
      };
      const buffer = memory.allocate(8);
      device.limit = 1;
      for (let i = 0; i < 3; i++) driver.queues[0]!.add([{ address: buffer, length: 8, writable: true }]);
      driver.queues[0]!.expose();
      await step(() => transport.notify(0)); // busy from now on: it says so in the used ring
      for (let i = 0; i < 3; i++) {
        await step(() => void device.held[0]!.writer.write(new Uint8Array(8).fill(i + 1)));
        await step(() => device.give(1, 8));
        await step(() => device.wake());
      }
      assert.ok(wrote > 3 * 8);
    });
  }
});

describe("what breaks a ring", () => {
  const broken: [
    title: string,
    rule: string,
    build: (queue: DriverQueue, memory: FakeMemory) => void,
    withIndirect?: boolean,
  ][] = [
    ["2.7.5: a head outside the table", "2.7.5", (queue) => queue.push(16)],
    ["2.7.5: a head of 0xffff", "2.7.5", (queue) => queue.push(0xffff)],
    [
      "2.7.5: a next index outside the table",
      "2.7.5",
      (queue) => {
        queue.describe(queue.descriptors, 0, 0x100, 1, NEXT, 16);
        queue.push(0);
      },
    ],
    [
      "2.7.5.2: a descriptor that is its own next one",
      "2.7.5.3.1",
      (queue) => {
        queue.describe(queue.descriptors, 3, 0x100, 1, NEXT, 3);
        queue.push(3);
      },
    ],
    [
      "2.7.5.2: a loop of empty descriptors",
      "2.7.5.3.1",
      (queue) => {
        queue.describe(queue.descriptors, 0, 0, 0, NEXT | WRITE, 1);
        queue.describe(queue.descriptors, 1, 0, 0, NEXT | WRITE, 0);
        queue.push(0);
      },
    ],
    [
      "2.7.5.2: a loop in an indirect table",
      "2.7.5.3.1",
      (queue, memory) => {
        const table = memory.allocate(32);
        queue.describe(table, 0, 0x100, 1, NEXT, 1);
        queue.describe(table, 1, 0x100, 1, NEXT, 0);
        queue.describe(queue.descriptors, 0, table, 32, INDIRECT, 0);
        queue.push(0);
      },
    ],
    [
      "2.7.5: a buffer that ends outside memory",
      "2.7.5",
      (queue) => {
        queue.describe(queue.descriptors, 0, MEMORY - 8, 9, 0, 0);
        queue.push(0);
      },
    ],
    [
      "2.7.5: a buffer beyond 4 GiB",
      "2.7.5",
      (queue) => {
        queue.describe(queue.descriptors, 0, 2 ** 32 + 0x100, 1, WRITE, 0);
        queue.push(0);
      },
    ],
    [
      "2.7.5: an address and a length that wrap around 32 bits",
      "2.7.5",
      (queue) => {
        queue.describe(queue.descriptors, 0, 0xfffffff0, 0x20, WRITE, 0);
        queue.push(0);
      },
    ],
    [
      "2.7.5: a length of 4 GiB - 1",
      "2.7.5",
      (queue) => {
        queue.describe(queue.descriptors, 0, 0x100, 0xffffffff, 0, 0);
        queue.push(0);
      },
    ],
    [
      "2.7.4.2: a readable buffer after a writable one",
      "2.7.4.2",
      (queue) =>
        queue.add([
          { address: 0x100, length: 1, writable: true },
          { address: 0x200, length: 1 },
        ]),
    ],
    [
      "2.7.4.2: the same in an indirect table",
      "2.7.4.2",
      (queue) =>
        queue.add(
          [
            { address: 0x100, length: 1, writable: true },
            { address: 0x200, length: 1 },
          ],
          "indirect",
        ),
    ],
    [
      "2.7.4.2: a writable buffer in the queue's table before a readable one in the indirect table",
      "2.7.4.2",
      (queue) =>
        queue.add(
          [
            { address: 0x100, length: 1, writable: true },
            { address: 0x200, length: 1 },
          ],
          "mixed",
        ),
    ],
    [
      "2.7.5.3.1: an indirect table without the feature",
      "2.7.5.3.1",
      (queue) => queue.add([{ address: 0x100, length: 1 }], "indirect"),
      false,
    ],
    [
      "2.7.5.3.1: a table in a table",
      "2.7.5.3.1",
      (queue, memory) => {
        const table = memory.allocate(16);
        queue.describe(table, 0, table, 16, INDIRECT, 0);
        queue.describe(queue.descriptors, 0, table, 16, INDIRECT, 0);
        queue.push(0);
      },
    ],
    [
      "2.7.5.3.1: INDIRECT together with NEXT",
      "2.7.5.3.1",
      (queue, memory) => {
        queue.describe(queue.descriptors, 0, memory.allocate(16), 16, INDIRECT | NEXT, 1);
        queue.push(0);
      },
    ],
    ...[0, 1, 15, 17].map((length): [string, string, (queue: DriverQueue, memory: FakeMemory) => void] => [
      `2.7.5.3: an indirect table of ${length} bytes`,
      "2.7.5.3",
      (queue, memory) => {
        queue.describe(queue.descriptors, 0, memory.allocate(32), length, INDIRECT, 0);
        queue.push(0);
      },
    ]),
    [
      "2.7.5.3: a next index outside the indirect table",
      "2.7.5",
      (queue, memory) => {
        const table = memory.allocate(32);
        queue.describe(table, 0, 0x100, 1, NEXT, 2);
        queue.describe(queue.descriptors, 0, table, 32, INDIRECT, 0);
        queue.push(0);
      },
    ],
    [
      "2.7.5.3: an indirect table that ends outside memory",
      "2.7.5",
      (queue) => {
        queue.describe(queue.descriptors, 0, MEMORY - 16, 32, INDIRECT, 0);
        queue.push(0);
      },
    ],
    [
      "2.7.13.3: an available index that runs ahead by more than the queue's size",
      "2.7.13.3",
      (queue) => {
        for (let i = 0; i < 17; i++) queue.push(0);
      },
    ],
    [
      "2.7.6.1: an available index that goes back",
      "2.7.13.3",
      (queue) => {
        for (let i = 0; i < 65535; i++) queue.push(0);
      },
    ],
  ];

  for (const [title, rule, build, withIndirect] of broken) {
    it(`${title} stops the device, and the reset helps`, async () => {
      const [device, driver, queue] = start({}, { without: withIndirect === false ? INDIRECT_DESC : 0n });
      const before = driver.memory.u8.slice();
      build(queue, driver.memory);
      driver.queues[0]!.expose();
      driver.transport.notify(0);
      assert.deepEqual(device.rules, [rule]);
      assert.ok(driver.transport.status & NEEDS_RESET);
      assert.equal(driver.configChanges, 1);
      assert.equal(device.held.length, 0);
      const { size, descriptors, available, used } = queue;
      const rings = [used, used + 6 + 8 * size];
      const outside = driver.memory
        .changedSince(before)
        .filter(
          (at) => (at < descriptors || at >= available + 6 + 2 * size) && (at < rings[0]! || at >= rings[1]!),
        );
      assert.deepEqual(
        outside.filter((at) => driver.memory.told[at] === 1),
        [],
      );

      driver.start();
      const done = driver.request(0, [{ address: 0x100, length: 1, writable: true }]);
      device.give(1, 1);
      assert.equal(await done, 1);
    });
  }

  it("2.7.13: good chains before the broken one come back, those behind it are not looked at", () => {
    const [device, driver, queue] = start();
    queue.add([{ address: 0x100, length: 1, writable: true }]);
    queue.push(99);
    queue.add([{ address: 0x100, length: 1, writable: true }]);
    driver.kick(0);
    assert.equal(device.held.length, 1);
    device.give(1, 1);
    assert.equal(queue.usedIndex, 0);
  });

  it("3.2: a head that is made available twice comes back twice; one time more than the queue has entries breaks it", async () => {
    const [device, driver, queue] = start({ size: 4 });
    queue.describe(queue.descriptors, 2, 0x100, 4, WRITE, 0);
    for (let i = 0; i < 4; i++) queue.push(2);
    driver.kick(0);
    assert.equal(device.held.length, 4);
    queue.push(2);
    driver.queues[0]!.expose();
    driver.transport.notify(0);
    assert.deepEqual(device.rules, ["2.7.13"]);
    driver.transport.line.onRaise = undefined;
    device.give(2, 4);
    await settle();
    assert.deepEqual(queue.reap(), [
      { id: 2, length: 4 },
      { id: 2, length: 4 },
    ]);
  });

  it("one broken queue does not break the others", async () => {
    const [device, driver] = start({ queues: 2 });
    const fine = driver.request(1, [{ address: 0x100, length: 4, writable: true }]);
    driver.queues[0]!.push(500);
    driver.kick(0);
    assert.ok(driver.transport.status & NEEDS_RESET);
    device.give(1, 3, 1);
    assert.equal(await fine, 3);
  });
});

describe("indices", () => {
  for (const eventIdx of [true, false]) {
    it(`2.7.13.3: all go around 65536 (${eventIdx ? "with" : "without"} EVENT_IDX)`, () => {
      const [device, driver, queue] = start({ size: 8 }, { without: eventIdx ? 0n : EVENT_IDX });
      let returned = 0;
      for (let i = 0; i < 70_000; i += 5) {
        for (let k = 0; k < 5; k++) queue.add([{ address: 0x100, length: 4, writable: true }]);
        driver.kick(0);
        assert.equal(device.held.length, 5);
        driver.transport.line.onRaise = undefined;
        for (const chain of device.held.splice(0)) device.queues[0]!.put(chain, i);
        driver.transport.notify(0); // what was put is published with the kick
        const elements = queue.reap();
        assert.equal(elements.length, 5);
        assert.ok(elements.every(({ length }) => length === i));
        queue.usedEvent = queue.usedIndex;
        driver.transport.acknowledge();
        returned += 5;
      }
      assert.equal(queue.usedIndex, returned % 65536);
      assert.equal(queue.availableIndex, returned % 65536);
      assert.deepEqual(device.rules, []);
    });
  }
});

describe("interrupts that the driver does not want", () => {
  it("2.7.7.2: without EVENT_IDX, avail.flags 1 suppresses and 0 does not; used_event is ignored", async () => {
    const [device, driver, queue] = start({}, { without: EVENT_IDX });
    queue.usedEvent = 7;
    for (const [noInterrupt, raised] of [
      [false, 1],
      [true, 1],
      [false, 2],
    ] as const) {
      queue.noInterrupt = noInterrupt;
      queue.add([{ address: 0x100, length: 1 }]);
      driver.kick(0);
      device.give();
      await settle();
      assert.equal(driver.transport.line.raised, raised);
    }
    assert.equal(device.queues[0]!.counters.interrupts, 2);
    assert.equal(device.queues[0]!.counters.suppressedInterrupts, 1);
  });

  it("2.7.7.2: with EVENT_IDX, the flag is ignored", async () => {
    const [device, driver, queue] = start();
    queue.noInterrupt = true;
    void driver.request(0, [{ address: 0x100, length: 1 }]);
    device.give();
    await settle();
    assert.equal(driver.transport.line.raised, 1);
  });

  it("2.7.7.2: used_event is obeyed to the entry, for every batch and distance, over the wrap of the index", async () => {
    const [device, driver, queue] = start({ size: 8 });
    driver.transport.line.onRaise = () => void driver.transport.acknowledge();
    const complete = (count: number): void => {
      for (let i = 0; i < count; i++) queue.add([{ address: 0x100, length: 1 }]);
      queue.expose();
      driver.transport.notify(0);
      for (const chain of device.held.splice(0)) device.queues[0]!.put(chain, 0);
      device.wake(); // publishes
      queue.reap();
    };
    while (queue.usedIndex < 65520) complete(8);
    const seen = new Set<boolean>();
    for (let i = 0; i < 40; i++) {
      for (const batch of [1, 2, 5, 8]) {
        for (const distance of [-2, -1, 0, 1, 4, 7, 8, 100, 40000]) {
          const before = queue.usedIndex;
          queue.usedEvent = (before + distance) & 0xffff;
          const raised = driver.transport.line.raised;
          complete(batch);
          // "If idx was equal to used_event" for one of the entries before … before + batch - 1.
          const expected = distance >= 0 && distance < batch;
          assert.equal(
            driver.transport.line.raised - raised === 1,
            expected,
            `${before} ${distance} ${batch}`,
          );
          seen.add(expected);
        }
      }
    }
    assert.equal(seen.size, 2);
    await settle();
  });

  it("2.7.7: completions of one turn of the event loop share one used index update and one interrupt", async () => {
    const [device, driver, queue] = start();
    const requests = [1, 2, 3, 4].map(() =>
      driver.enqueue(0, [{ address: 0x100, length: 8, writable: true }]),
    );
    driver.kick(0);
    await settle();
    const raised = driver.transport.line.raised;
    device.give(1, 1);
    assert.equal(queue.usedIndex, 0, "not before the turn ends");
    await Promise.resolve();
    assert.equal(queue.usedIndex, 1);
    device.give(3, 2);
    await Promise.all(requests);
    assert.equal(queue.usedIndex, 4);
    assert.equal(driver.transport.line.raised - raised, 2);
    assert.equal(device.queues[0]!.counters.interrupts, 2);
  });

  it("2.7.7: what completes within a kick is published at its end, in one go", () => {
    const device = new (class extends HoldDevice {
      readonly usedInside: number[] = [];
      protected override process(queue: Virtqueue): void {
        for (let chain = queue.take(); chain; chain = queue.take()) {
          queue.put(chain, 0);
          this.usedInside.push(driver.queues[0]!.usedIndex);
        }
      }
    })({ size: 16 });
    const driver = Driver.start(device);
    for (let i = 0; i < 5; i++) driver.queues[0]!.add([{ address: 0x100, length: 1 }]);
    driver.kick(0);
    assert.deepEqual(device.usedInside, [0, 0, 0, 0, 0]);
    assert.equal(driver.queues[0]!.usedIndex, 5);
    assert.equal(driver.transport.line.raised, 1);
  });
});

describe("kicks that the device does not want", () => {
  it("2.7.10.2: with EVENT_IDX an idle device asks for the next kick, flags stay 0", () => {
    const [device, driver, queue] = start();
    for (let i = 1; i < 5; i++) {
      queue.add([{ address: 0x100, length: 1 }]);
      assert.equal(driver.kick(0), true);
      assert.equal(queue.availEvent, i);
      assert.equal(queue.usedFlags, 0);
    }
    assert.equal(device.queues[0]!.counters.kicks, 4);
  });

  for (const eventIdx of [true, false]) {
    it(`2.7.10.2: a busy device wants none, and asks again when it is idle (${eventIdx ? "EVENT_IDX" : "flags"})`, async () => {
      const [device, driver, queue] = start({ size: 8 }, { without: eventIdx ? 0n : EVENT_IDX });
      device.limit = 1;
      const requests = [driver.request(0, [{ address: 0x100, length: 1 }])];
      const kicks = (): number => device.queues[0]!.counters.kicks;
      assert.equal(kicks(), 1);
      requests.push(driver.request(0, [{ address: 0x100, length: 1 }]));
      assert.equal(kicks(), 2, "the ring was empty when the device looked: it has to be told");
      for (let i = 0; i < 5; i++) requests.push(driver.request(0, [{ address: 0x100, length: 1 }]));
      assert.equal(kicks(), 2);
      assert.equal(queue.usedFlags, eventIdx ? 0 : 1);
      for (let i = 0; i < 7; i++) {
        device.give(1);
        device.wake();
        await settle();
      }
      await Promise.all(requests);
      void driver.request(0, [{ address: 0x100, length: 1 }]);
      assert.equal(kicks(), 3);
      assert.equal(queue.usedFlags, 0);
    });
  }

  it("2.7.10.2: without EVENT_IDX nothing is written behind the used ring", () => {
    const [, driver, queue] = start({}, { without: EVENT_IDX });
    driver.memory.view.setUint16(queue.used + 4 + 8 * queue.size, 0xbeef, true);
    void driver.request(0, [{ address: 0x100, length: 1 }]);
    assert.equal(queue.availEvent, 0xbeef);
  });

  it("2.7.10: no request is forgotten under random pressure, and none is kicked for in vain", async () => {
    for (const without of [0n, EVENT_IDX]) {
      const [device, driver, queue] = start({ size: 8 }, { without });
      let [asked, answered, random] = [0, 0, 1];
      device.limit = 2;
      for (let i = 0; i < 20_000; i++) {
        random = (random * 1103515245 + 12345) & 0x7fffffff;
        if (random & 0x10000 && queue.free > 0) {
          asked++;
          void driver.request(0, [{ address: 0x100, length: 1 }]).then(() => answered++);
        } else if (device.held.length > 0) {
          device.give(1);
          if (random & 0x20000) device.wake();
          else await Promise.resolve();
        }
        if (device.held.length === 0) device.wake();
      }
      while (device.held.length > 0) {
        device.give();
        device.wake();
        await settle();
      }
      await settle();
      assert.equal(answered, asked);
      assert.ok(asked > 5000);
      assert.deepEqual(device.rules, []);
    }
  });
});
