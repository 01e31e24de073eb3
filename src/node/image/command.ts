import { basename, extname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { openImageFolder } from "../../backends/disk/image/folder.ts";
import { chunkCount, chunkLength, LARGEST_CHUNK, SMALLEST_CHUNK } from "../../backends/disk/image/format.ts";
import { openHttpImage } from "../../backends/disk/image/http.ts";
import type { ImageDisk } from "../../backends/disk/image/image-disk.ts";
import { asError } from "../../backends/disk/errors.ts";
import { closest } from "../../config/similar.ts";
import { formatSize, size } from "../../config/values.ts";
import { Interruption } from "../interruption.ts";
import { mebibytes } from "../mebibytes.ts";
import { Status, UsageError } from "../status.ts";
import { packImage } from "./pack.ts";
import { percentLine } from "./percent-line.ts";

/** `ringside image ARGUMENTS`. Resolves with the exit status; rejects with UsageError, DiskError or Interrupted. */
export async function image(args: readonly string[]): Promise<number> {
  const { values, positionals } = read(args);
  const [name, what, ...more] = positionals;
  const work = name === undefined ? undefined : COMMANDS.get(name);
  if (!work) throw unknown(name);
  if (what === undefined) throw new UsageError(`"image ${name ?? ""}" of what?`);
  if (more.length > 0) {
    throw new UsageError(
      `"image ${name ?? ""}" takes one argument, and "${more.join(" ")}" stands after it.`,
    );
  }
  const given = Object.keys(values).map((option) => `--${option}`);
  if (name !== "pack" && given.length > 0) {
    throw new UsageError(`${given.join(" and ")} ${given.length > 1 ? "are" : "is"} for "image pack".`);
  }
  const interruption = new Interruption();
  try {
    return await work(what, values, interruption.signal);
  } finally {
    interruption.dispose();
  }
}

type Values = ReturnType<typeof read>["values"];

const COMMANDS = new Map([
  ["pack", pack],
  ["info", info],
  ["verify", verify],
]);

async function pack(disk: string, values: Values, signal: AbortSignal): Promise<number> {
  const chunkSize = values["chunk-size"] === undefined ? undefined : chunkSizeOf(values["chunk-size"]);
  const folder = values.output ?? basename(disk, extname(disk));
  if (resolve(folder) === resolve(disk)) {
    throw new UsageError(`Where shall the image of ${disk} be? Name a folder with --output.`);
  }
  const progress = percentLine(process.stderr);
  const packed = await packImage(disk, folder, {
    chunkSize,
    signal,
    onProgress: (step, done, total) =>
      progress.show(step === "convert" ? `Converting ${disk}` : `Packing ${disk}`, done / total),
  }).finally(() => progress.end());
  process.stdout.write(
    `${packed.path}\n` +
      `  ${mebibytes(packed.size)}, stored in ${mebibytes(packed.storedSize)}: ${packed.chunks} different chunks ` +
      `of ${formatSize(packed.chunkSize)}, ${packed.zeroChunks} of zeros\n` +
      (packed.reused + packed.removed > 0
        ? `  ${packed.reused} files were there already, ${packed.removed} of the image before are removed\n`
        : ""),
  );
  return Status.ok;
}

async function info(what: string, _values: Values, signal: AbortSignal): Promise<number> {
  const disk = await open(what, signal);
  const { index } = disk;
  const total = chunkCount(index);
  const zero = disk.zeroChunks();
  const different = disk.differentChunks().length;
  process.stdout.write(
    [
      `size         ${index.size} bytes (${mebibytes(index.size)})`,
      `stored       ${index.storedSize} bytes (${mebibytes(index.storedSize)}), ${index.encoding}`,
      `chunk size   ${index.chunkSize} bytes`,
      `chunks       ${total}: ${zero} of zeros, ${different} different ones, ${total - zero - different} repeated`,
      `identity     ${disk.identity}`,
      "",
    ].join("\n"),
  );
  await disk.dispose();
  return Status.ok;
}

/** Chunks that are looked at together. */
const PARALLEL = 8;
/** Problems that are told one by one. */
const MOST_TOLD = 10;

async function verify(what: string, _values: Values, signal: AbortSignal): Promise<number> {
  const disk = await open(what, signal);
  const progress = percentLine(process.stderr);
  const numbers = disk.differentChunks();
  const problems: string[] = [];
  for (let at = 0; at < numbers.length && !signal.aborted; at += PARALLEL) {
    const group = numbers.slice(at, at + PARALLEL).map(async (number) => {
      try {
        await disk.read(number * disk.index.chunkSize, chunkLength(disk.index, number));
      } catch (error) {
        problems.push(`chunk ${number}: ${asError(error).message}`);
      }
    });
    await Promise.all(group);
    progress.show(`Reading ${what}`, (at + group.length) / numbers.length);
  }
  progress.end();
  await disk.dispose();
  signal.throwIfAborted();
  for (const problem of problems.slice(0, MOST_TOLD)) process.stderr.write(`${problem}\n`);
  process.stdout.write(
    problems.length === 0
      ? `${what}: all ${numbers.length} chunks are there and right.\n`
      : `${what}: ${problems.length} of ${numbers.length} chunks are missing or wrong.\n`,
  );
  return problems.length === 0 ? Status.ok : Status.failure;
}

/** Milliseconds that a server has to serve a chunk: somebody is looking on. */
const TIMEOUT = 30_000;

function open(what: string, signal: AbortSignal): Promise<ImageDisk> {
  if (!/^https?:/i.test(what)) return openImageFolder(what, { signal });
  const onMessage = (_level: string, text: string): void => void process.stderr.write(`${text}\n`);
  return openHttpImage(what, { signal, timeoutMs: TIMEOUT, onMessage });
}

function read(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: { output: { type: "string", short: "o" }, "chunk-size": { type: "string" } },
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError(`${asError(error).message.split(". ")[0]!}.`);
  }
}

function unknown(name: string | undefined): UsageError {
  if (name === undefined) return new UsageError("What shall be done with the image: pack, info or verify?");
  const meant = closest(name, [
    { name: "pack", akin: ["make", "create", "build"] },
    { name: "info", akin: ["show"] },
    { name: "verify", akin: ["check"] },
  ]);
  return new UsageError(
    `There is no "image ${name}".${meant === undefined ? "" : ` Did you mean "${meant}"?`}`,
  );
}

function chunkSizeOf(text: string): number {
  const type = size({
    what: "a chunk size",
    least: SMALLEST_CHUNK,
    most: LARGEST_CHUNK,
    multiple: SMALLEST_CHUNK,
  });
  let bytes: number | undefined;
  try {
    bytes = type.parse(text);
  } catch {
    // Said below.
  }
  if (bytes !== undefined && Number.isInteger(Math.log2(bytes))) return bytes;
  throw new UsageError(`--chunk-size ${text}: expected a power of two from 4K to 4M, such as 128K.`);
}
