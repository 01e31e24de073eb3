/** VIRTIO_F_IN_ORDER (6.2; 2.7.9, 2.8.8): whatever the device finishes first, the driver gets buffers back in its own order. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Driver, EVENT_IDX, IN_ORDER, RING_PACKED, RING_RESET, settle } from "./driver/driver.ts";
import { BlockDriver, IOERR, OK } from "./driver/block-driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { resetQueue } from "./driver/queue-reset.ts";
import { SlowDisk } from "./driver/slow-disk.ts";

const target = { address: 0x100, length: 64, writable: true };

for (const layout of ["split", "packed"] as const) {
  const packed = layout === "packed";
  const without = packed ? 0n : RING_PACKED;

  describe(`in order, ${layout}`, () => {
    const start = (options = {}): [HoldDevice, Driver] => {
      const device = new HoldDevice({ size: 16, packed, inOrder: true });
      const driver = Driver.start(device, { without, ...options });
      assert.ok(driver.has(IN_ORDER));
      assert.equal(driver.has(RING_PACKED), packed);
      return [device, driver];
    };
    /** Gives back the chain at `index` of those held. */
    const finish = (device: HoldDevice, index: number, written: number): void => {
      const [chain] = device.held.splice(index, 1);
      chain!.writer.write(Uint8Array.of(1));
      device.queues[0]!.put(chain!, written);
    };

    it("6.2: what is done early waits for those before it, and keeps its length", async () => {
      const [device, driver] = start();
      driver.transport.line.onRaise = () => void driver.transport.acknowledge();
      const queue = driver.rings[0]!;
      const ids = [1, 2, 3, 4].map(() => queue.add([target, target]));
      driver.kick(0);
      finish(device, 3, 40);
      finish(device, 1, 20);
      await settle();
      assert.deepEqual(queue.reap(), []);
      assert.equal(driver.transport.line.raised, 0);
      finish(device, 0, 10);
      await settle();
      assert.deepEqual(queue.reap(), [
        { id: ids[0], length: 10 },
        { id: ids[1], length: 20 },
      ]);
      assert.equal(driver.transport.line.raised, 1);
      queue.rearm();
      finish(device, 0, 30);
      await settle();
      assert.deepEqual(queue.reap(), [
        { id: ids[2], length: 30 },
        { id: ids[3], length: 40 },
      ]);
      assert.equal(driver.transport.line.raised, 2);
    });

    it("6.2: a chain that waits for its predecessors belongs to the driver: the device writes to it no more", () => {
      const [device, driver] = start();
      driver.transport.line.onRaise = undefined;
      driver.rings[0]!.add([target]);
      driver.rings[0]!.add([target]);
      driver.kick(0);
      const late = device.held[1]!;
      device.queues[0]!.put(late, 5);
      assert.equal(late.inFlight, false);
      assert.equal(late.writer.write(Uint8Array.of(1)), 0);
      device.queues[0]!.put(late, 6);
      device.queues[0]!.put(device.held[0]!, 0);
      device.wake();
      assert.equal(driver.rings[0]!.reap().length, 2);
    });

    it("6.2: without the feature the order is that of completion", async () => {
      const device = new HoldDevice({ size: 16, packed, inOrder: true });
      const driver = Driver.start(device, { without: without | IN_ORDER });
      driver.transport.line.onRaise = undefined;
      const queue = driver.rings[0]!;
      const ids = [queue.add([target]), queue.add([target])];
      driver.kick(0);
      finish(device, 1, 2);
      await settle();
      assert.deepEqual(queue.reap(), [{ id: ids[1], length: 2 }]);
    });

    for (const eventIdx of [true, false]) {
      it(`6.2: any order of completion over many laps (${eventIdx ? "EVENT_IDX" : "flags"})`, async () => {
        const size = packed ? 13 : 16;
        const [device, driver] = start({
          queueSize: size,
          without: without | (eventIdx ? 0n : EVENT_IDX),
        });
        const queue = driver.rings[0]!;
        let random = 7;
        const next = (below: number): number => {
          random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
          return (random >> 12) % below;
        };
        const answered: number[] = [];
        const numbers = new Map<object, number>();
        let asked = 0;
        for (let i = 0; i < 6000; i++) {
          const length = 1 + next(3);
          if (next(2) && queue.free >= length) {
            const number = asked++;
            const done = driver.request(
              0,
              Array.from({ length }, () => target),
            );
            numbers.set(device.held.at(-1)!, number);
            void done.then((written) => {
              assert.equal(written, 1 + (number % 60));
              answered.push(number);
            });
          } else if (device.held.length > 0) {
            const index = next(device.held.length);
            finish(device, index, 1 + (numbers.get(device.held[index]!)! % 60));
            if (next(3) === 0) await settle();
          } else await settle();
        }
        while (device.held.length > 0) finish(device, 0, 1 + (numbers.get(device.held[0]!)! % 60));
        await settle();
        assert.ok(asked > 1000, `${asked}`);
        assert.deepEqual(
          answered,
          Array.from({ length: asked }, (_, i) => i),
        );
        assert.equal(queue.free, size);
        assert.deepEqual(device.rules, []);
      });
    }

    it("6.2, 2.4.1: a reset forgets what waits, of the device and of one queue", async () => {
      const [device, driver] = start();
      assert.ok(driver.has(RING_RESET));
      for (const reset of ["device", "queue", "device"] as const) {
        driver.rings[0]!.add([target]);
        driver.rings[0]!.add([target]);
        driver.kick(0);
        const [first, second] = device.held.splice(0);
        device.queues[0]!.put(second!, 9);
        if (reset === "device") driver.start();
        else {
          resetQueue(driver, 0);
          driver.rings[0] = driver.setUpRing(0, 8);
        }
        const before = driver.memory.u8.slice();
        device.queues[0]!.put(first!, 9);
        await settle();
        assert.deepEqual(driver.memory.changedSince(before), []);
        const answers = [driver.request(0, [target]), driver.request(0, [target])];
        finish(device, 1, 2);
        finish(device, 0, 1);
        assert.deepEqual(await Promise.all(answers), [1, 2]);
      }
    });

    it("6.2, 5.2.6: a disk that answers in any order", async () => {
      const disk = new SlowDisk(512 * 64);
      disk.bytes.forEach((_, i) => (disk.bytes[i] = (i * 7) & 0xff));
      const block = new BlockDriver(disk, { without, device: { packed, inOrder: true } });
      const order: number[] = [];
      disk.slow = true;
      const slow = block.read(1, 512).then((answer) => (order.push(1), answer));
      disk.slow = false;
      const fast = block.read(2, 1024).then((answer) => (order.push(2), answer));
      const wrong = block.read(1000, 512).then((answer) => (order.push(3), answer));
      await settle();
      assert.deepEqual(order, []);
      disk.answer();
      const answers = await Promise.all([slow, fast, wrong]);
      assert.deepEqual(order, [1, 2, 3]);
      assert.deepEqual(
        answers.map(({ status }) => status),
        [OK, OK, IOERR],
      );
      assert.deepEqual(answers[0].data, disk.bytes.slice(512, 1024));
      assert.deepEqual(answers[1].data, disk.bytes.slice(1024, 2048));
    });
  });
}
