import { bytesText } from "../../virtio/view/bytes-text.ts";
import type { NamedValue } from "../../virtio/view/types.ts";
import type { WireStatus } from "./wire.ts";

/** What a wire says of itself in a view of its device; `more` is what only its kind has. */
export function wireState(kind: string, status: WireStatus, more: readonly NamedValue[] = []): NamedValue[] {
  const { state, reason, relay, members, lease, counters } = status;
  return [
    { name: "wire", value: kind },
    { name: "wire state", value: reason === undefined ? state : `${state}: ${reason}` },
    ...(relay === undefined ? [] : [{ name: "relay", value: relay }]),
    ...(members.length === 0 ? [] : [{ name: "machines here", value: `${members.length}` }]),
    ...(lease === undefined ? [] : [{ name: "lease", value: lease.address }]),
    ...more,
    { name: "to the guest", value: `${counters.packetsIn} packets, ${bytesText(counters.bytesIn)}` },
    { name: "from the guest", value: `${counters.packetsOut} packets, ${bytesText(counters.bytesOut)}` },
    { name: "dropped by the wire", value: `${counters.dropped}` },
    { name: "times lost", value: `${counters.losses}` },
  ];
}
