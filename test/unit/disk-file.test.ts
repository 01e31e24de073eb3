import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { DiskBusyError, DiskError } from "../../src/backends/disk/errors.ts";
import { openFileDisk } from "../../src/backends/disk/file.ts";
import { checkAgainstArray, pattern, read, steps, write } from "./disk-model.ts";

const MiB = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), "ringside-disk-"));
after(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
const fresh = (): string => join(folder, `disk-${count++}.img`);

describe("disk in a file", () => {
  it("behaves as an array of bytes, across closing and opening", async () => {
    const size = 300 * 512;
    await fc.assert(
      fc.asyncProperty(steps(size, 100_000), async (list) => {
        const path = fresh();
        await checkAgainstArray(list, () => openFileDisk(path, { size }));
        rmSync(path);
      }),
      { numRuns: 40 },
    );
  });

  it("is created sparse and holds what was written, where it was written", async () => {
    const path = fresh();
    const disk = await openFileDisk(path, { size: 1024 * MiB });
    await write(disk, 512 * MiB, pattern(4096, 1));
    await disk.flush();
    const { size, blocks } = statSync(path);
    assert.equal(size, 1024 * MiB);
    assert.ok(blocks * 512 < MiB, `${blocks} blocks are allocated`);
    await disk.dispose();
    const again = await openFileDisk(path);
    assert.equal(again.capacity, 1024 * MiB);
    assert.deepEqual(await read(again, 512 * MiB, 4096), pattern(4096, 1));
    await again.dispose();
  });

  it("flushes once for what was written, and not at all for nothing", async () => {
    const disk = await openFileDisk(fresh(), { size: MiB });
    await disk.flush();
    assert.equal(disk.flush(), undefined);
    disk.write(0, pattern(512, 1));
    const first = disk.flush();
    assert.ok(first);
    assert.equal(disk.flush(), first, "a flush with nothing new waits for the one under way");
    disk.write(512, pattern(512, 2));
    const second = disk.flush();
    assert.notEqual(second, first);
    await Promise.all([first, second]);
    assert.equal(disk.flush(), undefined);
    await disk.dispose();
  });

  it("refuses files that are no disks, and sizes that are not theirs", async () => {
    const odd = fresh();
    writeFileSync(odd, "x".repeat(1000));
    const empty = fresh();
    writeFileSync(empty, "");
    const small = fresh();
    writeFileSync(small, Buffer.alloc(1024));
    const pipe = fresh();
    execFileSync("mkfifo", [pipe]);
    const sub = fresh();
    mkdirSync(sub);
    const cases: [Promise<unknown>, RegExp][] = [
      [openFileDisk(odd), /cannot have a size of 1000 bytes: it must be a multiple of 512/],
      [openFileDisk(empty), /is empty: give it a size/],
      [openFileDisk(small, { size: 2048 }), /has 1 KiB, not 2 KiB/],
      [openFileDisk(small, { size: 1000 }), /multiple of 512/],
      [openFileDisk(pipe), /is not a regular file/],
      [openFileDisk(sub), /is not a regular file/],
      [openFileDisk(fresh()), /does not exist: it is created when a size is given/],
      [openFileDisk(join(folder, "no", "disk.img"), { size: 512 }), /nor does the folder .*no\.$/],
    ];
    for (const [opening, message] of cases) {
      await assert.rejects(opening, (error) => {
        assert.ok(error instanceof DiskError && error.kind === "invalid", String(error));
        assert.match(error.message, message);
        return true;
      });
    }
    assert.equal(statSync(small).size, 1024, "refused and left alone");
  });

  it("gives an empty file the size that is asked for", async () => {
    const path = fresh();
    writeFileSync(path, "");
    const disk = await openFileDisk(path, { size: 4096 });
    assert.equal(disk.capacity, 4096);
    await disk.dispose();
  });

  it("reads a read-only file and refuses to write it", async () => {
    const path = fresh();
    writeFileSync(path, pattern(4096, 9));
    chmodSync(path, 0o444);
    const disk = await openFileDisk(path, { readOnly: true });
    assert.equal(disk.readOnly, true);
    assert.deepEqual(await read(disk, 0, 4096), pattern(4096, 9));
    assert.throws(() => disk.write(0, new Uint8Array(512)), { kind: "invalid" });
    assert.throws(() => disk.resize(8192), { kind: "invalid" });
    await disk.dispose();
    assert.deepEqual(new Uint8Array(readFileSync(path)), pattern(4096, 9));
  });

  it("grows, tells so, and refuses to shrink", async () => {
    const path = fresh();
    const disk = await openFileDisk(path, { size: 4096 });
    let told = 0;
    disk.onResize(() => told++);
    disk.write(4096 - 512, pattern(512, 1));
    disk.resize(8192);
    assert.equal(told, 1);
    assert.equal(disk.capacity, 8192);
    assert.deepEqual(await read(disk, 4096, 4096), new Uint8Array(4096));
    assert.throws(() => disk.resize(4096), /has 8 KiB and cannot shrink to 4 KiB/);
    assert.throws(() => disk.resize(8193), /multiple of 512/);
    await disk.dispose();
    assert.equal(statSync(path).size, 8192);
  });

  it("reports a file that was cut off under it, to the person once", async () => {
    const path = fresh();
    const messages: string[] = [];
    const disk = await openFileDisk(path, { size: 8192, onMessage: (_, text) => messages.push(text) });
    truncateSync(path, 4096);
    for (let time = 0; time < 2; time++) {
      assert.throws(() => disk.read(2048, new Uint8Array(4096)), { kind: "io", message: /became shorter/ });
    }
    assert.deepEqual(messages, [
      `The disk file ${path} became shorter than 8192 bytes. The guest gets I/O errors.`,
    ]);
    await disk.dispose();
  });

  it("answers plainly after closing", async () => {
    const disk = await openFileDisk(fresh(), { size: 4096 });
    await disk.dispose();
    await disk.dispose();
    assert.throws(() => disk.read(0, new Uint8Array(512)), { kind: "gone" });
    assert.throws(() => disk.write(0, new Uint8Array(512)), { kind: "gone" });
  });
});

describe("lock of a disk file", () => {
  it("keeps a second machine out, by whatever name it comes, until the first closes", async () => {
    const path = fresh();
    const disk = await openFileDisk(path, { size: 4096 });
    const [link, hard] = [fresh(), fresh()];
    symlinkSync(path, link);
    linkSync(path, hard);
    for (const name of [path, link, hard]) {
      await assert.rejects(openFileDisk(name), DiskBusyError);
      await assert.rejects(openFileDisk(name, { readOnly: true }), DiskBusyError);
    }
    await disk.dispose();
    await (await openFileDisk(hard)).dispose();
  });

  it("is shared among readers", async () => {
    const path = fresh();
    writeFileSync(path, Buffer.alloc(4096));
    const readers = [
      await openFileDisk(path, { readOnly: true }),
      await openFileDisk(path, { readOnly: true }),
    ];
    await assert.rejects(openFileDisk(path), /is open in another machine/);
    for (const reader of readers) await reader.dispose();
    await (await openFileDisk(path)).dispose();
  });

  it("ends with the process that holds it, even when that is killed", async () => {
    const path = fresh();
    const module = fileURLToPath(new URL("../../src/backends/disk/file.ts", import.meta.url));
    const script = `
      import { openFileDisk } from ${JSON.stringify(module)};
      const disk = await openFileDisk(${JSON.stringify(path)}, { size: 4096 });
      disk.write(0, new Uint8Array(512).fill(7));
      await disk.flush();
      console.log("open");
      setInterval(() => {}, 1000);`;
    const holder = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(holder.stdout, "data");
    await assert.rejects(openFileDisk(path), DiskBusyError);
    holder.kill("SIGKILL");
    await once(holder, "exit");
    const disk = await openFileDisk(path);
    assert.deepEqual(await read(disk, 0, 512), new Uint8Array(512).fill(7));
    await disk.dispose();
  });

  it("says what is missing when the system cannot lock", async () => {
    const path = process.env["PATH"];
    process.env["PATH"] = folder;
    try {
      const disk = fresh();
      await assert.rejects(openFileDisk(disk, { size: 4096 }), {
        kind: "blocked",
        message: /"flock" did not start .* part of util-linux/,
      });
      assert.throws(() => statSync(disk), "no file is left behind");
    } finally {
      process.env["PATH"] = path;
    }
  });
});

describe("disk file without space", () => {
  const small = join(folder, "small");
  mkdirSync(small);
  const mounted = mount(small);
  after(() => {
    if (mounted) execFileSync("umount", [small]);
  });

  const options = { skip: mounted ? false : "needs the right to mount a file system of 1 MiB" };

  it("reports what does not fit as full, and goes on when there is room", options, async () => {
    const ballast = join(small, "ballast");
    writeFileSync(ballast, Buffer.alloc(MiB / 2));
    const disk = await openFileDisk(join(small, "disk.img"), { size: MiB });
    const bytes = pattern(MiB, 5);
    assert.throws(() => disk.write(0, bytes), {
      name: "DiskError",
      kind: "full",
      message: /No space is left/,
    });
    rmSync(ballast);
    disk.write(0, bytes.subarray(0, MiB / 2));
    await disk.flush();
    assert.deepEqual(await read(disk, 0, MiB / 2), bytes.subarray(0, MiB / 2));
    await disk.dispose();
  });

  function mount(path: string): boolean {
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  }
});
