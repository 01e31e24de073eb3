import type { MachineConfig } from "../config/types.ts";
import type { Notices } from "./notices.ts";

const key = "ringside.storage-refused";

/**
 * Asks the browser not to delete stored disks when it runs short of space; only a page can, not the worker that has the disks.
 * A refusal is told once, not at each visit: the disks work all the same.
 */
export async function keepDisks(config: MachineConfig, notices: Notices): Promise<void> {
  if (!config.devices.some((device) => device.device === "blk" && device.store === "idb")) return;
  if ((await isKept()) || toldBefore()) return;
  notices.add("info", "The browser may delete this machine's disks if the computer runs short of space.");
}

let asked: Promise<boolean> | undefined;

function isKept(): Promise<boolean> {
  return (asked ??= ask());
}

async function ask(): Promise<boolean> {
  // Absent in insecure contexts and in older browsers.
  const { storage } = navigator as { storage?: Partial<StorageManager> };
  try {
    return (await storage?.persisted?.()) === true || (await storage?.persist?.()) === true;
  } catch {
    return false;
  }
}

/** Whether the person was told; from now on, they were. */
function toldBefore(): boolean {
  try {
    const before = localStorage.getItem(key) !== null;
    localStorage.setItem(key, "told");
    return before;
  } catch {
    return false; // Storage is blocked; Notices counts what is said again.
  }
}
