/**
 * The internet in a network namespace: this process is in one that has nothing but a link to it. Servers on the other side have
 * public addresses, private ones, and a DNS server.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readlinkSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ensureTool } from "../../tools/ensure.ts";

const run = promisify(execFile);

/** On this side of the link, and the other. */
export const HERE = "198.51.100.2";
const THERE = "198.51.100.1";
const HERE6 = "2001:db8:1::2";
const THERE6 = "2001:db8:1::1";

export const WEB = "203.0.113.10";
export const WEB6 = "2001:db8:2::10";
export const DNS = "203.0.113.53";
/** All have the same servers as WEB. */
export const PRIVATE = [
  "192.168.50.10",
  "10.5.5.5",
  "169.254.169.254",
  "100.64.1.1",
  "172.16.3.4",
  "198.18.0.1",
];
export const ALLOWED = "192.168.50.11";
export const PRIVATE6 = "fd12::10";

const PING_RANGE = "/proc/sys/net/ipv4/ping_group_range";

/** Why passt cannot send pings: it has no more right to than the system gives to everybody. */
export function cannotPing(): string | false {
  const [first = 1, last = 0] = readFileSync(PING_RANGE, "latin1").split(/\s+/).map(Number);
  // In a namespace of users, groups that it does not have are all shown as one.
  return first < last ? false : "net.ipv4.ping_group_range allows nobody to send pings here";
}

export class Outside implements AsyncDisposable {
  readonly #children: ChildProcess[] = [];

  static async start(): Promise<Outside> {
    const outside = new Outside();
    try {
      await outside.#start();
    } catch (error) {
      await outside[Symbol.asyncDispose]();
      throw error;
    }
    return outside;
  }

  async #start(): Promise<void> {
    const ip = await ensureTool("ip");
    const holder = this.#spawn("unshare", ["--net", "sleep", "infinity"]);
    const there = String(holder.pid);
    await differs(`/proc/${there}/ns/net`);
    const here = async (text: string): Promise<unknown> => run(ip.command, text.split(" "), { env: ip.env });
    const inside = async (text: string): Promise<unknown> =>
      run("nsenter", ["--target", there, "--net", ip.command, ...text.split(" ")], { env: ip.env });

    await here("link set lo up");
    await here(`link add up0 type veth peer name up1 netns ${there}`);
    for (const address of [`${HERE}/24 dev up0`, `${HERE6}/64 dev up0 nodad`])
      await here(`address add ${address}`);
    await here("link set up0 up");
    await inside("link set lo up");
    for (const address of [`${THERE}/24 dev up1`, `${THERE6}/64 dev up1 nodad`])
      await inside(`address add ${address}`);
    await inside("link set up1 up");
    for (const address of [WEB, DNS, ALLOWED, ...PRIVATE]) await inside(`address add ${address}/32 dev lo`);
    for (const address of [WEB6, PRIVATE6]) await inside(`address add ${address}/128 dev lo nodad`);
    await here(`route add default via ${THERE}`);
    // As Debian's systemd sets it; where we may not, tests of pings are skipped.
    await writeFile(PING_RANGE, "0 2147483647").catch(() => undefined);
    await here(`-6 route add default via ${THERE6}`);

    const program = join(import.meta.dirname, "outside.ts");
    const servers = this.#spawn("nsenter", [
      "--target",
      there,
      "--net",
      process.execPath,
      "--import",
      "tsx",
      program,
    ]);
    const ended = once(servers, "exit").then(() => {
      throw new Error("The servers outside ended at once.");
    });
    ended.catch(() => undefined); // they end with the test, too
    await Promise.race([once(servers.stdout!, "data"), ended]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, "exit");
        child.kill("SIGKILL");
        await ended;
      }),
    );
  }

  #spawn(program: string, args: string[]): ChildProcess {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#children.push(child);
    return child;
  }
}

/** Until the process has a network namespace of its own. */
async function differs(path: string): Promise<void> {
  const mine = readlinkSync("/proc/self/ns/net");
  for (let i = 0; i < 500; i++) {
    try {
      if (readlinkSync(path) !== mine) return;
    } catch {
      // not there yet
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${path} is this process's own.`);
}
