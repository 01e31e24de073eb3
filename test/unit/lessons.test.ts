/** The lessons that are there: each can be read, wants a machine that the page can make, and has a place of its own. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { readLessons } from "../../scripts/lessons.ts";
import { parseConfig } from "../../src/config/grammar.ts";
import { checkPlatform } from "../../src/config/platform.ts";
import { isRightMachine, machineAt } from "../../src/page/lessons/machine-at.ts";
import { renderMarkdown } from "../../src/page/lessons/render.ts";

const folder = join(import.meta.dirname, "../../lessons");
const parsed = readLessons(folder);
const lessons = parsed.flatMap(({ lesson }) => lesson ?? []);

describe("the lessons in the folder", () => {
  it("can be read", () => {
    assert.deepEqual(
      parsed.flatMap(({ problems }) => problems),
      [],
    );
    assert.ok(lessons.length >= 6, `${lessons.length} lessons`);
  });

  it("have places of their own", () => {
    const orders = lessons.map(({ order }) => order);
    assert.equal(new Set(orders).size, orders.length, orders.join(", "));
  });

  it("want machines that the page can make, and know them again", () => {
    for (const lesson of lessons) {
      lesson.steps.forEach((step, index) => {
        const configs = step.parts.flatMap((part) =>
          part.type === "machine" || part.type === "open" ? [part.config] : [],
        );
        for (const text of [machineAt(lesson, index), ...configs]) {
          const config = parseConfig(text);
          checkPlatform(config, "browser");
          assert.ok(isRightMachine(lesson, index, config), `${lesson.name}, step ${index + 1}: ${text}`);
        }
        const other = parseConfig("memory=1G&device=none");
        assert.ok(!isRightMachine(lesson, index, other), `${lesson.name}, step ${index + 1}: any machine`);
      });
    }
  });

  it("have no HTML in them that the page would show as text", () => {
    for (const { name, steps } of lessons) {
      for (const part of steps.flatMap((step) => step.parts))
        if (part.type === "text") assert.doesNotMatch(renderMarkdown(part.markdown), /&lt;[a-z]/, name);
    }
  });
});
