import { type FileHandle, open } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { TraceFormat } from "../../inspect/api.ts";
import { RecordingError } from "../../inspect/file/format.ts";
import { RecordingReader } from "../../inspect/file/recording-reader.ts";
import { traceWriter } from "../../inspect/file/writers.ts";
import { Interruption } from "../interruption.ts";
import { Status, UsageError } from "../status.ts";
import { describeTrace, TraceCounts } from "./describe.ts";

const TARGETS: readonly TraceFormat[] = ["perfetto", "pcapng"];

/**
 * `ringside trace ARGUMENTS`: says what a recording holds, or turns it into another format. Resolves with the exit status, which
 * is that of success only for a recording that is whole; rejects with UsageError, RecordingError or Interrupted.
 */
export async function trace(args: readonly string[], to: Output = OUTPUT): Promise<number> {
  const { path, target } = read(args);
  const interruption = new Interruption();
  try {
    return await interruption.race(target ? convert(path, target, to) : info(path, to));
  } finally {
    interruption.dispose();
  }
}

/** Where text for a person goes. */
interface Output {
  out: (text: string) => void;
  err: (text: string) => void;
}

const OUTPUT: Output = {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
};

async function info(path: string, to: Output): Promise<number> {
  const { reader, counts, problem } = await readAll(path, () => undefined);
  to.out(describeTrace(path, reader, counts));
  return conclude(problem, to);
}

async function convert(path: string, { format, output }: Target, to: Output): Promise<number> {
  const writer = traceWriter(format);
  let file: FileHandle | undefined;
  try {
    const { reader, counts, problem } = await readAll(path, async (events, reader) => {
      if (!file) {
        file = await opened(output, "w", "written");
        await file.writeFile(await writer.begin(reader.head));
      }
      await file.writeFile(await writer.add(events, reader.devices));
    });
    const { end } = reader;
    const statistics = end?.statistics ?? { time: counts.time, devices: [] };
    await file?.writeFile(
      await writer.end({ time: counts.time, events: counts.events, dropped: end?.dropped ?? 0, statistics }),
    );
    to.out(`${output}: ${counts.of(format)}\n`);
    return conclude(problem, to);
  } finally {
    await file?.close();
  }
}

/** Reads a recording to its end, or as far as it can be read; `problem` says why that is not all of it. */
async function readAll(
  path: string,
  each: (events: Parameters<TraceCounts["add"]>[0], reader: RecordingReader) => Promise<void> | undefined,
): Promise<{ reader: RecordingReader; counts: TraceCounts; problem: string | undefined }> {
  const file = await opened(path, "r", "read");
  const reader = await RecordingReader.open(file.createReadStream() as AsyncIterable<Uint8Array>);
  const counts = new TraceCounts();
  try {
    // Once with nothing, so that there is a file even of a trace without events.
    await each([], reader);
    for await (const events of reader.events()) {
      counts.add(events);
      await each(events, reader);
    }
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    return { reader, counts, problem: `${error.message} What comes before that is whole.` };
  }
  return { reader, counts, problem: reader.cut };
}

async function opened(path: string, flags: "r" | "w", what: "read" | "written"): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${path} cannot be ${what} (${why}).`, { cause });
  }
}

function conclude(problem: string | undefined, to: Output): number {
  if (problem === undefined) return Status.ok;
  to.err(`ringside: ${problem}\n`);
  return Status.failure;
}

interface Target {
  format: TraceFormat;
  output: string;
}

function read(args: readonly string[]): { path: string; target: Target | undefined } {
  const { values, positionals } = parse(args);
  const [path, ...more] = positionals;
  if (path === undefined) throw new UsageError('"trace" of which recording?');
  if (more.length > 0) {
    throw new UsageError(`"trace" takes one recording, and "${more.join(" ")}" stands after it.`);
  }
  const { to, output } = values;
  if (to === undefined && output === undefined) return { path, target: undefined };
  if (to === undefined) throw new UsageError("--output wants --to: perfetto or pcapng.");
  const format = TARGETS.find((target) => target === to);
  if (!format) throw new UsageError(`--to ${to}: expected perfetto or pcapng.`);
  if (output === undefined) throw new UsageError("--to wants --output FILE.");
  if (resolve(output) === resolve(path)) throw new UsageError("--output is the recording itself.");
  return { path, target: { format, output } };
}

function parse(args: readonly string[]) {
  try {
    const options = { to: { type: "string" }, output: { type: "string" } } as const;
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message.split(". ")[0] : String(error)}.`);
  }
}
