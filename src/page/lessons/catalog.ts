/// <reference types="vite/client" />
import type { Lesson } from "./format.ts";
import { parseLesson } from "./parse.ts";

const files = import.meta.glob<string>("../../../lessons/*.md", {
  eager: true,
  query: "?raw",
  import: "default",
});

export interface Catalog {
  lessons: readonly Lesson[];
  /** What is wrong with files that are no lessons. */
  problems: readonly string[];
}

/** All lessons of the folder `lessons`, in their order. A teacher adds a file, and it is here. */
export function readCatalog(tabs: readonly string[]): Catalog {
  const parsed = Object.entries(files)
    .map(([path, text]) => ({ file: path.slice(path.lastIndexOf("/") + 1), text }))
    .filter(({ file }) => file !== "README.md")
    .map(({ file, text }) => parseLesson(file, text, tabs));
  return {
    lessons: parsed.flatMap(({ lesson }) => lesson ?? []).sort((a, b) => a.order - b.order),
    problems: parsed.flatMap(({ problems }) => problems),
  };
}
