import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { freeName, nameFrom } from "../../src/backends/disk/disk-name.ts";
import { DiskError } from "../../src/backends/disk/errors.ts";
import { readQcow2 } from "../../src/backends/disk/transfer/qcow2.ts";
import { blobBytes } from "../../src/backends/disk/transfer/source.ts";
import { makeQcow2 } from "./qcow2-image.ts";

/** The whole disk of an image. */
async function unpack(image: Uint8Array<ArrayBuffer>): Promise<Buffer> {
  const source = await readQcow2(blobBytes(new Blob([image])));
  const disk = Buffer.alloc(source.size!);
  let last = 0;
  for await (const { offset, data } of source.pieces()) {
    assert(offset >= last, "in the order of the disk");
    assert(
      data.some((byte) => byte !== 0),
      "zeros are left out",
    );
    disk.set(data, offset);
    last = offset + data.length;
  }
  return disk;
}

/** Text that compresses, noise that does not, and zeros between them. */
function content(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed;
  const random = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8;
  for (let at = 0; at < size;) {
    const length = Math.min(size - at, random() % 3000);
    const kind = random() % 3;
    for (let end = at + length; at < end; at++)
      bytes[at] = kind === 0 ? 0 : kind === 1 ? random() : 97 + (at % 7);
  }
  return bytes;
}

const disk = content(300 * 1024);

describe("qcow2 images", () => {
  for (const version of [2, 3] as const) {
    it(`version ${version}: clusters of several sizes, compressed or not`, async () => {
      for (const clusterBits of [9, 12, 16, 17]) {
        const image = makeQcow2(disk, { version, clusterBits, compressed: (number) => number % 3 !== 0 });
        assert((await unpack(image)).equals(disk), `clusters of 2^${clusterBits}`);
      }
    });
  }

  it("zero clusters hide what is stored; a size that no sector divides is rounded up", async () => {
    const expected = Buffer.from(disk);
    expected.fill(0, 4096, 8192);
    const image = makeQcow2(disk, {
      clusterBits: 12,
      zero: (number) => number === 1,
      size: disk.length - 100,
    });
    expected.fill(0, disk.length - 100);
    assert((await unpack(image)).equals(expected));
  });

  it("a file that ends within its last cluster", async () => {
    const bytes = Buffer.alloc(8192, "x");
    const image = makeQcow2(bytes, { clusterBits: 12 });
    // QEMU leaves out what it has not written; here the last table is last, so that cluster has to be moved.
    const l2 = image.length - 4096;
    const moved = Buffer.concat([image, Buffer.alloc(1000, "x")]);
    moved.writeBigUInt64BE((1n << 63n) | BigInt(image.length), l2 + 8);
    const unpacked = await unpack(moved);
    assert.equal(unpacked.subarray(0, 5096).toString(), "x".repeat(5096));
    assert.equal(unpacked[5096], 0);
  });

  const qemu = (() => {
    try {
      return execFileSync("qemu-img", ["--version"]).length > 0;
    } catch {
      return false;
    }
  })();
  it("as qemu-img makes them", { skip: qemu ? false : "qemu-img is not installed" }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "ringside-qcow2-"));
    try {
      const raw = join(folder, "raw");
      const path = join(folder, "qcow2");
      const large = Buffer.concat([content(3e6), Buffer.alloc(5e6), content(1e6, 7)]);
      writeFileSync(raw, Buffer.concat([large, Buffer.alloc(-large.length & 511)]));
      for (const options of [
        [],
        ["-c"],
        ["-o", "compat=0.10"],
        ["-c", "-o", "cluster_size=2M"],
        ["-c", "-o", "cluster_size=512"],
      ]) {
        execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", ...options, raw, path]);
        assert((await unpack(readFileSync(path))).equals(readFileSync(raw)), options.join(" "));
      }
      for (const [options, expected] of [
        [["-o", "extended_l2=on"], /extended L2/],
        [["-c", "-o", "compression_type=zstd"], /zstd/],
        [["-o", `data_file=${path}.data`], /another file/],
      ] as const) {
        execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", ...options, raw, path]);
        await assert.rejects(unpack(readFileSync(path)), expected);
      }
      execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", path]);
      await assert.rejects(unpack(readFileSync(path)), /backing file/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("what is damaged, hostile or not for us is refused with a sentence", async () => {
    const good = makeQcow2(disk, { clusterBits: 12, compressed: () => true });
    const changed = (change: (image: Buffer) => void) => {
      const image = Buffer.from(good);
      change(image);
      return image;
    };
    const l1 = Number(good.readBigUInt64BE(40));
    const l2 = Number(good.readBigUInt64BE(l1) & ((1n << 63n) - 1n));
    const cases: [image: Buffer<ArrayBuffer>, expected: RegExp][] = [
      [good.subarray(0, 50), /cut short/],
      [good.subarray(0, l2), /cut short/],
      [changed((image) => image.writeUInt32BE(4, 4)), /version 4/],
      [changed((image) => image.writeBigUInt64BE(512n, 8)), /backing file/],
      [changed((image) => image.writeUInt32BE(1, 32)), /encrypted/],
      [changed((image) => image.writeUInt32BE(60, 20)), /clusters/],
      [changed((image) => image.writeUInt32BE(0, 20)), /clusters/],
      [changed((image) => image.writeBigUInt64BE(0n, 24)), /size/],
      [changed((image) => image.writeBigUInt64BE(2n ** 62n, 24)), /size/],
      // A table of gigabytes for a disk of petabytes.
      [changed((image) => image.writeBigUInt64BE(2n ** 52n, 24)), /table/],
      [
        changed((image) => {
          image.writeBigUInt64BE(2n ** 45n, 24);
          image.writeUInt32BE(2 ** 31, 36);
        }),
        /table/,
      ],
      [changed((image) => image.writeUInt32BE(0, 36)), /too short/],
      [changed((image) => image.writeBigUInt64BE(2n ** 60n, 40)), /cut short|damaged/],
      [changed((image) => image.writeBigUInt64BE(2n, 72)), /corrupt/],
      [changed((image) => image.writeBigUInt64BE(4n, 72)), /another file/],
      [changed((image) => image.writeBigUInt64BE(1n << 40n, 72)), /not known/],
      [changed((image) => image.writeBigUInt64BE(2n ** 55n, l1)), /cut short/],
      [changed((image) => image.writeBigUInt64BE(512n, l1)), /damaged/],
      [changed((image) => image.writeBigUInt64BE(4097n << 9n, l2)), /damaged/],
      [changed((image) => image.writeBigUInt64BE((1n << 62n) | 0x3f_ffff_fffffn, l2)), /cut short/],
      // A compressed cluster that is none, and one that is too short.
      [changed((image) => image.writeBigUInt64BE((1n << 62n) | BigInt(l1), l2)), /unpacked/],
    ];
    for (const [index, [image, expected]] of cases.entries()) {
      await assert.rejects(
        unpack(image),
        (error) => error instanceof DiskError && error.kind === "invalid" && expected.test(error.message),
        `case ${index}`,
      );
    }
  });

  it("survive random damage: a disk or a DiskError, nothing else", async () => {
    const good = makeQcow2(disk.subarray(0, 40_000), {
      clusterBits: 9,
      compressed: (number) => number % 2 === 0,
    });
    let state = 99;
    const random = (below: number) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % below;
    for (let run = 0; run < 60; run++) {
      const image = Buffer.from(good);
      for (let hits = 0; hits < 4; hits++) {
        // The tables more often than the rest. Sizes stay small, so that a disk of terabytes is not what takes the time.
        const at = random(2) ? 28 + random(2000) : 32 + random(image.length - 32);
        image[at] = random(256);
      }
      await unpack(image).catch((error: unknown) => {
        if (!(error instanceof DiskError)) throw error;
      });
    }
  });
});

describe("names of disks", () => {
  it("are made of file names", () => {
    for (const [file, name] of [
      ["home.img", "home"],
      ["Debian 12 (root).qcow2.gz", "Debian-12-root"],
      ["café.raw", "cafe"],
      ["日本.img", "disk"],
      [".img", "disk"],
      ["../../etc/passwd", "etc-passwd"],
      ["a-very-long-name-of-some-disk.raw", "a-very-long-name-of"],
    ] as const)
      assert.equal(nameFrom(file), name, file);
  });

  it("are changed when they are taken, and stay within 20 bytes", () => {
    assert.equal(freeName("home", new Set()), "home");
    assert.equal(freeName("home", new Set(["home", "home-2"])), "home-3");
    assert.equal(freeName("home-2", new Set(["home-2"])), "home-3");
    const long = "x".repeat(20);
    assert.equal(freeName(long, new Set([long])), `${"x".repeat(18)}-2`);
  });
});
