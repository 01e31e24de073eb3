import { parseArgs } from "node:util";
import type { Part } from "./part.ts";

export interface BenchOptions {
  help: boolean;
  parts: readonly Part[];
  /** Instead of each part's own. */
  rounds: number | undefined;
  /** Where to write the results as JSON. */
  json: string | undefined;
}

export function usage(parts: readonly Part[]): string {
  const width = Math.max(...parts.map(({ name }) => name.length));
  const list = parts.map(({ name, title }) => `    ${name.padEnd(width)}  ${title}`).join("\n");
  return `npm run bench -- [--quick] [--only NAME]… [--rounds N] [--json FILE]

Measures Ringside and plain v86 in the same run and prints ratios. docs/BENCHMARKS.md says how to read them.

  --quick      one round of everything: to see that it runs, not to compare
  --only NAME  only this part; may be repeated:
${list}
  --rounds N   how many times each thing is measured
  --json FILE  the results with every single value
  --help       this text
`;
}

/** @throws Error with a plain sentence about what is not understood. */
export function parseOptions(args: readonly string[], all: readonly Part[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean" },
      only: { type: "string", multiple: true },
      rounds: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  const only = values.only?.flatMap((names) => names.split(","));
  const unknown = only?.find((name) => !all.some((part) => part.name === name));
  if (unknown !== undefined) {
    throw new Error(`There is no part "${unknown}". The parts: ${all.map(({ name }) => name).join(", ")}.`);
  }
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1 && rounds <= 1000)) {
    throw new Error(`--rounds ${values.rounds}: expected a number from 1 to 1000.`);
  }
  return {
    help: values.help ?? false,
    parts: all.filter(({ name }) => only?.includes(name) ?? true),
    rounds: rounds ?? (values.quick ? 1 : undefined),
    json: values.json,
  };
}
