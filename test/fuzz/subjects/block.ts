import { BlockDevice } from "../../../src/virtio/block.ts";
import type { Driver } from "../../unit/driver/driver.ts";
import type { Segment } from "../../unit/driver/queue.ts";
import { FuzzDisk } from "../fuzz-disk.ts";
import type { GuardMemory } from "../guard-memory.ts";
import { pick } from "../program.ts";
import { answered, BUFFERS, expect, type MakeSubject } from "../subject.ts";

const SECTORS = 64;
const TYPES = [0, 1, 4, 8, 0, 1, 5, 11, 13, 14, 0xffffffff];
/** Requests whose data is a list of ranges, from this type on. */
const RANGES = 11;
const HIGH = [0, 0, 0, 0, 1, 0x7fffff, 0x800000, 0xffffffff];
const LENGTHS = [512, 512, 1024, 4096, 0, 1, 511, 513, 20, 21, 0x8000, 0x10000];
const FAILURES = ["none", "none", "prepare", "read", "write", "flush"] as const;

/** 5.2, in front of a disk that is slow, fails and changes its size as the input says. */
export const block: MakeSubject = (options, { a }) => {
  const readOnly = (a & 0xc0) === 0xc0;
  const disk = new FuzzDisk(512 * SECTORS, readOnly, (a & 0x20) === 0);
  const device = new BlockDevice({
    id: "a-serial-of-20-bytes",
    backend: disk,
    queues: 1 + (a & 3),
    blkSize: a & 4 ? 4096 : 512,
    configWce: (a & 8) === 0,
    secureErase: (a & 0x10) === 0,
    ...options,
  });
  return {
    device,
    host: ({ a, b }) => {
      if (a & 0x80) disk.resize(512 * (b % (2 * SECTORS)));
      else if (a & 0x40) disk.failing = pick(FAILURES, b);
      else if (a & 0x20) disk.slow = !disk.slow;
      else disk.answer(1 + (b & 7), b & 0x100 ? new Error("failed on purpose") : undefined);
    },
    check: () => {
      if (disk.broken) throw disk.broken;
    },
    calm: () => {
      disk.answer();
      disk.slow = false;
      disk.failing = "none";
      if (disk.capacity !== 512 * SECTORS) disk.resize(512 * SECTORS);
    },
    request: ({ memory }, { a, b, c }): Segment[] => {
      const at = BUFFERS + (c & 0xffe0);
      const end = Math.min(at + 16, memory.size);
      const type = pick(TYPES, a);
      memory.view.setUint32(at, type, true);
      memory.view.setUint32(at + 8, c >>> 16 > 0xff00 ? 0xffffffff : (c >>> 16) & 0x7f, true);
      memory.view.setUint32(at + 12, pick(HIGH, a >>> 4), true);
      memory.wrote(at, end);
      const data = BUFFERS + (b & 0xff00);
      const ranges = type >= RANGES && (b & 0x20) === 0;
      if (ranges) for (let i = 0; i < 4; i++) putRange(memory, data + 16 * i, c >>> (4 * i), b);
      const length = ranges ? 16 * (1 + ((b >>> 3) & 3)) : pick(LENGTHS, b);
      const write = ranges || (a & 0x10) !== 0;
      return [
        { address: at, length: b & 0x80 ? 15 : 16 },
        { address: data, length: Math.min(length, memory.size - data), writable: !write },
        { address: BUFFERS + ((c >>> 4) & 0xffff), length: b & 0x40 ? 0 : 1, writable: true },
      ];
    },
    serve: (driver) => serve(driver, readOnly),
  };
};

/** struct virtio_blk_discard_write_zeroes, somewhere on the disk or a little beyond its end. */
function putRange(memory: GuardMemory, at: number, where: number, b: number): void {
  memory.view.setUint32(at, (where >>> 8) & 0x7f, true);
  memory.view.setUint32(at + 4, b & 0x4000 ? 0x800000 : 0, true);
  memory.view.setUint32(at + 8, where & 0xf0 ? where & 0x1f : 0xffffffff, true);
  memory.view.setUint32(at + 12, b & 7, true);
  memory.wrote(at, at + 16);
}

async function serve(driver: Driver, readOnly: boolean): Promise<void> {
  const { memory } = driver;
  const data = Uint8Array.from({ length: 512 }, (_, i) => (i * 7) & 0xff);
  const header = memory.allocate(16);
  const out = memory.put(data);
  const answer = memory.allocate(513);
  const request = (type: number, middle: Segment[]): Promise<number> => {
    memory.view.setUint32(header, type, true);
    memory.view.setUint32(header + 8, 3, true);
    memory.u8[answer + 512] = 0xee;
    const status = { address: answer + 512, length: 1, writable: true };
    return answered(
      driver.request(0, [{ address: header, length: 16 }, ...middle, status]),
      `request ${type}`,
    );
  };
  await request(1, [{ address: out, length: 512 }]);
  expect(memory.u8[answer + 512] === (readOnly ? 1 : 0), "a write");
  const length = await request(0, [{ address: answer, length: 512, writable: true }]);
  const same = Buffer.compare(memory.get(answer, 512), data) === 0;
  expect(length === 513 && memory.u8[answer + 512] === 0 && (same || readOnly), "a read");
}
