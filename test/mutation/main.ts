import type { Fault } from "./fault.ts";
import { FAULTS } from "./faults.ts";
import { tryTests } from "./trial.ts";
import { Workspace } from "./workspace.ts";

/**
 * `npm run mutation`: puts each deliberate fault into a copy of the source, runs the tests that should notice, and prints
 * which one did. With words after `--` only the faults that have one of them in their description. Exits 1 when a fault
 * goes unnoticed or does not fit the source any more.
 */
const WORKERS = 2;
const words = process.argv.slice(2);
const faults = FAULTS.filter(
  ({ wrong }) => words.length === 0 || words.some((word) => wrong.toLowerCase().includes(word.toLowerCase())),
);
const problems: string[] = [];
const workspaces = await Promise.all(Array.from({ length: WORKERS }, () => Workspace.create()));
try {
  // A test that fails anyway would notice everything.
  const sound = new Set<string>();
  await share([...new Set(faults.flatMap(({ tests }) => tests))], async (name, workspace) => {
    const trial = await tryTests(workspace, name);
    if (trial.result === "passed") sound.add(name);
    if (trial.result === "failed") problems.push(`without any fault ${name} fails: ${trial.test}`);
    if (trial.result === "broken") problems.push(`without any fault ${name} does not run: ${trial.why}`);
  });
  await share(
    faults.filter(({ tests }) => tests.every((name) => sound.has(name))),
    examine,
  );
} finally {
  await Promise.all(workspaces.map((workspace) => workspace.dispose()));
}
for (const problem of problems) console.error(problem);
console.log(`\n${faults.length} faults, ${problems.length} problems`);
if (problems.length > 0) process.exitCode = 1;

async function examine(fault: Fault, workspace: Workspace): Promise<void> {
  try {
    const noticed = await workspace.with(fault, () => firstToFail(fault, workspace));
    if (noticed) console.log(`${fault.wrong}\n    ${noticed}`);
    else problems.push(`nobody noticed: ${fault.wrong} (${fault.file}, tests ${fault.tests.join(", ")})`);
  } catch (error) {
    problems.push(`${fault.wrong}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function firstToFail(fault: Fault, workspace: Workspace): Promise<string | undefined> {
  for (const name of fault.tests) {
    const trial = await tryTests(workspace, name);
    if (trial.result === "failed") return `${name}: ${trial.test}`;
    if (trial.result === "broken") throw new Error(`with this fault ${name} does not run: ${trial.why}`);
  }
  return undefined;
}

/** Works on a list with all the workspaces at the same time. */
async function share<T>(
  list: readonly T[],
  work: (item: T, workspace: Workspace) => Promise<void>,
): Promise<void> {
  const waiting = [...list];
  await Promise.all(
    workspaces.map(async (workspace) => {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift())
        await work(item, workspace);
    }),
  );
}
