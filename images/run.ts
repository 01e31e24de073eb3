/** Programs of the system that the recipes use, and how they are run. */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { ImageBuildError } from "./errors.ts";

export interface RunOptions {
  /** Added to the environment. The language is always C. */
  env?: Record<string, string>;
  input?: Uint8Array;
  /** Gets each line that the program writes to file descriptor 3. */
  onStatusLine?: (line: string) => void;
  /** Gets each line that the program writes to its standard error. */
  onErrorLine?: (line: string) => void;
  /** Exit statuses that are not an error. */
  allow?: number[];
}

export interface RunResult {
  status: number;
  stdout: Buffer;
  stderr: string;
}

/** Runs a program to its end. Throws an ImageBuildError, with the program's last words, if it fails or is missing. */
export async function run(program: string, args: string[], options: RunOptions = {}): Promise<RunResult> {
  const child = spawn(program, args, {
    stdio: ["pipe", "pipe", "pipe", options.onStatusLine ? "pipe" : "ignore"],
    env: { ...process.env, LC_ALL: "C", LANGUAGE: "C", ...options.env },
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? (signal === null ? -1 : 128)));
  });
  // A program that ends without reading all its input breaks the pipe; its exit status tells of it.
  child.stdin!.on("error", () => undefined);
  child.stdin!.end(options.input);
  if (options.onStatusLine) forEachLine(child.stdio[3] as Readable, options.onStatusLine);
  if (options.onErrorLine) forEachLine(child.stderr!, options.onErrorLine);
  let results: [number, Buffer, string];
  try {
    results = await Promise.all([ended, bytes(child.stdout!), text(child.stderr!)]);
  } catch (error) {
    throw new ImageBuildError(`${program} could not be run.`, { cause: error });
  }
  const [status, stdout, stderr] = results;
  if (status !== 0 && !options.allow?.includes(status)) {
    const lines = `${stdout.subarray(-4000).toString()}\n${stderr}`.trim().split("\n");
    const errors = lines.filter((line) => line.startsWith("E: ")); // apt's way
    const lastWords = (errors.length > 0 ? errors : lines).slice(-8).join("\n  ");
    throw new ImageBuildError(`${program} failed with status ${status}:\n  ${lastWords}`);
  }
  return { status, stdout, stderr };
}

async function bytes(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function forEachLine(stream: Readable, listener: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    lines.forEach(listener);
  });
}

/** Where a program is on the PATH; undefined if nowhere. */
export function findProgram(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? "").split(delimiter).filter(Boolean)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here: look in the next folder.
    }
  }
  return undefined;
}

/** Throws an ImageBuildError that lists the missing ones with the Debian packages that have them. */
export function requirePrograms(packageOf: Record<string, string>): void {
  const missing = Object.keys(packageOf).filter((name) => findProgram(name) === undefined);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((name) => packageOf[name]!))];
  throw new ImageBuildError(
    `Making a guest image needs ${missing.join(", ")}, which ${missing.length === 1 ? "is" : "are"} not on this machine.\n` +
      (findProgram("apt-get") === undefined
        ? `The images are made from Debian's packages with Debian's own tools (packages: ${packages.join(", ")}). Make them ` +
          `on Debian, on Ubuntu or in a container of either, and copy the folders public/images and .cache/images here.`
        : `Install what is missing: apt-get install ${packages.join(" ")}`),
  );
}
