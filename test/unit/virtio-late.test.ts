/** What completes after the driver has given the device up: nothing of it reaches the guest (2.1, 2.4.1, 2.6.1.1.1). */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { VirtioDevice } from "../../src/virtio/device.ts";
import { BlockDriver, UNTOUCHED } from "./driver/block-driver.ts";
import { Driver, FAILED, RING_PACKED, settle } from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { resetQueue } from "./driver/queue-reset.ts";
import { SlowDisk } from "./driver/slow-disk.ts";
import { KINDS } from "./driver/transport.ts";

type End = (driver: Driver, device: VirtioDevice) => void;

const ENDS: Readonly<Record<string, End>> = {
  "a reset of the device": ({ transport }) => (transport.status = 0),
  "a reset of the queue": (driver) => resetQueue(driver, 0),
  FAILED: ({ transport }) => (transport.status = transport.status | FAILED),
  "the loss of the bus": (_, device) => device.setBusMaster(false),
};

for (const kind of KINDS) {
  for (const layout of ["split", "packed"] as const) {
    for (const [title, end] of Object.entries(ENDS)) {
      describe(`after ${title}, ${layout} over ${kind}`, () => {
        const without = layout === "packed" ? 0n : RING_PACKED;

        it("2.4.1, 5.2.6: a disk's late answers write nothing and interrupt nobody", async () => {
          const disk = new SlowDisk(512 * 64);
          disk.bytes.fill(0x11);
          disk.slow = true;
          const block = new BlockDriver(disk, { kind, without, device: { packed: true } });
          const { driver, device } = block;
          assert.equal(driver.has(RING_PACKED), layout === "packed");
          let answers = 0;
          const done = (): number => answers++;
          void block.read(0, 4096).then(done);
          void block.write(8, new Uint8Array(4096).fill(0x22)).then(done);
          void block.flush().then(done);
          void block.read(3, 512, { placement: "indirect" }).then(done);
          void block.write(16, new Uint8Array(512).fill(0x33), { placement: "indirect" }).then(done);
          assert.equal(disk.waiting, 5);
          end(driver, device);
          const before = driver.memory.u8.slice();
          const { raised } = driver.transport.line;
          for (let i = 0; i < 4; i++) {
            disk.answer(i === 1 ? 1 : undefined, i === 2 ? new Error("late failure on purpose") : undefined);
            await settle();
          }
          assert.equal(disk.waiting, 0);
          assert.equal(answers, 0);
          assert.deepEqual(driver.memory.changedSince(before), []);
          assert.equal(driver.transport.line.raised, raised);
          assert.ok(
            disk.bytes.every((byte) => byte === 0x11),
            "no late write to the disk either",
          );
          assert.ok(before.includes(UNTOUCHED));

          // The disk is as good as before, once it is set up again.
          disk.slow = false;
          device.setBusMaster(true);
          driver.start();
          const again = await block.read(0, 512);
          assert.equal(again.status, 0);
          assert.deepEqual(again.data, new Uint8Array(512).fill(0x11));
        });

        it("2.4.1: what was given back in the same turn is no interrupt any more, now or at the slice's end", async () => {
          for (const interruptLater of [false, true]) {
            const device = new HoldDevice({ packed: true, interruptLater });
            const driver = Driver.start(device, { kind, without });
            for (let i = 0; i < 3; i++) driver.rings[0]!.add([{ address: 0x100, length: 8, writable: true }]);
            driver.kick(0);
            driver.transport.line.onRaise = undefined;
            device.give(1, 3);
            device.wake(); // published; with `interruptLater` the decision waits
            const published = driver.transport.line.raised;
            device.give(1, 3); // not published
            end(driver, device);
            const raised = driver.transport.line.raised;
            // Bus mastering taken away orderly publishes what was done; the others forget it.
            if (!title.includes("bus")) assert.equal(raised, published);
            const before = driver.memory.u8.slice();
            await settle();
            device.give(1, 3);
            await settle();
            assert.deepEqual(driver.memory.changedSince(before), []);
            if (!title.includes("bus")) assert.equal(driver.transport.line.raised, raised);
          }
        });
      });
    }
  }
}
