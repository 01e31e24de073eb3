import { ImageError } from "./boot.ts";
import type { ImageManifest } from "./image.ts";

/** A kernel or initramfs beyond this fits into no machine, and its size is not believed. */
const MOST_BYTES = 2 ** 31;

/**
 * The manifest of image `name` out of parsed JSON, with all that a loader and a list of images rely on checked.
 * @throws ImageError that names the first property which is not as ImageManifest has it.
 */
export function readManifest(json: unknown, where: string, name: string): ImageManifest {
  const wrong = firstWrong(json);
  if (wrong === undefined) return json as ImageManifest;
  throw new ImageError(
    `${where} is not a manifest that this version of Ringside understands (its "${wrong}" is missing or wrong). ` +
      `Make the image again with: npm run images -- ${name}`,
  );
}

function firstWrong(json: unknown): string | undefined {
  const manifest = record(json);
  if (manifest["format"] !== 1) return "format";
  for (const name of ["name", "title", "description", "kernelParameters"]) {
    if (typeof manifest[name] !== "string") return name;
  }
  if (!["undefined", "boolean"].includes(typeof manifest["mmioCommandLine"])) return "mmioCommandLine";
  const memory = record(manifest["memory"]);
  for (const name of ["minimum", "recommended"]) if (!isLength(memory[name])) return `memory.${name}`;
  const files = record(manifest["files"]);
  for (const name of ["kernel", "initrd"]) {
    const wrong = firstWrongInFile(record(files[name]));
    if (wrong !== undefined) return `files.${name}.${wrong}`;
  }
  const wrongInDisk = manifest["disk"] === undefined ? undefined : firstWrongInDisk(record(manifest["disk"]));
  if (wrongInDisk !== undefined) return `disk.${wrongInDisk}`;
  const packages = manifest["packages"];
  if (!Array.isArray(packages)) return "packages";
  for (const entry of packages.map(record)) {
    if (typeof entry["name"] !== "string" || typeof entry["version"] !== "string") return "packages";
  }
  return undefined;
}

function firstWrongInFile(file: Record<string, unknown>): string | undefined {
  const { path, encoding, sha256 } = file;
  // A file stands beside its manifest: a path that leads elsewhere is not read.
  if (typeof path !== "string" || !/^[A-Za-z0-9._-]+$/.test(path) || /^\.+$/.test(path)) return "path";
  if (encoding !== "gzip" && encoding !== "identity") return "encoding";
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) return "sha256";
  return ["storedSize", "size"].find((name) => !isLength(file[name]));
}

function firstWrongInDisk({
  index,
  size,
  storedSize,
  identity,
}: Record<string, unknown>): string | undefined {
  if (typeof index !== "string" || !/^[A-Za-z0-9_-]+\/index\.json$/.test(index)) return "index";
  if (!isDiskLength(size)) return "size";
  if (!isDiskLength(storedSize)) return "storedSize";
  return typeof identity === "string" && /^[\x21-\x7e]{1,200}$/.test(identity) ? undefined : "identity";
}

function isDiskLength(value: unknown): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

function isLength(value: unknown): boolean {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= MOST_BYTES;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
