import type { VirtioDevice } from "../../../src/virtio/device.ts";
import { watchStrictly } from "../../../src/virtio/strict/auditor.ts";
import { HoldDevice, type HoldOptions } from "./hold-device.ts";
import { Driver, type DriverOptions } from "./driver.ts";
import { FakeMemory } from "./memory.ts";
import { type DriverTransport, type Kind, plug } from "./transport.ts";

/** The sentences that a driver of `device` breaks, as they are reported. */
export function sentences(device: VirtioDevice): string[] {
  const seen: string[] = [];
  device.onViolation = ({ sentence }) => seen.push(sentence);
  return seen;
}

/** A device in strict mode behind a transport that nobody has touched yet. */
export function plugged(
  kind: Kind,
  device: VirtioDevice = new HoldDevice(),
): { transport: DriverTransport; seen: string[]; device: VirtioDevice } {
  const seen = sentences(device);
  watchStrictly(device, kind.startsWith("pci") ? "pci" : "mmio");
  return { transport: plug(device, kind, new FakeMemory()), seen, device };
}

/** A device that keeps its chains, in strict mode, with a driver that has set it up. */
export function started(options: DriverOptions & { device?: HoldOptions } = {}): {
  driver: Driver;
  device: HoldDevice;
  seen: string[];
  memory: FakeMemory;
} {
  const device = new HoldDevice({ size: 16, packed: true, inOrder: true, ...options.device });
  const seen = sentences(device);
  const driver = Driver.start(device, { ...options, strict: true });
  return { driver, device, seen, memory: driver.memory };
}
