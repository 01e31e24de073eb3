import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import type { ImageFile, ImageManifest } from "../../src/machine/image.ts";
import { listImages, loadImage } from "../../src/node/images.ts";

const kernel = Buffer.from("a kernel, ".repeat(1000));
const initrd = Buffer.from("an initramfs");

let folder: string;
let manifest: ImageManifest;
before(async () => (folder = await mkdtemp(join(tmpdir(), "ringside-"))));
after(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  await mkdir(join(folder, "test"), { recursive: true });
  manifest = {
    format: 1,
    name: "test",
    title: "A test",
    description: "It does not boot.",
    files: {
      kernel: await put("kernel.gz", kernel, "gzip"),
      initrd: await put("initrd", initrd, "identity"),
    },
    kernelParameters: "quiet",
    memory: { minimum: 2 ** 26, recommended: 2 ** 27 },
    packages: [],
  };
  await putManifest(JSON.stringify(manifest));
});

async function put(path: string, bytes: Buffer, encoding: ImageFile["encoding"]): Promise<ImageFile> {
  const stored = encoding === "gzip" ? gzipSync(bytes) : bytes;
  await writeFile(join(folder, "test", path), stored);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { path, encoding, storedSize: stored.length, size: bytes.length, sha256 };
}

function putManifest(text: string): Promise<void> {
  return writeFile(join(folder, "test", "manifest.json"), text);
}

async function refused(message: RegExp): Promise<void> {
  await assert.rejects(loadImage("test", folder), { name: "ImageError", message });
  await assert.rejects(loadImage("test", folder), { message: /npm run images -- test$/ });
}

describe("an image", () => {
  it("is read, decoded and verified", async () => {
    const image = await loadImage("test", folder);
    assert.deepEqual(image.manifest, manifest);
    assert.deepEqual(Buffer.from(image.kernel), kernel);
    assert.deepEqual(Buffer.from(image.initrd), initrd);
  });

  it("that is missing is refused", async () => {
    await assert.rejects(loadImage("other", folder), {
      name: "ImageError",
      message:
        /^There is no guest image "other" \(no file .*other\/manifest\.json\)\. .*npm run images -- other$/,
    });
  });

  it("whose file is missing is refused", async () => {
    await rm(join(folder, "test", "initrd"));
    await refused(/The image's file .*\/initrd is missing\./);
  });

  it("with a gzip stream that is cut short is refused", async () => {
    await writeFile(join(folder, "test", "kernel.gz"), gzipSync(kernel).subarray(0, -20));
    await refused(/kernel\.gz is cut short: its gzip stream has no end\./);
  });

  it("with a damaged gzip stream is refused", async () => {
    await writeFile(join(folder, "test", "kernel.gz"), Buffer.alloc(manifest.files.kernel.storedSize, 7));
    await refused(/kernel\.gz is damaged/);
  });

  it("with a gzip stream that decodes to more than was promised is refused, not decoded", async () => {
    await writeFile(join(folder, "test", "kernel.gz"), gzipSync(Buffer.alloc(64 * 1024 * 1024)));
    await refused(new RegExp(`kernel\\.gz decodes to more than the ${kernel.length} bytes`));
  });

  it("with a file that is cut short or too long is refused", async () => {
    await writeFile(join(folder, "test", "initrd"), initrd.subarray(1));
    await refused(/initrd is cut short: 11 bytes, expected 12\./);
    await writeFile(join(folder, "test", "initrd"), Buffer.concat([initrd, initrd]));
    await refused(/initrd is too long: 24 bytes, expected 12\./);
  });

  it("that decodes to less than was promised is refused", async () => {
    const short = gzipSync(kernel.subarray(1));
    const files = { ...manifest.files, kernel: { ...manifest.files.kernel, storedSize: short.length } };
    await writeFile(join(folder, "test", "kernel.gz"), short);
    await putManifest(JSON.stringify({ ...manifest, files }));
    await refused(/kernel\.gz, decoded, is cut short: 9999 bytes, expected 10000\./);
  });

  it("with a wrong checksum is refused", async () => {
    const other = Buffer.from(initrd);
    other[3]! ^= 1;
    await writeFile(join(folder, "test", "initrd"), other);
    await refused(/initrd has a wrong checksum: SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}\./);
  });
});

describe("a manifest", () => {
  it("that is no JSON is refused", async () => {
    await putManifest(JSON.stringify(manifest).slice(0, -10));
    await refused(/manifest\.json is cut short or no JSON\./);
  });

  const changes: [property: string, change: (manifest: ImageManifest) => unknown][] = [
    ["format", () => ({ ...manifest, format: 2 })],
    ["format", () => null],
    ["format", () => []],
    ["title", () => ({ ...manifest, title: 1 })],
    ["kernelParameters", () => ({ ...manifest, kernelParameters: undefined })],
    ["mmioCommandLine", () => ({ ...manifest, mmioCommandLine: "yes" })],
    ["memory.minimum", () => ({ ...manifest, memory: { recommended: 1 } })],
    ["files.kernel.path", () => ({ ...manifest, files: {} })],
    ["files.initrd.path", () => withInitrd({ path: "../../../etc/passwd" })],
    ["files.initrd.path", () => withInitrd({ path: ".." })],
    ["files.initrd.encoding", () => withInitrd({ encoding: "br" })],
    ["files.initrd.sha256", () => withInitrd({ sha256: "00" })],
    ["files.initrd.size", () => withInitrd({ size: -1 })],
    ["files.initrd.size", () => withInitrd({ size: 2 ** 40 })],
    ["files.initrd.storedSize", () => withInitrd({ storedSize: "12" })],
    ["packages", () => ({ ...manifest, packages: [{ name: "linux" }] })],
  ];
  const withInitrd = (change: object) => ({
    ...manifest,
    files: { ...manifest.files, initrd: { ...manifest.files.initrd, ...change } },
  });
  for (const [property, change] of changes) {
    it(`with a wrong ${property} is refused`, async () => {
      await putManifest(JSON.stringify(change(manifest)));
      await refused(new RegExp(`manifest\\.json is not a manifest .*"${property}" is missing or wrong`));
    });
  }
});

describe("the list of images", () => {
  it("has those that can be used, and why others cannot", async () => {
    await mkdir(join(folder, "broken"));
    await mkdir(join(folder, ".partial"));
    await writeFile(join(folder, "README"), "");
    const [broken, test, ...more] = await listImages(folder);
    assert.deepEqual(more, []);
    assert.deepEqual(test, { name: "test", manifest });
    assert.ok(broken?.name === "broken" && "problem" in broken);
    assert.match(broken.problem, /There is no guest image "broken"/);
  });

  it("is empty without a folder", async () => {
    assert.deepEqual(await listImages(join(folder, "missing")), []);
  });
});
