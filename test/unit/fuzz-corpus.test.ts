/** The fuzzer's corpus again: hostile drivers that once did something new, or broke something. See test/fuzz/README.md. */
import { describe, it } from "node:test";
import { readCorpus } from "../fuzz/corpus.ts";
import { execute } from "../fuzz/execute.ts";
import { type Target, TARGETS } from "../fuzz/targets.ts";

describe("hostile drivers from the fuzzer's corpus", () => {
  for (const [name, target] of Object.entries<Target>(TARGETS)) {
    it(`${name}: no exception, no endless work, no write that was not offered, no late interrupt`, async () => {
      const inputs = await readCorpus(name);
      if (inputs.length === 0) throw new Error(`there is no corpus for ${name}`);
      for (const { path, input } of inputs) {
        await execute(target, input).catch((error: unknown) => {
          throw new Error(`${path} breaks it: npm run fuzz -- --target ${name} --replay ${path}`, {
            cause: error,
          });
        });
      }
    });
  }
});
