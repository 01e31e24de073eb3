import { statSync } from "node:fs";
import { resolve } from "node:path";
import { DiskError } from "../backends/disk/errors.ts";
import type { DeviceConfig } from "../config/types.ts";
import { rawImagePath } from "./bases.ts";

/** A file that a machine is to open. */
interface Use {
  disk: string;
  path: string;
  writes: boolean;
}

/**
 * Refuses, with a DiskError "invalid", a machine that has a file twice, unless it only reads it: the lock would say that another
 * machine has it.
 */
export function checkFilesOnce(devices: readonly DeviceConfig[]): void {
  const known = new Map<string, Use>();
  for (const use of devices.flatMap(filesOf)) {
    const key = identityOf(use.path);
    const other = known.get(key);
    if (!other) {
      known.set(key, use);
    } else if (use.writes || other.writes) {
      const disks =
        use.disk === other.disk
          ? `for the disk "${use.disk}"`
          : `for the disks "${other.disk}" and "${use.disk}"`;
      throw new DiskError(
        "invalid",
        `This machine has the file ${use.path} twice, ${disks}. Name another file, or make both readonly.`,
      );
    }
  }
}

function filesOf(device: DeviceConfig): Use[] {
  if (device.device !== "blk") return [];
  const { id: disk, store, path, readonly, base } = device;
  const uses: Use[] = [];
  if (store === "file" && path !== undefined) uses.push({ disk, path, writes: !readonly });
  const raw = base === undefined ? undefined : rawImagePath(base);
  if (raw !== undefined) uses.push({ disk, path: raw, writes: false });
  return uses;
}

/** The same for all names of a file. */
function identityOf(path: string): string {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return resolve(path); // what is wrong with it is told when it is opened
  }
}
