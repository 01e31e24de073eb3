/**
 * Sets the times in the inodes of an ext4 file system, which mke2fs takes over from the files that it is given: of these only the
 * times of modification can be chosen. Layout: Documentation/filesystems/ext4 in Linux's source (super.rst, group_descr.rst,
 * inodes.rst).
 */
import { open, type FileHandle } from "node:fs/promises";
import { ImageBuildError } from "../errors.ts";

const SUPERBLOCK = 1024;
const MAGIC = 0xef53;
/** Feature bits under which inodes or descriptors lie otherwise, or have checksums. */
const INCOMPAT_64BIT = 0x80;
const INCOMPAT_META_BG = 0x10;
const RO_COMPAT_METADATA_CSUM = 0x400;

const DESCRIPTOR_SIZE = 32;

export interface Times {
  /** What was modified at this time or later (seconds since 1970) was made by the build ... */
  buildBegan: number;
  /** ... and gets this time. */
  instead: number;
}

/**
 * All inodes that are or were in use get one time, that of their last modification, and no fractions of a second. Throws an ImageBuildError on
 * anything but a file system as ./build/file-system.sh makes it.
 */
export async function normalizeTimes(path: string, times: Times): Promise<void> {
  const file = await open(path, "r+");
  try {
    const superblock = await read(file, SUPERBLOCK, 1024);
    const blockSize = 1024 << superblock.readUInt32LE(0x18);
    const inodeSize = superblock.readUInt16LE(0x58);
    const inodesPerGroup = superblock.readUInt32LE(0x28);
    const groups = Math.ceil(superblock.readUInt32LE(0x0) / inodesPerGroup);
    if (
      superblock.readUInt16LE(0x38) !== MAGIC ||
      inodeSize < 0xa0 ||
      blockSize !== 4096 ||
      (superblock.readUInt32LE(0x60) & (INCOMPAT_64BIT | INCOMPAT_META_BG)) !== 0 ||
      (superblock.readUInt32LE(0x64) & RO_COMPAT_METADATA_CSUM) !== 0
    ) {
      throw new ImageBuildError(`${path} is no ext4 file system of the kind that this build makes.`);
    }
    const descriptors = await read(file, blockSize, groups * DESCRIPTOR_SIZE);
    for (let group = 0; group < groups; group++) {
      const at = group * DESCRIPTOR_SIZE;
      const table = descriptors.readUInt32LE(at + 0x8) * blockSize;
      const inodes = inodesPerGroup - descriptors.readUInt16LE(at + 0x1c);
      if (inodes === 0) continue;
      const bytes = await read(file, table, inodes * inodeSize);
      for (let inode = 0; inode < bytes.length; inode += inodeSize) {
        setTimes(bytes.subarray(inode, inode + inodeSize), times);
      }
      await file.write(bytes, 0, bytes.length, table);
    }
  } finally {
    await file.close();
  }
}

function setTimes(inode: Buffer, { buildBegan, instead }: Times): void {
  const modified = inode.readUInt32LE(0x10);
  if (modified === 0) return; // never used
  const time = modified >= buildBegan ? instead : modified;
  for (const field of [0x8, 0xc, 0x10, 0x90]) inode.writeUInt32LE(time, field);
  for (const fraction of [0x84, 0x88, 0x8c, 0x94]) inode.writeUInt32LE(0, fraction);
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  if (bytesRead !== length) throw new ImageBuildError("The new file system is cut short.");
  return bytes;
}
