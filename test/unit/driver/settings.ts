import {
  EVENT_IDX,
  IN_ORDER,
  INDIRECT_DESC,
  NOTIF_CONFIG_DATA,
  NOTIFICATION_DATA,
  RING_PACKED,
} from "./driver.ts";
import type { Kind } from "./transport.ts";

/** A transport and a ring layout. */
export interface Setting {
  kind: Kind;
  layout: "split" | "packed";
}

/** Every transport with every layout that it has: legacy interfaces have no packed rings. */
export const SETTINGS: readonly Setting[] = [
  ...(["pci", "pci-msix", "mmio"] as const).flatMap((kind) => [
    { kind, layout: "split" as const },
    { kind, layout: "packed" as const },
  ]),
  { kind: "pci-legacy", layout: "split" },
  { kind: "pci-legacy-msix", layout: "split" },
  { kind: "mmio-legacy", layout: "split" },
];

/** Features that change how requests travel and not what comes of them. */
export const RING_FEATURES = [EVENT_IDX, INDIRECT_DESC, IN_ORDER, NOTIFICATION_DATA, NOTIF_CONFIG_DATA];

/** What a device offers beside the standard features. */
export const EVERYTHING = { packed: true, inOrder: true, notificationData: true, notifConfigData: true };

/** What a driver leaves out to get the layout, beside `without`. */
export function withoutFor({ layout }: Setting, without: bigint): bigint {
  return layout === "split" ? without | RING_PACKED : without;
}

/** The nearest size at most as large that the layout can have. */
export function sizeFor({ layout }: Setting, size: number): number {
  return layout === "split" ? 2 ** Math.floor(Math.log2(size)) : size;
}
