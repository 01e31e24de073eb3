/** VIRTIO_F_NOTIFICATION_DATA and VIRTIO_F_NOTIF_CONFIG_DATA (2.9): what a kick says of the ring. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  ACKNOWLEDGE,
  DRIVER,
  Driver,
  FEATURES_OK,
  NOTIF_CONFIG_DATA,
  NOTIFICATION_DATA,
  RING_PACKED,
  VERSION_1,
} from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";
import { KINDS, plug } from "./driver/transport.ts";

const RULE = { split: "2.9", packed: "2.8.16" };

for (const kind of KINDS) {
  for (const layout of ["split", "packed"] as const) {
    describe(`notification data, ${layout} over ${kind}`, () => {
      const start = (notifConfigData = false): [HoldDevice, Driver] => {
        const packed = layout === "packed";
        const device = new HoldDevice({
          size: 8,
          queues: 3,
          packed,
          notificationData: true,
          notifConfigData,
        });
        const driver = Driver.start(device, { kind, queueSize: packed ? 7 : 8 });
        assert.equal(driver.has(RING_PACKED), packed);
        assert.ok(driver.has(NOTIFICATION_DATA));
        return [device, driver];
      };

      for (const notifConfigData of kind === "pci" ? [false, true] : [false]) {
        it(`2.9: true over many laps${notifConfigData ? ", with NOTIF_CONFIG_DATA" : ""}`, async () => {
          const [device, driver] = start(notifConfigData);
          for (let i = 0; i < (layout === "split" ? 70_000 : 100); i += 3) {
            const done = [1, 2, 3].map(() => driver.enqueue(2, [{ address: 0x100, length: 4 }]));
            driver.kick(2);
            assert.equal(device.held.length, 3);
            driver.notify(2); // 2.9: nothing new
            device.give(3, 0, 2);
            device.wake(2);
            await done[2];
          }
          assert.deepEqual(device.rules, []);
        });
      }

      it("2.9: a driver that others have overtaken is behind, which is no lie", () => {
        const [device, driver] = start();
        const ring = driver.rings[0]!;
        const { next } = ring;
        for (let i = 0; i < 3; i++) ring.add([{ address: 0x100, length: 4 }]);
        ring.expose();
        driver.transport.notify(0, next);
        assert.equal(device.held.length, 3);
        driver.transport.notify(0, next);
        assert.deepEqual(device.rules, []);
      });

      it("2.9: more than there is, and what no ring has, is a lie; the device looks all the same", () => {
        const [device, driver] = start();
        const ring = driver.rings[0]!;
        ring.add([{ address: 0x100, length: 4 }]);
        ring.expose();
        const { next } = ring;
        const lies =
          layout === "split" ? [next + 1, next + 2, 0x8000] : [next + 1, next + 3, 0x8007, 7, 0x7fff];
        for (const lie of lies) driver.transport.notify(0, lie);
        assert.deepEqual(
          device.rules,
          lies.map(() => RULE[layout]),
        );
        assert.equal(device.held.length, 1);
        assert.equal(device.status & 64, 0, "the device goes on");
      });

      it("2.9: the right place with the other wrap counter is a lie", () => {
        const [device, driver] = start();
        const ring = driver.rings[0]!;
        for (let i = 0; i < 2; i++) ring.add([{ address: 0x100, length: 4 }]);
        driver.kick(0);
        driver.transport.notify(0, ring.next ^ 0x8000);
        assert.deepEqual(device.rules, [RULE[layout]]);
      });
    });
  }
}

for (const kind of KINDS) {
  it(`2.2.2: NOTIF_CONFIG_DATA makes FEATURES_OK fail on a transport without it (${kind})`, () => {
    const transport = plug(new HoldDevice({ notifConfigData: true }), kind, new FakeMemory());
    transport.acceptFeatures(VERSION_1 | NOTIF_CONFIG_DATA);
    transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
    assert.equal((transport.status & FEATURES_OK) !== 0, kind === "pci");
  });
}
