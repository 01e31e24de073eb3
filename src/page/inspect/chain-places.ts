import type { FeatureView } from "../../inspect/api.ts";
import type { ChainPlace } from "./chain-shown.ts";
import type { Inspection } from "./model.ts";
import type { TraceSource } from "./source.ts";

/** What is known of the queues of a trace's devices; `live`: of the machine that they are in, too. */
export function chainPlaces(
  source: Pick<TraceSource, "summary">,
  live: Pick<Inspection, "deviceViews"> | undefined,
): (device: string, queue: number) => ChainPlace {
  return (device, queue) => {
    const known = source.summary.value?.devices.find(({ name }) => name === device);
    const features = live?.deviceViews.value.find(({ name }) => name === device)?.features;
    return {
      device,
      kind: known?.kind ?? "",
      queue,
      queueName: known?.queues[queue] ?? "",
      negotiated: negotiated(features),
    };
  };
}

/** Bit 32 says that it is not a legacy driver; where nothing is known, as in a recording, it is not taken for one. */
function negotiated(features: readonly FeatureView[] | undefined): bigint {
  if (!features) return 1n << 32n;
  return features.reduce(
    (bits, feature) => (feature.negotiated ? bits | (1n << BigInt(feature.bit)) : bits),
    0n,
  );
}
