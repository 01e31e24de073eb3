import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { findRecipe, imageNames, imageOptions, usualImages } from "../../images/catalogue.ts";
import { withLock } from "../../images/lock.ts";
import { streamProgress } from "../../images/progress.ts";
import { requirePrograms, run } from "../../images/run.ts";
import { isCurrent, recipeHash, writeStamp } from "../../images/stamp.ts";
import { ensureChromium } from "../../scripts/chromium.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "ringside-images-"));
});
after(() => rm(folder, { recursive: true }));

describe("the catalogue of images", () => {
  it("refuses an unknown name with the list of the known ones", () => {
    assert.ok(imageNames.includes("debian-busybox"));
    assert.throws(() => findRecipe("debian-busybocks"), /no image "debian-busybocks".*debian-busybox/);
  });

  it("has images that are made only when somebody asks for them", () => {
    assert.deepEqual(usualImages, ["debian-busybox"]);
    assert.deepEqual([...imageOptions], [["mmio-cmdline", "debian-busybox-mmio-cmdline"]]);
    assert.equal(findRecipe("debian-busybox-mmio-cmdline").option, "mmio-cmdline");
  });
});

describe("the stamp", () => {
  it("holds while recipe and files are as they were", async () => {
    const folders = { publicFolder: join(folder, "public"), cacheFolder: join(folder, "cache") };
    await mkdir(join(folders.publicFolder, "licences"), { recursive: true });
    await mkdir(folders.cacheFolder);
    await writeFile(join(folders.publicFolder, "vmlinux.gz"), "12345");
    await writeFile(join(folders.publicFolder, "licences/GPL"), "text");
    await writeFile(join(folders.cacheFolder, "bzImage"), "123");
    assert.equal(await isCurrent("a", folders), false, "never made");
    await writeStamp("a", folders);
    assert.equal(await isCurrent("a", folders), true);
    assert.equal(await isCurrent("b", folders), false, "another recipe");
    await truncate(join(folders.publicFolder, "vmlinux.gz"), 4);
    assert.equal(await isCurrent("a", folders), false, "cut short");
    await writeFile(join(folders.publicFolder, "vmlinux.gz"), "12x45");
    assert.equal(await isCurrent("a", folders), false, "damaged");
    await writeStamp("a", folders);
    await rm(join(folders.cacheFolder, "bzImage"));
    assert.equal(await isCurrent("a", folders), false, "a file is gone");
    await writeStamp("a", folders, ["vmlinux"]);
    await writeFile(join(folders.publicFolder, "vmlinux.gz"), "12z45");
    assert.equal(await isCurrent("a", folders), true, "who reads it checks its content");
    await truncate(join(folders.publicFolder, "vmlinux.gz"), 4);
    assert.equal(await isCurrent("a", folders), false, "but its size is looked at");
    await writeFile(join(folders.cacheFolder, "stamp.json"), "{");
    assert.equal(await isCurrent("a", folders), false, "the stamp is damaged");
  });

  it("is of the recipe's files, not of its documentation", async () => {
    const recipe = join(folder, "recipe");
    await mkdir(recipe);
    await writeFile(join(recipe, "init"), "one", { mode: 0o644 });
    const first = await recipeHash(recipe);
    await writeFile(join(recipe, "README.md"), "text");
    assert.equal(await recipeHash(recipe), first);
    await writeFile(join(recipe, "init"), "two");
    assert.notEqual(await recipeHash(recipe), first);
    await rm(join(recipe, "init"));
    await writeFile(join(recipe, "init"), "one", { mode: 0o755 });
    assert.notEqual(await recipeHash(recipe), first);
  });
});

describe("the lock", () => {
  it("is waited for, and given back after an error", async () => {
    const path = join(folder, "lock");
    const events: string[] = [];
    const hold = withLock(
      path,
      () => undefined,
      async () => {
        events.push("first in");
        await sleep(300);
        events.push("first out");
        throw new Error("the work failed");
      },
    );
    await sleep(50);
    const wait = withLock(
      path,
      () => events.push("waits"),
      () => Promise.resolve(events.push("second in")),
    );
    await assert.rejects(hold, /the work failed/);
    await wait;
    assert.deepEqual(events, ["first in", "waits", "first out", "second in"]);
    await assert.rejects(readFile(path), { code: "ENOENT" });
  });

  for (const [whose, content] of Object.entries({
    "a process that is gone": "4194999 1",
    "an earlier process of the same number": `${process.pid} 1`,
    nobody: "",
  })) {
    it(`is taken from ${whose}`, async () => {
      const path = join(folder, "stale");
      await writeFile(path, content);
      assert.equal(
        await withLock(
          path,
          () => undefined,
          () => Promise.resolve(7),
        ),
        7,
      );
    });
  }
});

describe("programs", () => {
  it("give their output, and what they say on the status descriptor", async () => {
    const lines: string[] = [];
    const result = await run("sh", ["-c", "cat; echo err >&2; printf 'a\\nb\\n' >&3; exit 3"], {
      input: Buffer.from("in"),
      allow: [3],
      onStatusLine: (line) => lines.push(line),
    });
    assert.deepEqual([result.status, result.stdout.toString(), result.stderr], [3, "in", "err\n"]);
    assert.deepEqual(lines, ["a", "b"]);
  });

  it("that fail are told with their last words, those that are missing by name", async () => {
    await assert.rejects(run("sh", ["-c", "echo why >&2; exit 4"]), /sh failed with status 4:\s+why/);
    await assert.rejects(run("no-such-program", []), /no-such-program could not be run/);
    const unread = await run("true", [], { input: new Uint8Array(1e6) });
    assert.equal(unread.status, 0, "input that nobody reads does no harm");
    assert.throws(
      () => requirePrograms({ sh: "dash", "no-such-program": "its-package" }),
      /needs no-such-program, which is not(.|\n)*its-package/,
    );
  });
});

describe("progress", () => {
  const shown = (isTTY: boolean): string => {
    const stream = Object.assign(new PassThrough(), { isTTY });
    const progress = streamProgress(stream, "images: ");
    progress.step("Downloading");
    for (let done = 0; done <= 10; done++) progress.bytes(done * 1e6, 10e6);
    progress.warn("slow");
    progress.done("made");
    return (stream.read() as Buffer).toString();
  };

  it("is plain lines where nobody watches", () => {
    assert.deepEqual(shown(false).split("\n"), [
      "images: Downloading …",
      "images: Downloading: 3.0 MB of 10.0 MB (30 %)",
      "images: Downloading: 5.0 MB of 10.0 MB (50 %)",
      "images: Downloading: 8.0 MB of 10.0 MB (80 %)",
      "images: Downloading: 10.0 MB of 10.0 MB (100 %)",
      "images: Warning: slow",
      "images: made",
      "",
    ]);
  });

  it("counts in place on a terminal", () => {
    const text = shown(true);
    assert.match(text, /\r\x1b\[Kimages: Downloading: 7\.0 MB of 10\.0 MB \(70 %\)/);
    assert.match(text, /\r\x1b\[Kimages: Warning: slow\nimages: made\n$/);
  });
});

describe("finding Chromium", () => {
  const only =
    (...paths: string[]) =>
    (path: string): boolean =>
      paths.includes(path);
  const environment = { PATH: "/usr/bin:/opt/bin" };

  it("takes the one that is named, or says that it is none", async () => {
    const named = { ...environment, RINGSIDE_CHROMIUM: "/my/chromium" };
    assert.equal(
      await ensureChromium({ environment: named, isExecutable: only("/my/chromium") }),
      "/my/chromium",
    );
    await assert.rejects(
      ensureChromium({ environment: named, isExecutable: only("/usr/bin/chromium") }),
      /RINGSIDE_CHROMIUM is "\/my\/chromium"/,
    );
  });

  it("takes an installed one", async () => {
    assert.equal(
      await ensureChromium({ environment, isExecutable: only("/opt/bin/google-chrome") }),
      "/opt/bin/google-chrome",
    );
  });

  it("installs Debian's as root, and tells of a failure", async () => {
    const installed: string[] = [];
    const calls: string[] = [];
    const options = {
      environment,
      isRoot: true,
      isExecutable: (path: string) => [...installed, "/usr/bin/apt-get"].includes(path),
    };
    const chromium = await ensureChromium({
      ...options,
      runShown: (program, args) => {
        calls.push(`${program} ${args[0] ?? ""}`);
        if (args[0] === "install") installed.push("/usr/bin/chromium");
        return Promise.resolve(0);
      },
    });
    assert.equal(chromium, "/usr/bin/chromium");
    assert.deepEqual(calls, ["/usr/bin/apt-get update", "/usr/bin/apt-get install"]);
    installed.length = 0;
    await assert.rejects(
      ensureChromium({ ...options, runShown: () => Promise.resolve(100) }),
      /could not install chromium \(status 100/,
    );
  });

  it("says what to do where it cannot install", async () => {
    await assert.rejects(
      ensureChromium({ environment, isRoot: false, isExecutable: only("/usr/bin/apt-get") }),
      /apt-get install chromium/,
    );
    await assert.rejects(
      ensureChromium({ environment, isRoot: true, isExecutable: () => false }),
      /RINGSIDE_CHROMIUM=/,
    );
  });
});
