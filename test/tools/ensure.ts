/**
 * Debian's programs for tests and benchmarks, for people with and without root. Where one is not installed, its package is
 * unpacked into .cache/tools/, with those of its libraries that this machine does not have.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { withLock } from "../../images/lock.ts";
import { streamProgress, type Progress } from "../../images/progress.ts";
import { findProgram } from "../../images/run.ts";
import { tools, type Tool, type ToolName } from "./catalogue.ts";
import { fetchTool, NOTE, type Note } from "./fetch.ts";

const FOLDER = join(import.meta.dirname, "../../.cache/tools");

/** Where Debian has programs of a kind that not everybody has in PATH. */
const SYSTEM_FOLDERS = ["/usr/sbin", "/sbin"];

export interface ReadyTool {
  command: string;
  /** Run it with that environment: it may have libraries of its own. */
  env: NodeJS.ProcessEnv;
}

const asked = new Map<ToolName, Promise<ReadyTool>>();
let last: Promise<unknown> = Promise.resolve();

/** The program: what is in PATH, else what was fetched, else it is fetched now. Throws an Error that says what to do. */
export function ensureTool(
  name: ToolName,
  progress: Progress = streamProgress(process.stderr, "tools: "),
): Promise<ReadyTool> {
  let ready = asked.get(name);
  if (ready === undefined) {
    ready = installed(name) ?? fetchedInTurn(name, progress);
    asked.set(name, ready);
    ready.catch(() => asked.delete(name));
  }
  return ready;
}

function installed(name: ToolName): Promise<ReadyTool> | undefined {
  const command =
    findProgram(name) ?? SYSTEM_FOLDERS.map((folder) => join(folder, name)).find((path) => existsSync(path));
  return command === undefined ? undefined : Promise.resolve({ command, env: process.env });
}

/** The lock is between processes: within this one, it is taken once at a time. */
function fetchedInTurn(name: ToolName, progress: Progress): Promise<ReadyTool> {
  const ready = last.then(async () => (await kept(name)) ?? (await fetched(name, progress)));
  last = ready.catch(() => undefined);
  return ready;
}

async function fetched(name: ToolName, progress: Progress): Promise<ReadyTool> {
  await mkdir(FOLDER, { recursive: true });
  await withLock(
    join(FOLDER, "lock"),
    () => progress.step("Waiting for another process that is fetching programs"),
    async () => {
      if ((await kept(name)) === undefined) await fetchTool(name, FOLDER, progress);
    },
  );
  const ready = await kept(name);
  if (ready === undefined) throw new Error(`${name} was fetched and is gone from ${FOLDER}.`);
  const tool: Tool = tools[name];
  try {
    await promisify(execFile)(ready.command, [...tool.trial], { env: ready.env });
  } catch (error) {
    throw new Error(
      `Debian's ${name} was fetched into ${FOLDER} and does not run on this system. Install one: ` +
        `apt-get install ${tool.package}, or what this system has instead`,
      { cause: error },
    );
  }
  return ready;
}

/** What an earlier fetch has left; of several versions the one that Debian had last. */
async function kept(name: ToolName): Promise<ReadyTool | undefined> {
  const notes = (await readdir(FOLDER).catch(() => []))
    .filter((folder) => folder.startsWith(`${name}-`))
    .map(async (folder) => {
      const text = await readFile(join(FOLDER, folder, NOTE), "utf8").catch(() => undefined);
      return text === undefined ? [] : [{ ...(JSON.parse(text) as Note), folder: join(FOLDER, folder) }];
    });
  const [newest] = (await Promise.all(notes)).flat().sort((a, b) => b.time - a.time);
  if (newest === undefined) return undefined;
  const libraries = newest.libraries.map((path) => join(newest.folder, path));
  const others = process.env.LD_LIBRARY_PATH ? [process.env.LD_LIBRARY_PATH] : [];
  return {
    command: join(newest.folder, newest.command),
    env:
      libraries.length === 0
        ? process.env
        : { ...process.env, LD_LIBRARY_PATH: [...libraries, ...others].join(delimiter) },
  };
}
