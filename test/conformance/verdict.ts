import type { Row } from "./ledger.ts";
import type { Outcomes } from "./outcomes.ts";

export interface Verdict {
  state: "covered" | "not applicable" | "broken";
  /** What is wrong with the row, a sentence each. */
  problems: string[];
}

/** A row holds when every test that it names has passed; without a test it has to say why it does not apply. */
export function judge(row: Row, outcomes: Outcomes): Verdict {
  const tests = row.tests ?? [];
  const problems = tests.flatMap((test) => {
    const outcome = outcomes.of(test);
    return outcome === "passed" ? [] : [`${test.file}: "${test.title}": ${WHAT[outcome]}`];
  });
  if (tests.length === 0 && !row.notApplicable) {
    problems.push("names no test, and does not say why it does not apply");
  }
  if (problems.length > 0) return { state: "broken", problems };
  return { state: row.notApplicable ? "not applicable" : "covered", problems };
}

const WHAT = {
  failed: "does not pass",
  skipped: "is skipped or to do",
  missing: "there is no such test",
} as const;
