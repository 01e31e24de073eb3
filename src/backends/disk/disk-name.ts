/** Names of disks: what a virtio serial number can hold (virtio 1.3, 5.2.6: 20 bytes), in letters that links need not escape. */

const LONGEST = 20;

/** A name that a disk may have, made of a file's: `Debian 12 (root).qcow2.gz` becomes `Debian-12-root`. */
export function nameFrom(fileName: string): string {
  const plain = fileName.replace(/(\.(gz|gzip|qcow2?|raw|img|bin|dd|iso|ext[234]|disk))+$/i, "");
  const clean = plain
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[-.]+|[-.]+$/g, "");
  return clean.slice(0, LONGEST).replace(/[-.]+$/, "") || "disk";
}

/** `name`, or the first of `name-2`, `name-3`, … that is not taken. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  const stem = name.replace(/-\d+$/, "");
  for (let number = 2; ; number++) {
    const end = `-${number}`;
    const candidate = stem.slice(0, LONGEST - end.length) + end;
    if (!taken.has(candidate)) return candidate;
  }
}
