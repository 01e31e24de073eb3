import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { apply, type Fault } from "./fault.ts";

/** A copy of the sources and the unit tests, so that faults never touch the working tree. */
export class Workspace {
  readonly folder: string;

  static async create(): Promise<Workspace> {
    const folder = await mkdtemp(join(tmpdir(), "ringside-mutation-"));
    for (const part of ["src", "test/unit", "test/mutation", "package.json", "tsconfig.json"]) {
      await cp(part, join(folder, part), { recursive: true });
    }
    await symlink(resolve("node_modules"), join(folder, "node_modules"));
    return new Workspace(folder);
  }

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Does `work` while the fault is in the copy. @throws Error when the fault does not fit the source any more. */
  async with<T>(fault: Fault, work: () => Promise<T>): Promise<T> {
    const path = join(this.folder, fault.file);
    const source = await readFile(path, "utf8");
    await writeFile(path, apply(source, fault));
    try {
      return await work();
    } finally {
      await writeFile(path, source);
    }
  }

  async dispose(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}
