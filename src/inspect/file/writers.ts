import type { TraceFormat } from "../api.ts";
import { FramesWriter } from "./frames.ts";
import { PerfettoWriter } from "./perfetto.ts";
import { RecordingWriter } from "./recording-writer.ts";
import type { TraceWriter } from "./writer.ts";

export function traceWriter(format: TraceFormat): TraceWriter {
  switch (format) {
    case "ringside":
      return new RecordingWriter();
    case "perfetto":
      return new PerfettoWriter();
    case "pcapng":
      return new FramesWriter();
  }
}

export const MEDIA_TYPES: Readonly<Record<TraceFormat, string>> = {
  ringside: "application/gzip",
  perfetto: "application/json",
  pcapng: "application/x-pcapng",
};
