import { ConfigError } from "../config/error.ts";
import { formatConfig, parseConfig } from "../config/grammar.ts";
import { checkPlatform } from "../config/platform.ts";
import type { BlockConfig, MachineConfig } from "../config/types.ts";

/** What a fragment says: a machine, or why it is none. */
export type Link = { config: MachineConfig } | { error: ConfigError };

/** Reads a fragment (with or without its #). The empty one is the default machine. */
export function readLink(fragment: string): Link {
  try {
    const config = parseConfig(fragment);
    checkPlatform(config, "browser");
    return { config };
  } catch (error) {
    if (error instanceof ConfigError) return { error };
    throw error;
  }
}

/** The address of this page with that machine. */
export function linkTo(config: MachineConfig): string {
  const text = formatConfig(config);
  return `${location.origin}${location.pathname}${location.search}${text === "" ? "" : `#${text}`}`;
}

/** Whether both are the same machine, however their links are written. */
export function sameMachine(a: MachineConfig, b: MachineConfig): boolean {
  return formatConfig(a) === formatConfig(b);
}

/** The machine with one more disk, after all others; one of the same name gives way. */
export function withDisk(config: MachineConfig, disk: BlockConfig): MachineConfig {
  return { ...config, devices: [...withoutDisk(config, disk.id).devices, disk] };
}

/** The machine without the disk of that name. */
export function withoutDisk(config: MachineConfig, id: string): MachineConfig {
  return {
    ...config,
    devices: config.devices.filter((device) => device.device !== "blk" || device.id !== id),
  };
}
