import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Driver, EVENT_IDX, settle } from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";

/** Guest memory in which somebody watches: told of every write at the moment at which the device reports it. */
class WatchedMemory extends FakeMemory {
  onWrite: () => void = () => undefined;

  override dirty(start: number, end: number): void {
    super.dirty(start, end);
    this.onWrite();
  }
}

describe("what a driver on another CPU would see of a split ring", () => {
  it("2.7.8.2: what stands under used.idx is complete, and never changes again", async () => {
    const device = new HoldDevice({ size: 8 });
    const memory = new WatchedMemory();
    const driver = Driver.start(device, { memory });
    const queue = driver.queues[0]!;
    /** Every used element seen under the index so far. */
    const seen: { id: number; length: number }[] = [];
    const element = (index: number): { id: number; length: number } => {
      const at = queue.used + 4 + 8 * (index % 8);
      return { id: memory.view.getUint32(at, true), length: memory.view.getUint32(at + 4, true) };
    };
    let looks = 0;
    memory.onWrite = () => {
      looks++;
      while (seen.length % 65536 !== queue.usedIndex) seen.push(element(seen.length));
      for (let i = Math.max(0, seen.length - 3); i < seen.length; i++) assert.deepEqual(element(i), seen[i]);
    };
    const expected: { id: number; length: number }[] = [];
    for (let round = 0; round < 50; round++) {
      const requests = [1, 2, 3].map((n) =>
        driver.enqueue(0, [{ address: 0x100, length: 64, writable: true }]).then(() => n),
      );
      driver.kick(0);
      device.held.splice(0).forEach((chain, i) => {
        const length = (round + i) % 60;
        expected.push({ id: chain.head, length });
        device.queues[0]!.put(chain, length);
      });
      await Promise.all(requests);
    }
    assert.deepEqual(seen, expected);
    assert.ok(looks > 50);
  });

  it("2.7.8.2: the bytes that used.len counts are in guest memory before used.idx moves", async () => {
    const device = new HoldDevice({ size: 8 });
    const memory = new WatchedMemory();
    const driver = Driver.start(device, { memory });
    const queue = driver.queues[0]!;
    const buffer = memory.allocate(64);
    let moved = false;
    memory.onWrite = () => {
      if (queue.usedIndex === 0 || moved) return;
      moved = true;
      const length = memory.view.getUint32(queue.used + 8, true);
      assert.equal(length, 40);
      assert.deepEqual(memory.get(buffer, 41), Uint8Array.from([...new Uint8Array(40).fill(0x77), 0]));
    };
    const done = driver.request(0, [
      { address: buffer, length: 30, writable: true },
      { address: buffer + 30, length: 34, writable: true },
    ]);
    device.held[0]!.writer.write(new Uint8Array(40).fill(0x77));
    device.give(1, 40);
    assert.equal(await done, 40);
    assert.equal(moved, true);
  });

  for (const without of [0n, EVENT_IDX]) {
    const what = without ? "without EVENT_IDX used.flags are 0 or 1" : "with EVENT_IDX used.flags become 0";
    it(`2.7.10.2: ${what}, whatever stood in that memory`, async () => {
      const device = new HoldDevice({ size: 8 });
      const memory = new FakeMemory();
      const driver = new Driver(device, { memory, without });
      memory.u8.fill(0xff, 0x1000, 0x2000);
      memory.allocate = (length, alignment) => {
        const address = FakeMemory.prototype.allocate.call(memory, length, alignment);
        memory.u8.fill(0xff, address, address + length);
        return address;
      };
      driver.negotiate();
      const queue = driver.setUpQueue(0, 8);
      memory.view.setUint32(queue.available, 0, true); // what a driver does clear: its own flags and index
      driver.transport.status = 15;
      assert.equal(queue.usedFlags, 0);
      device.limit = 0; // too busy: kicks are not wanted
      queue.add([{ address: 0x100, length: 1 }]);
      queue.expose();
      driver.transport.notify(0);
      await settle();
      assert.equal(queue.usedFlags, without ? 1 : 0);
    });
  }
});
