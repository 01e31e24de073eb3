/** Fetches a Debian program into a folder: its package and the libraries that this machine lacks, unpacked, not installed. */
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { PrivateApt } from "../../images/apt/private-apt.ts";
import type { Progress } from "../../images/progress.ts";
import { findProgram, run } from "../../images/run.ts";
import { tools, type Tool, type ToolName } from "./catalogue.ts";

/** In a tool's folder; it is there when all is. */
export const NOTE = "tool.json";

export interface Note {
  /** The program, and the folders with libraries, in the tool's folder. */
  command: string;
  libraries: string[];
  /** When it was fetched, milliseconds since 1970. */
  time: number;
}

/** Where a machine is no Debian of its own release, the release of the guests' images does. */
const RELEASE = "bookworm";

/** Makes `folder`/NAME-VERSION. Throws an Error that says what to do where it cannot. */
export async function fetchTool(name: ToolName, folder: string, progress: Progress): Promise<void> {
  const tool: Tool = tools[name];
  const missing = ["apt-get", "apt-cache", "apt-config", "dpkg", "dpkg-deb"].filter(
    (each) => !findProgram(each),
  );
  if (missing.length > 0) {
    throw new Error(
      `${name} is not on this machine, and cannot be fetched from Debian without ${missing.join(", ")}. ` +
        "Install it with what this system has for that; it has to be in PATH.",
    );
  }
  const apt = (repository ??= await openRepository(join(folder, "apt")));
  await apt.update(progress);
  const packages = (await apt.lacking([tool.package])).filter((control) => {
    const each = control.get("Package")!;
    return each === tool.package || (each.startsWith("lib") && !each.endsWith("-data"));
  });
  const version = packages.find((control) => control.get("Package") === tool.package)?.get("Version");
  if (version === undefined) {
    throw new Error(`Debian's ${tool.package} is installed, but there is no ${name} in PATH: is it damaged?`);
  }
  progress.step(`Downloading ${name} ${version}`);
  const archives = await apt.download(packages, progress);

  const fresh = join(folder, `.${name}.new`);
  const target = join(folder, `${name}-${version.replaceAll(/[^\w.+~-]/g, "_")}`);
  await rm(fresh, { recursive: true, force: true });
  try {
    for (const archive of archives) await run("dpkg-deb", ["--extract", archive, fresh]);
    await rm(join(fresh, "usr/share/doc"), { recursive: true, force: true });
    const note: Note = { command: tool.path, libraries: await libraryFolders(fresh), time: Date.now() };
    await writeFile(join(fresh, NOTE), JSON.stringify(note));
    await rm(target, { recursive: true, force: true });
    await rename(fresh, target);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  for (const archive of archives) await rm(archive, { force: true });
  progress.done(`${name} ${version} is in ${target}`);
}

let repository: PrivateApt | undefined;

async function openRepository(folder: string): Promise<PrivateApt> {
  const architecture = (await run("dpkg", ["--print-architecture"])).stdout.toString().trim();
  return new PrivateApt(folder, await release(), architecture);
}

/** Folders below that have shared libraries which the loader may look for; plug-ins are found by their program. */
async function libraryFolders(folder: string): Promise<string[]> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const folders = files
    .filter(
      ({ name, parentPath }) => /\.so(\.|$)/.test(name) && /\/lib(\/[^/]+-linux-[^/]+)?$/.test(parentPath),
    )
    .map((entry) => relative(folder, dirname(join(entry.parentPath, entry.name))));
  return [...new Set(folders)].sort();
}

/** Debian's name of what this machine runs. */
async function release(): Promise<string> {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  const value = (key: string): string | undefined =>
    new RegExp(`^${key}="?([^"\n]*)"?$`, "m").exec(text)?.[1];
  return value("ID") === "debian" ? (value("VERSION_CODENAME") ?? RELEASE) : RELEASE;
}
