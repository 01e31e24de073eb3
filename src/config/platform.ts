import { STORES, type Platform } from "./defaults.ts";
import { ConfigError } from "./error.ts";
import type { DiskStore, MachineConfig } from "./types.ts";

const NAMES: Record<Platform, string> = { browser: "a browser", node: "Node" };
const INSTEAD: Record<Platform, string> = {
  browser: "store=idb (kept) or store=memory (gone with the machine)",
  node: "store=file,path=FILE (kept) or store=memory (gone with the machine)",
};

/**
 * Refuses a machine with a part that this front does not have, with a sentence that says what to use instead. The
 * grammar accepts every store everywhere, so that one text means the same to both fronts.
 */
export function checkPlatform(config: MachineConfig, platform: Platform): void {
  for (const device of config.devices) {
    if (device.device !== "blk" || STORES[device.store].platforms.includes(platform)) continue;
    throw new ConfigError(
      `The disk "${device.id}" has store=${device.store}, which ${NAMES[platform]} does not have`,
      { expected: INSTEAD[platform] },
    );
  }
}

/** The stores that a front offers for new disks. */
export function storesOf(platform: Platform): DiskStore[] {
  return (Object.keys(STORES) as DiskStore[]).filter((store) => STORES[store].platforms.includes(platform));
}
