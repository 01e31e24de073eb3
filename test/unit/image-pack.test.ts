import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { openImageFolder } from "../../src/backends/disk/image/folder.ts";
import { packImage, STANDARD_CHUNK } from "../../src/node/image/pack.ts";
import { findProgram } from "../../images/run.ts";
import { CHUNK, disk } from "./image-support.ts";

const run = promisify(execFile);
const ringside = join(import.meta.dirname, "../../bin/ringside.mjs");
const withoutQemu = findProgram("qemu-img") === undefined && "qemu-img is not here (Debian's qemu-utils)";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ringside-pack-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const at = (...names: string[]): string => join(folder, ...names);

async function diskFile(bytes: Uint8Array, name = "disk.raw"): Promise<string> {
  await writeFile(at(name), bytes);
  return at(name);
}

/** Every file below a folder, with its content. */
async function files(path: string): Promise<Map<string, string>> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(
    await Promise.all(
      names
        .sort()
        .map(async (name) => [name.slice(path.length), (await readFile(name)).toString("base64")] as const),
    ),
  );
}

async function content(path: string): Promise<Uint8Array> {
  const image = await openImageFolder(path);
  const bytes = await image.read(0, image.size);
  await image.dispose();
  return bytes;
}

describe("packImage", () => {
  for (const chunkSize of [4096, 65536, 4194304]) {
    it(`packs a disk into chunks of ${chunkSize} that have every byte`, async () => {
      const bytes = disk(70, [5, 6, 7, 40]).subarray(0, 70 * CHUNK - 512);
      const packed = await packImage(await diskFile(bytes), at("image"), { chunkSize });
      assert.deepEqual(await content(at("image")), bytes);
      assert.equal(packed.zeroChunks, chunkSize === 4096 ? 4 : 0);
      assert.equal(packed.chunks, Math.ceil(bytes.length / chunkSize) - packed.zeroChunks);
    });
  }

  it("writes the format that is documented", async () => {
    const bytes = disk(4, [1]);
    bytes.copyWithin(3 * CHUNK, 0, CHUNK);
    const packed = await packImage(await diskFile(bytes), at("image"), { chunkSize: CHUNK });
    const sha = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");
    const chunk = (n: number): Uint8Array => bytes.subarray(n * CHUNK, (n + 1) * CHUNK);
    const table = Buffer.concat([
      Buffer.from(sha(chunk(0)), "hex"),
      Buffer.alloc(32),
      Buffer.from(sha(chunk(2)), "hex"),
      Buffer.from(sha(chunk(0)), "hex"),
    ]);
    const stored = await files(at("image"));
    const parts = [chunk(0), chunk(2), table].map((data) => `/chunks/${sha(data).slice(0, 2)}/${sha(data)}`);
    assert.deepEqual([...stored.keys()].sort(), [...parts, "/index.json"].sort());
    let storedSize = 0;
    for (const [n, data] of [chunk(0), chunk(2), table].entries()) {
      const file = Buffer.from(stored.get(parts[n]!)!, "base64");
      storedSize += file.length;
      assert.deepEqual(gunzipSync(file), Buffer.from(data));
    }
    assert.deepEqual(JSON.parse(await readFile(at("image", "index.json"), "utf8")), {
      format: 1,
      size: 4 * CHUNK,
      chunkSize: CHUNK,
      encoding: "gzip",
      table: sha(table),
      chunks: 2,
      storedSize,
    });
    assert.equal(packed.identity, `ringside-image:${4 * CHUNK}:${sha(table)}`);
  });

  it("writes the same files again, and reuses what is there", async () => {
    const path = await diskFile(disk(40));
    await packImage(path, at("one"), { chunkSize: CHUNK });
    await packImage(path, at("two"), { chunkSize: CHUNK });
    const again = await packImage(path, at("two"), { chunkSize: CHUNK });
    assert.deepEqual(await files(at("one")), await files(at("two")));
    assert.equal(again.reused, 41);
    assert.equal(again.removed, 0);
  });

  it("replaces an image: removes what is not used any more, repairs what is damaged, leaves the rest alone", async () => {
    const bytes = disk(40);
    const path = await diskFile(bytes);
    await packImage(path, at("image"), { chunkSize: CHUNK });
    await writeFile(at("image", "README"), "mine");
    await writeFile(at("image", "chunks", "notes"), "mine");
    const kept = createHash("sha256").update(bytes.subarray(0, CHUNK)).digest("hex");
    await writeFile(at("image", "chunks", kept.slice(0, 2), kept), "damaged");
    bytes.fill(7, 10 * CHUNK, 12 * CHUNK);
    await diskFile(bytes);
    const packed = await packImage(path, at("image"), { chunkSize: CHUNK });
    assert.equal(packed.removed, 3); // two chunks and the table
    assert.equal(packed.reused, 37);
    assert.deepEqual(await content(at("image")), bytes);
    const names = [...(await files(at("image"))).keys()];
    assert.equal(names.length, 40 - 1 + 1 + 1 + 2); // two chunks have become one; table, index, what was there
    assert.ok(names.includes("/README") && names.includes("/chunks/notes"));
  });

  it("leaves the image before as it was when it is ended", async () => {
    const bytes = disk(600);
    const path = await diskFile(bytes);
    await packImage(path, at("image"), { chunkSize: CHUNK });
    const before = await files(at("image"));
    await diskFile(disk(3000).fill(9, 0, 512));
    const controller = new AbortController();
    const work = packImage(path, at("image"), {
      chunkSize: CHUNK,
      signal: controller.signal,
      onProgress: (_step, done) => done > 4e6 && controller.abort(new Error("enough")),
    });
    await assert.rejects(work, /enough/);
    const after = await files(at("image"));
    for (const [name, data] of before) assert.equal(after.get(name), data, name);
    assert.ok(
      [...after.keys()].every((name) => !name.includes(".ringside-")),
      "unfinished files are left",
    );
    assert.deepEqual(await content(at("image")), bytes);
  });

  it("packs a sparse disk into nothing", async () => {
    await diskFile(disk(1));
    await truncate(at("disk.raw"), 2 ** 28);
    const packed = await packImage(at("disk.raw"), at("image"));
    assert.equal(packed.chunks, 1);
    assert.equal(packed.zeroChunks, 2 ** 28 / STANDARD_CHUNK - 1);
    assert.ok(packed.storedSize < 16 * 1024, `${packed.storedSize} bytes`);
  });

  it("notices that the disk is written to meanwhile", async () => {
    const path = await diskFile(disk(2000));
    const work = packImage(path, at("image"), { onProgress: () => void truncate(path, 3000 * CHUNK) });
    await assert.rejects(work, /was written to while it was packed/);
    assert.ok(!existsSync(at("image", "index.json")));
  });

  it("refuses what it cannot pack with a sentence", async () => {
    await mkdir(at("folder"));
    const cases: [name: string, bytes: Uint8Array | undefined, message: RegExp][] = [
      ["nothing", undefined, /cannot be read: ENOENT/],
      ["folder", undefined, /cannot be read: (it is not a file|EISDIR)/],
      ["empty", new Uint8Array(0), /cannot have a size of 0 bytes/],
      ["odd", new Uint8Array(1000), /must be a multiple of 512/],
      ["gzip", Uint8Array.of(0x1f, 0x8b, 8, 0), /is compressed\. Unpack it first: gunzip/],
    ];
    for (const [name, bytes, message] of cases) {
      if (bytes) await diskFile(bytes, name);
      await assert.rejects(packImage(at(name), at("image")), { name: "DiskError", message });
    }
    await assert.rejects(
      packImage(await diskFile(disk(1)), at("image"), { chunkSize: 5000 }),
      /not a power of two/,
    );
  });

  for (const format of ["qcow2", "vmdk", "vdi", "vhdx"]) {
    it(`packs ${format} as what is in it`, { skip: withoutQemu }, async () => {
      const bytes = disk(256, [9, 200]);
      await run("qemu-img", ["convert", "-f", "raw", "-O", format, await diskFile(bytes), at("disk.img")]);
      const one = await packImage(at("disk.raw"), at("one"));
      const two = await packImage(at("disk.img"), at("two"));
      assert.equal(one.identity, two.identity);
      assert.deepEqual(await files(at("one")), await files(at("two")));
    });
  }

  it("names the package when qemu-img is missing", async () => {
    const path = await diskFile(
      Buffer.concat([Buffer.from("QFI\xfb", "latin1"), Buffer.alloc(1020)]),
      "x.qcow2",
    );
    const work = run(process.execPath, [ringside, "image", "pack", path, "-o", at("image")], {
      env: { ...process.env, PATH: folder },
    });
    await assert.rejects(work, (error: { code: number; stderr: string }) => {
      assert.equal(error.code, 1);
      assert.match(
        error.stderr,
        /qemu-img, which converts it, is not on this machine\. Install it: apt-get install qemu-utils/,
      );
      return true;
    });
  });
});

describe("openImageFolder", () => {
  it("opens a folder or its index, and says what is missing or wrong", async () => {
    const bytes = disk(8);
    await packImage(await diskFile(bytes), at("image"), { chunkSize: CHUNK });
    const image = await openImageFolder(at("image", "index.json"), { label: "The image x" });
    assert.deepEqual(await image.read(CHUNK, 512), bytes.slice(CHUNK, CHUNK + 512));
    const digest = createHash("sha256").update(bytes.subarray(0, CHUNK)).digest("hex");
    const name = at("image", "chunks", digest.slice(0, 2), digest);
    const good = await readFile(name);
    for (const [damage, message] of [
      [() => rm(name), /there is no file/],
      [() => writeFile(name, "x"), /a file is no gzip file/],
      [() => writeFile(name, good.subarray(0, 100)), /a file is cut short or damaged/],
      [() => writeFile(name, Buffer.alloc(1e6)), /is too large/],
    ] as const) {
      await damage();
      await assert.rejects(image.read(0, 512), (error: Error & { kind: string }) => {
        assert.equal(error.kind, "io");
        assert.match(error.message, /^The image x could not be read from the folder /);
        assert.match(error.message, message);
        return true;
      });
    }
    await writeFile(name, good);
    assert.deepEqual(await image.read(0, 8 * CHUNK), bytes);
    await image.dispose();
    await assert.rejects(openImageFolder(at("nothing")), {
      kind: "invalid",
      message: /was not found in the folder/,
    });
  });
});

describe("ringside image", () => {
  it("packs, tells what it is, and verifies", async () => {
    const bytes = disk(8, [3]);
    const path = await diskFile(bytes);
    const ran = (...args: string[]) => run(process.execPath, [ringside, "image", ...args], { cwd: folder });
    const packed = await ran("pack", path, "--chunk-size", "4K");
    assert.match(packed.stdout, /^disk\/index\.json\n.*7 different chunks of 4K, 1 of zeros/);
    assert.match(packed.stderr, /Packing .*: 100 %/);
    assert.match(
      (await ran("info", "disk")).stdout,
      /size +32768 bytes.*\n.*\n.*4096 bytes\nchunks +8: 1 of zeros, 7 diff/,
    );
    assert.match((await ran("verify", "disk/index.json")).stdout, /all 7 chunks are there and right/);
    const digest = createHash("sha256").update(bytes.subarray(0, CHUNK)).digest("hex");
    await rm(at("disk", "chunks", digest.slice(0, 2), digest));
    await assert.rejects(ran("verify", "disk"), (error: { code: number; stdout: string; stderr: string }) => {
      assert.equal(error.code, 1);
      assert.match(error.stderr, /chunk 0: .*there is no file/);
      assert.match(error.stdout, /1 of 7 chunks are missing or wrong/);
      return true;
    });
  });
});
