import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { MemoryDisk } from "../../src/backends/disk/memory.ts";
import type { BlockBackend } from "../../src/virtio/block-backend.ts";
import {
  BlockDriver,
  DISCARD,
  IOERR,
  OK,
  SECURE_ERASE,
  UNSUPP,
  WRITE_ZEROES,
} from "./driver/block-driver.ts";
import { settle } from "./driver/driver.ts";
import type { Placement } from "./driver/queue.ts";
import { SlowDisk, ThinDisk } from "./driver/slow-disk.ts";
import { KINDS } from "./driver/transport.ts";

const CAPACITY = 64 * 512; // eight units of a ThinDisk
const TYPES = [DISCARD, WRITE_ZEROES, SECURE_ERASE];
const UNMAP = 1;

function thin(capacity = CAPACITY): ThinDisk {
  const disk = new ThinDisk(capacity);
  disk.bytes.fill(0x5a);
  return disk;
}

function driverOf(backend: BlockBackend, options: { kind?: (typeof KINDS)[number]; without?: bigint } = {}) {
  return new BlockDriver(backend, { ...options, device: { secureErase: true } });
}

/** The sectors whose bytes are not all 0x5a any more; each must be all zeros. */
function cleared(disk: SlowDisk): number[] {
  const sectors: number[] = [];
  for (let sector = 0; sector * 512 < disk.bytes.length; sector++) {
    const bytes = disk.bytes.subarray(sector * 512, sector * 512 + 512);
    if (bytes.every((byte) => byte === 0x5a)) continue;
    assert.ok(
      bytes.every((byte) => byte === 0),
      `sector ${sector}`,
    );
    sectors.push(sector);
  }
  return sectors;
}

const from = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);

describe("discard, write zeroes and secure erase", () => {
  for (const kind of KINDS) {
    it(`5.2.6.2: a discard gives back the whole units of its ranges, and leaves everything else (${kind})`, async () => {
      const disk = thin();
      const block = driverOf(disk, { kind });
      const ranges = [
        { sector: 8, count: 16 },
        { sector: 29, count: 20 }, // of which 32 to 48 is one whole unit and another
        { sector: 1, count: 6 },
        { sector: 0, count: 0 },
      ];
      assert.deepEqual(await block.ranges(DISCARD, ranges), {
        status: OK,
        length: 1,
        data: new Uint8Array(),
      });
      assert.deepEqual(cleared(disk), [...from(8, 16), ...from(32, 16)]);
      assert.deepEqual(disk.calls, ["unmap 4096+8192", "unmap 16384+8192"]);
    });

    it(`5.2.6.2: what write zeroes covers reads as zeroes, to the byte, with and without unmap (${kind})`, async () => {
      for (const flags of [0, UNMAP]) {
        for (const backend of [thin(), new SlowDisk(CAPACITY)]) {
          backend.bytes.fill(0x5a);
          const block = driverOf(backend, { kind });
          for (const [sector, count] of [
            [3, 1],
            [6, 21],
            [40, 24],
            [30, 0],
          ] as const) {
            const { status, length } = await block.ranges(WRITE_ZEROES, [{ sector, count, flags }]);
            assert.deepEqual([status, length], [OK, 1]);
          }
          assert.deepEqual(cleared(backend), [3, ...from(6, 21), ...from(40, 24)]);
          const unmapped = backend.calls.filter((call) => call.startsWith("unmap"));
          const thinly = flags === UNMAP && backend instanceof ThinDisk;
          assert.deepEqual(unmapped, thinly ? ["unmap 4096+8192", "unmap 20480+12288"] : []);
        }
      }
    });

    it(`5.2.6: a secure erase covers its range to the byte (${kind})`, async () => {
      const disk = thin();
      const block = driverOf(disk, { kind });
      assert.equal((await block.ranges(SECURE_ERASE, [{ sector: 7, count: 11 }])).status, OK);
      assert.deepEqual(cleared(disk), from(7, 11));
      assert.deepEqual(disk.calls, ["erase 3584+5632"]);
    });
  }

  it("2.7.4.1: framing means nothing to them either", async () => {
    for (const placement of ["direct", "indirect", "mixed"] satisfies Placement[]) {
      for (const pieces of [[1], [17], [16, 3]]) {
        const disk = thin();
        const ranges = [
          { sector: 0, count: 8 },
          { sector: 16, count: 8 },
        ];
        const answer = await driverOf(disk).ranges(DISCARD, ranges, { placement, pieces });
        assert.equal(answer.status, OK);
        assert.deepEqual(cleared(disk), [...from(0, 8), ...from(16, 8)]);
      }
    }
  });

  it("5.2.6.2: with an unknown flag, or unmap where it means nothing, they are UNSUPP and do nothing", async () => {
    const disk = thin();
    const block = driverOf(disk);
    for (const flags of [UNMAP, 2, 3, 0x80000000, 0xffffffff]) {
      for (const type of TYPES) {
        if (type === WRITE_ZEROES && flags === UNMAP) continue;
        // Also when the range is one that would be an error.
        for (const sector of [8, 1000]) {
          const { status } = await block.ranges(type, [{ sector, count: 8, flags }]);
          assert.equal(status, UNSUPP, `type ${type}, flags ${flags}`);
        }
      }
    }
    const second = [
      { sector: 0, count: 8 },
      { sector: 8, count: 8, flags: UNMAP },
    ];
    assert.equal((await block.ranges(DISCARD, second)).status, UNSUPP);
    assert.deepEqual(cleared(disk), []);
    assert.deepEqual(disk.calls, []);
  });

  it("5.2.6: beyond the end, or longer than the limits, is an error, and nothing of the request is done", async () => {
    const disk = thin();
    const block = driverOf(disk);
    const good = { sector: 0, count: 8 };
    for (const bad of [
      { sector: 64, count: 1 },
      { sector: 57, count: 8 },
      { sector: 0, count: 65 },
      { sector: 0, count: 0xffffffff },
      { sector: 2n ** 32n, count: 8 },
      { sector: 2n ** 55n, count: 8 },
      { sector: 2n ** 64n - 1n, count: 1 },
    ]) {
      for (const type of TYPES)
        assert.equal((await block.ranges(type, [bad])).status, IOERR, `${bad.sector}`);
      assert.equal((await block.ranges(DISCARD, [good, bad])).status, IOERR);
    }
    assert.deepEqual(cleared(disk), []);
    assert.deepEqual(disk.calls, []);
    assert.equal((await block.ranges(DISCARD, [{ sector: 64, count: 0 }])).status, OK);

    const large = new MemoryDisk(2 ** 31);
    const huge = driverOf(large);
    for (const [type, most] of [
      [DISCARD, 2 ** 21],
      [WRITE_ZEROES, 2 ** 17],
      [SECURE_ERASE, 2 ** 17],
    ] as const) {
      const flags = type === WRITE_ZEROES ? UNMAP : 0;
      assert.equal((await huge.ranges(type, [{ sector: 8, count: most, flags }])).status, OK);
      assert.equal((await huge.ranges(type, [{ sector: 8, count: most + 1, flags }])).status, IOERR);
    }
    // The reset of the first chunk in part is all that was written.
    assert.ok(large.allocated <= 2 << 20);
  });

  it("5.2.6.1: no ranges, pieces of ranges, and more of them than the limits allow are errors", async () => {
    const disk = thin();
    const block = driverOf(disk);
    for (const type of TYPES) {
      for (const length of [0, 1, 15, 17, 31]) {
        assert.equal(
          (await block.request(type, 0, new Uint8Array(length), 0)).status,
          IOERR,
          `${length} bytes`,
        );
      }
    }
    const many = (count: number): { sector: number; count: number }[] =>
      Array.from({ length: count }, () => ({ sector: 0, count: 8 }));
    assert.equal((await block.ranges(DISCARD, many(33))).status, IOERR);
    assert.equal((await block.ranges(WRITE_ZEROES, many(2))).status, IOERR);
    assert.equal((await block.ranges(SECURE_ERASE, many(2))).status, IOERR);
    assert.deepEqual(disk.calls, []);
    assert.equal((await block.ranges(DISCARD, many(32))).status, OK);
  });

  it("5.2.6: a request of a feature that the driver did not accept is UNSUPP", async () => {
    const disk = thin();
    const bits = [13, 14, 16].map((number) => 1n << BigInt(number));
    for (const [index, type] of TYPES.entries()) {
      const block = driverOf(disk, { without: bits[index]! });
      assert.equal((await block.ranges(type, [{ sector: 0, count: 8 }])).status, UNSUPP);
      for (const other of TYPES.filter((known) => known !== type)) {
        assert.equal((await block.ranges(other, [{ sector: 0, count: 0 }])).status, OK);
      }
    }
    assert.deepEqual(cleared(disk), []);
  });

  it("5.2.6.2: on a read-only disk they are UNSUPP and do nothing", async () => {
    const disk = new ThinDisk(CAPACITY, true);
    disk.bytes.fill(0x5a);
    const block = driverOf(disk);
    for (const type of TYPES) {
      assert.equal((await block.ranges(type, [{ sector: 0, count: 8 }])).status, UNSUPP);
    }
    assert.deepEqual(cleared(disk), []);
  });

  it("5.2.6: an error of the backend is IOERR, and the next request works", async () => {
    const disk = thin();
    const block = driverOf(disk);
    disk.failingToClear = true;
    for (const type of TYPES) {
      const flags = type === WRITE_ZEROES ? UNMAP : 0;
      assert.equal((await block.ranges(type, [{ sector: 0, count: 8, flags }])).status, IOERR);
    }
    disk.failingToClear = false;
    for (const failing of ["prepare", "write"] as const) {
      disk.failing = failing;
      assert.equal((await block.ranges(WRITE_ZEROES, [{ sector: 0, count: 8 }])).status, IOERR);
    }
    disk.failing = "none";
    assert.equal((await block.ranges(DISCARD, [{ sector: 0, count: 8 }])).status, OK);
  });
});

describe("zeroes that take time", () => {
  it("5.2.6: zeroes wait for the disk as writes do, and are written in pieces of at most 4 MiB", async () => {
    const disk = thin(10 << 20);
    disk.slow = true;
    const block = driverOf(disk);
    const zeroes = block.ranges(WRITE_ZEROES, [{ sector: 1, count: (9 << 20) / 512 }]);
    for (let i = 0; i < 4; i++) {
      disk.answer();
      await settle();
    }
    assert.equal((await zeroes).status, OK);
    assert.equal(disk.longest, 4 << 20);
    assert.equal(cleared(disk).length, (9 << 20) / 512);
  });

  it("2.4.1: a reset while they wait: nothing more is written, and the guest sees nothing", async () => {
    for (const error of [undefined, new Error("on purpose")]) {
      const disk = thin();
      disk.slow = true;
      const block = driverOf(disk);
      void block.ranges(WRITE_ZEROES, [{ sector: 1, count: 20, flags: UNMAP }]);
      block.driver.transport.status = 0;
      const before = block.driver.memory.u8.slice();
      disk.answer(1, error);
      await settle();
      assert.deepEqual(cleared(disk), []);
      assert.deepEqual(block.driver.memory.changedSince(before), []);
    }
  });

  it("5.2.6: a disk that shrinks or grows meanwhile", async () => {
    const disk = thin(9 * 4096);
    disk.slow = true;
    const block = driverOf(disk);
    disk.resize(7 * 4096 + 512);
    const grown = block.ranges(WRITE_ZEROES, [{ sector: 1, count: 56, flags: UNMAP }]);
    disk.resize(8 * 4096);
    for (let i = 0; i < 2; i++) {
      disk.answer();
      await settle();
    }
    assert.equal((await grown).status, OK);
    assert.deepEqual(cleared(disk), from(1, 56));
    assert.ok(
      disk.calls.includes("unmap 4096+24576"),
      "the last unit had become a whole one, of which it is not",
    );
    const shrunk = block.ranges(WRITE_ZEROES, [{ sector: 60, count: 3 }]);
    disk.resize(4 * 4096);
    disk.answer();
    assert.equal((await shrunk).status, IOERR);
  });
});

describe("disks in memory", () => {
  const MiB = 1 << 20;

  it("5.2.6.2: behave as an array of bytes, whatever is written, zeroed and given back", async () => {
    const capacity = 3 * MiB + 512;
    const sectors = capacity / 512;
    const step = fc.record({
      type: fc.constantFrom(1, WRITE_ZEROES, SECURE_ERASE),
      sector: fc.nat(sectors - 1),
      count: fc.oneof(fc.nat(20), fc.nat(sectors)),
      flags: fc.constantFrom(0, UNMAP),
      seed: fc.integer({ min: 1, max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const disk = new MemoryDisk(capacity);
        const block = driverOf(disk);
        const model = new Uint8Array(capacity);
        for (const { type, sector, count: most, flags, seed } of steps) {
          const count = Math.min(most, sectors - sector);
          if (type === 1) {
            const data = new Uint8Array(Math.min(count, 40) * 512).fill(seed);
            assert.equal((await block.write(sector, data)).status, OK);
            model.set(data, sector * 512);
          } else {
            const range = { sector, count, flags: type === WRITE_ZEROES ? flags : 0 };
            assert.equal((await block.ranges(type, [range])).status, OK);
            model.fill(0, sector * 512, (sector + count) * 512);
          }
        }
        const bytes = new Uint8Array(capacity);
        disk.read(0, bytes);
        assert.deepEqual(bytes, model);
      }),
      { numRuns: 40 },
    );
  });

  it("5.2.6.2: give back what is discarded", async () => {
    const disk = new MemoryDisk(4 * MiB + 512);
    for (let at = 0; at < disk.capacity; at += 512) disk.write(at, new Uint8Array(512).fill(9));
    assert.equal(disk.allocated, 5 * MiB);
    const block = driverOf(disk);
    await block.ranges(DISCARD, [{ sector: 1, count: 3 * 2048 - 2 }]);
    assert.equal(disk.allocated, 4 * MiB, "one whole unit");
    await block.ranges(WRITE_ZEROES, [{ sector: 2 * 2048, count: 2048, flags: UNMAP }]);
    assert.equal(disk.allocated, 3 * MiB);
    await block.ranges(WRITE_ZEROES, [{ sector: 0, count: 2048 }]);
    assert.equal(disk.allocated, 3 * MiB, "not without unmap");
    await block.ranges(DISCARD, [{ sector: 4 * 2048, count: 1 }]);
    assert.equal(disk.allocated, 2 * MiB, "the part of a unit at the end of the disk");
  });
});
