import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EntropyDevice } from "../../src/virtio/entropy.ts";
import { Driver } from "./driver/driver.ts";
import { FakeMemory } from "./driver/memory.ts";
import { KINDS } from "./driver/transport.ts";

describe("entropy device", () => {
  for (const kind of KINDS) {
    it(`5.4.6: fills every buffer completely, whatever its segments (${kind})`, async () => {
      let count = 0;
      const device = new EntropyDevice((target) => {
        for (let i = 0; i < target.length; i++) target[i] = ++count & 0xff;
      });
      const driver = Driver.start(device, { kind });
      const buffer = driver.memory.allocate(200);
      const length = await driver.request(0, [
        { address: buffer, length: 3, writable: true },
        { address: 0, length: 0, writable: true },
        { address: buffer + 3, length: 150, writable: true },
      ]);
      assert.equal(length, 153);
      assert.deepEqual(
        [...driver.memory.get(buffer, 154)],
        [...Array.from({ length: 153 }, (_, i) => i + 1), 0],
      );
    });
  }

  it("5.4.6.2: a request beyond 64 KiB gets 64 KiB, and used.len says so", async () => {
    let asked = 0;
    const device = new EntropyDevice((target) => {
      asked += target.length;
      assert.ok(target.length <= 65536, "getRandomValues gives no more at once");
    });
    const driver = Driver.start(device, { memory: new FakeMemory(1 << 22) });
    const length = await driver.request(0, [
      { address: 0x10000, length: 50_000, writable: true },
      { address: 0x10000, length: 3 << 20, writable: true },
    ]);
    assert.equal(length, 65536);
    assert.equal(asked, 65536);
  });

  it("5.4.6.1: a readable buffer is the driver's mistake, and stays as it is", async () => {
    const device = new EntropyDevice((target) => target.fill(0xff));
    const driver = Driver.start(device);
    const buffer = driver.memory.allocate(32);
    const length = await driver.request(0, [
      { address: buffer, length: 16 },
      { address: buffer + 16, length: 16, writable: true },
    ]);
    assert.equal(length, 16);
    assert.equal(device.lastViolation?.rule, "5.4.6.1");
    assert.deepEqual(
      driver.memory.get(buffer, 32),
      Uint8Array.of(...new Uint8Array(16), ...new Uint8Array(16).fill(255)),
    );
  });

  it("5.4.6: 70,000 requests, around the wrap of the indices", async () => {
    const device = new EntropyDevice((target) => target.fill(1));
    const driver = Driver.start(device);
    for (let i = 0; i < 70_000; i += 50) {
      const requests = Array.from({ length: 50 }, () =>
        driver.enqueue(0, [{ address: 0x100, length: 4, writable: true }]),
      );
      driver.kick(0);
      for (const length of await Promise.all(requests)) assert.equal(length, 4);
    }
    assert.equal(device.queues[0]!.counters.chains, 70_000);
    assert.equal(device.queues[0]!.counters.kicks, 1400);
    assert.equal(device.queues[0]!.counters.interrupts, 1400);
  });
});
