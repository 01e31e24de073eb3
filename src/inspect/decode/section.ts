import type { TracedDevice, TraceEvent } from "../types.ts";

/** Of the configuration space, by the kind of device. */
const CONFIGURATIONS: Readonly<Record<string, string>> = {
  net: "5.1.4",
  blk: "5.2.4",
  console: "5.3.4",
  rng: "5.4.4",
};

/**
 * The section of virtio 1.3 that a crossing is about.
 *
 * @param about what is known of its device: its transport, and whether its queues are packed
 */
export function eventSection(
  event: TraceEvent,
  about: { transport?: TracedDevice["transport"]; packed?: boolean } = {},
): string {
  const { packed = false, transport } = about;
  switch (event.kind) {
    case "access":
      return registerSection(event.register, event.device, transport);
    case "status":
      return "2.1";
    case "features":
      return "2.2";
    case "queue":
      return event.enabled ? "2.6" : "2.6.1";
    case "kick":
      return "2.9";
    case "chain":
      return packed ? "2.8.21" : "2.7.13";
    case "used":
      return packed ? "2.8.22" : "2.7.14";
    case "interrupt":
    case "delivery":
      if (event.cause === "config") return "3.2.1";
      if (event.kind === "interrupt" && event.suppressed) return packed ? "2.8.10" : "2.7.7";
      return "2.3";
    case "acknowledge":
      return transport?.startsWith("mmio") ? "4.2.2" : "4.1.4.5";
    case "frame":
      return event.direction === "in" ? "5.1.6.4" : "5.1.6.2";
    case "reset":
      return "2.4";
    case "violation":
      return event.rule;
  }
}

function registerSection(register: string, device: string, transport: string | undefined): string {
  if (register.startsWith("config.")) return CONFIGURATIONS[device.split(" ", 1)[0]!] ?? "2.5";
  if (register.startsWith("legacy.")) return "4.1.4.10";
  if (register.startsWith("msix")) return "4.1.5.1.2";
  if (register === "isr_status") return "4.1.4.5";
  if (register === "queue_notify") return "4.1.4.4";
  // Names of virtio-mmio's registers are written like this: QueueNotify.
  if (/^[A-Z]/.test(register)) return transport === "mmio-legacy" ? "4.2.4" : "4.2.2";
  return transport?.startsWith("mmio") ? "4.2.2" : "4.1.4.3";
}
