import { openFileOverlay } from "../backends/disk/file-overlay.ts";
import { openFileDisk } from "../backends/disk/file.ts";
import { memoryOverlay } from "../backends/disk/memory-overlay.ts";
import { MemoryDisk } from "../backends/disk/memory.ts";
import type { BlockConfig, MachineConfig } from "../config/types.ts";
import type { BlockBackend } from "../virtio/block-backend.ts";
import { openBase } from "./bases.ts";
import { checkFilesOnce } from "./disk-files.ts";

export interface DiskSurroundings {
  /** The folder of the guest images, whose disks may be bases. */
  images: string;
  /** What goes wrong with a disk later, and what becomes of a base's server. */
  onMessage?: ((level: "info" | "warning" | "error", text: string) => void) | undefined;
}

/**
 * Opens every disk of a machine that `checkPlatform` has let through, by its id. Rejects with a DiskError at the first
 * that cannot be opened; the others are closed again.
 */
export async function openDisks(
  config: MachineConfig,
  surroundings: DiskSurroundings,
): Promise<Map<string, BlockBackend>> {
  checkFilesOnce(config.devices);
  const disks = new Map<string, BlockBackend>();
  try {
    for (const device of config.devices) {
      if (device.device === "blk") disks.set(device.id, await openDisk(device, surroundings));
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

async function openDisk(config: BlockConfig, surroundings: DiskSurroundings): Promise<BlockBackend> {
  const { id, store, size, path, base, readonly: readOnly } = config;
  if (base !== undefined) return openOver(base, config, surroundings);
  const { onMessage } = surroundings;
  if (store === "file" && path !== undefined) return openFileDisk(path, { size, readOnly, onMessage });
  if (store === "memory" && size !== undefined) return new MemoryDisk(size, { readOnly });
  throw notHere(id, store);
}

/** A disk over a base. */
async function openOver(
  name: string,
  { id, store, size, path, timeout, readonly: readOnly }: BlockConfig,
  { images, onMessage }: DiskSurroundings,
): Promise<BlockBackend> {
  const base = await openBase(name, { images, timeoutMs: timeout * 1000, onMessage });
  try {
    const options = { size, readOnly, onMessage };
    if (store === "memory") return memoryOverlay(`The disk "${id}"`, base, options);
    if (store === "file" && path !== undefined) return await openFileOverlay(path, base, options);
    throw notHere(id, store);
  } catch (error) {
    await base.dispose();
    throw error;
  }
}

function notHere(id: string, store: string): TypeError {
  return new TypeError(`the disk "${id}" is not one that Node can open: store=${store}`);
}
