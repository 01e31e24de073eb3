/** What the licences of the packages ask to go along with their binaries: notices, texts, and where the sources are. */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { ImageBuildError } from "./errors.ts";
import type { Package } from "./packages.ts";

const TEXTS = ["GPL-2.txt", "LGPL-2.txt", "LGPL-2.1.txt"];

export interface Licences {
  /** Packages and, for each, the folder that it was unpacked in. */
  packages: readonly Package[];
  folders: readonly string[];
  /** Packages that bring their notices along: they are in the image, under /usr/share/doc. */
  installed?: readonly Package[];
}

/** Writes the folder `licences` of an image. Throws an ImageBuildError if a package has no notice. */
export async function writeLicences(publicFolder: string, licences: Licences): Promise<void> {
  const { packages, folders, installed = [] } = licences;
  const folder = join(publicFolder, "licences");
  await mkdir(folder, { recursive: true });
  for (const [index, { record }] of packages.entries()) {
    const notice = join(folders[index]!, "usr/share/doc", record.name, "copyright");
    await copyFile(notice, join(folder, `${record.name}.copyright.txt`)).catch((error: unknown) => {
      throw new ImageBuildError(`The package ${record.name} has no copyright notice.`, { cause: error });
    });
  }
  for (const text of TEXTS) {
    await copyFile(join(import.meta.dirname, "debian-busybox/licences", text), join(folder, basename(text)));
  }
  const sources = [...packages, ...installed].map(({ record }) => {
    const all = [record.source, ...record.builtUsing].map(({ name, version }) => `  ${name} ${version}`);
    return `${record.name} ${record.version}\n${all.join("\n")}\n`;
  });
  await writeFile(
    join(folder, "SOURCES.txt"),
    "The programs in this image are Debian's; manifest.json says if one was built anew. Debian publishes the source of every package; where a deb-src\n" +
      "line for bookworm is among apt's sources, `apt-get source NAME=VERSION` fetches it. Packages, and below each the\n" +
      `source packages that it was built from:\n\n${sources.join("\n")}`,
  );
}
