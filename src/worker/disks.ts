/** The browser's stores behind virtio-blk devices. */
import { noteBase } from "../backends/disk/catalog.ts";
import type { DiskHolder } from "../backends/disk/disk-lock.ts";
import { DiskBusyError } from "../backends/disk/errors.ts";
import { openIdbDisk } from "../backends/disk/idb.ts";
import type { ImageDisk } from "../backends/disk/image/image-disk.ts";
import { memoryOverlay } from "../backends/disk/memory-overlay.ts";
import { MemoryDisk } from "../backends/disk/memory.ts";
import type { BlockConfig, MachineConfig } from "../config/types.ts";
import type { BlockBackend } from "../virtio/block-backend.ts";
import { openBase } from "./bases.ts";
import type { MessageLevel, StartProblem } from "./protocol.ts";

export type Disks = Map<string, BlockBackend>;

/** A disk that could not be opened, as what the page is told. */
export class DiskProblem extends Error {
  override readonly name = "DiskProblem";
  readonly problem: StartProblem;

  constructor({ id, base }: BlockConfig, cause: unknown) {
    const message = cause instanceof Error ? cause.message : String(cause);
    super(message, { cause });
    this.problem =
      cause instanceof DiskBusyError
        ? { kind: "disk-busy", disk: id, hasBase: base !== undefined, message }
        : { kind: "disk-failed", disk: id, message };
  }
}

export interface DiskSurroundings {
  /** Where the page's files are served from. */
  site: URL;
  /** Who opens the disks, for those who find them open. */
  holder: DiskHolder;
  onMessage: (level: MessageLevel, text: string) => void;
  /** Told of the image behind a disk once that is open. */
  onImage: (disk: string, image: ImageDisk) => void;
  /** Whether the server of some disk's image answers has changed. */
  onImageStatus: () => void;
  /** Gives up waiting for servers. */
  signal: AbortSignal;
}

/**
 * Opens every disk of a machine, by identifier. Rejects with a DiskProblem at the first that cannot be opened; the others are
 * closed again.
 */
export async function openDisks(config: MachineConfig, surroundings: DiskSurroundings): Promise<Disks> {
  const disks: Disks = new Map();
  for (const device of config.devices) {
    if (device.device !== "blk") continue;
    try {
      disks.set(device.id, await openDisk(device, surroundings));
    } catch (error) {
      await closeDisks(disks);
      throw new DiskProblem(device, error);
    }
  }
  return disks;
}

export async function closeDisks(disks: Disks): Promise<void> {
  await Promise.all([...disks.values()].map((disk) => disk.dispose()));
}

async function openDisk(config: BlockConfig, surroundings: DiskSurroundings): Promise<BlockBackend> {
  const { id, base: name, timeout } = config;
  if (name === undefined) return openWithoutBase(config, surroundings);
  const { site, signal, onMessage, onImage, onImageStatus } = surroundings;
  const image = await openBase(name, site, {
    timeoutMs: timeout * 1000,
    signal,
    onMessage,
    onStatus: onImageStatus,
  });
  try {
    const disk = await openOver(image, { ...config, base: name }, surroundings);
    onImage(id, image);
    return disk;
  } catch (error) {
    await image.dispose();
    throw error;
  }
}

/** The disk takes over the image. */
async function openOver(
  image: ImageDisk,
  { id, store, size, base, readonly: readOnly }: BlockConfig & { base: string },
  { holder, onMessage }: DiskSurroundings,
): Promise<BlockBackend> {
  if (store === "memory") return memoryOverlay(`The disk "${id}"`, image, { size, readOnly, onMessage });
  if (store === "file") throw inFile(id);
  const disk = await openIdbDisk(id, { size, readOnly, base: image, holder, onMessage });
  // Only to find the base again for an export; the disk works without.
  await noteBase(id, base).catch(() => undefined);
  return disk;
}

async function openWithoutBase(
  { id, store, size, readonly: readOnly }: BlockConfig,
  { holder, onMessage }: DiskSurroundings,
): Promise<BlockBackend> {
  if (size === undefined) throw new Error(`The disk "${id}" has no size.`);
  if (store === "memory") return new MemoryDisk(size, { readOnly });
  if (store === "file") throw inFile(id);
  return openIdbDisk(id, { size, readOnly, holder, onMessage });
}

function inFile(id: string): Error {
  return new Error(`The disk "${id}" is in a file: that works on the command line, not in a browser.`);
}
