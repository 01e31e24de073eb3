import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { build, type LogLevel } from "vite";

/** What the built page is made of. */
const sources = ["src", "index.html", "vite.config.ts", "package-lock.json", "tsconfig.json"];

/**
 * Builds the page into `dist/` unless nothing that it is made of changed since it was last built.
 * @param root the project's folder
 * @returns the folder of the built page
 */
export async function buildPage(root: string, logLevel: LogLevel = "warn"): Promise<string> {
  const output = join(root, "dist");
  const built = modified(join(output, "index.html"));
  const newest = Math.max(...sources.map((source) => newestIn(join(root, source))));
  if (built <= newest) await build({ root, configFile: join(root, "vite.config.ts"), logLevel });
  return output;
}

/** Milliseconds since 1970; 0 for what does not exist. */
function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Folders count too: a file that was deleted changes its folder's time. */
function newestIn(path: string): number {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return modified(path);
  const entries = readdirSync(path, { recursive: true, encoding: "utf8" });
  return Math.max(modified(path), ...entries.map((entry) => modified(join(path, entry))));
}
