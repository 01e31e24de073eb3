import { DiskError } from "./errors.ts";

/** The unit of virtio-blk's capacity, whatever the block size (virtio 1.3, 5.2.4). Bytes. */
export const SECTOR = 512;

/** Beyond any disk that makes sense here, and far below where sizes in bytes lose precision. */
const LARGEST = 256 * 1024 ** 4;

/** Returns `bytes` when a disk can have that size; throws a DiskError "invalid" that says what is wrong. */
export function checkCapacity(bytes: number, disk: string): number {
  if (!Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new DiskError("invalid", `${disk} cannot have a size of ${bytes} bytes.`);
  }
  if (bytes > LARGEST) {
    throw new DiskError("invalid", `${disk} cannot be larger than ${sizeText(LARGEST)}.`);
  }
  if (bytes % SECTOR !== 0) {
    const below = bytes - (bytes % SECTOR);
    const near = below > 0 ? `${below} or ${below + SECTOR}` : `${SECTOR}`;
    throw new DiskError(
      "invalid",
      `${disk} cannot have a size of ${bytes} bytes: it must be a multiple of ${SECTOR}, for example ${near}.`,
    );
  }
  return bytes;
}

/** A size as people write it: "64 MiB", and the bytes where no unit divides them. */
export function sizeText(bytes: number): string {
  const units = ["TiB", "GiB", "MiB", "KiB"];
  for (const [index, unit] of units.entries()) {
    const scale = 1024 ** (units.length - index);
    if (bytes >= scale && bytes % scale === 0) return `${bytes / scale} ${unit}`;
  }
  return `${bytes} bytes`;
}
