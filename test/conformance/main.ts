import { LEDGER, type Row, rowsOf } from "./ledger.ts";
import { Outcomes } from "./outcomes.ts";
import { judge, type Verdict } from "./verdict.ts";

/**
 * `npm run conformance`: runs the tests that the ledger names and prints it, row by row. `--brief` prints the counts
 * and what is wrong. Exits 1 when a row has no living test.
 */
const brief = process.argv.includes("--brief");
const chapters = LEDGER.map((chapter) => ({ title: chapter.title, rows: rowsOf(chapter) }));
const tests = chapters.flatMap(({ rows }) => rows.flatMap((row) => row.tests ?? []));
const outcomes = await Outcomes.of([...new Set(tests.map(({ file }) => file))].sort());

const lines: string[] = [];
const counts: { title: string; covered: number; notApplicable: number; broken: number }[] = [];
for (const { title, rows } of chapters) {
  const verdicts = rows.map((row) => ({ row, verdict: judge(row, outcomes) }));
  const count = (state: Verdict["state"]): number =>
    verdicts.filter(({ verdict }) => verdict.state === state).length;
  counts.push({
    title,
    covered: count("covered"),
    notApplicable: count("not applicable"),
    broken: count("broken"),
  });
  const shown = verdicts.filter(({ verdict }) => !brief || verdict.state === "broken");
  if (shown.length > 0) lines.push("", title);
  for (const { row, verdict } of shown) lines.push(...describe(row, verdict));
}

const total = {
  title: "all",
  covered: sum(({ covered }) => covered),
  notApplicable: sum(({ notApplicable }) => notApplicable),
  broken: sum(({ broken }) => broken),
};
lines.push("", `${"".padEnd(60)}covered  not applicable  broken`);
for (const { title, covered, notApplicable, broken } of [...counts, total]) {
  lines.push(
    `${title.padEnd(60)}${`${covered}`.padStart(7)}${`${notApplicable}`.padStart(16)}${`${broken}`.padStart(8)}`,
  );
}
console.log(lines.join("\n"));
for (const [file, complaint] of outcomes.complaints) console.error(`\n${file} does not run:\n${complaint}`);
if (total.broken > 0) {
  console.error(`\n${total.broken} rows of the ledger have no living test.`);
  process.exitCode = 1;
}

function describe(row: Row, { state, problems }: Verdict): string[] {
  const mark = { covered: "ok ", "not applicable": "n/a", broken: "BAD" }[state];
  const head = `  ${mark} ${row.id.padEnd(32)} ${row.must}`;
  const indent = "".padEnd(39);
  if (state === "broken") return [head, ...problems.map((problem) => `${indent}${problem}`)];
  const why = row.notApplicable ? [`${indent}${row.notApplicable}`] : [];
  return [head, ...why, ...(row.tests ?? []).map(({ file, title }) => `${indent}${short(file)}: ${title}`)];
}

function short(file: string): string {
  return file.replace(/^test\/unit\/|\.test\.ts$/g, "");
}

function sum(figure: (count: (typeof counts)[number]) => number): number {
  return counts.reduce((all, count) => all + figure(count), 0);
}
