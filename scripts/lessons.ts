import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type ParsedLesson, parseLesson } from "../src/page/lessons/parse.ts";
import { LESSON_TABS } from "../src/page/lessons/tabs.ts";

/** All lessons of a folder as the page will read them; README.md is none. */
export function readLessons(folder: string): ParsedLesson[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".md") && file !== "README.md")
    .map((file) => parseLesson(file, readFileSync(join(folder, file), "utf8"), LESSON_TABS));
}

/** What is wrong with a folder's lessons, as lines for a person; empty when nothing is. */
export function problemsOfLessons(folder: string): string {
  return readLessons(folder)
    .flatMap(({ problems }) => problems.map((problem) => `${folder}/${problem}`))
    .join("\n");
}
