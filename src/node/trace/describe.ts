import type { TraceFormat } from "../../inspect/api.ts";
import type { RecordingReader } from "../../inspect/file/recording-reader.ts";
import type { TraceEvent } from "../../inspect/types.ts";
import { count, plain, table } from "./table.ts";

/** What is counted of a recording's events while they go past. */
export class TraceCounts {
  events = 0;
  requests = 0;
  frames = 0;
  /** Of the newest event, microseconds. */
  time = 0;
  /** Events of each device. */
  readonly devices = new Map<string, number>();

  add(events: readonly TraceEvent[]): void {
    for (const { kind, device, time } of events) {
      this.events++;
      if (kind === "chain") this.requests++;
      if (kind === "frame") this.frames++;
      this.time = time;
      this.devices.set(device, (this.devices.get(device) ?? 0) + 1);
    }
  }

  /** What a file of that format has of them. */
  of(format: TraceFormat): string {
    return format === "pcapng"
      ? `${count(this.frames)} packets`
      : `${count(this.events)} events, ${count(this.requests)} requests`;
  }
}

/** What a recording holds, for a person. */
export function describeTrace(
  path: string,
  { head, devices, end }: RecordingReader,
  counts: TraceCounts,
): string {
  const seconds = (counts.time / 1e6).toFixed(3);
  const dropped = end === undefined ? "unknown" : count(end.dropped);
  return (
    `${path}\n` +
    `  began    ${new Date(head.start).toISOString()}, ${seconds} s\n` +
    `  machine  ${head.config === "" ? "unknown" : plain(head.config)}\n` +
    `  events   ${count(counts.events)}, not in it: ${dropped}\n\n` +
    table([HEADINGS, ...devices.map((device) => row(device, end?.statistics.devices, counts))])
  );
}

const HEADINGS = [
  "device",
  "transport",
  "events",
  "exits",
  "kicks",
  "interrupts",
  "requests",
  "bytes read",
  "bytes written",
];

type Devices = RecordingReader["devices"];
type Statistics = NonNullable<RecordingReader["end"]>["statistics"]["devices"];

/** Bytes as the device sees them: what it could read, and what it wrote. */
function row(
  { name, transport }: Devices[number],
  statistics: Statistics | undefined,
  counts: TraceCounts,
): string[] {
  const events = count(counts.devices.get(name) ?? 0);
  const known = statistics?.find((device) => device.name === name);
  if (!known) return [plain(name), plain(transport), events, ...Array<string>(6).fill("-")];
  const sum = (field: "requests" | "bytesRead" | "bytesWritten"): string =>
    count(known.queues.reduce((total, queue) => total + queue[field], 0));
  const { exits, kicks, interrupts } = known;
  return [
    ...[plain(name), plain(transport), events, count(exits), count(kicks), count(interrupts)],
    ...[sum("requests"), sum("bytesRead"), sum("bytesWritten")],
  ];
}
