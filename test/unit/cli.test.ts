import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const ringside = fileURLToPath(new URL("../../bin/ringside.mjs", import.meta.url));

/** Runs the command line as a person does, with no input, and no guest image in `folder`. */
async function run(...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [ringside, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stdout, stderr };
}

describe("ringside", { concurrency: 2 }, () => {
  it("--help tells of every command, option, status and word, on stdout", async () => {
    const { status, stdout, stderr } = await run("--help");
    assert.equal(status, 0);
    assert.equal(stderr, "");
    for (const word of [
      "ringside run",
      "ringside images",
      "ringside image pack",
      "ringside image verify",
      "--exec",
      "--timeout",
      "--console",
      "--size",
      "--strict",
      "--record",
      "--account",
      "ringside trace",
      "Ctrl-]",
    ]) {
      assert.ok(stdout.includes(word), word);
    }
    for (const word of ["124", "125", "memory=SIZE", "transport=pci|pci-transitional|", "event_idx=on|off"]) {
      assert.ok(stdout.includes(word), word);
    }
    for (const line of stdout.split("\n")) assert.ok(line.length <= 110, line);
  });

  it("--version is that of the package", async () => {
    const { version } = JSON.parse(
      await readFile(new URL("../../package.json", import.meta.url), "utf8"),
    ) as {
      version: string;
    };
    assert.deepEqual(await run("--version"), { status: 0, stdout: `ringside ${version}\n`, stderr: "" });
  });

  const wrong: [args: string[], message: RegExp][] = [
    [[], /^ringside: What shall it be: run, image, images, trace or relay\? See: ringside --help$/],
    [["boot"], /There is no command "boot"\. Did you mean "run"\?/],
    [["image"], /What shall be done with the image: pack, info or verify\? See: ringside --help/],
    [["image", "pakc"], /There is no "image pakc"\. Did you mean "pack"\?/],
    [["image", "pack"], /"image pack" of what\?/],
    [["image", "info", "x", "--output", "y"], /--output is for "image pack"/],
    [
      ["image", "pack", "x", "--chunk-size", "48K"],
      /--chunk-size 48K: expected a power of two from 4K to 4M/,
    ],
    [["images", "x"], /"images" takes no arguments, and "x" stands after it/],
    [["run", "a=b", "c=d"], /takes one configuration, and "c=d" stands after it\. Quote it/],
    [["run", "--exce", "true"], /Unknown option '--exce'\. Did you mean --exec\?/],
    [["run", "--exec"], /'--exec <value>' argument missing/],
    [["run", "--exec", " "], /--exec has no commands/],
    [["run", "--console"], /--console is for --exec/],
    [["run", "--timeout", "soon"], /--timeout soon: expected seconds/],
    [["run", "--timeout", "0"], /--timeout 0: expected seconds, more than 0/],
    [["run", "--timeout", "99999999"], /at most 2000000/],
    [["run", "--size", "80"], /--size 80: expected COLUMNSxROWS/],
    [["run", "--size", "0x24"], /--size 0x24/],
    [
      ["run", "--record", "x.txt"],
      /--record x\.txt: its name says what it is to be.*\.ringside.*\.json.*\.pcapng/,
    ],
    [
      ["run", "--record", "x.json", "--record-sample", "1K"],
      /--record-sample 1K: expected bytes, at most 65536/,
    ],
    [["run", "--record-sample", "64"], /--record-sample is for --record/],
    [["run", "--record", "x.pcapng", "--capture", "./x.pcapng"], /--record and --capture are the same file/],
    [["run", "--account"], /--account is for --exec/],
    [["trace"], /"trace" of which recording\?/],
  ];
  for (const [args, message] of wrong) {
    it(`refuses ${args.join(" ") || "nothing"} with status 2`, async () => {
      const { status, stdout, stderr } = await run(...args);
      assert.equal(status, 2);
      assert.equal(stdout, "");
      assert.match(stderr.trimEnd(), message);
      assert.match(stderr, /See: ringside --help\n$/);
    });
  }
});

describe("ringside run's configuration", () => {
  it("is refused with the place, what was expected and what was meant", async () => {
    const { status, stdout, stderr } = await run(
      "run",
      "memory=64M&device=blk,trasport=mmio",
      "--exec",
      "true",
    );
    assert.equal(status, 2);
    assert.equal(stdout, "");
    const [problem, ...place] = stderr.split("\n");
    assert.match(
      problem!,
      /^ringside: "trasport" is not a word that a blk device has: expected id, path, .*event_idx.* or \w+\. Did you mean "transport"\?$/,
    );
    assert.deepEqual(place, [
      "  memory=64M&device=blk,trasport=mmio",
      "                        ^^^^^^^^",
      "",
    ]);
  });

  it("takes words as options, an ampersand in them for itself", async () => {
    const { status, stderr } = await run("run", "memory=64M", "--append", "a&b", "--device", "blk,size=0");
    assert.equal(status, 2);
    assert.match(stderr, /^ {2}memory=64M&append=a%26b&device=blk,size=0$/m);
  });

  it("takes a link for its fragment", async () => {
    const { status, stderr } = await run("run", "http://localhost:8080/?x#memory=1M");
    assert.equal(status, 2);
    assert.match(stderr, /"1M" is not a value of "memory"/);
  });

  it("with a disk that only browsers have is refused", async () => {
    const { status, stderr } = await run("run", "device=blk,store=idb");
    assert.equal(status, 2);
    assert.match(stderr, /store=idb, which Node does not have: expected store=file,path=FILE/);
  });
});

describe("without guest images", () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), "ringside-"))));
  after(() => rm(folder, { recursive: true }));

  it("run says how to make them, with status 1", async () => {
    const { status, stdout, stderr } = await run("run", "--exec", "true", "--images", folder);
    assert.deepEqual([status, stdout], [1, ""]);
    assert.match(
      stderr,
      /^ringside: There is no guest image "debian-busybox".*npm run images -- debian-busybox\n$/,
    );
  });

  it("images says how to make them, with status 1", async () => {
    for (const place of [folder, join(folder, "missing")]) {
      const { status, stdout, stderr } = await run("images", "--images", place);
      assert.deepEqual([status, stdout], [1, ""]);
      assert.match(stderr, /no usable guest images in .*npm run images\n$/);
    }
  });
});
