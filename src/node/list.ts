import { formatSize } from "../config/values.ts";
import type { ImageManifest } from "../machine/image.ts";
import { IMAGES_FOLDER, listImages, type ListedImage } from "./images.ts";
import { mebibytes } from "./mebibytes.ts";
import { Status } from "./status.ts";

/** Prints the guest images that are there, and how to make them; fails when there is none that can be used. */
export async function list(folder: string = IMAGES_FOLDER): Promise<number> {
  const images = await listImages(folder);
  for (const image of images) process.stdout.write(`${describe(image)}\n`);
  if (images.some((image) => "manifest" in image)) {
    process.stderr.write(`\nIn ${folder}. Made anew, and brought up to date, by: npm run images\n`);
    return Status.ok;
  }
  process.stderr.write(`There are no usable guest images in ${folder}. Make them with: npm run images\n`);
  return Status.failure;
}

function describe(image: ListedImage): string {
  if ("problem" in image) return `${image.name}\n  ${image.problem}`;
  const { title, description, files, memory, disk } = image.manifest;
  const stored = files.kernel.storedSize + files.initrd.storedSize;
  return [
    `${image.name}  ${title}`,
    `  ${description}`,
    `  kernel ${kernelVersion(image.manifest)}, ${mebibytes(stored)} stored, memory ${formatSize(memory.minimum)} or more`,
    ...(disk
      ? [`  a root disk of ${formatSize(disk.size)}, ${mebibytes(disk.storedSize)} stored in chunks`]
      : []),
  ].join("\n");
}

/** As Debian names it: the package has the version that `uname -r` shows, its own version is that of the source. */
function kernelVersion({ packages }: ImageManifest): string {
  const kernel = packages.find(({ name }) => /^linux-image-\d/.test(name));
  return kernel === undefined ? "unknown" : `${kernel.name.slice("linux-image-".length)} (${kernel.version})`;
}
