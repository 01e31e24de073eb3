import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = join(import.meta.dirname, "..");

/**
 * Every second file of unit tests, in this process. Two processes do what one for each file would do in twice the time: most of
 * these files take less time than a process takes to start.
 */
export async function testHalf(which: 0 | 1): Promise<void> {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(".test.ts"))
    .sort();
  for (const [index, name] of files.entries()) {
    if (index % 2 === which) await import(pathToFileURL(join(folder, name)).href);
  }
}
