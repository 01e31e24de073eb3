/** One queue is reset and enabled again while requests are in flight (2.6.1), over both layouts and both transports. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConsoleDevice } from "../../src/virtio/console.ts";
import { type BlockAnswer, BlockDriver, OK } from "./driver/block-driver.ts";
import { ConsoleDriver } from "./driver/console-driver.ts";
import { IN_ORDER, RING_PACKED, settle } from "./driver/driver.ts";
import { FakeMemory } from "./driver/memory.ts";
import { resetQueue } from "./driver/queue-reset.ts";
import { SlowDisk } from "./driver/slow-disk.ts";
import { KINDS } from "./driver/transport.ts";

for (const kind of KINDS) {
  for (const layout of ["split", "packed"] as const) {
    const packed = layout === "packed";
    const without = packed ? 0n : RING_PACKED;

    describe(`queue reset under load, ${layout} over ${kind}`, () => {
      for (const inOrder of [false, true]) {
        it(`2.6.1: a disk that is slow${inOrder ? ", in order" : ""}`, async () => {
          const sectors = 64;
          const disk = new SlowDisk(512 * sectors);
          disk.bytes.forEach((_, i) => (disk.bytes[i] = i >> 9));
          disk.slow = true;
          const block = new BlockDriver(disk, {
            kind,
            memory: new FakeMemory(8 << 20),
            without: without | (inOrder ? 0n : IN_ORDER),
            device: { packed: true, inOrder: true },
          });
          const { driver, device } = block;
          let random = 99;
          const next = (below: number): number => {
            random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
            return (random >> 12) % below;
          };
          let [lost, answered] = [0, 0];
          for (let round = 0; round < 120; round++) {
            let current = true;
            let pending = 0;
            const check = (sector: number) => (answer: BlockAnswer) => {
              assert.ok(current, "nothing of an earlier life of the queue comes back");
              assert.equal(answer.status, OK);
              assert.ok(answer.data.every((byte) => byte === sector));
              answered++;
              pending--;
            };
            const count = 1 + next(12);
            for (let i = 0; i < count; i++) {
              const sector = next(sectors);
              const request = block.read(sector, 512, { placement: next(2) ? "direct" : "indirect" });
              void request.then(check(sector));
              pending++;
            }
            await settle();
            while (pending > 0 && next(8) > 0) {
              disk.answer(1);
              await settle();
            }
            lost += pending;
            current = false;
            resetQueue(driver, 0);
            driver.rings[0] = driver.setUpRing(0, packed ? 50 + next(207) : 128 << next(2));
          }
          while (disk.waiting > 0) {
            disk.answer();
            await settle();
          }
          disk.slow = false;
          assert.equal((await block.read(5, 512)).status, OK);
          assert.ok(lost > 100 && answered > 100, `${lost} lost, ${answered} answered`);
          assert.equal(device.violations, 0);
        });
      }

      it("2.6.1: a console's transmit queue while the terminal is busy with a part of a buffer", async () => {
        const device = new ConsoleDevice([{ console: true }], { packed });
        const { driver } = new ConsoleDriver([], { kind, without }, device);
        const received: string[] = [];
        let ready: (() => void) | undefined;
        device.ports[0]!.connect({
          write: (data) => {
            received.push(new TextDecoder().decode(data));
            return new Promise((resolve) => {
              ready = resolve;
            });
          },
        });
        const send = (...texts: string[]): Promise<number> =>
          driver.request(
            1,
            texts.map((text) => ({
              address: driver.memory.put(new TextEncoder().encode(text)),
              length: text.length,
            })),
          );
        let late = 0;
        void send("first", "second").then(() => {
          late++;
        });
        assert.deepEqual(received, ["first"]);
        resetQueue(driver, 1);
        driver.rings[1] = driver.setUpRing(1, 16);
        const done = send("third");
        for (let i = 0; i < 4; i++) {
          ready?.();
          await settle();
        }
        await done;
        assert.deepEqual(received, ["first", "third"]);
        assert.equal(late, 0);
        assert.equal(device.violations, 0);
      });
    });
  }
}
