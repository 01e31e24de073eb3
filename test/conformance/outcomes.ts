import { once } from "node:events";
import { run } from "node:test";
import { resolve } from "node:path";
import type { TestName } from "./requirement.ts";

export type Outcome = "passed" | "failed" | "skipped" | "missing";

/** How the tests of some files ended, as a real run of them says. */
export class Outcomes {
  readonly #outcomes = new Map<string, Outcome>();
  /** What the files that did not run, or failed as a whole, said on standard error. */
  readonly complaints = new Map<string, string>();

  /** Runs files of tests, two at a time. Tests with the same title in one file (one for each transport) count as one. */
  static async of(files: readonly string[]): Promise<Outcomes> {
    const outcomes = new Outcomes();
    const root = process.cwd();
    const said = new Map<string, string>();
    const stream = run({ files: files.map((file) => resolve(file)), concurrency: 2 });
    stream.on("test:pass", ({ file, name, skip, todo }) => {
      const skipped = isSet(skip) || isSet(todo);
      outcomes.#add(root, file, name, skipped ? "skipped" : "passed");
    });
    stream.on("test:fail", ({ file, name }) => {
      outcomes.#add(root, file, name, "failed");
      if (file !== undefined && file === name) outcomes.complaints.set(file, said.get(file) ?? "");
    });
    stream.on("test:stderr", ({ file, message }) => said.set(file, (said.get(file) ?? "") + message));
    await once(stream.resume(), "end");
    return outcomes;
  }

  of({ file, title }: TestName): Outcome {
    return this.#outcomes.get(key(file, title)) ?? "missing";
  }

  #add(root: string, file: string | undefined, title: string, outcome: Outcome): void {
    if (!file?.startsWith(`${root}/`)) return;
    const name = key(file.slice(root.length + 1), title);
    const before = this.#outcomes.get(name);
    // The worst of them counts.
    if (before === undefined || before === "passed" || outcome === "failed") {
      this.#outcomes.set(name, outcome);
    }
  }
}

/** `skip` and `todo` are true or a reason, and a reason may be empty. */
function isSet(value: unknown): boolean {
  return value !== undefined && value !== false;
}

function key(file: string, title: string): string {
  return `${file}\n${title}`;
}
