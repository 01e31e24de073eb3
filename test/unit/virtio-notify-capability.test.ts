import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BlockDevice } from "../../src/virtio/block.ts";
import { ConsoleDevice } from "../../src/virtio/console.ts";
import type { DeviceOptions, VirtioDevice } from "../../src/virtio/device.ts";
import { EntropyDevice } from "../../src/virtio/entropy.ts";
import { NetDevice } from "../../src/virtio/net.ts";
import { FakeMemory } from "./driver/memory.ts";
import { OWN, TestWire } from "./driver/net-driver.ts";
import { PciTransport } from "./driver/pci-transport.ts";
import { SlowDisk } from "./driver/slow-disk.ts";

const DEVICES: Record<string, (options: DeviceOptions) => VirtioDevice> = {
  block: (options) => new BlockDevice({ id: "d", backend: new SlowDisk(512), ...options }),
  console: (options) => new ConsoleDevice([{ console: true }, { name: "a" }, { name: "b" }], options),
  entropy: (options) => new EntropyDevice(() => undefined, options),
  network: (options) => new NetDevice({ backend: new TestWire(), mac: OWN, queues: 16, ...options }),
};
const NOTIFY_CFG = 2;

/** The capability as it stands in configuration space, for each way in which a driver may write to it (4.1.5.2). */
function* capabilities(
  name: string,
): Generator<{ pci: PciTransport; queues: number; written: number; at: number }> {
  for (const notificationData of [false, true]) {
    for (const transitional of [false, true]) {
      const device = DEVICES[name]!({ notificationData });
      const pci = PciTransport.plug(device, new FakeMemory(), { transitional });
      const found = pci.capabilities(0x09).filter((at) => pci.pciFunction.read(at + 3, 1) === NOTIFY_CFG);
      assert.ok(found.length >= 1, "there is one");
      for (const at of found)
        yield { pci, queues: device.queues.length, written: notificationData ? 4 : 2, at };
    }
  }
}

describe("the notification capability", () => {
  for (const name of Object.keys(DEVICES)) {
    it(`4.1.4.4.1: ${name}: offset and multiplier suit accesses of 2 and of 4 bytes`, () => {
      for (const { pci, written, at } of capabilities(name)) {
        assert.equal(pci.pciFunction.read(at + 8, 4) % written, 0, "offset");
        const multiplier = pci.pciFunction.read(at + 16, 4);
        if (multiplier === 0) continue;
        assert.equal(multiplier % written, 0);
        assert.equal(Math.log2(multiplier) % 1, 0, "a power of 2");
      }
    });

    it(`4.1.4.4.1: ${name}: room for what a driver writes for every queue, at every queue's offset`, () => {
      for (const { pci, queues, written, at } of capabilities(name)) {
        const length = pci.pciFunction.read(at + 12, 4);
        const multiplier = pci.pciFunction.read(at + 16, 4);
        assert.ok(length >= written);
        for (let queue = 0; queue < queues; queue++) {
          pci.selectQueue(queue);
          assert.ok(length >= pci.read(0x1e, 2) * multiplier + written, `queue ${queue}`);
        }
      }
    });
  }
});
