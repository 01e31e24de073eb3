import type { ReadonlySignal, Signal } from "@preact/signals";
import type { InspectorApi, TraceApi } from "../../inspect/api.ts";
import type { StopReason, TraceStatistics, TraceSummary } from "../../inspect/types.ts";

/** The methods of an interface from afar. */
export type Asked<Api, Name extends keyof Api> = {
  [Method in Name]: Api[Method] extends (...args: infer Arguments) => infer Answer
    ? (...args: Arguments) => Promise<Awaited<Answer>>
    : never;
};

/** What is looked at: shared by the inspector's views. */
export interface Selected {
  device?: string | undefined;
  queue?: number | undefined;
  /** The event; none: the newest ones are followed. */
  seq?: number | undefined;
}

/** What the views of time and numbers need of the page's Inspection: a trace that grows, or a file. */
export interface TraceSource extends Asked<TraceApi, "events" | "related" | "request" | "timeline" | "file"> {
  readonly summary: ReadonlySignal<TraceSummary | undefined>;
  readonly statistics: ReadonlySignal<TraceStatistics | undefined>;
  readonly selected: Signal<Selected>;
}

/** What the controls need of it besides. */
export interface StepSource
  extends TraceSource, Asked<InspectorApi, "setBreakpoints" | "step" | "slowMotion" | "account"> {
  readonly stop: ReadonlySignal<StopReason | undefined>;
}

/** Who brings recordings into the inspector. */
export interface RecordingDesk {
  /** The recording that is looked at instead of the machine. */
  readonly recording: ReadonlySignal<OpenRecording | undefined>;
  /** Rejects with a sentence when it cannot be read; what was looked at stays. */
  openRecording(file: File): Promise<void>;
  /** Back to the machine. */
  closeRecording(): void;
}

export interface OpenRecording {
  /** Of the file. */
  name: string;
  /** What of the file is not here, although it could be opened: a sentence. */
  note: string | undefined;
}
