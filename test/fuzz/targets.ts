import type { DeviceOptions } from "../../src/virtio/device.ts";
import type { Kind } from "../unit/driver/transport.ts";
import type { ActionName } from "./hostile-driver.ts";
import type { MakeSubject } from "./subject.ts";
import { block } from "./subjects/block.ts";
import { consoleDevice } from "./subjects/console.ts";
import { echo } from "./subjects/echo.ts";
import { entropy } from "./subjects/entropy.ts";
import { net } from "./subjects/net.ts";

/** One way to attack. An input's header chooses among what a target offers. */
export interface Target {
  subjects: readonly MakeSubject[];
  kinds: readonly Kind[];
  /** Ring options of the device; the header may take more away. */
  device: DeviceOptions;
  /** By an instruction's number, modulo their count. A change here gives old inputs another meaning: make the corpus anew. */
  actions: readonly ActionName[];
}

const ALL: DeviceOptions = { packed: true, inOrder: true, notificationData: true, notifConfigData: true };
const SPLIT: DeviceOptions = { ...ALL, packed: false };

const MODERN: readonly Kind[] = ["pci", "pci-msix", "mmio"];
const LEGACY: readonly Kind[] = ["pci-legacy", "pci-legacy-msix", "mmio-legacy"];
const REGISTERS = actions({
  ...{ setUp: 2, queue: 1, status: 1, write: 4, read: 1, config: 1, kick: 1, acknowledge: 1 },
  ...{ send: 2, request: 1, chain: 1, host: 1, turn: 1 },
});
const RINGS = actions({
  ...{ setUp: 1, queue: 1, buffer: 3, request: 1, chain: 4, send: 1, describe: 2, push: 1, ring: 2, poke: 1 },
  ...{ kick: 1, host: 2, turn: 1 },
});
const REQUESTS = actions({
  ...{ setUp: 2, send: 6, request: 2, buffer: 1, chain: 2, poke: 1, kick: 1, host: 3, queue: 1, config: 2 },
  ...{ status: 1, turn: 1 },
});

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
  net: { subjects: [net], kinds: [...MODERN, ...LEGACY], device: ALL, actions: REQUESTS },
  entropy: { subjects: [entropy], kinds: [...MODERN, ...LEGACY], device: ALL, actions: REQUESTS },
} as const satisfies Record<string, Target>;

export type TargetName = keyof typeof TARGETS;

/** Names of actions, each as often as its number says. */
function actions(weights: Partial<Record<ActionName, number>>): readonly ActionName[] {
  const names = Object.keys(weights) as ActionName[];
  return names.flatMap((name) => new Array<ActionName>(weights[name] ?? 0).fill(name));
}
