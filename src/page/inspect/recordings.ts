import { batch, signal } from "@preact/signals";
import type { TraceApi } from "../../inspect/api.ts";
import { readRecording } from "../../inspect/file/open.ts";
import type { OpenRecording, RecordingDesk, Selected, TraceSource } from "./source.ts";

/** The recording that the inspector looks at instead of the machine, if there is one. Needs no machine. */
export class Recordings implements RecordingDesk {
  readonly recording = signal<OpenRecording | undefined>(undefined);
  /** Its trace, for the views; undefined: they show the machine's. */
  readonly source = signal<TraceSource | undefined>(undefined);
  /** Counts openings: of two at once the later one is shown. */
  #opened = 0;

  /** Rejects with a plain sentence when the file is no recording, or damaged; what was looked at stays. */
  async openRecording(file: File): Promise<void> {
    const attempt = ++this.#opened;
    const { trace, note } = await readRecording(file);
    if (attempt !== this.#opened) return;
    batch(() => {
      this.recording.value = { name: file.name, note };
      this.source.value = traceSource(trace);
    });
  }

  closeRecording(): void {
    this.#opened++;
    batch(() => {
      this.recording.value = undefined;
      this.source.value = undefined;
    });
  }
}

/** A trace in the page itself, which does not change any more. */
function traceSource(trace: TraceApi): TraceSource {
  return {
    summary: signal(trace.summary()),
    statistics: signal(trace.statistics()),
    selected: signal<Selected>({}),
    events: (query) => Promise.resolve(trace.events(query)),
    related: (seq) => Promise.resolve(trace.related(seq)),
    request: (id) => Promise.resolve(trace.request(id)),
    timeline: (from, to, buckets) => Promise.resolve(trace.timeline(from, to, buckets)),
    file: (format) => trace.file(format),
  };
}
