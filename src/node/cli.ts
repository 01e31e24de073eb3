import { Console } from "node:console";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { parseConfig } from "../config/grammar.ts";
import { checkPlatform } from "../config/platform.ts";
import { closest } from "../config/similar.ts";
import { MAXIMUM_SAMPLE } from "../inspect/file/format.ts";
import type { RunOptions } from "./run.ts";
import { describeFailure, Status, UsageError } from "./status.ts";
import { formatOf } from "./trace/ending.ts";

/** `ringside ARGUMENTS`. Resolves with the exit status, when all output is written; never rejects. */
export async function main(args: readonly string[]): Promise<number> {
  // v86 writes to the console now and then, and stdout is the guest's.
  globalThis.console = new Console(process.stderr);
  // There is nobody left to tell.
  process.stderr.on("error", () => undefined);
  try {
    const status = await command(args);
    await allWritten();
    return status;
  } catch (error) {
    const { status, text } = describeFailure(error);
    if (text !== undefined) process.stderr.write(`ringside: ${text}\n`);
    // Whoever reads our output may be what we were ended for: not for long.
    await Promise.race([allWritten(), delay(1000)]);
    return status;
  }
}

async function command(args: readonly string[]): Promise<number> {
  if (args[0] === "image" && !args.includes("--help") && !args.includes("-h")) {
    const { image } = await import("./image/command.ts");
    return image(args.slice(1));
  }
  if (args[0] === "trace" && !args.includes("--help") && !args.includes("-h")) {
    const { trace } = await import("./trace/command.ts");
    return trace(args.slice(1));
  }
  const { values, positionals } = read(args);
  const [name, ...rest] = positionals;
  if (values.help) {
    const { usage } = await import("./usage.ts");
    process.stdout.write(usage());
    return Status.ok;
  }
  if (values.version) {
    process.stdout.write(`ringside ${await version()}\n`);
    return Status.ok;
  }
  switch (name) {
    case "run": {
      const options = runOptions(rest, values);
      const { run } = await import("./run.ts");
      return run(options);
    }
    case "images": {
      if (rest.length > 0)
        throw new UsageError(`"images" takes no arguments, and ${quoted(rest)} stands after it.`);
      const { list } = await import("./list.ts");
      return list(values.images);
    }
    case undefined:
      throw new UsageError("What shall it be: run, image, images, trace or relay?");
    default: {
      const meant = closest(name, [
        { name: "run", akin: ["start", "boot", "exec"] },
        { name: "images" },
        { name: "image", akin: ["pack"] },
        { name: "trace", akin: ["recording", "convert"] },
        { name: "relay", akin: ["serve", "server", "switch"] },
      ]);
      throw new UsageError(
        `There is no command "${name}".${meant === undefined ? "" : ` Did you mean "${meant}"?`}`,
      );
    }
  }
}

const OPTIONS = {
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" },
  exec: { type: "string" },
  timeout: { type: "string" },
  console: { type: "boolean" },
  strict: { type: "boolean" },
  capture: { type: "string" },
  record: { type: "string" },
  "record-sample": { type: "string" },
  account: { type: "boolean" },
  size: { type: "string" },
  images: { type: "string" },
  image: { type: "string", multiple: true },
  memory: { type: "string", multiple: true },
  append: { type: "string", multiple: true },
  mmio: { type: "string", multiple: true },
  device: { type: "string", multiple: true },
} as const;

type Values = ReturnType<typeof read>["values"];

function read(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    // Its messages are sentences; the second one is advice on positional arguments that begin with a dash.
    const message = error instanceof Error ? error.message.split(". ")[0]! : String(error);
    const unknown = /^Unknown option '(-+)([^']*)'/.exec(message);
    const meant =
      unknown &&
      closest(
        unknown[2]!,
        Object.keys(OPTIONS).map((name) => ({ name })),
      );
    throw new UsageError(`${message}.${meant ? ` Did you mean --${meant}?` : ""}`);
  }
}

function runOptions(positionals: readonly string[], values: Values): RunOptions {
  const [config = "", ...more] = positionals;
  if (more.length > 0) {
    throw new UsageError(
      `"run" takes one configuration, and ${quoted(more)} stands after it. Quote it: 'a=b&c=d'.`,
    );
  }
  const { exec, images, console = false } = values;
  if (exec?.trim() === "") throw new UsageError("--exec has no commands.");
  if (console && exec === undefined)
    throw new UsageError("--console is for --exec: without it the console is here.");
  if (values.account && exec === undefined)
    throw new UsageError("--account is for --exec: it says what the commands cost.");
  const machine = parseConfig(joined(config, values), "node");
  checkPlatform(machine, "node");
  return {
    config: machine,
    console,
    ...(exec !== undefined && { exec }),
    ...(images !== undefined && { images }),
    ...(values.capture !== undefined && { capture: values.capture }),
    ...recordOptions(values),
    ...(values.account && { account: true }),
    ...(values.timeout !== undefined && { timeout: seconds(values.timeout) }),
    ...(values.size !== undefined && { size: terminalSize(values.size) }),
  };
}

function recordOptions({ record, "record-sample": sample, capture }: Values): Pick<RunOptions, "record"> {
  if (record === undefined) {
    if (sample !== undefined) throw new UsageError("--record-sample is for --record.");
    return {};
  }
  formatOf(record);
  if (capture !== undefined && resolve(capture) === resolve(record)) {
    throw new UsageError("--record and --capture are the same file.");
  }
  return { record: { path: record, ...(sample !== undefined && { sample: sampleBytes(sample) }) } };
}

function sampleBytes(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= MAXIMUM_SAMPLE) return value;
  throw new UsageError(`--record-sample ${text}: expected bytes, at most ${MAXIMUM_SAMPLE}.`);
}

/** One text of the configuration and the options that are words of it. A link may stand for its fragment. */
function joined(config: string, values: Values): string {
  const fragment = /^https?:\/\/[^#]*#?(.*)$/s.exec(config)?.[1] ?? config;
  const words = (["image", "memory", "append", "mmio", "device"] as const).flatMap((word) =>
    // On its own, a value's ampersand separates nothing.
    (values[word] ?? []).map((value) => `${word}=${value.replaceAll("&", "%26")}`),
  );
  if (values.strict) words.push("strict=on");
  return [...(fragment === "" ? [] : [fragment]), ...words].join("&");
}

/** setTimeout counts milliseconds in 31 bits. */
const MOST_SECONDS = 2_000_000;

function seconds(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value > 0 && value <= MOST_SECONDS) return value;
  throw new UsageError(`--timeout ${text}: expected seconds, more than 0 and at most ${MOST_SECONDS}.`);
}

function terminalSize(text: string): { columns: number; rows: number } {
  const [, columns, rows] = /^([1-9]\d{0,3})x([1-9]\d{0,3})$/i.exec(text) ?? [];
  if (columns !== undefined && rows !== undefined) return { columns: Number(columns), rows: Number(rows) };
  throw new UsageError(`--size ${text}: expected COLUMNSxROWS, each from 1 to 9999, such as 80x24.`);
}

function quoted(words: readonly string[]): string {
  return words.map((word) => `"${word}"`).join(" ");
}

async function version(): Promise<string> {
  const text = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

async function allWritten(): Promise<void> {
  await Promise.all([written(process.stdout), written(process.stderr)]);
}

/** Resolves when what was written so far has left the process, or cannot. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || !stream.writable) resolve();
    else stream.write("", () => resolve());
  });
}
