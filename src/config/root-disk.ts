import { defaultMachine, diskFrom, type Platform } from "./defaults.ts";
import { formatConfig } from "./grammar.ts";
import type { BlockConfig, MachineConfig } from "./types.ts";

/**
 * The machine with the root disk that its image needs, for an image which has one: copy-on-write over the image's own disk,
 * called like the image, first among the disks. It takes the place of the standard machine's one disk; otherwise the others
 * stay. A configuration with a disk of that name, or over that image, has its root disk already and is returned as it is.
 */
export function withRootDisk(config: MachineConfig, hasDisk: boolean, platform: Platform): MachineConfig {
  const { image, devices } = config;
  if (!hasDisk || rootDisk(config)) return config;
  const standard = formatConfig({ ...defaultMachine(platform), devices }, platform) === "";
  const others = standard ? devices.filter(({ device }) => device !== "blk") : devices;
  const first = others.findIndex(({ device }) => device === "blk");
  const at = first === -1 ? others.length : first;
  const root = diskFrom(nameFor(image), image, platform);
  return { ...config, devices: [...others.slice(0, at), root, ...others.slice(at)] };
}

/** The disk that the guest is to take for its root: the first that is over the image or is called like it. */
export function rootDisk({ image, devices }: MachineConfig): BlockConfig | undefined {
  const disks = devices.filter((device) => device.device === "blk");
  return disks.find(({ base }) => base === image) ?? disks.find(({ id }) => id === nameFor(image));
}

/** A disk's name is its serial number in the guest, which has room for 20 bytes. */
function nameFor(image: string): string {
  return image.slice(0, 20);
}
