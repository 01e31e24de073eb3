/** Why a packet did not go on. */
export const DROPS = {
  runt: "shorter than an Ethernet header",
  giant: "longer than frames may be here",
  offload: "with an offload header that does not fit its frame",
  source: "from a group address, or more addresses than a member may have",
  spoofed: "from an address that another member has",
  loop: "to an address that is where it came from",
  queue: "to a member whose queue was full",
  relays: "to other relays while too much was under way to them, or from them and for nobody",
  uplink: "to an uplink that was not there",
} as const;
export type Drop = keyof typeof DROPS;

/** Why a connection was refused or ended by us. */
export const REFUSALS = [
  "url",
  "rate",
  "full",
  "origin",
  "name",
  "secret",
  "leaving",
  "protocol",
  "idle",
  "silent",
] as const;
export type Refusal = (typeof REFUSALS)[number];

/** What a relay counts, from its start. */
export class Counters {
  joins = 0;
  packetsIn = 0;
  bytesIn = 0;
  packetsOut = 0;
  bytesOut = 0;
  flooded = 0;
  relaysPacketsIn = 0;
  relaysPacketsOut = 0;
  uplinkPacketsIn = 0;
  uplinkPacketsOut = 0;
  /** Times a member was not read from for a while because it sent too much. */
  pauses = 0;
  readonly dropped = Object.fromEntries(Object.keys(DROPS).map((reason) => [reason, 0])) as Record<
    Drop,
    number
  >;
  readonly refused = Object.fromEntries(REFUSALS.map((reason) => [reason, 0])) as Record<Refusal, number>;
}

/** What a relay has now. */
export interface Gauges {
  rooms: number;
  members: number;
  connections: number;
  macs: number;
  queuedBytes: number;
  /** Undefined where rooms are not shared. */
  shared: { connected: boolean; relays: number } | undefined;
}

export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** All of it in Prometheus' text format. Names of rooms and members are not in it. */
export function metricsText(counters: Counters, gauges: Gauges): string {
  const { dropped, refused } = counters;
  const { shared } = gauges;
  return [
    gauge("rooms", "Rooms with members at this relay.", gauges.rooms),
    gauge("members", "Members at this relay.", gauges.members),
    gauge("connections", "Connections, those that are about to close among them.", gauges.connections),
    gauge("mac_addresses", "MAC addresses in the tables of all rooms.", gauges.macs),
    gauge("queued_bytes", "Bytes that wait for members.", gauges.queuedBytes),
    ...(shared
      ? [
          gauge("nats_connected", "1 while connected to NATS.", shared.connected ? 1 : 0),
          gauge("other_relays", "Other relays that share the rooms.", shared.relays),
        ]
      : []),
    gauge("resident_memory_bytes", "Memory of the process.", process.memoryUsage.rss()),
    counter("joins_total", "Members that came.", counters.joins),
    counter("received_packets_total", "Packets from members.", counters.packetsIn),
    counter("received_bytes_total", "Bytes of their frames.", counters.bytesIn),
    counter("sent_packets_total", "Packets to members.", counters.packetsOut),
    counter("sent_bytes_total", "Bytes of their frames.", counters.bytesOut),
    counter("flooded_packets_total", "Packets from members that went to all in the room.", counters.flooded),
    counter("relays_received_packets_total", "Packets from other relays.", counters.relaysPacketsIn),
    counter("relays_sent_packets_total", "Packets to other relays.", counters.relaysPacketsOut),
    counter("uplink_received_packets_total", "Packets from uplinks.", counters.uplinkPacketsIn),
    counter("uplink_sent_packets_total", "Packets to uplinks.", counters.uplinkPacketsOut),
    counter("pauses_total", "Times a member sent faster than it may and had to wait.", counters.pauses),
    labelled("dropped_packets_total", "Packets that did not go on.", "reason", dropped),
    labelled("refused_total", "Connections that were refused or ended by the relay.", "reason", refused),
  ].join("");
}

export const gauge = (name: string, help: string, value: number) =>
  metric(name, help, "gauge", [["", value]]);
const counter = (name: string, help: string, value: number) => metric(name, help, "counter", [["", value]]);

/** Labels are words of ours: nothing in them needs escaping. */
export function labelled(name: string, help: string, label: string, values: Record<string, number>): string {
  const samples = Object.entries(values).map(
    ([value, count]) => [`{${label}="${value}"}`, count] as [string, number],
  );
  return metric(name, help, "counter", samples);
}

function metric(
  name: string,
  help: string,
  type: string,
  samples: [labels: string, value: number][],
): string {
  const full = `ringside_relay_${name}`;
  const lines = samples.map(([labels, value]) => `${full}${labels} ${value}\n`);
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join("")}`;
}
