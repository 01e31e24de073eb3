/** What a person sees of a device and its queues: all of it, as it is, and nothing changes by looking. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { EntropyDevice } from "../../src/virtio/entropy.ts";
import { Feature } from "../../src/virtio/spec.ts";
import { deviceView } from "../../src/virtio/view/device-view.ts";
import { queueView } from "../../src/virtio/view/queue-view.ts";
import type { DeviceView, PackedQueueView, QueueView, SplitQueueView } from "../../src/virtio/view/types.ts";
import type { VirtioDevice } from "../../src/virtio/device.ts";
import { BlockDriver } from "./driver/block-driver.ts";
import { ConsoleDriver } from "./driver/console-driver.ts";
import {
  Driver,
  type DriverOptions,
  EVENT_IDX,
  IN_ORDER,
  NEEDS_RESET,
  RING_PACKED,
} from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";
import { NetDriver } from "./driver/net-driver.ts";
import { INDIRECT, NEXT, WRITE } from "./driver/queue.ts";
import { SlowDisk } from "./driver/slow-disk.ts";
import { type Kind, plug } from "./driver/transport.ts";

const WHERE = { kind: "blk", transport: "pci", address: "00:01.0" };
const ALL_KINDS: Kind[] = ["pci", "pci-msix", "pci-legacy", "pci-legacy-msix", "mmio", "mmio-legacy"];

type Split = QueueView & SplitQueueView;
type Packed = QueueView & PackedQueueView;

function split(device: VirtioDevice, index = 0): Split {
  const view = queueView(device, index);
  assert.equal(view?.layout, "split");
  return view;
}

function packed(device: VirtioDevice, index = 0): Packed {
  const view = queueView(device, index);
  assert.equal(view?.layout, "packed");
  return view;
}

function register(view: DeviceView, name: string): number | undefined {
  const found = view.registers.find((candidate) => candidate.name === name);
  assert.ok(found, `there is a register ${name}`);
  return found.value;
}

describe("a view of a device", () => {
  for (const kind of ALL_KINDS) {
    it(`has what the driver reads, by the names in traces (${kind})`, () => {
      const { device, driver } = new BlockDriver(new SlowDisk(1 << 20), { kind });
      const seen = new Map<string, number>();
      device.observer = (event) => {
        if (event.type === "access" && !event.write) seen.set(event.register, event.value);
      };
      driver.transport.selectQueue(0);
      assert.equal(driver.transport.status & 4, 4);
      void driver.transport.maximumSize();
      driver.transport.deviceFeatures();
      driver.transport.readConfig(0, 4);
      const view = deviceView(device, WHERE);
      assert.ok(seen.size >= 4, "the driver has read something");
      for (const [name, value] of seen)
        if (name !== "config.capacity") assert.equal(register(view, name), value, name);
      assert.equal(register(view, "config.capacity"), 2048);
    });

    it(`reads nothing that acknowledges or marks (${kind})`, async () => {
      const { device, driver } = new BlockDriver(new SlowDisk(1 << 20), { kind });
      const { line } = driver.transport;
      line.onRaise = undefined;
      device.backend.onResize = () => undefined;
      driver
        .request(0, [
          { address: 0x1000, length: 16 },
          { address: 0x2000, length: 513, writable: true },
        ])
        .catch(() => undefined);
      await Promise.resolve();
      const before = { accesses: device.accesses, generation: device.generation, asserted: line.asserted };
      const events: string[] = [];
      device.observer = ({ type }) => events.push(type);
      const first = deviceView(device, WHERE);
      assert.deepEqual(deviceView(device, WHERE), first);
      queueView(device, 0);
      assert.deepEqual(events, []);
      const { accesses, generation } = device;
      assert.deepEqual({ accesses, generation, asserted: line.asserted }, before);
      const isr = first.registers.filter(({ name }) => /isr_status|InterruptStatus/.test(name));
      assert.ok(isr.length > 0, "the interrupt status is shown");
      const messages = kind.endsWith("-msix");
      for (const { name, value } of isr) assert.equal(value, messages ? 0 : 1, name);
    });
  }

  it("does not mark the configuration's generation as read", () => {
    const device = new HoldDevice();
    const driver = Driver.start(device);
    const { generation } = driver.transport;
    device.changeConfig("byte", 1);
    assert.equal(driver.transport.generation, generation + 1);
    device.changeConfig("byte", 2);
    const now = device.generation;
    assert.equal(register(deviceView(device, WHERE), "config_generation"), now);
    // Nobody has read it since: another change is part of the same.
    device.changeConfig("byte", 3);
    assert.equal(device.generation, now);
  });

  it("has undefined for what can only be written", () => {
    const { device } = new BlockDriver(new SlowDisk(1 << 20), { kind: "mmio" });
    const view = deviceView(device, WHERE);
    assert.equal(register(view, "QueueNotify"), undefined);
    assert.equal(register(view, "MagicValue"), 0x74726976);
  });

  it("explains every feature bit that a device has, offered or not", () => {
    for (const device of [
      new BlockDriver(new SlowDisk(1 << 20)).device,
      new NetDriver().device,
      new ConsoleDriver([{ console: true }]).device,
      new EntropyDevice(() => undefined),
    ]) {
      const { features } = deviceView(device, WHERE);
      const bits = [...Object.values<bigint>(Feature[device.kind]), ...Object.values(Feature.common)];
      for (const bit of bits) {
        const found = features.find((feature) => feature.bit === Number(bit));
        assert.ok(found, `bit ${bit} of ${device.kind}`);
        assert.match(found.name, /^VIRTIO_([A-Z]+_)?F_/);
        assert.match(found.meaning, /^[A-Z].*\.$/s);
        assert.match(found.section, /^\d+(\.\d+)*$/);
        assert.equal(found.offered, ((device.offered >> bit) & 1n) === 1n, found.name);
        assert.equal(found.negotiated, device.has(bit), found.name);
      }
      const all = features.map(({ bit }) => bit);
      assert.deepEqual(
        all,
        [...new Set(all)].sort((a, b) => a - b),
      );
    }
  });

  it("shows bits that nobody offered when a driver accepts them", () => {
    const device = new EntropyDevice(() => undefined);
    plug(device, "pci", new FakeMemory());
    device.writeFeatures(1, 1 << 31);
    device.writeFeatures(9, 1);
    const strange = deviceView(device, WHERE).features.filter(({ name }) => name.startsWith("bit "));
    assert.deepEqual(
      strange.map(({ bit, offered, negotiated }) => [bit, offered, negotiated]),
      [
        [63, false, true],
        [128, false, true],
      ],
    );
  });

  it("has the status by its bits, in a driver's order", () => {
    const { device } = new BlockDriver(new SlowDisk(1 << 20));
    const { statusBits, status } = deviceView(device, WHERE);
    assert.equal(status, 15);
    assert.deepEqual(
      statusBits.filter(({ set }) => set).map(({ name }) => name),
      ["ACKNOWLEDGE", "DRIVER", "FEATURES_OK", "DRIVER_OK"],
    );
    device.fatal("2.7.5 inside", "for the test");
    assert.ok(
      deviceView(device, WHERE).statusBits.find(({ name }) => name === "DEVICE_NEEDS_RESET")?.set,
      "set",
    );
    assert.equal(deviceView(device, WHERE).violations, 1);
  });

  it("can be cloned, and says what is behind each kind of device", () => {
    for (const device of [
      new BlockDriver(new SlowDisk(1 << 20)).device,
      new NetDriver().device,
      new ConsoleDriver([{ console: true }]).device,
      new EntropyDevice(() => undefined),
    ]) {
      const view = deviceView(device, WHERE);
      assert.deepEqual(structuredClone(view), view);
      assert.ok(view.backend.length > 0, device.kind);
    }
  });
});

for (const layout of ["split", "packed"] as const) {
  describe(`a view of a ${layout} queue`, () => {
    const without = layout === "split" ? RING_PACKED : 0n;
    const start = (options: DriverOptions = {}, size = 8): [HoldDevice, Driver] => {
      const device = new HoldDevice({ size, packed: true });
      return [device, Driver.start(device, { ...options, without: without | (options.without ?? 0n) })];
    };
    const states = (device: VirtioDevice): string[] =>
      queueView(device, 0)!.chains.map(({ state, buffers }) => `${state} ${buffers[0]!.length}`);

    it("has chains in flight, then those that wait, each oldest first", () => {
      const [device, driver] = start();
      device.limit = 3;
      const put = (length: number): void =>
        void driver.request(0, [
          { address: 0x100, length },
          { address: 0x200, length: 7, writable: true },
        ]);
      for (const length of [1, 2, 3]) put(length);
      // Out of order, so that heads and places are not in the order of time.
      device.held.reverse();
      device.give(1);
      device.held.reverse();
      put(4);
      device.limit = 0;
      driver.enqueue(0, [{ address: 0x300, length: 5 }]).catch(() => undefined);
      driver.kick(0);
      assert.deepEqual(states(device), ["in flight 1", "in flight 2", "in flight 4", "available 5"]);
      const [summary] = deviceView(device, WHERE).queues;
      assert.equal(summary!.inFlight, 3);
      assert.equal(summary!.waiting, 1);
      const chain = queueView(device, 0)!.chains[0]!;
      assert.deepEqual(chain.buffers, [
        { address: 0x100, length: 1, writable: false },
        { address: 0x200, length: 7, writable: true },
      ]);
      assert.equal(chain.descriptors.length, 2);
      assert.equal(chain.fault, undefined);
    });

    it("follows indirect tables", () => {
      const [device, driver] = start();
      device.limit = 0;
      void driver.request(
        0,
        [
          { address: 0x100, length: 1 },
          { address: 0x200, length: 2 },
          { address: 0x300, length: 3, writable: true },
        ],
        "indirect",
      );
      const [chain] = queueView(device, 0)!.chains;
      assert.equal(chain!.descriptors.length, 1);
      assert.deepEqual(
        chain!.buffers.map(({ length, writable }) => [length, writable]),
        [
          [1, false],
          [2, false],
          [3, true],
        ],
      );
      device.limit = 1;
      device.wake();
      assert.deepEqual(
        { ...queueView(device, 0)!.chains[0], state: "" },
        { ...chain, state: "" },
        "the same when it is in flight",
      );
    });

    it("is not there for a queue that is not enabled, or that does not exist", () => {
      const [device, driver] = start({ queues: 0 });
      assert.equal(queueView(device, 0), undefined);
      assert.equal(queueView(device, 1), undefined);
      driver.setUpRing(0, 8);
      assert.ok(queueView(device, 0), "now it is");
      driver.transport.status = 0;
      assert.equal(queueView(device, 0), undefined);
    });

    it("can be cloned", () => {
      const [device, driver] = start();
      void driver.request(0, [{ address: 0x100, length: 1 }]);
      const view = queueView(device, 0);
      assert.deepEqual(structuredClone(view), view);
    });

    /** What the device says of the same memory is what the view says of it before. */
    it("finds fault with a chain exactly where the device does, whatever is in memory", () => {
      const entry = fc.record({
        address: fc.oneof(
          { weight: 6, arbitrary: fc.nat(0x3fff) },
          { weight: 1, arbitrary: fc.constantFrom(0x3ff8, 0xffffffff) },
        ),
        length: fc.oneof(
          { weight: 4, arbitrary: fc.nat(32) },
          { weight: 4, arbitrary: fc.constantFrom(16, 32, 48, 128) },
          { weight: 1, arbitrary: fc.constantFrom(0xffffffff, 0x4000) },
        ),
        third: fc.oneof(
          fc.constantFrom(0, NEXT, WRITE, NEXT | WRITE, INDIRECT, INDIRECT | NEXT),
          fc.nat(0xffff),
        ),
        fourth: fc.oneof(
          fc.nat(9),
          fc.constantFrom(0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x8000, 0x8001),
          fc.nat(0xffff),
        ),
      });
      let faults = 0;
      fc.assert(
        fc.property(
          fc.array(entry, { minLength: 32, maxLength: 32 }),
          fc.array(fc.nat(9), { minLength: 4, maxLength: 4 }),
          fc.nat(4),
          fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
          (entries, heads, ahead, noFeatures) => {
            const memory = new FakeMemory(0x4000);
            const [device, driver] = start({ memory, without: noFeatures & ~RING_PACKED & ~IN_ORDER });
            const ring = driver.rings[0]!;
            const fill = (at: number, list: typeof entries): void =>
              list.forEach(({ address, length, third, fourth }, i) => {
                memory.view.setUint32(at + 16 * i, address, true);
                memory.view.setUint32(at + 16 * i + 8, length, true);
                memory.view.setUint16(at + 16 * i + 12, third, true);
                memory.view.setUint16(at + 16 * i + 14, fourth, true);
              });
            fill(ring.descriptors, entries.slice(0, 8));
            fill(0, entries.slice(8));
            if (layout === "split") {
              heads.forEach((head, i) => memory.view.setUint16(ring.available + 4 + 2 * i, head, true));
              memory.view.setUint16(ring.available + 2, ahead, true);
            }
            const before = memory.u8.slice();
            const view = queueView(device, 0)!;
            assert.deepEqual(memory.u8, before, "nothing is written");
            const { waiting } = deviceView(device, WHERE).queues[0]!;
            device.kick(0);
            const good = view.chains.findIndex(({ fault }) => fault !== undefined);
            const whole = good < 0 ? view.chains : view.chains.slice(0, good);
            assert.equal((device.status & NEEDS_RESET) !== 0, good >= 0, view.chains[good]?.fault);
            if (good < 0) assert.equal(waiting, whole.length);
            else faults++;
            assert.deepEqual(
              device.held.map(({ head, reader, writer }) => [head, reader.total + writer.total]),
              whole.map(({ head, buffers }) => [head, buffers.reduce((sum, { length }) => sum + length, 0)]),
            );
          },
        ),
        { numRuns: 300 },
      );
      assert.ok(faults > 50, `${faults} of them had faults`);
    });
  });
}

describe("a split queue in a view", () => {
  it("has its areas where they are, and both sides' positions", () => {
    const device = new HoldDevice({ size: 4 });
    const driver = Driver.start(device);
    const queue = driver.queues[0]!;
    for (let i = 0; i < 3; i++) void driver.request(0, [{ address: 0x100 * i, length: i + 1 }]);
    device.give(1, 0);
    const view = split(device);
    assert.equal(view.descriptorTable.address, BigInt(queue.descriptors));
    assert.equal(view.available.address, BigInt(queue.available));
    assert.equal(view.used.address, BigInt(queue.used));
    assert.equal(view.descriptorTable.entries.length, 4);
    assert.equal(view.available.idx, 3);
    assert.equal(view.available.next, 3);
    const first = view.available.ring[0]!;
    assert.equal(view.descriptorTable.entries[first]!.length, 1);
    assert.deepEqual(view.features, { packed: false, eventIdx: true, indirect: true, inOrder: false });
  });

  it("tells of the driver's place only with event indices", () => {
    for (const without of [0n, EVENT_IDX]) {
      const device = new HoldDevice({ size: 4 });
      Driver.start(device, { without });
      const view = split(device);
      const known = without === 0n;
      assert.equal(view.available.usedEvent !== undefined, known);
      assert.equal(view.used.availEvent !== undefined, known);
      assert.equal(view.used.next, view.available.usedEvent);
    }
  });

  it("shows an available index that is too far ahead as it is, and no chains", () => {
    const memory = new FakeMemory();
    const device = new HoldDevice({ size: 4 });
    const driver = Driver.start(device, { memory });
    memory.view.setUint16(driver.queues[0]!.available + 2, 5, true);
    const view = split(device);
    assert.equal(view.available.idx, 5);
    assert.deepEqual(view.chains, []);
  });

  it("follows no more descriptors than its bound when all heads lead into long tables", () => {
    const memory = new FakeMemory();
    const device = new HoldDevice({ size: 256 });
    const driver = Driver.start(device, { memory });
    const queue = driver.queues[0]!;
    const table = memory.allocate(16 * 256);
    for (let i = 0; i < 256; i++) queue.describe(table, i, 0x100, 1, i < 255 ? NEXT : 0, i + 1);
    for (let i = 0; i < 256; i++) {
      queue.describe(queue.descriptors, i, table, 16 * 256, INDIRECT, 0);
      memory.view.setUint16(queue.available + 4 + 2 * i, i, true);
    }
    memory.view.setUint16(queue.available + 2, 256, true);
    const { chains } = split(device);
    assert.equal(chains.length, 256);
    const buffers = chains.reduce((sum, chain) => sum + chain.buffers.length, 0);
    assert.ok(buffers > 3000 && buffers <= 4096, `${buffers} buffers`);
    assert.match(chains.at(-1)!.fault!, /no more than 4096/);
  });
});

describe("a packed queue in a view", () => {
  it("says whose each descriptor is, through laps of the ring", () => {
    const device = new HoldDevice({ size: 4, packed: true });
    const driver = Driver.start(device);
    const owners = (): string =>
      packed(device)
        .ring.entries.map(({ owner }) => owner[2]!)
        .join("");
    const put = (): void => void driver.request(0, [{ address: 0, length: 1 }]);
    assert.equal(owners(), "iiii");
    put();
    assert.equal(owners(), "viii");
    device.give(1);
    driver.interrupt();
    assert.equal(owners(), "iiii");
    for (let lap = 0; lap < 9; lap++) {
      put();
      const place = (lap + 1) % 4;
      assert.equal(owners(), [0, 1, 2, 3].map((i) => (i === place ? "v" : "i")).join(""), `lap ${lap}`);
      const { nextAvailable } = packed(device);
      assert.deepEqual(nextAvailable, { offset: (lap + 2) % 4, wrap: Math.floor((lap + 2) / 4) % 2 === 0 });
      device.give(1);
      driver.interrupt();
    }
  });
});

describe("a guest with every byte random", () => {
  it("is shown as it is: nothing throws, nothing is written", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.boolean(),
        fc.constantFrom(4, 16, 256),
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
          const before = memory.u8.slice();
          const view = queueView(device, 0)!;
          assert.equal(view.size, size);
          assert.deepEqual(structuredClone(view), view);
          deviceView(device, WHERE);
          assert.deepEqual(memory.u8, before);
        },
      ),
      { numRuns: 40 },
    );
  });
});
