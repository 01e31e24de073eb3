/** The browser's stores behind virtio-blk devices. */
import { DiskBusyError } from "../backends/disk/errors.ts";
import { openIdbDisk } from "../backends/disk/idb.ts";
import { MemoryDisk } from "../backends/disk/memory.ts";
import type { BlockConfig, MachineConfig } from "../config/types.ts";
import type { BlockBackend } from "../virtio/block-backend.ts";
import type { MessageLevel, StartProblem } from "./protocol.ts";

export type Disks = Map<string, BlockBackend>;

/** A disk that could not be opened, as what the page is told. */
export class DiskProblem extends Error {
  override readonly name = "DiskProblem";
  readonly problem: StartProblem;

  constructor(disk: string, cause: unknown) {
    const message = cause instanceof Error ? cause.message : String(cause);
    super(message, { cause });
    this.problem = { kind: cause instanceof DiskBusyError ? "disk-busy" : "disk-failed", disk, message };
  }
}

/**
 * Opens every disk of a machine, by identifier. Rejects with a DiskProblem at the first that cannot be opened; the others are
 * closed again.
 */
export async function openDisks(
  config: MachineConfig,
  onMessage: (level: MessageLevel, text: string) => void,
): Promise<Disks> {
  const disks: Disks = new Map();
  for (const device of config.devices) {
    if (device.device !== "blk") continue;
    try {
      disks.set(device.id, await openDisk(device, onMessage));
    } catch (error) {
      await closeDisks(disks);
      throw new DiskProblem(device.id, error);
    }
  }
  return disks;
}

export async function closeDisks(disks: Disks): Promise<void> {
  await Promise.all([...disks.values()].map((disk) => disk.dispose()));
}

async function openDisk(
  { id, store, size, readonly: readOnly }: BlockConfig,
  onMessage: (level: MessageLevel, text: string) => void,
): Promise<BlockBackend> {
  if (size === undefined) throw new Error(`The disk "${id}" has no size.`);
  switch (store) {
    case "memory":
      return new MemoryDisk(size, { readOnly });
    case "idb":
      return openIdbDisk(id, { size, readOnly, onMessage });
    case "file":
      throw new Error(`The disk "${id}" is in a file: that works on the command line, not in a browser.`);
  }
}
