import { type FileDiskOptions, openFileDisk } from "../backends/disk/file.ts";
import { MemoryDisk } from "../backends/disk/memory.ts";
import type { BlockConfig, MachineConfig } from "../config/types.ts";
import type { BlockBackend } from "../virtio/block-backend.ts";

/**
 * Opens every disk of a machine that `checkPlatform` has let through, by its id. Rejects with a DiskError at the first
 * that cannot be opened; the others are closed again. What goes wrong with one later is said to `onMessage`.
 */
export async function openDisks(
  config: MachineConfig,
  onMessage?: FileDiskOptions["onMessage"],
): Promise<Map<string, BlockBackend>> {
  const disks = new Map<string, BlockBackend>();
  try {
    for (const device of config.devices) {
      if (device.device === "blk") disks.set(device.id, await openDisk(device, onMessage));
    }
  } catch (error) {
    await closeDisks(disks);
    throw error;
  }
  return disks;
}

export async function closeDisks(disks: ReadonlyMap<string, BlockBackend>): Promise<void> {
  await Promise.all([...disks.values()].map((disk) => disk.dispose()));
}

function openDisk(
  { id, store, size, path, readonly: readOnly }: BlockConfig,
  onMessage: FileDiskOptions["onMessage"],
): BlockBackend | Promise<BlockBackend> {
  if (store === "file" && path !== undefined) return openFileDisk(path, { size, readOnly, onMessage });
  if (store === "memory" && size !== undefined) return new MemoryDisk(size, { readOnly });
  throw new TypeError(`the disk "${id}" is not one that Node can open: store=${store}`);
}
