import assert from "node:assert/strict";
import {
  copyFileSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, describe, it } from "node:test";
import fc from "fast-check";
import { ChunkedDisk, type ChunkedDiskOptions } from "../../src/backends/disk/chunked.ts";
import { DiskError } from "../../src/backends/disk/errors.ts";
import { openFileDisk } from "../../src/backends/disk/file.ts";
import { openFileOverlay } from "../../src/backends/disk/file-overlay.ts";
import { memoryOverlay } from "../../src/backends/disk/memory-overlay.ts";
import { MemoryStore } from "../../src/backends/disk/memory-store.ts";
import { OverlayContents, OverlayStore } from "../../src/backends/disk/overlay.ts";
import { openRawBase } from "../../src/backends/disk/raw-base.ts";
import { parseConfig } from "../../src/config/grammar.ts";
import { closeDisks, openDisks } from "../../src/node/disks.ts";
import { packImage } from "../../src/node/image/pack.ts";
import { TestBase } from "./disk-base.ts";
import { checkAgainstArray, pattern, read, steps, write } from "./disk-model.ts";

const KiB = 1024;
const folder = mkdtempSync(join(tmpdir(), "ringside-overlay-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(folder, `disk-${count++}`);

const CHUNK = 4 * KiB;
const open: ChunkedDisk[] = [];
afterEach(async () => {
  for (const disk of open.splice(0)) await disk.dispose();
});

/** A disk over a base with small chunks and little memory. */
function diskOver(base: TestBase, options: Partial<ChunkedDiskOptions> = {}): ChunkedDisk {
  const contents = new OverlayContents(base, CHUNK, { chunks: new Set(), holes: new Set() });
  const disk = new ChunkedDisk(new OverlayStore(new MemoryStore(), base, contents), {
    name: 'The disk "test"',
    capacity: base.size,
    readOnly: false,
    chunkSize: CHUNK,
    stored: contents,
    onMessage: () => undefined,
    bounds: {
      cache: 8 * CHUNK,
      writeBack: 4 * CHUNK,
      unsaved: 12 * CHUNK,
      batch: 32 * CHUNK,
      remoteRun: 2 * CHUNK,
    },
    ...options,
  });
  open.push(disk);
  return disk;
}

/** Something that a test lets happen. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

void describe("a disk over a base", () => {
  void it("behaves as an array of bytes that begins as the base", async () => {
    const base = new TestBase(30 * CHUNK + 512);
    const size = 40 * CHUNK;
    await fc.assert(
      fc.asyncProperty(steps(size, 20 * CHUNK), async (list) => {
        const model = new Uint8Array(size);
        model.set(base.bytes);
        // In memory nothing outlives the disk.
        const once = list.filter((step) => step.do !== "reopen");
        await checkAgainstArray(once, () => Promise.resolve(diskOver(base, { capacity: size })), model);
      }),
      { numRuns: 80 },
    );
  });

  void it("copies up what a small write touches, and asks the base for nothing else", async () => {
    const base = new TestBase(64 * CHUNK);
    const disk = diskOver(base);
    await write(disk, 40 * CHUNK + 100, pattern(50, 2));
    assert.deepEqual(base.reads, [{ offset: 40 * CHUNK, length: CHUNK }]);
    await disk.flush();
    const expected = base.bytes.slice(40 * CHUNK, 41 * CHUNK);
    expected.set(pattern(50, 2), 100);
    assert.deepEqual(await read(disk, 40 * CHUNK, CHUNK), expected);
    assert.deepEqual(disk.statistics, {
      loads: 0,
      loadedBytes: 0,
      baseLoads: 1,
      baseBytes: CHUNK,
      saves: 1,
      savedBytes: CHUNK,
    });
    // Whole chunks, and where the base has zeros.
    await write(disk, 50 * CHUNK, pattern(2 * CHUNK, 3));
    await write(disk, 20 * CHUNK + 5, pattern(7, 4));
    assert.deepEqual(await read(disk, 18 * CHUNK, CHUNK), new Uint8Array(CHUNK));
    assert.equal(base.reads.length, 1);
  });

  void it("has zeros where something was given back, and never again what the base has there", async () => {
    const base = new TestBase(64 * CHUNK);
    const disk = diskOver(base);
    disk.unmap.range(40 * CHUNK, 4 * CHUNK);
    await disk.flush();
    assert.deepEqual(await read(disk, 40 * CHUNK, 4 * CHUNK), new Uint8Array(4 * CHUNK));
    await write(disk, 41 * CHUNK + 512, pattern(512, 1));
    await disk.flush();
    await read(disk, 0, 16 * CHUNK); // pushes it out of the cache
    const expected = new Uint8Array(4 * CHUNK);
    expected.set(pattern(512, 1), CHUNK + 512);
    assert.deepEqual(await read(disk, 40 * CHUNK, 4 * CHUNK), expected);
    assert.ok(!base.reads.some(({ offset }) => offset >= 40 * CHUNK && offset < 44 * CHUNK));
  });

  void it("answers from its own store and from elsewhere in the base while a part of the base does not come", async () => {
    const base = new TestBase(64 * CHUNK);
    const disk = diskOver(base);
    await write(disk, 33 * CHUNK, pattern(CHUNK, 2));
    await disk.flush();
    await read(disk, 0, 12 * CHUNK); // pushes it out of the cache
    const slow = gate();
    base.gate = (offset) => (offset === 40 * CHUNK ? slow.opened : Promise.resolve());
    let answered = false;
    const waiting = read(disk, 40 * CHUNK, 512).then((bytes) => {
      answered = true;
      return bytes;
    });
    assert.deepEqual(await read(disk, 33 * CHUNK, CHUNK), pattern(CHUNK, 2));
    for (let n = 48; n < 64; n++) {
      assert.deepEqual(await read(disk, n * CHUNK, 512), base.bytes.slice(n * CHUNK, n * CHUNK + 512));
    }
    await write(disk, 45 * CHUNK, pattern(CHUNK, 3));
    await disk.flush();
    assert.equal(answered, false);
    slow.open();
    assert.deepEqual(await waiting, base.bytes.slice(40 * CHUNK, 40 * CHUNK + 512));
  });

  void it("wakes who waits for a base when the chunk is overwritten or given back, and ignores what comes then", async () => {
    const base = new TestBase(64 * CHUNK);
    const disk = diskOver(base);
    const slow = gate();
    base.gate = () => slow.opened;
    const written = read(disk, 40 * CHUNK, 512);
    const dropped = read(disk, 41 * CHUNK, 512);
    await write(disk, 40 * CHUNK, pattern(CHUNK, 7));
    disk.unmap.range(41 * CHUNK, CHUNK);
    assert.deepEqual(await written, pattern(CHUNK, 7).slice(0, 512));
    assert.deepEqual(await dropped, new Uint8Array(512));
    await disk.flush();
    slow.open();
    base.gate = undefined;
    await read(disk, 0, 12 * CHUNK);
    assert.deepEqual(await read(disk, 40 * CHUNK, CHUNK), pattern(CHUNK, 7));
    assert.deepEqual(await read(disk, 41 * CHUNK, CHUNK), new Uint8Array(CHUNK));
  });

  void it("fails the one request for which the base has no answer", async () => {
    const base = new TestBase(64 * CHUNK);
    const disk = diskOver(base);
    base.gate = (offset) =>
      offset === 40 * CHUNK ? Promise.reject(new DiskError("io", "The server is away.")) : Promise.resolve();
    const [bad, good] = await Promise.allSettled([read(disk, 40 * CHUNK, 512), read(disk, 50 * CHUNK, 512)]);
    assert.equal(bad.status, "rejected");
    assert.equal((bad.reason as Error).message, "The server is away.");
    assert.equal(good.status, "fulfilled");
    await assert.rejects(write(disk, 40 * CHUNK + 1, pattern(5, 1)), { message: "The server is away." });
    base.gate = undefined;
    assert.deepEqual(await read(disk, 40 * CHUNK, 512), base.bytes.slice(40 * CHUNK, 40 * CHUNK + 512));
  });

  void it("fails a request when the base answers with too little", async () => {
    const base = new TestBase(64 * CHUNK);
    base.read = () => Promise.resolve(new Uint8Array(5));
    await assert.rejects(read(diskOver(base), 40 * CHUNK, 512), {
      kind: "io",
      message: /5 bytes instead of 4096/,
    });
  });

  void it("ends those who wait for the base when it is closed, and closes the base", async () => {
    const base = new TestBase(64 * CHUNK);
    const disk = diskOver(base);
    base.gate = () => new Promise(() => undefined);
    const waiting = read(disk, 40 * CHUNK, 512);
    await disk.dispose();
    await assert.rejects(waiting, { kind: "gone" });
    assert.equal(base.disposed, 1);
  });

  void it("reads more than its cache in one request, however many loads that takes", async () => {
    const base = new TestBase(64 * CHUNK);
    const disk = diskOver(base);
    for (const at of [1, 7, 30, 55]) await write(disk, at * CHUNK, pattern(CHUNK, at));
    const all = await Promise.all(Array.from({ length: 8 }, () => read(disk, 0, 64 * CHUNK)));
    const expected = base.bytes.slice();
    for (const at of [1, 7, 30, 55]) expected.set(pattern(CHUNK, at), at * CHUNK);
    for (const bytes of all) assert.deepEqual(bytes, expected);
  });
});

void describe("a disk over a base, in memory", () => {
  void it("has the base's size or a larger one, and refuses a smaller", async () => {
    const disk = memoryOverlay('The disk "test"', new TestBase(64 * KiB));
    assert.equal(disk.capacity, 64 * KiB);
    await disk.dispose();
    const larger = memoryOverlay('The disk "test"', new TestBase(64 * KiB), { size: 2 ** 20 });
    assert.deepEqual(await read(larger, 64 * KiB, 1000), new Uint8Array(1000));
    await larger.dispose();
    assert.throws(() => memoryOverlay('The disk "test"', new TestBase(64 * KiB), { size: 512 }), {
      kind: "invalid",
      message:
        /^The disk "test" cannot have 512 bytes: the image "test" \(64 KiB, .*\) is larger\. .* at least 64 KiB\.$/,
    });
  });
});

void describe("a disk over a base, in a file", () => {
  void it("behaves as an array of bytes that begins as the base, across closing and opening", async () => {
    const base = new TestBase(300 * KiB + 512);
    const size = 400 * KiB;
    await fc.assert(
      fc.asyncProperty(steps(size, 100 * KiB), async (list) => {
        const path = fresh();
        const model = new Uint8Array(size);
        model.set(base.bytes);
        await checkAgainstArray(list, () => openFileOverlay(path, base, { size }), model);
        rmSync(path);
      }),
      { numRuns: 40 },
    );
  });

  void it("takes room for what was written, and keeps a size that it has grown to", async () => {
    const path = fresh();
    const base = new TestBase(2 ** 20);
    const disk = await openFileOverlay(path, base);
    await disk.resize(2 ** 30);
    await write(disk, 2 ** 30 - 512, pattern(512, 1));
    await disk.dispose();
    assert.ok(statSync(path).size < 256 * KiB);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith(".new")),
      [],
    );
    const again = await openFileOverlay(path, base);
    assert.equal(again.capacity, 2 ** 30);
    assert.deepEqual(await read(again, 2 ** 30 - 512, 512), pattern(512, 1));
    assert.deepEqual(await read(again, 0, 512), base.bytes.slice(0, 512));
    await assert.rejects(openFileOverlay(path, base), { kind: "busy" });
    await again.dispose();
    await assert.rejects(
      openFileOverlay(path, base, { size: 2 ** 21 }),
      /has 1 GiB and cannot shrink to 2 MiB/,
    );
  });

  void it("is refused over another base, and as a disk of its own; a raw image is refused over a base", async () => {
    const path = fresh();
    const base = new TestBase(2 ** 20);
    await (await openFileOverlay(path, base)).dispose();
    const bytes = readFileSync(path);
    await assert.rejects(openFileOverlay(path, new TestBase(2 ** 20, 2)), {
      kind: "invalid",
      message:
        `The disk file ${path} holds changes to the image "test" (1 MiB, test-1048576-1) and cannot be opened over its present ` +
        "content (1 MiB, test-1048576-2). Reset the disk to its base, which loses the changes, or use another disk.",
    });
    await assert.rejects(openFileDisk(path), {
      kind: "invalid",
      message: /holds changes to the image "test".* and cannot be opened without it\. Give it that base/,
    });
    assert.deepEqual(readFileSync(path), bytes);
    const raw = fresh();
    writeFileSync(raw, pattern(2 ** 16, 1));
    await assert.rejects(openFileOverlay(raw, base), /does not hold the changes of a disk over a base/);
    assert.deepEqual(readFileSync(raw), Buffer.from(pattern(2 ** 16, 1)));
  });

  void it("opens read-only beside other readers, also when there is none yet", async () => {
    const path = fresh();
    const base = new TestBase(2 ** 20);
    const view = await openFileOverlay(path, base, { readOnly: true });
    assert.deepEqual(await read(view, 5, 600), base.bytes.slice(5, 605));
    await view.dispose();
    assert.throws(() => statSync(path), { code: "ENOENT" });
    const disk = await openFileOverlay(path, base);
    await write(disk, 0, pattern(512, 3));
    await disk.dispose();
    const bytes = readFileSync(path);
    const readers = [
      await openFileOverlay(path, base, { readOnly: true }),
      await openFileOverlay(path, base, { readOnly: true }),
    ];
    for (const reader of readers) {
      assert.deepEqual(await read(reader, 0, 512), pattern(512, 3));
      assert.throws(() => reader.write(0, new Uint8Array(512)), { kind: "invalid" });
    }
    await assert.rejects(openFileOverlay(path, base), { kind: "busy" });
    for (const reader of readers) await reader.dispose();
    assert.deepEqual(readFileSync(path), bytes);
  });

  void it("says what is wrong with a path", async () => {
    const base = new TestBase(2 ** 20);
    await assert.rejects(openFileOverlay(join(folder, "nowhere", "disk"), base), /nor does the folder/);
    await assert.rejects(openFileOverlay(folder, base), /is not a regular file/);
    const path = fresh();
    await (await openFileOverlay(path, base)).dispose();
    truncateSync(path, 5000);
    await assert.rejects(
      openFileOverlay(path, base),
      /is damaged: its journal cannot be read\. It is left as it is/,
    );
  });
});

void describe("a raw image as a base", () => {
  void it("is known by its size and time, under any name, and shared among readers", async () => {
    const path = fresh();
    writeFileSync(path, pattern(10_240, 1));
    const copy = fresh();
    copyFileSync(path, copy);
    const { atime, mtime } = statSync(path);
    utimesSync(path, atime, mtime);
    utimesSync(copy, atime, mtime);
    const [one, two] = [openRawBase(path), openRawBase(copy)];
    assert.equal(one.identity, two.identity);
    assert.deepEqual(
      await one.read(10_000, 1000),
      concat(pattern(10_240, 1).slice(10_000), new Uint8Array(760)),
    );
    assert.equal(one.holds(10_239, 1), true);
    assert.equal(one.holds(10_240, 4096), false);
    await assert.rejects(openFileDisk(path), { kind: "busy" });
    await one.dispose();
    await two.dispose();
    await assert.rejects(one.read(0, 512), { kind: "gone" });
    writeFileSync(path, pattern(10_240, 2));
    const changed = openRawBase(path);
    assert.notEqual(changed.identity, two.identity);
    await changed.dispose();
  });

  void it("fails reads when it becomes shorter, and refuses what is no disk", async () => {
    const path = fresh();
    writeFileSync(path, pattern(10_240, 1));
    const base = openRawBase(path);
    truncateSync(path, 512);
    await assert.rejects(base.read(0, 10_240), { kind: "io", message: /became shorter than 10240 bytes/ });
    await base.dispose();
    writeFileSync(path, "odd");
    assert.throws(() => openRawBase(path), { kind: "invalid" });
    assert.throws(() => openRawBase(join(folder, "none")), { kind: "invalid" });
  });
});

void describe("the disks of a machine in Node", () => {
  const surroundings = { images: folder };

  void it("may be over raw images, in a file and in memory", async () => {
    const [raw, path] = [`${fresh()}.raw`, fresh()];
    writeFileSync(raw, pattern(2 ** 20, 1));
    const config = parseConfig(
      `device=blk,id=a,store=file,path=${path},base=${raw}&device=blk,id=b,store=memory,base=${raw},size=2M`,
      "node",
    );
    const disks = await openDisks(config, surroundings);
    for (const [id, size] of [
      ["a", 2 ** 20],
      ["b", 2 ** 21],
    ] as const) {
      const disk = disks.get(id)!;
      assert.equal(disk.capacity, size);
      await write(disk, 512, pattern(512, 9));
      await disk.flush();
      assert.deepEqual(await read(disk, 0, 512), pattern(2 ** 20, 1).slice(0, 512));
      assert.deepEqual(await read(disk, 512, 512), pattern(512, 9));
    }
    await closeDisks(disks);
    const again = await openDisks(config, surroundings);
    assert.deepEqual(await read(again.get("a")!, 512, 512), pattern(512, 9));
    assert.deepEqual(await read(again.get("b")!, 512, 512), pattern(2 ** 20, 1).slice(512, 1024));
    await closeDisks(again);
    assert.deepEqual(readFileSync(raw), Buffer.from(pattern(2 ** 20, 1)));
  });

  void it("may be over packed images, by their name, their folder or their index", async () => {
    const raw = `${fresh()}.raw`;
    writeFileSync(raw, pattern(2 ** 20, 3));
    await packImage(raw, join(folder, "packed", "disk"));
    const path = fresh();
    for (const base of ["packed", join(folder, "packed/disk"), join(folder, "packed/disk/index.json")]) {
      const config = parseConfig(`device=blk,id=a,store=file,path=${path},base=${base}`, "node");
      const disks = await openDisks(config, surroundings);
      assert.deepEqual(
        await read(disks.get("a")!, 512, 2 ** 18),
        pattern(2 ** 20, 3).slice(512, 512 + 2 ** 18),
      );
      await closeDisks(disks);
    }
    const other = parseConfig(`device=blk,id=a,store=file,path=${path},base=${raw}`, "node");
    await assert.rejects(openDisks(other, surroundings), {
      kind: "invalid",
      message: /holds changes to the image "packed" .* and cannot be opened over the disk file .*\.raw/,
    });
  });

  void it("are refused when a file is there twice, under whatever names", async () => {
    const path = `${fresh()}.raw`;
    writeFileSync(path, pattern(2 ** 20, 1));
    const [hard, soft] = [`${fresh()}.raw`, `${fresh()}.raw`];
    linkSync(path, hard);
    symlinkSync(path, soft);
    for (const other of [path, hard, soft]) {
      const twice = `device=blk,id=a,store=file,path=${path}&device=blk,id=b,store=file,path=${other}`;
      await assert.rejects(openDisks(parseConfig(twice, "node"), surroundings), {
        kind: "invalid",
        message: `This machine has the file ${other} twice, for the disks "a" and "b". Name another file, or make both readonly.`,
      });
    }
    const over = `device=blk,id=a,store=file,path=${path},base=${hard}`;
    await assert.rejects(openDisks(parseConfig(over, "node"), surroundings), /twice, for the disk "a"/);
    const readers = `device=blk,id=a,store=file,path=${path},readonly=on&device=blk,id=b,store=file,path=${soft},readonly=on`;
    await closeDisks(await openDisks(parseConfig(readers, "node"), surroundings));
    const absent = fresh();
    const both = `device=blk,id=a,store=file,path=${absent},size=1M&device=blk,id=b,store=file,path=${absent},size=1M`;
    await assert.rejects(openDisks(parseConfig(both, "node"), surroundings), /twice/);
  });
});

function concat(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
