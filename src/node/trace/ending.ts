import { extname } from "node:path";
import type { TraceFormat } from "../../inspect/api.ts";
import { UsageError } from "../status.ts";

const FORMATS: Readonly<Record<string, TraceFormat>> = {
  ".ringside": "ringside",
  ".json": "perfetto",
  ".pcapng": "pcapng",
};

/** What a file for a trace is to be, by the ending of its name. @throws UsageError when that says nothing */
export function formatOf(path: string): TraceFormat {
  const format = FORMATS[extname(path).toLowerCase()];
  if (format !== undefined) return format;
  throw new UsageError(
    `--record ${path}: its name says what it is to be, by its end: .ringside (a recording that opens again), .json ` +
      "(for Perfetto and chrome://tracing) or .pcapng (network packets, for Wireshark).",
  );
}
