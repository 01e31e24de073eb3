import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConsoleDriver, DEVICE_ADD, DEVICE_READY, PORT_READY } from "./driver/console-driver.ts";
import { settle } from "./driver/driver.ts";

const DEVICE_REMOVE = 2;

describe("console: which ports there are", () => {
  it("5.3.6.2.1: every port is added once, with a number below max_nr_ports, and none is removed", async () => {
    for (const count of [1, 2, 5]) {
      const driver = new ConsoleDriver(Array.from({ length: count }, (_, i) => ({ name: `port ${i}` })));
      driver.listen(16);
      // A driver that says that it is ready again and again, and sets up what is there and what is not.
      for (let i = 0; i < 3; i++) {
        await driver.control(0, DEVICE_READY, 1);
        for (const id of [0, count - 1, count, 0xffffffff]) await driver.control(id, PORT_READY, 1);
      }
      await driver.control(0, DEVICE_READY, 0);
      await settle();
      const maximum = driver.driver.transport.readConfig(4, 4);
      const added = driver.messages.filter(({ event }) => event === DEVICE_ADD).map(({ id }) => id);
      assert.deepEqual(
        added,
        Array.from({ length: count }, (_, i) => i),
      );
      assert.ok(added.every((id) => id < maximum));
      assert.ok(driver.messages.every(({ id }) => id < maximum));
      assert.ok(driver.messages.every(({ event }) => event !== DEVICE_REMOVE));
    }
  });
});
