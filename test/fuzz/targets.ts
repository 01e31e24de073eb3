import type { DeviceOptions } from "../../src/virtio/device.ts";
import type { Kind } from "../unit/driver/transport.ts";
import type { ActionName } from "./hostile-driver.ts";
import type { MakeSubject } from "./subject.ts";
import { block } from "./subjects/block.ts";
import { consoleDevice } from "./subjects/console.ts";
import { echo } from "./subjects/echo.ts";
import { entropy } from "./subjects/entropy.ts";

/** One way to attack. An input's header chooses among what a target offers. */
export interface Target {
  subjects: readonly MakeSubject[];
  kinds: readonly Kind[];
  /** Ring options of the device; the header may take more away. */
  device: DeviceOptions;
  /** By an instruction's number, modulo their count: what stands here twice happens twice as often. */
  actions: readonly ActionName[];
}

const ALL: DeviceOptions = { packed: true, inOrder: true, notificationData: true, notifConfigData: true };
const SPLIT: DeviceOptions = { ...ALL, packed: false };

const MODERN: readonly Kind[] = ["pci", "pci-msix", "mmio"];
const LEGACY: readonly Kind[] = ["pci-legacy", "pci-legacy-msix", "mmio-legacy"];
const REGISTERS: readonly ActionName[] = [
  "setUp",
  "queue",
  "status",
  "write",
  "write",
  "write",
  "read",
  "config",
  "kick",
  "acknowledge",
  "request",
  "chain",
  "host",
  "turn",
];
const RINGS: readonly ActionName[] = [
  "setUp",
  "queue",
  "buffer",
  "buffer",
  "chain",
  "chain",
  "chain",
  "describe",
  "push",
  "ring",
  "poke",
  "kick",
  "host",
  "request",
  "turn",
];
const REQUESTS: readonly ActionName[] = [
  "setUp",
  "request",
  "request",
  "request",
  "chain",
  "chain",
  "chain",
  "buffer",
  "poke",
  "kick",
  "host",
  "host",
  "queue",
  "config",
  "turn",
];

/** Everything that a driver reaches: registers of each transport, rings of each layout, requests of each device. */
export const TARGETS = {
  pci: {
    subjects: [echo, block, consoleDevice, entropy],
    kinds: ["pci", "pci-msix", "pci-legacy", "pci-legacy-msix"],
    device: ALL,
    actions: REGISTERS,
  },
  mmio: {
    subjects: [echo, block, consoleDevice, entropy],
    kinds: ["mmio", "mmio-legacy"],
    device: ALL,
    actions: REGISTERS,
  },
  split: { subjects: [echo, entropy], kinds: [...MODERN, ...LEGACY], device: SPLIT, actions: RINGS },
  packed: { subjects: [echo, entropy], kinds: MODERN, device: ALL, actions: RINGS },
  block: { subjects: [block], kinds: [...MODERN, ...LEGACY], device: ALL, actions: REQUESTS },
  console: { subjects: [consoleDevice], kinds: [...MODERN, ...LEGACY], device: ALL, actions: REQUESTS },
  entropy: { subjects: [entropy], kinds: [...MODERN, ...LEGACY], device: ALL, actions: REQUESTS },
} as const satisfies Record<string, Target>;

export type TargetName = keyof typeof TARGETS;
