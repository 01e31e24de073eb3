/**
 * An archive of a few packages in a folder, as apt understands it: what goes into the image was downloaded and checked before, and
 * mmdebstrap's own apt needs no network.
 */
import { createHash } from "node:crypto";
import { copyFile, link, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Package } from "../packages.ts";
import { run } from "../run.ts";

/** Programs that are started at a time. */
const PARALLEL = 4;

/** Makes it in `folder`, readable for everybody. Returns its line for sources.list(5). */
export async function makeRepository(
  packages: readonly Package[],
  folder: string,
  release: string,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const stanzas: string[] = [];
  for (let at = 0; at < packages.length; at += PARALLEL) {
    stanzas.push(
      ...(await Promise.all(packages.slice(at, at + PARALLEL).map((each) => addPackage(each, folder)))),
    );
  }
  const index = stanzas.join("\n");
  const sum = createHash("sha256").update(index).digest("hex");
  await writeFile(join(folder, "Packages"), index);
  await writeFile(
    join(folder, "Release"),
    `Suite: ${release}\nCodename: ${release}\nSHA256:\n ${sum} ${Buffer.byteLength(index)} Packages\n`,
  );
  // The checksums above are of files that were compared with Debian's signed lists.
  return `deb [trusted=yes] copy:${folder} ./`;
}

/** Returns its stanza in the index. */
async function addPackage({ file, record }: Package, folder: string): Promise<string> {
  const name = `${record.name}.deb`;
  const target = join(folder, name);
  await link(file, target).catch(() => copyFile(file, target)); // another file system
  const control = (await run("dpkg-deb", ["--field", file])).stdout.toString().trimEnd();
  return `${control}\nFilename: ./${name}\nSize: ${record.size}\nSHA256: ${record.sha256}\n`;
}
