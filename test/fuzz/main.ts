/** `npm run fuzz`: looks for a driver that the devices cannot stand. See README.md. */
import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { parseArgs } from "node:util";
import { readCorpus, saveCrash, writeCorpus } from "./corpus.ts";
import { Coverage, CoverageMap } from "./coverage.ts";
import { Crash, Fuzzer, shorten } from "./fuzzer.ts";
import { Random } from "./random.ts";
import type { Target } from "./targets.ts";

const USAGE = `npm run fuzz -- [options]
  --descriptors N   stop when the devices have read so many (default: 500000)
  --seconds N       stop after this time instead
  --target NAME     attack only this
  --seed N          of the random numbers; another one each time unless given
  --replay FILE     run one input of a target again
  --keep            make the corpus anew out of what was found
  --files           show how much of each file was executed`;
/** Steps of one target before it is the next one's turn. */
const TURN = 2;

// Before the code under test: what was loaded earlier does not show.
const coverage = new Coverage();
const { TARGETS } = await import("./targets.ts");
const { execute } = await import("./execute.ts");
const { work } = await import("./work.ts");
const targets = TARGETS as Record<string, Target>;

process.exitCode = await main();

async function main(): Promise<number> {
  const options = read();
  if (typeof options === "string") {
    console.error(`${options}\n\n${USAGE}`);
    return 2;
  }
  if (options.replay !== undefined) return replay(options.names[0]!, options.replay);
  const fuzzers = new Map<string, Fuzzer>();
  for (const name of options.names) {
    fuzzers.set(name, new Fuzzer(targets[name]!, execute, coverage, new Random(options.seed)));
  }
  console.log(`seed ${options.seed}`);
  for (const [name, fuzzer] of fuzzers) {
    const inputs = (await readCorpus(name)).map(({ input }) => input);
    if (!(await careful(name, options.seed, () => fuzzer.seed(inputs)))) return 1;
  }
  const started = performance.now();
  const done = (): boolean =>
    options.seconds === undefined
      ? work.descriptors >= options.descriptors
      : performance.now() - started >= 1000 * options.seconds;
  while (!done()) {
    for (const [name, fuzzer] of fuzzers) {
      for (let step = 0; step < TURN && !done(); step++) {
        if (!(await careful(name, options.seed, () => fuzzer.step()))) return 1;
      }
    }
  }
  report(fuzzers, performance.now() - started, options.files);
  if (options.keep) for (const [name, fuzzer] of fuzzers) await keep(name, fuzzer);
  return 0;
}

/** Does something that may find what breaks a device: then it is shown, saved, and the answer is false. */
async function careful(name: string, seed: number, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
    const input = await shorten(error.input, (candidate) => breaks(name, candidate, error.message));
    const path = relative(process.cwd(), await saveCrash(name, input));
    console.error(`\n${name}: ${(error.cause as Error).stack ?? error.message}\n`);
    console.error(`Found with --seed ${seed}. Again: npm run fuzz -- --target ${name} --replay ${path}`);
    return false;
  }
}

/** Whether an input breaks the same: the same sentence, whatever its numbers. */
async function breaks(name: string, input: Uint8Array, message: string): Promise<boolean> {
  const plain = (text: string): string => text.replace(/0x[0-9a-f]+|\d+/g, "#");
  try {
    await execute(targets[name]!, input);
    return false;
  } catch (error) {
    return error instanceof Error && plain(error.message) === plain(message);
  }
}

async function replay(name: string, path: string): Promise<number> {
  try {
    const traits = await execute(targets[name]!, new Uint8Array(await readFile(path)));
    console.log(`Nothing is broken.\n${traits.join("\n")}`);
    return 0;
  } catch (error) {
    console.error(error);
    return 1;
  }
}

function report(fuzzers: ReadonlyMap<string, Fuzzer>, milliseconds: number, files: boolean): void {
  const all = new CoverageMap();
  for (const [name, { executions, corpus, map }] of fuzzers) {
    all.add(map);
    console.log(
      `${name.padEnd(8)} ${executions} inputs, ${corpus.length} that do something new, ${percent(map)}`,
    );
  }
  if (files) {
    for (const { file, covered, known } of all.files) console.log(`${share(covered, known)}  ${file}`);
  }
  const seconds = milliseconds / 1000;
  const executions = [...fuzzers.values()].reduce((sum, fuzzer) => sum + fuzzer.executions, 0);
  const peak = process.resourceUsage().maxRSS / 1024;
  console.log(
    `${work.descriptors} descriptors, ${work.chains} chains, ${executions} inputs in ${seconds.toFixed(1)} s ` +
      `(${(executions / seconds).toFixed(0)} a second); ${percent(all)}; at most ${peak.toFixed(0)} MiB of memory`,
  );
}

function percent(map: CoverageMap): string {
  const sum = (of: "covered" | "known"): number => map.files.reduce((sum, file) => sum + file[of], 0);
  return `${share(sum("covered"), sum("known"))} of the code executed`;
}

function share(covered: number, known: number): string {
  return `${((100 * covered) / known).toFixed(1)} %`;
}

async function keep(name: string, fuzzer: Fuzzer): Promise<void> {
  await fuzzer.minimise();
  await writeCorpus(name, fuzzer.corpus);
  console.log(`${name}: ${fuzzer.corpus.length} inputs kept`);
}

interface Options {
  names: string[];
  descriptors: number;
  seconds: number | undefined;
  seed: number;
  replay: string | undefined;
  keep: boolean;
  files: boolean;
}

/** The command line, or what is wrong with it. */
function read(): Options | string {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        descriptors: { type: "string", default: "500000" },
        seconds: { type: "string" },
        target: { type: "string" },
        seed: { type: "string" },
        replay: { type: "string" },
        keep: { type: "boolean", default: false },
        files: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    return (error as Error).message;
  }
  const { target, descriptors, seconds, seed, ...rest } = values;
  const names = Object.keys(targets);
  for (const [name, value] of Object.entries({ descriptors, seconds, seed })) {
    if (value !== undefined && !/^\d{1,15}$/.test(value))
      return `--${name} ${value}: a whole number is expected`;
  }
  if (target !== undefined && !names.includes(target))
    return `--target ${target}: there are ${names.join(", ")}`;
  if (rest.replay !== undefined && target === undefined) return "--replay needs --target";
  return {
    names: target === undefined ? names : [target],
    descriptors: Number(descriptors),
    seconds: seconds === undefined ? undefined : Number(seconds),
    seed: seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(seed),
    replay: rest.replay,
    keep: rest.keep,
    files: rest.files,
  };
}
