/** A passt (passt(1), Debian's package) for one guest: a process without rights, whose only way to us is a socket that it inherits. */
import { spawn, type ChildProcess } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { Duplex } from "node:stream";
import { addressText } from "../../../src/net/address.ts";
import { macText } from "../../../src/net/ethernet.ts";
import { GATEWAY, GATEWAY_LINK_LOCAL, GATEWAY_MAC } from "../../../src/net/guest-network.ts";
import type { UplinkSettings } from "./options.ts";

/** Sockets and timers that one can have open: a TCP connection is two of them. */
const OPEN_FILES = 4096;
/** What it says also when all is well. */
const CHATTER = / bytes to syslog$|^Don't run as root|^Couldn't get any nameserver/;
/** Characters of what it says that are kept. */
const LAST_WORDS = 2000;

export interface Passt {
  stream: Duplex;
  /** Resolves when the process is gone, with what it said last as a sentence; never rejects. */
  ended: Promise<string>;
  /** Does not wait. */
  kill: () => void;
  /** It was killed, and is gone or about to be. */
  readonly isKilled: boolean;
}

/**
 * Starts one that gives the guest `address` (4 bytes) and, where this computer has IPv6, `address6`. When the stream is
 * closed, also because this process is gone, it ends by itself. Rejects with a sentence when it cannot be started.
 */
export async function startPasst(
  { program, environment, dns, mtu }: UplinkSettings,
  address: Uint8Array,
  address6: Uint8Array,
): Promise<Passt> {
  const args = [
    ...["--fd", "3", "--foreground", "--stderr", "--quiet"],
    ...["--address", addressText(address), "--netmask", "16", "--gateway", addressText(GATEWAY)],
    ...["--address", addressText(address6), "--gateway", addressText(GATEWAY_LINK_LOCAL)],
    ...["--mac-addr", macText(GATEWAY_MAC), "--mtu", String(mtu)],
    // What is asked there is sent on by us: --dns-forward of 2023-03-09 knows /etc/resolv.conf alone, and without it asks 0.0.0.0.
    ...["--dns", dns === undefined ? "none" : addressText(GATEWAY)],
    ...["--search", "none", "--no-map-gw", "--tcp-ports", "none", "--udp-ports", "none"],
  ];
  const limit = findProgram("prlimit", environment);
  const limited = limit === undefined ? [program] : [limit, `--nofile=${OPEN_FILES}:${OPEN_FILES}`, program];
  const child = spawn(limited[0]!, [...limited.slice(1), ...args], {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    env: environment,
  });
  const stream = child.stdio[3] as Duplex;
  stream.on("error", () => undefined); // it is closed then, which is told
  const ended = end(child);
  try {
    await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
  } catch (error) {
    throw new Error(missing(program, error), { cause: error });
  }
  return {
    stream,
    ended,
    kill: () => child.kill("SIGKILL"),
    get isKilled() {
      return child.killed;
    },
  };
}

/** Throws an Error with a sentence when there is no such program. */
export function requirePasst({ program, environment }: UplinkSettings): void {
  if (findProgram(program, environment) === undefined) throw new Error(missing(program));
}

function missing(program: string, error?: unknown): string {
  const why = error instanceof Error && !error.message.includes("ENOENT") ? ` (${error.message})` : "";
  return `A way out needs ${program}, which cannot be run here${why}. Install it: apt install passt`;
}

function findProgram(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  const folders = name.includes("/") ? [""] : (environment.PATH ?? "").split(delimiter).filter(Boolean);
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function end(child: ChildProcess): Promise<string> {
  let said = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-LAST_WORDS);
  });
  return new Promise((resolve) => {
    const finish = (how: string): void => {
      const lines = said.split("\n").filter((line) => line.trim() !== "" && !CHATTER.test(line));
      resolve(
        lines.length === 0
          ? `passt ended (${how}).`
          : `passt ended (${how}): ${lines.slice(-3).join("; ").trim()}`,
      );
    };
    child.once("error", (error) => finish(error.message));
    child.once("close", (code, signal) => finish(signal === null ? `status ${code}` : signal));
  });
}
