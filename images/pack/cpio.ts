/**
 * A writer for the "newc" cpio format, which the kernel unpacks as its initramfs
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Written here because it must put device nodes and
 * root's files into the archive without being root, in a fixed order, so that the same input gives the same bytes.
 */

/** One entry. Paths are relative, without a leading "./"; parents must come before their children. */
export type CpioEntry =
  | { type: "directory"; path: string; mode: number }
  | { type: "file"; path: string; mode: number; data: Uint8Array }
  | { type: "symlink"; path: string; target: string }
  | { type: "character-device"; path: string; mode: number; major: number; minor: number };

const HEADER_SIZE = 110;
const TYPE_BITS = {
  directory: 0o040000,
  file: 0o100000,
  symlink: 0o120000,
  "character-device": 0o020000,
} as const;

/**
 * The archive's bytes, padded to 512. Everything belongs to root; `mtime` is in seconds.
 * Throws a RangeError for a path that the kernel would not unpack where it says (absolute, empty, ".."), for one
 * that comes twice, and for one whose parent directory is not there yet.
 */
export function writeCpio(entries: readonly CpioEntry[], mtime: number): Uint8Array {
  checkPaths(entries);
  const parts: Uint8Array[] = [];
  let size = 0;
  const push = (bytes: Uint8Array): void => {
    parts.push(bytes, new Uint8Array(-bytes.length & 3));
    size += (bytes.length + 3) & ~3;
  };
  entries.forEach((entry, index) => {
    const data = contents(entry);
    push(header(entry, index + 1, data.length, mtime));
    push(data);
  });
  push(trailer());
  parts.push(new Uint8Array(-size & 511));
  return Buffer.concat(parts);
}

function contents(entry: CpioEntry): Uint8Array {
  if (entry.type === "file") return entry.data;
  if (entry.type === "symlink") return Buffer.from(entry.target);
  return new Uint8Array(0);
}

function header(entry: CpioEntry, inode: number, dataSize: number, mtime: number): Uint8Array {
  const permissions = entry.type === "symlink" ? 0o777 : entry.mode & 0o7777;
  const device = entry.type === "character-device" ? entry : { major: 0, minor: 0 };
  return record(entry.path, {
    inode,
    mode: TYPE_BITS[entry.type] | permissions,
    links: entry.type === "directory" ? 2 : 1,
    mtime,
    dataSize,
    major: device.major,
    minor: device.minor,
  });
}

function trailer(): Uint8Array {
  return record("TRAILER!!!", { inode: 0, mode: 0, links: 1, mtime: 0, dataSize: 0, major: 0, minor: 0 });
}

interface Fields {
  inode: number;
  mode: number;
  links: number;
  mtime: number;
  dataSize: number;
  major: number;
  minor: number;
}

/** Header and name; the kernel wants the name padded so that the data begins at a multiple of 4. */
function record(path: string, f: Fields): Uint8Array {
  const name = Buffer.from(`${path}\0`);
  const [uid, gid, archiveMajor, archiveMinor, checksum] = [0, 0, 0, 0, 0];
  const fields = [
    ...[f.inode, f.mode, uid, gid, f.links, f.mtime, f.dataSize],
    ...[archiveMajor, archiveMinor, f.major, f.minor, name.length, checksum],
  ];
  const text = "070701" + fields.map((value) => value.toString(16).padStart(8, "0")).join("");
  if (text.length !== HEADER_SIZE) throw new RangeError(`${path}: a field does not fit in 32 bits`);
  return Buffer.concat([Buffer.from(text), name]);
}

function checkPaths(entries: readonly CpioEntry[]): void {
  const directories = new Set<string>([""]);
  const seen = new Set<string>();
  for (const { path, type } of entries) {
    const names = path.split("/");
    if (names.some((name) => name === "" || name === "." || name === "..") || path.includes("\0")) {
      throw new RangeError(`"${path}" is no relative path without "." and ".."`);
    }
    if (seen.has(path)) throw new RangeError(`"${path}" comes twice`);
    const parent = names.slice(0, -1).join("/");
    if (!directories.has(parent)) throw new RangeError(`"${path}" comes before its directory "${parent}"`);
    seen.add(path);
    if (type === "directory") directories.add(path);
  }
}
