import type { TraceFormat } from "../../inspect/api.ts";

const ENDINGS: Readonly<Record<TraceFormat, string>> = {
  ringside: ".ringside",
  perfetto: ".perfetto.json",
  pcapng: ".pcapng",
};

/** A name for a trace's file, by when the trace began (milliseconds since 1970). */
export function recordingName(start: number, format: TraceFormat): string {
  const time = Number.isFinite(start) && Math.abs(start) < 8.64e15 ? new Date(start) : new Date(0);
  return `trace-${time.toISOString().slice(0, 19).replaceAll(":", "-")}${ENDINGS[format]}`;
}
