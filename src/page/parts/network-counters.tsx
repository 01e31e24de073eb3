import type { NetworkStatus } from "../../worker/protocol.ts";
import { formatBytes, formatCount } from "../format.ts";

/** What crossed between the guest and its wire, and what did not. Each figure keeps its place whatever it says. */
export function NetworkCounters({ network: { counters, status } }: { network: NetworkStatus }) {
  const { dropped, losses } = status.counters;
  return (
    <dl class="counters network-counters">
      <Counter name="to the guest" count={counters.packetsIn} bytes={counters.bytesIn} />
      <Counter name="from the guest" count={counters.packetsOut} bytes={counters.bytesOut} />
      <Counter name="dropped by device" count={droppedByDevice(counters)} />
      <Counter name="dropped by wire" count={dropped} />
      <Counter name="losses of the wire" count={losses} />
    </dl>
  );
}

/** What the driver's filters refuse is not lost: it was not for this guest. */
function droppedByDevice(counters: NetworkStatus["counters"]): number {
  const { droppedNotReady, droppedFull, droppedTooLong, droppedMalformed, droppedNoCarrier } = counters;
  return droppedNotReady + droppedFull + droppedTooLong + droppedMalformed + droppedNoCarrier;
}

function Counter({ name, count, bytes }: { name: string; count: number; bytes?: number }) {
  return (
    <div class="counter">
      <dt>{name}</dt>
      <dd>{formatCount(count)}</dd>
      {bytes !== undefined && <dd>{formatBytes(bytes)}</dd>}
    </div>
  );
}
