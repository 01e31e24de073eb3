/** MSI-X of a virtio function (virtio 1.3, 4.1.5; PCI Local Bus 3.0, 6.8.2), found and driven as a driver does. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MOST_VECTORS, Msix } from "../../src/machine/msix.ts";
import { Driver, settle } from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";
import { ENABLE, FUNCTION_MASK, NO_VECTOR, PciTransport } from "./driver/pci-transport.ts";
import { asPci } from "./driver/transport.ts";

const STATUS = 0x06;
const COMMAND = 0x04;
const INTERRUPT_STATUS = 8;
const CONFIG_VECTOR = 0x10;
const QUEUE_SELECT = 0x16;
const QUEUE_VECTOR = 0x1a;
const QUEUE_RESET = 0x3a;

interface Scene {
  device: HoldDevice;
  driver: Driver;
  pci: PciTransport;
  /** The data of the messages since the last call. */
  sent: () => number[];
  /** Queue `index` uses a buffer. */
  use: (index: number) => void;
}

/** A device with two queues that is up, its events mapped to vectors 0 (configuration), 1 and 2. */
function start(): Scene {
  const device = new HoldDevice({ queues: 2 });
  const driver = Driver.start(device, { kind: "pci-msix" });
  const pci = asPci(driver.transport);
  driver.transport.line.onRaise = undefined;
  return {
    device,
    driver,
    pci,
    sent: () => pci.messages.splice(0).map(({ data }) => data),
    use: (index) => {
      // No event index in the way: each used buffer is to be told of.
      void driver.request(index, [{ address: driver.memory.allocate(8), length: 8, writable: true }]);
      driver.queues[index]!.usedEvent = driver.queues[index]!.usedIndex;
      device.give(1, 8, index);
    },
  };
}

const pendingBits = (pci: PciTransport): number => {
  const offset = pci.pciFunction.read(pci.capabilities(0x11)[0]! + 8, 4) & ~7;
  return pci.table.read(offset, 4);
};

describe("the MSI-X capability", () => {
  it("PCI 6.8.2.3 to 6.8.2.5: one vector for each queue and one more, table and pending bits in a BAR of their own", () => {
    const pci = PciTransport.plug(new HoldDevice({ queues: 3 }), new FakeMemory());
    const [at] = pci.capabilities(0x11);
    assert.equal(pci.msixControl, 3, "disabled, unmasked, 4 entries");
    const table = pci.pciFunction.read(at! + 4, 4);
    const pending = pci.pciFunction.read(at! + 8, 4);
    assert.equal(table, 1, "BAR 1, offset 0");
    assert.equal(pending, 0x801, "BAR 1, offset 0x800");
    assert.notEqual(pci.table, pci.registers);
    for (let vector = 0; vector < 4; vector++) {
      assert.deepEqual(
        [0, 4, 8, 12].map((offset) => pci.table.read(16 * vector + offset, 4)),
        [0, 0, 0, 1],
        "6.8.2.9: masked after reset",
      );
    }
    assert.equal(pci.table.read(0x800, 4), 0);
  });

  it("only enable and function mask can be written", () => {
    const pci = PciTransport.plug(new HoldDevice(), new FakeMemory());
    const [at] = pci.capabilities(0x11);
    const before = [4, 8].map((offset) => pci.pciFunction.read(at! + offset, 4));
    for (const offset of [0, 4, 8]) pci.pciFunction.write(at! + offset, 4, 0xffffffff);
    assert.equal(pci.msixControl, ENABLE | FUNCTION_MASK | 1);
    assert.deepEqual(
      [4, 8].map((offset) => pci.pciFunction.read(at! + offset, 4)),
      before,
    );
  });

  for (const [vectors, bytes] of [
    [1, 0x1000],
    [128, 0x1000],
    [129, 0x2000],
    [MOST_VECTORS, 0x10000],
  ] as const) {
    it(`holds ${vectors} entries and their pending bits in a BAR of ${bytes} bytes`, () => {
      const sent: number[] = [];
      const msix = new Msix(vectors, { send: (_, data) => sent.push(data) });
      assert.equal(msix.barSize, bytes);
      const { bytes: fields, onWrite } = msix.capability(1);
      const view = new DataView(fields.buffer);
      const pending = view.getUint32(6, true) & ~7;
      assert.ok(pending >= 16 * vectors && pending % 8 === 0 && pending + vectors / 8 <= bytes);
      view.setUint16(0, view.getUint16(0, true) | ENABLE, true);
      onWrite!(view);
      const last = vectors - 1;
      msix.region.write(16 * last + 8, 4, 77);
      msix.signal(last);
      msix.signal(vectors);
      assert.equal(msix.region.read(pending + 4 * (last >>> 5), 4), (1 << (last & 31)) >>> 0);
      assert.deepEqual(sent, []);
      msix.region.write(16 * last + 12, 4, 0);
      assert.deepEqual(sent, [77]);
      assert.equal(msix.region.read(bytes - 4, 4) | msix.region.read(pending + 4 * (last >>> 5), 4), 0);
      assert.throws(() => new Msix(MOST_VECTORS + 1, { send: () => undefined }), RangeError);
      assert.throws(() => new Msix(0, { send: () => undefined }), RangeError);
    });
  }

  it("the table takes aligned writes of 32 bits, and no others", () => {
    const pci = PciTransport.plug(new HoldDevice(), new FakeMemory());
    pci.setMessage(1);
    const entry = (): number[] => [16, 20, 24, 28].map((offset) => pci.table.read(offset, 4));
    const before = entry();
    for (const [offset, width] of [
      [16, 1],
      [16, 2],
      [18, 2],
      [28, 1],
      [26, 4],
      [16 * 2, 4], // behind the last entry
      [0x800, 4], // 6.8.2.10: pending bits are read-only
    ] as const) {
      pci.table.write(offset, width, 0xffffffff);
    }
    assert.deepEqual(entry(), before);
    assert.equal(pci.table.read(32, 4), 0);
    assert.equal(pci.table.read(0x800, 4), 0);
    assert.equal(pci.table.read(24, 1), 0x41, "a byte reads as that byte");
    assert.equal(pci.table.read(18, 2), 0xfee0);
    pci.table.write(28, 4, 0xfffffffe);
    assert.equal(pci.table.read(28, 4), 0, "6.8.2.9: only the mask bit is kept");
  });

  it("accesses to the table count and are told of like those to registers", () => {
    const device = new HoldDevice();
    const pci = PciTransport.plug(device, new FakeMemory());
    const registers: string[] = [];
    device.observer = (event) => event.type === "access" && registers.push(event.register);
    const before = device.accesses;
    pci.table.write(16 + 8, 4, 0x41);
    pci.table.read(0x800, 4);
    pci.table.read(0x400, 4);
    assert.equal(device.accesses - before, 3);
    assert.deepEqual(registers, ["msix_table[1].data", "msix_pending", "reserved"]);
  });
});

describe("mapping events to vectors (4.1.5.1.2)", () => {
  it("4.1.5.1.2.1: any event takes any vector of the table, and NO_VECTOR; what is mapped reads back", () => {
    const { pci, device } = start();
    for (const vector of [2, 0, 1, NO_VECTOR, 1]) {
      pci.write(CONFIG_VECTOR, 2, vector);
      assert.equal(pci.read(CONFIG_VECTOR, 2), vector);
      for (const queue of [0, 1]) {
        pci.write(QUEUE_SELECT, 2, queue);
        pci.write(QUEUE_VECTOR, 2, vector);
        assert.equal(pci.read(QUEUE_VECTOR, 2), vector);
      }
    }
    assert.deepEqual(device.rules, []);
  });

  it("4.1.5.1.2.1: a vector outside the table fails: NO_VECTOR reads back, and the driver is told", () => {
    const { pci, device } = start();
    for (const vector of [3, 0x7ff, 0xfffe]) {
      pci.write(CONFIG_VECTOR, 2, 0);
      pci.write(CONFIG_VECTOR, 2, vector);
      assert.equal(pci.read(CONFIG_VECTOR, 2), NO_VECTOR);
      pci.write(QUEUE_SELECT, 2, 0);
      pci.write(QUEUE_VECTOR, 2, vector);
      assert.equal(pci.read(QUEUE_VECTOR, 2), NO_VECTOR);
    }
    assert.deepEqual(device.rules, Array<string>(6).fill("4.1.5.1.2.2"));
    pci.write(QUEUE_SELECT, 2, 7);
    pci.write(QUEUE_VECTOR, 2, 0);
    assert.equal(pci.read(QUEUE_VECTOR, 2), NO_VECTOR, "a queue that does not exist has none");
    assert.equal(device.rules.at(-1), "4.1.5.1.3");
  });

  it("4.1.5.1.2.1: every event is unmapped by a reset", () => {
    const { pci } = start();
    pci.registers.write(0x14, 1, 0);
    assert.equal(pci.read(CONFIG_VECTOR, 2), NO_VECTOR);
    for (const queue of [0, 1]) {
      pci.write(QUEUE_SELECT, 2, queue);
      assert.equal(pci.read(QUEUE_VECTOR, 2), NO_VECTOR);
    }
  });

  it("2.6.1.1.1: a queue's vector is unmapped when the queue is reset, and another's is not", () => {
    const { pci, sent, device, driver } = start();
    void driver.request(0, [{ address: driver.memory.allocate(8), length: 8, writable: true }]);
    pci.setMessage(1, true);
    driver.queues[0]!.usedEvent = driver.queues[0]!.usedIndex;
    device.give(1, 8, 0);
    pci.write(QUEUE_SELECT, 2, 0);
    pci.write(QUEUE_RESET, 2, 1);
    assert.equal(pci.read(QUEUE_RESET, 2), 0, "4.1.4.3.1: complete");
    assert.equal(pci.queueEnabled(), false);
    assert.equal(pci.read(QUEUE_VECTOR, 2), NO_VECTOR);
    pci.write(QUEUE_SELECT, 2, 1);
    assert.equal(pci.read(QUEUE_VECTOR, 2), 2);
    assert.equal(pci.queueEnabled(), true);
    pci.setMessage(1, false);
    assert.deepEqual(sent(), [], "no notification of the queue that waited to be unmasked");
  });
});

describe("messages", () => {
  it("4.1.5.3, 4.1.5.4: each event sends its own, and INTA# and the ISR's queue bit stay out of it", async () => {
    const { pci, device, sent, use } = start();
    use(0);
    await settle();
    assert.deepEqual(sent(), [0x41]);
    use(1);
    await settle();
    assert.deepEqual(sent(), [0x42]);
    assert.equal(pci.registers.read(0x100, 1), 0, "4.1.4.5.1: only without MSI-X");
    device.changeConfig("word", 1);
    assert.deepEqual(sent(), [0x40]);
    assert.equal(pci.pciFunction.read(STATUS, 2) & INTERRUPT_STATUS, 0);
    assert.equal(pci.registers.read(0x100, 1), 2, "4.1.4.5.1: the configuration bit is set either way");
    assert.equal(device.violations, 0);
  });

  it("4.1.5.3.1, 4.1.5.4.1: an event without a vector sends nothing, and raises no line", async () => {
    const { pci, device, sent, use } = start();
    pci.write(CONFIG_VECTOR, 2, NO_VECTOR);
    pci.write(QUEUE_SELECT, 2, 0);
    pci.write(QUEUE_VECTOR, 2, NO_VECTOR);
    pci.line.set(false);
    use(0);
    device.changeConfig("word", 2);
    await settle();
    assert.deepEqual(sent(), []);
    assert.equal(pci.pciFunction.read(STATUS, 2) & INTERRUPT_STATUS, 0);
    use(1);
    await settle();
    assert.deepEqual(sent(), [0x42]);
  });

  it("several events may share a vector", async () => {
    const { pci, device, sent, use } = start();
    for (const queue of [0, 1]) {
      pci.write(QUEUE_SELECT, 2, queue);
      pci.write(QUEUE_VECTOR, 2, 0);
    }
    use(0);
    await settle();
    use(1);
    await settle();
    device.changeConfig("word", 3);
    assert.deepEqual(sent(), [0x40, 0x40, 0x40]);
  });

  it("PCI 6.8.3.4: a masked vector's message waits, shows in its pending bit, and goes out once when it is unmasked", async () => {
    const { pci, sent, use } = start();
    pci.setMessage(1, true);
    use(0);
    await settle();
    use(0);
    use(1);
    await settle();
    assert.deepEqual(sent(), [0x42]);
    assert.equal(pendingBits(pci), 1 << 1);
    pci.setMessage(1, false);
    assert.deepEqual(sent(), [0x41]);
    assert.equal(pendingBits(pci), 0);
    pci.setMessage(1, true);
    pci.setMessage(1, false);
    assert.deepEqual(sent(), []);
  });

  it("PCI 6.8.2.3: the function mask holds all of them; a vector that is masked by itself stays so", async () => {
    const { pci, sent, use, device } = start();
    pci.msixControl = ENABLE | FUNCTION_MASK;
    pci.setMessage(2, true);
    use(0);
    use(1);
    device.changeConfig("word", 4);
    await settle();
    assert.deepEqual(sent(), []);
    assert.equal(pendingBits(pci), 0b111);
    pci.msixControl = ENABLE;
    assert.deepEqual(sent(), [0x40, 0x41]);
    assert.equal(pendingBits(pci), 0b100);
    pci.setMessage(2, false);
    assert.deepEqual(sent(), [0x42]);
  });

  it("an event that is unmapped while its message waits sends nothing; one that shares the vector still does", async () => {
    const { pci, sent, use } = start();
    pci.setMessage(1, true);
    use(0);
    await settle();
    pci.write(QUEUE_SELECT, 2, 0);
    pci.write(QUEUE_VECTOR, 2, NO_VECTOR);
    pci.setMessage(1, false);
    assert.deepEqual(sent(), []);
    pci.write(QUEUE_VECTOR, 2, 2);
    pci.setMessage(2, true);
    use(0);
    await settle();
    pci.write(QUEUE_VECTOR, 2, NO_VECTOR);
    pci.setMessage(2, false);
    assert.deepEqual(sent(), [0x42], "queue 1 is still mapped there");
  });

  it("2.4.1: after a reset none goes out, not even one that waited", async () => {
    const { pci, sent, use, device } = start();
    pci.msixControl = ENABLE | FUNCTION_MASK;
    use(0);
    device.changeConfig("word", 5);
    await settle();
    pci.registers.write(0x14, 1, 0);
    assert.equal(pendingBits(pci), 0);
    pci.msixControl = ENABLE;
    assert.deepEqual(sent(), []);
  });

  it("PCI 6.2.2: without bus mastering none goes out, and none later", async () => {
    const { pci, sent, device } = start();
    pci.pciFunction.write(COMMAND, 2, 2);
    device.changeConfig("word", 6);
    await settle();
    pci.pciFunction.write(COMMAND, 2, 2 | 4);
    assert.deepEqual(sent(), []);
    device.changeConfig("word", 7);
    assert.deepEqual(sent(), [0x40]);
  });

  it("a message above 4 GiB is for nobody", () => {
    const { pci, sent, device } = start();
    pci.table.write(4, 4, 1);
    device.changeConfig("word", 8);
    assert.deepEqual(sent(), []);
  });
});

describe("between messages and INTA#", () => {
  it("PCI 6.8.3.3: switching to messages quiets the line, switching back shows what the ISR status has", () => {
    const device = new HoldDevice();
    const driver = new Driver(device, { kind: "pci" });
    driver.transport.line.onRaise = undefined;
    driver.start();
    const pci = asPci(driver.transport);
    const status = (): number => pci.pciFunction.read(STATUS, 2) & INTERRUPT_STATUS;
    device.changeConfig("word", 1);
    assert.deepEqual([pci.line.asserted, status()], [true, INTERRUPT_STATUS]);
    pci.msixControl = ENABLE;
    assert.deepEqual([pci.line.asserted, status()], [false, 0]);
    pci.msixControl = 0;
    assert.deepEqual([pci.line.asserted, status()], [true, INTERRUPT_STATUS], "4.1.4.5.1");
    pci.acknowledge();
    assert.deepEqual([pci.line.asserted, status()], [false, 0]);
  });

  it("a driver that never enables it gets its interrupts by the line", async () => {
    const device = new HoldDevice();
    const driver = Driver.start(device, { kind: "pci" });
    const done = driver.request(0, [{ address: driver.memory.allocate(8), length: 8, writable: true }]);
    device.give(1, 8);
    assert.equal(await done, 8);
    assert.equal(driver.queueInterrupts, 1);
    assert.equal(asPci(driver.transport).messages.length, 0);
  });
});

describe("requests with messages", () => {
  it("take one register access each, their doorbell, and no look at the ISR status", async () => {
    const device = new HoldDevice();
    const driver = Driver.start(device, { kind: "pci-msix" });
    const registers: string[] = [];
    device.observer = (event) => event.type === "access" && registers.push(event.register);
    const pci = asPci(driver.transport);
    for (let i = 0; i < 20; i++) {
      const done = driver.enqueue(0, [{ address: driver.memory.allocate(8), length: 8, writable: true }]);
      driver.queues[0]!.expose();
      pci.registers.write(0x1000, 2, 0);
      device.give(1, 8);
      assert.equal(await done, 8);
    }
    assert.deepEqual(registers, Array<string>(20).fill("queue_notify"));
  });
});
