import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Driver, EVENT_IDX, RING_PACKED, RING_RESET, settle } from "./driver/driver.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { asMmio, asPci, KINDS } from "./driver/transport.ts";

/** The register that resets the selected queue: queue_reset (4.1.4.3), QueueReset (4.2.2). */
function resetRegister(
  driver: Driver,
  kind: (typeof KINDS)[number],
): { read(): number; write(value: number): void } {
  if (kind === "pci") {
    const pci = asPci(driver.transport);
    return { read: () => pci.read(0x3a, 2), write: (value) => pci.write(0x3a, 2, value) };
  }
  const { registers } = asMmio(driver.transport);
  return { read: () => registers.read(0xc0, 4), write: (value) => registers.write(0xc0, 4, value) };
}

/** Fills the first bytes of everything that the device holds, and gives it back. */
function complete(device: HoldDevice, length: number, queue = 0): void {
  for (const chain of device.held.splice(0)) {
    chain.writer.write(new Uint8Array(length));
    device.queues[queue]!.put(chain, length);
  }
}

for (const kind of KINDS) {
  for (const packed of [false, true]) {
    const without = packed ? 0n : RING_PACKED;

    describe(`reset of one ${packed ? "packed" : "split"} queue over ${kind}`, () => {
      const start = (): {
        device: HoldDevice;
        driver: Driver;
        register: ReturnType<typeof resetRegister>;
      } => {
        const device = new HoldDevice({ queues: 2, size: 16, packed });
        const driver = Driver.start(device, { kind, without });
        return { device, driver, register: resetRegister(driver, kind) };
      };
      const buffer = { address: 0x100, length: 16, writable: true };

      it("2.6.1.1.1: no request of it is executed any more, nothing of it reaches the guest", async () => {
        const { device, driver, register } = start();
        driver.transport.line.onRaise = () => void driver.transport.acknowledge();
        for (let i = 0; i < 3; i++) driver.rings[0]!.add([buffer]);
        driver.kick(0);
        const [done, late] = device.held.splice(0);
        device.limit = 0;
        driver.rings[0]!.add([buffer]); // waits in the ring
        driver.kick(0);
        device.queues[0]!.put(done!, 16); // to be published at the end of this turn
        driver.transport.selectQueue(0);
        register.write(1);
        const raised = driver.transport.line.raised;
        const before = driver.memory.u8.slice();

        device.limit = Infinity;
        assert.equal(late!.writer.write(new Uint8Array(16).fill(0xaa)), 0);
        device.queues[0]!.put(late!, 16);
        device.wake(0);
        driver.transport.notify(0);
        await settle();
        assert.equal(device.held.length, 0);
        assert.deepEqual(driver.memory.changedSince(before), []);
        assert.equal(driver.transport.line.raised, raised);
        assert.deepEqual(device.rules, ["2.3"], "the kick of a queue that is not enabled");
      });

      it("2.6.1.1.1: the other queues go on", async () => {
        const { device, driver, register } = start();
        const other = driver.request(1, [buffer]);
        driver.transport.selectQueue(0);
        register.write(1);
        complete(device, 5, 1);
        assert.equal(await other, 5);
        const next = driver.request(1, [buffer]);
        complete(device, 6, 1);
        assert.equal(await next, 6);
      });

      it("2.6.1.1.1: everything about it is as after a reset of the device", () => {
        const device = new HoldDevice({ queues: 2, size: 16, packed });
        const driver = Driver.start(device, { kind, without, queueSize: 4 });
        const register = resetRegister(driver, kind);
        const { transport } = driver;
        transport.selectQueue(0);
        assert.equal(transport.queueEnabled(), true);
        register.write(1);
        assert.equal(transport.queueEnabled(), false);
        assert.equal(transport.maximumSize(), 16);
        if (kind === "pci") {
          const pci = asPci(transport);
          for (let offset = 0x20; offset < 0x38; offset += 4) assert.equal(pci.read(offset, 4), 0);
        }
        transport.selectQueue(1);
        assert.equal(transport.queueEnabled(), true);
      });

      it("4.1.4.3.1, 4.2.2.1: the reset is done when the register is read: 0, as is the queue's enable register", () => {
        const { driver, register } = start();
        const { transport } = driver;
        transport.selectQueue(0);
        assert.equal(register.read(), 0);
        register.write(1);
        assert.equal(register.read(), 0);
        assert.equal(transport.queueEnabled(), false);
        driver.setUpRing(0, 16);
        assert.equal(register.read(), 0, "after the queue was enabled again");
        assert.equal(transport.queueEnabled(), true);
        register.write(1);
        transport.status = 0;
        assert.equal(register.read(), 0, "after a reset of the device");
      });

      it("2.6.1.2.1: enabled again it starts from the beginning, with the new size and place", async () => {
        const { device, driver, register } = start();
        for (let round = 0; round < 8; round++) {
          // Positions in the rings that are not those at the start.
          for (let i = 0; i < 5; i++) {
            const done = driver.request(0, [buffer]);
            complete(device, 1);
            assert.equal(await done, 1);
          }
          void driver.request(0, [buffer]);
          const lost = device.held.pop();
          driver.transport.selectQueue(0);
          register.write(1);
          const size = [4, 16, 8, 2][round % 4]!;
          driver.rings[0] = driver.setUpRing(0, size);
          const again = driver.request(0, [buffer]);
          device.queues[0]!.put(lost!, 16);
          complete(device, 2);
          assert.equal(await again, 2);
          const full = Array.from({ length: size }, () => driver.enqueue(0, [buffer]));
          driver.kick(0);
          assert.equal(device.held.length, size);
          complete(device, 3);
          assert.deepEqual(await Promise.all(full), new Array(size).fill(3));
        }
        assert.deepEqual(device.rules, []);
      });

      it("2.6.1: without VIRTIO_F_RING_RESET it is refused, and the queue goes on", async () => {
        const device = new HoldDevice({ size: 16, packed });
        const driver = Driver.start(device, { kind, without: without | RING_RESET | EVENT_IDX });
        driver.transport.selectQueue(0);
        resetRegister(driver, kind).write(1);
        assert.equal(device.rules.length, 1);
        assert.equal(driver.transport.queueEnabled(), true);
        const done = driver.request(0, [buffer]);
        complete(device, 4);
        assert.equal(await done, 4);
      });
    });
  }
}
