import type { DeviceKind } from "../spec.ts";
import { featureTexts } from "./feature-texts.ts";
import type { FeatureView } from "./types.ts";

/** What a driver's words about features are looked at: 6 knows bits up to 127, and words beyond share one (see writeFeatures). */
const BITS = 160;

/** Every bit that the kind of device can have, and whatever else was offered or accepted. */
export function featureViews(kind: DeviceKind, offered: bigint, negotiated: bigint): FeatureView[] {
  const known = featureTexts(kind);
  const views = known.map((text) => ({
    ...text,
    offered: has(offered, text.bit),
    negotiated: has(negotiated, text.bit),
  }));
  let others = offered | negotiated;
  for (const { bit } of known) others &= ~(1n << BigInt(bit));
  for (let bit = 0; others !== 0n && bit < BITS; bit++) {
    if (!has(others, bit)) continue;
    views.push({
      bit,
      name: `bit ${bit}`,
      meaning: "A bit that virtio 1.3 does not know for this kind of device.",
      section: "2.2",
      offered: has(offered, bit),
      negotiated: has(negotiated, bit),
    });
  }
  return views.sort((a, b) => a.bit - b.bit);
}

function has(features: bigint, bit: number): boolean {
  return ((features >> BigInt(bit)) & 1n) === 1n;
}
