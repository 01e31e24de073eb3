/** `npm run bench`: Ringside and plain v86 in the same run, as ratios. docs/BENCHMARKS.md says how to read them. */
import { writeFile } from "node:fs/promises";
import { MissingMaterial, peerFiles } from "./material.ts";
import { type BenchOptions, parseOptions, usage } from "./options.ts";
import type { Part } from "./part.ts";
import { boot } from "./parts/boot.ts";
import { console_ } from "./parts/console.ts";
import { debian } from "./parts/debian.ts";
import { disk } from "./parts/disk.ts";
import { fio } from "./parts/fio.ts";
import { inspector } from "./parts/inspector.ts";
import { net } from "./parts/net.ts";
import { observer } from "./parts/observer.ts";
import { page } from "./parts/page.ts";
import { relay } from "./parts/relay.ts";
import { rings } from "./parts/rings.ts";
import type { Row } from "./result.ts";
import { type Surroundings, surroundings } from "./surroundings.ts";
import { table } from "./table.ts";

const PARTS: readonly Part[] = [
  boot,
  page,
  debian,
  fio,
  disk,
  rings,
  net,
  relay,
  console_,
  observer,
  inspector,
];

async function main(options: BenchOptions): Promise<void> {
  await peerFiles();
  const where = await surroundings();
  console.log(describe(where));
  const rows: Row[] = [];
  for (const part of options.parts) {
    const measured = await part.run({ rounds: options.rounds ?? part.rounds, progress });
    progress("");
    console.log(`\n${table(part.title, measured)}`);
    rows.push(...measured);
  }
  const judged = rows.filter(({ met }) => met !== undefined);
  const missed = judged.filter(({ met }) => !met).length;
  console.log(`\n${judged.length - missed} of ${judged.length} targets met.`);
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify({ surroundings: where, rows }, undefined, 2)}\n`);
  }
}

function describe({
  processor,
  cores,
  memory,
  load,
  node,
  chromium,
  v86,
  guest,
  date,
}: Surroundings): string {
  return (
    `${date}, ${processor}, ${cores} cores, ${memory}, load ${load.toFixed(1)}; Node ${node}, ${chromium}, v86 ${v86}\n` +
    `Guest: ${guest}`
  );
}

/** In place on a terminal, silent elsewhere. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

try {
  const options = parseOptions(process.argv.slice(2), PARTS);
  if (options.help) process.stdout.write(usage(PARTS));
  else await main(options);
} catch (error) {
  progress("");
  const expected =
    error instanceof MissingMaterial || (error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE");
  console.error(error instanceof Error ? (expected ? error.message : error.stack) : error);
  process.exitCode = 1;
}
