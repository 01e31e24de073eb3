import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

const CORPUS = join(import.meta.dirname, "corpus");
const CRASHES = join(import.meta.dirname, "crashes");

export interface CorpusInput {
  /** The file's path. */
  path: string;
  input: Uint8Array;
}

/** The inputs that are kept for a target, in an order that stays the same. */
export async function readCorpus(target: string): Promise<CorpusInput[]> {
  const folder = join(CORPUS, target);
  const names = await readdir(folder).catch(() => []);
  return Promise.all(
    names.sort().map(async (name) => {
      const path = join(folder, name);
      return { path, input: new Uint8Array(await readFile(path)) };
    }),
  );
}

/** Keeps `inputs` for a target in place of those that were kept, except for regressions: those were named by a person. */
export async function writeCorpus(target: string, inputs: readonly Uint8Array[]): Promise<void> {
  const folder = join(CORPUS, target);
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) {
    if (/^[0-9a-f]{16}$/.test(name)) await rm(join(folder, name));
  }
  for (const input of inputs) await writeFile(join(folder, nameOf(input)), input);
}

/** Saves an input that broke something; returns the file's path. */
export async function saveCrash(target: string, input: Uint8Array): Promise<string> {
  await mkdir(CRASHES, { recursive: true });
  const path = join(CRASHES, `${target}-${nameOf(input)}`);
  await writeFile(path, input);
  return path;
}

function nameOf(input: Uint8Array): string {
  return createHash("sha256").update(input).digest("hex").slice(0, 16);
}
