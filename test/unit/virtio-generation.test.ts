import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HoldDevice } from "./driver/hold-device.ts";
import { FakeMemory } from "./driver/memory.ts";
import { KINDS, plug } from "./driver/transport.ts";

describe("configuration generation", () => {
  for (const kind of KINDS) {
    it(`2.5, 4.1.4.3.1: 256 changes between two reads are a new generation too (${kind})`, () => {
      for (const changes of [1, 2, 255, 256, 257, 512, 65536]) {
        const device = new HoldDevice();
        const transport = plug(device, kind, new FakeMemory());
        const before = transport.generation;
        transport.readConfig(0, 4); // a driver reads one half of a 64-bit field ...
        for (let i = 1; i <= changes; i++) device.changeConfig("capacity", i);
        transport.readConfig(4, 4); // ... and the other
        assert.notEqual(transport.generation, before, `${changes} changes`);
      }
    });

    it(`2.5: what changes while a driver reads makes it read again, until all of it is of one piece (${kind})`, () => {
      const device = new HoldDevice();
      const transport = plug(device, kind, new FakeMemory());
      let value = 0;
      const change = (): void => {
        value++;
        device.changeConfig("capacity", value + value * 2 ** 32);
      };
      change();
      // 2.5.1's way to read what is longer than 32 bits, disturbed at each step of the first rounds.
      let rounds = 0;
      let generation, low, high;
      do {
        rounds++;
        const disturb = (step: number): void => {
          if (rounds === step) for (let i = 0; i < 256; i++) change();
        };
        generation = transport.generation;
        disturb(1);
        low = transport.readConfig(0, 4);
        disturb(2);
        high = transport.readConfig(4, 4);
        disturb(3);
      } while (generation !== transport.generation);
      assert.equal(low, high);
      assert.equal(low, value);
      assert.equal(rounds, 4, "each disturbance was noticed");
    });

    it(`2.5: stays the same while nothing changes, however often a driver reads (${kind})`, () => {
      const device = new HoldDevice();
      const transport = plug(device, kind, new FakeMemory());
      device.changeConfig("word", 1);
      const generation = transport.generation;
      for (let i = 0; i < 10; i++) {
        transport.readConfig(8, 4);
        assert.equal(transport.generation, generation);
      }
    });
  }
});
