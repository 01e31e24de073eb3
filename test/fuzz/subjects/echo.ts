import type { Segment } from "../../unit/driver/queue.ts";
import { EchoDevice } from "../echo-device.ts";
import { answered, BUFFERS, expect, type MakeSubject } from "../subject.ts";

/** A device of our own, whose chains come back when the input says so: for the rings, whatever the kind of device. */
export const echo: MakeSubject = (options, { a }) => {
  const device = new EchoDevice(options);
  device.hold = (a & 1) === 1;
  return {
    device,
    host: ({ a, b }) => {
      switch (a & 7) {
        case 0:
          device.change(b);
          break;
        case 1:
          device.wake(b & 1);
          break;
        case 2:
          device.hold = !device.hold;
          break;
        case 3:
          device.limit = b & 0x1ff;
          break;
        default:
          for (let i = 0; i <= b >>> 13; i++) device.give(b);
      }
    },
    check: () => undefined,
    calm: () => {
      device.hold = false;
      device.held.length = 0;
    },
    request: (_rig, { a, b, c }): Segment[] => {
      const readable = a & 3;
      return Array.from({ length: readable + ((a >>> 2) & 3) }, (_, i) => ({
        address: BUFFERS + ((c + i * 0x100) & 0xffff),
        length: (b >>> i) & 0x3ff,
        writable: i >= readable,
      }));
    },
    serve: async (driver) => {
      const text = new TextEncoder().encode("an echo of 23 letters. ");
      const address = driver.memory.put(text);
      const answer = driver.memory.allocate(64);
      for (const queue of [0, 1]) {
        driver.memory.u8.fill(0, answer, answer + 64);
        const segments = [
          { address, length: text.length },
          { address: answer, length: 64, writable: true },
        ];
        const written = await answered(driver.request(queue, segments), `an echo from queue ${queue}`);
        const same = Buffer.compare(driver.memory.get(answer, text.length), text) === 0;
        expect(written === text.length && same, `an echo of ${written} bytes from queue ${queue}`);
      }
    },
  };
};
