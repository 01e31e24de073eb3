/** Strict mode: requests and messages as they must not be. Each test names the sentence that has to be reported. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryDisk } from "../../src/backends/disk/memory.ts";
import { ConsoleDevice } from "../../src/virtio/console.ts";
import { BlockDriver, FLUSH, GET_ID, IN, IOERR, OK, OUT } from "./driver/block-driver.ts";
import { ConsoleDriver, DEVICE_READY, PORT_OPEN, PORT_READY } from "./driver/console-driver.ts";
import type { Segment } from "./driver/queue.ts";
import { sentences } from "./driver/strict.ts";
import type { Kind } from "./driver/transport.ts";

const SECTORS = 8;
const ANY_LAYOUT = 1n << 27n;

function block(kind: Kind = "pci", without = 0n): { driver: BlockDriver; seen: string[] } {
  const driver = new BlockDriver(new MemoryDisk(512 * SECTORS), { kind, without, strict: true });
  return { driver, seen: sentences(driver.device) };
}

function bytes(count: number): Uint8Array {
  return new Uint8Array(count);
}

describe("strict mode: block requests (5.2.6.1)", () => {
  it("reads and writes beyond the capacity", async () => {
    for (const [type, out, wanted] of [
      [IN, 0, 1024],
      [OUT, 1024, 0],
    ] as const) {
      const { driver, seen } = block();
      await driver.request(type, SECTORS - 2, bytes(out), wanted);
      assert.deepEqual(seen, []);
      const { status } = await driver.request(type, SECTORS - 1, bytes(out), wanted);
      assert.equal(status, IOERR);
      assert.deepEqual(seen, ["5.2.6.1 capacity"]);
      assert.match(driver.device.lastViolation!.what, /1024 bytes at sector 7 of a disk of 8 sectors/);
      assert.equal(driver.device.lastViolation!.queue, 0);
    }
    const { driver, seen } = block();
    await driver.read(2n ** 63n, 512);
    assert.deepEqual(seen, ["5.2.6.1 capacity"]);
  });

  it("a flush of a sector", async () => {
    const { driver, seen } = block();
    await driver.flush();
    assert.deepEqual(seen, []);
    assert.equal((await driver.request(FLUSH, 1, bytes(0), 0)).status, OK);
    assert.deepEqual(seen, ["5.2.6.1 flush"]);
  });

  it("a GET_ID request with other than 20 bytes", async () => {
    const { driver, seen } = block();
    await driver.request(GET_ID, 0, bytes(0), 20, { pieces: [3] });
    assert.deepEqual(seen, []);
    await driver.request(GET_ID, 0, bytes(0), 21);
    assert.deepEqual(seen, ["5.2.6.1 id"]);
  });

  it("discard, write zeroes and secure erase with a part of a segment", async () => {
    for (const type of [11, 13, 14]) {
      const { driver, seen } = block();
      await driver.request(type, 0, bytes(16), 0);
      assert.deepEqual(seen, []);
      await driver.request(type, 0, bytes(24), 0);
      assert.deepEqual(seen, ["5.2.6.1 segments"]);
    }
  });

  it("discards with too many segments, with the unmap bit, and ranges beyond the capacity", async () => {
    const most = block().driver.device.config.get("max_discard_seg");
    const segments = (count: number, sector: number, flags: number): Uint8Array => {
      const data = bytes(16 * count);
      const view = new DataView(data.buffer);
      for (let at = 0; at < data.length; at += 16) {
        view.setUint32(at, sector, true);
        view.setUint32(at + 8, 1, true);
        view.setUint32(at + 12, flags, true);
      }
      return data;
    };
    for (const [type, data, rule] of [
      [11, segments(most, 0, 0), undefined],
      [11, segments(most + 1, 0, 0), "5.2.6.1 most"],
      [11, segments(1, 0, 1), "5.2.6.1 unmap"],
      [13, segments(1, 0, 1), undefined],
      [13, segments(1, SECTORS, 0), "5.2.6.1 capacity"],
    ] as const) {
      const { driver, seen } = block();
      await driver.request(type, 0, data, 0);
      assert.deepEqual(seen, rule === undefined ? [] : [rule]);
    }
  });

  it("the header in pieces on a legacy interface, which takes ANY_LAYOUT (5.2.6.4 framing)", async () => {
    for (const kind of ["pci-legacy", "mmio-legacy"] as const) {
      const modern = block(kind);
      await modern.driver.read(0, 512, { pieces: [100] });
      assert.deepEqual(modern.seen, []);
      const { driver, seen } = block(kind, ANY_LAYOUT);
      await driver.read(0, 512);
      await driver.flush();
      assert.deepEqual(seen, []);
      await driver.read(0, 512, { pieces: [8, 512] });
      assert.deepEqual(seen, ["5.2.6.4 framing"]);
    }
    const together = block("pci-legacy", ANY_LAYOUT);
    await together.driver.read(0, 512, { pieces: [16, 1000] });
    assert.deepEqual(together.seen, ["5.2.6.4 framing"], "data and status in one");
  });

  it("what the request broke is said whether it lies in the ring or in an indirect table", async () => {
    for (const placement of ["direct", "indirect", "unaligned-indirect", "mixed"] as const) {
      const { driver, seen } = block();
      await driver.request(FLUSH, 9, bytes(0), 0, { placement });
      assert.deepEqual(seen, ["5.2.6.1 flush"]);
    }
  });
});

describe("strict mode: console (5.3.6.1, 5.3.6.2.2)", () => {
  function start(kind: Kind = "pci", without = 0n): { driver: ConsoleDriver; seen: string[] } {
    const device = new ConsoleDevice([{ console: true }, { name: "other" }]);
    const driver = new ConsoleDriver([], { kind, without, strict: true }, device);
    return { driver, seen: sentences(device) };
  }

  const buffer = (driver: ConsoleDriver, writable: boolean): Segment => ({
    address: driver.driver.memory.allocate(16),
    length: 16,
    writable,
  });

  it("a device-readable buffer in a receive queue", () => {
    for (const queue of [0, 2, 4]) {
      const { driver, seen } = start();
      void driver.driver.request(queue, [buffer(driver, true)]);
      driver.driver.notify(queue);
      assert.deepEqual(seen, []);
      void driver.driver.request(queue, [buffer(driver, false), buffer(driver, true)]);
      driver.driver.notify(queue);
      assert.deepEqual(seen, ["5.3.6.1 receiveq"]);
    }
  });

  it("a device-writable buffer in a transmit queue", () => {
    for (const queue of [1, 5]) {
      const { driver, seen } = start();
      void driver.driver.request(queue, [buffer(driver, false)]);
      driver.driver.notify(queue);
      assert.deepEqual(seen, []);
      void driver.driver.request(queue, [buffer(driver, false), buffer(driver, true)]);
      driver.driver.notify(queue);
      assert.deepEqual(seen, ["5.3.6.1 transmitq"]);
    }
  });

  it("control messages before DEVICE_READY, after each reset", async () => {
    const { driver, seen } = start();
    driver.listen();
    await driver.control(0, DEVICE_READY, 1);
    await driver.control(0, PORT_READY, 1);
    assert.deepEqual(seen, []);
    driver.driver.start();
    await driver.control(1, PORT_READY, 1);
    assert.deepEqual(seen, ["5.3.6.2.2 ready"]);
  });

  it("CONSOLE_PORT answered with PORT_OPEN of value 0", async () => {
    const { driver, seen } = start();
    await driver.handshake();
    await driver.control(0, PORT_OPEN, 0);
    await driver.control(1, PORT_OPEN, 0);
    assert.deepEqual(seen, [], "a port may be closed later, and another port is none");
    await driver.control(0, PORT_READY, 1);
    await driver.control(0, PORT_OPEN, 0);
    assert.deepEqual(seen, ["5.3.6.2.2 open"]);
  });

  it("control buffers in pieces on a legacy interface, which takes ANY_LAYOUT (5.3.6.4 framing)", () => {
    const accepting = start("pci-legacy");
    void accepting.driver.driver.request(2, [buffer(accepting.driver, true), buffer(accepting.driver, true)]);
    assert.deepEqual(accepting.seen, []);
    const { driver, seen } = start("pci-legacy", ANY_LAYOUT);
    void driver.driver.request(2, [buffer(driver, true)]);
    driver.driver.notify(2);
    assert.deepEqual(seen, []);
    void driver.driver.request(2, [buffer(driver, true), buffer(driver, true)]);
    driver.driver.notify(2);
    assert.deepEqual(seen, ["5.3.6.4 framing"]);
  });
});
