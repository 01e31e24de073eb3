import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { ensureImages } from "../../images/ensure.ts";
import { streamProgress } from "../../images/progress.ts";
import { temporaryFolder, until } from "./support.ts";

const ringside = fileURLToPath(new URL("../../bin/ringside.mjs", import.meta.url));
const folder = temporaryFolder();
/** Small: the guest makes a file system of it at first. */
const home = `memory=128M&device=blk,id=home,path=${join(folder, "home.img")},size=8M,transport=mmio`;

before(() => ensureImages(["debian-busybox"], streamProgress(process.stderr, "images: ")));

describe("ringside run --exec", () => {
  it("streams the guest's output, and exits with its status and nothing else to say", async () => {
    const command = "echo out; echo err >&2; stty size </dev/hvc0; echo kept >/root/note; cat; exit 7";
    const result = await run(home, "--size", "101x37", "--timeout", "170", "--exec", command);
    assert.deepEqual(result, { status: 7, stdout: "out\n37 101\n", stderr: "err\n" });
  });

  it("finds on the disk what the run before has written; a guest that crashes is a status of its own", async () => {
    const command = "cat /root/note; echo c >/proc/sysrq-trigger; sleep 100";
    const result = await run(home, "--timeout", "170", "--exec", command);
    assert.deepEqual([result.status, result.stdout], [125, "kept\n"]);
    assert.match(result.stderr, /^ringside: The command did not end: Kernel panic: .*sysrq/m);
    assert.match(result.stderr, /^ringside: Its console ends with:\n {2,}\S/m);
  });

  it("lets the guest wait for a slow reader, and ends when nobody reads any more", async () => {
    const child = start("--timeout", "170", "--exec", "seq 1 200000; echo all >&2");
    child.stdout!.pause();
    const stderr = text(child.stderr!);
    const [first] = (await once(child.stdout!, "readable").then(() => [child.stdout!.read(4)])) as [Buffer];
    assert.equal(first.toString(), "1\n2\n");
    // The pipe holds 64 KiB and the stream 16 KiB; in this time the guest could have written all of its 1.3 MB.
    await delay(5000);
    child.stdout!.destroy();
    assert.deepEqual([await exit(child), await stderr], [141, ""]);
  });

  it("ends at the time limit, and tells how far the guest was", async () => {
    const { status, stdout, stderr } = await run("--timeout", "3", "--exec", "true");
    assert.deepEqual([status, stdout], [124, ""]);
    assert.match(
      stderr,
      /^ringside: The guest was not up yet\.\n[^]*^ringside: The time limit of 3 s is over\.\n$/m,
    );
  });

  it("ends at the time limit even if nobody takes its output", async () => {
    const child = start("--console", "--timeout", "8", "--exec", "yes");
    child.stdout!.pause();
    child.stderr!.pause();
    const [status] = (await once(child, "exit")) as [number | null];
    assert.equal(status, 124);
    child.stdout!.destroy();
    child.stderr!.destroy();
  });

  it("ends when a signal says so", async () => {
    const child = start("--console", "--exec", "true");
    const stderr = text(child.stderr!);
    await once(child.stderr!, "data"); // the machine is on
    child.kill("SIGTERM");
    assert.equal(await exit(child), 143);
    assert.match(await stderr, /^ringside: Ended by SIGTERM\.$/m);
  });
});

describe("ringside run without --exec", () => {
  it("types what a pipe has, and ends with the guest", async () => {
    const child = start("memory=128M&device=none&device=console", "--timeout", "170");
    const [stdout, stderr] = [text(child.stdout!), text(child.stderr!)];
    child.stdin!.end("echo $((6 * 7)) is it\npoweroff\n");
    assert.equal(await exit(child), 0);
    assert.match(await stdout, / Linux version 6\.[^]*^42 is it\r$[^]*reboot: Power down\r$/m);
    assert.match(await stderr, /^ringside: The input has ended; the machine runs until it powers off\.\n$/);
  });

  it("is the guest's console on a terminal, which follows its window and is given back", async () => {
    // script(1) of util-linux makes the terminal; what the shell prints around us shows its state.
    const before = "stty cols 91 rows 33; stty -g";
    const during = `"${process.execPath}" "${ringside}" run 'memory=128M&device=none&device=console' --timeout 170`;
    const child = spawn("script", ["-qec", `${before}; ${during}; echo "status $?"; stty -g`, "/dev/null"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    let screen = "";
    child.stdout.setEncoding("utf8").on("data", (data: string) => (screen += data));
    await until(() => screen.includes("# "), "a prompt");
    // One process group: Ctrl-C between two commands would be for the one that has just ended.
    child.stdin.write("sh -c 'stty size; exec sleep 100'\r");
    await until(() => /^33 91\r$/m.test(screen), "the window's size in the guest");
    child.stdin.write("\u0003"); // for the guest, not for us
    child.stdin.write("echo $((6 * 7)) is it\r");
    await until(() => /^42 is it\r$/m.test(screen), "the end of what Ctrl-C ended");
    child.stdin.write("\u001d");
    await exit(child);
    assert.match(screen, /ringside: Powering off\. Ctrl-C cuts the power\./);
    assert.match(screen, /^status 0\r$/m);
    const modes = screen.match(/^[0-9a-f]+(?::[0-9a-f]+){20,}\r$/gm);
    assert.equal(modes?.length, 2);
    assert.equal(modes[0], modes[1]);
  });
});

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [ringside, "run", ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    timeout: 180_000,
  });
}

async function exit(child: ChildProcess): Promise<number | null> {
  const [status] = (await once(child, "close")) as [number | null];
  return status;
}

async function run(...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = start(...args);
  const [status, stdout, stderr] = await Promise.all([exit(child), text(child.stdout!), text(child.stderr!)]);
  return { status, stdout, stderr };
}
