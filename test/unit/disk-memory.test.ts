import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { DiskError } from "../../src/backends/disk/errors.ts";
import { MemoryDisk } from "../../src/backends/disk/memory.ts";
import type { BlockBackend } from "../../src/virtio/block-backend.ts";
import { checkAgainstArray, pattern, read, steps, write } from "./disk-model.ts";

const MiB = 1024 * 1024;

describe("disk in memory", () => {
  it("behaves as an array of bytes", async () => {
    const size = 3 * MiB + 512;
    const withoutReopening = steps(size, 2 * MiB).map((list) => list.filter((step) => step.do !== "reopen"));
    await fc.assert(
      fc.asyncProperty(withoutReopening, (list) =>
        checkAgainstArray(list, () => Promise.resolve(new MemoryDisk(size))),
      ),
      { numRuns: 15 },
    );
  });

  it("takes memory only where something was written", async () => {
    const disk = new MemoryDisk(64 * 1024 * MiB);
    assert.deepEqual(await read(disk, 63 * 1024 * MiB, 4096), new Uint8Array(4096));
    assert.equal(disk.allocated, 0);
    await write(disk, 63 * 1024 * MiB - 100, pattern(200, 1));
    assert.equal(disk.allocated, 2 * MiB);
    assert.deepEqual(await read(disk, 63 * 1024 * MiB - 100, 200), pattern(200, 1));
  });

  it("is always ready and always durable", () => {
    const disk = new MemoryDisk(MiB);
    disk.write(0, pattern(512, 1));
    const backend: BlockBackend = disk;
    assert.equal(backend.prepare(0, 512, true), undefined);
    assert.equal(backend.flush(), undefined);
  });

  it("grows and shrinks, tells so, and shows zeros after both", async () => {
    const disk = new MemoryDisk(2 * MiB);
    const seen: number[] = [];
    disk.onResize(() => seen.push(disk.capacity));
    await write(disk, 0, pattern(2 * MiB, 3));
    disk.resize(MiB + 512);
    disk.resize(4 * MiB);
    assert.deepEqual(seen, [MiB + 512, 4 * MiB]);
    assert.deepEqual(await read(disk, 0, MiB + 512), pattern(2 * MiB, 3).subarray(0, MiB + 512));
    assert.deepEqual(await read(disk, MiB + 512, 3 * MiB - 512), new Uint8Array(3 * MiB - 512));
    await write(disk, 4 * MiB - 512, pattern(512, 4));
    assert.deepEqual(await read(disk, 4 * MiB - 512, 512), pattern(512, 4));
  });

  it("refuses writes when read-only", () => {
    const disk = new MemoryDisk(MiB, { readOnly: true });
    assert.throws(() => disk.write(0, new Uint8Array(512)), { name: "DiskError", kind: "invalid" });
  });

  it("refuses sizes that no disk can have, in plain words", () => {
    for (const size of [0, -512, 1.5, NaN, Infinity, 2 ** 60, 513]) {
      assert.throws(
        () => new MemoryDisk(size),
        (error) =>
          error instanceof DiskError &&
          error.kind === "invalid" &&
          /^A disk in memory cannot /.test(error.message),
        `${size}`,
      );
    }
    assert.throws(() => new MemoryDisk(513), /multiple of 512, for example 512 or 1024/);
  });
});
