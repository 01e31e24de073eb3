import { EntropyDevice } from "../../../src/virtio/entropy.ts";
import type { Segment } from "../../unit/driver/queue.ts";
import { answered, BUFFERS, expect, type MakeSubject } from "../subject.ts";

/** 5.4: a source of bytes that are all different from what memory holds at first. */
export const entropy: MakeSubject = (options) => ({
  device: new EntropyDevice((target) => target.fill(0xa5), options),
  host: () => undefined,
  check: () => undefined,
  calm: () => undefined,
  request: (_rig, { a, b, c }): Segment[] =>
    Array.from({ length: 1 + (a & 7) }, (_, i) => ({
      address: BUFFERS + ((c + i * (b & 0xff)) & 0xffff),
      length: b >>> 5,
      writable: (a & 0x88) === 0 || i > 0,
    })),
  serve: async (driver) => {
    const address = driver.memory.allocate(32);
    const written = await answered(driver.request(0, [{ address, length: 32, writable: true }]), "32 bytes");
    expect(
      written === 32 && driver.memory.get(address, 32).every((byte) => byte === 0xa5),
      "32 random bytes",
    );
  },
});
