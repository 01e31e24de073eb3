import type { MachineConfig } from "../../config/types.ts";
import type { TraceEvent } from "../../inspect/types.ts";
import type { ViewPlace } from "./format.ts";

/** What a lesson asks of the page. */
export interface LessonHost {
  /** The machine that the page is about; a signal's value. */
  config(): MachineConfig | undefined;
  /** Types a line into the terminal, with Enter. */
  run(command: string): void;
  /** Starts another machine in the place of the one that runs. */
  start(config: string): void;
  /** Brings a view up, a device, a queue: whatever is given. */
  show(place: ViewPlace): void;
  /** Chooses an event in the inspector. */
  reveal(event: TraceEvent): void;
  /** A copy of a text for the person; whether the browser took it. */
  copy(text: string): Promise<boolean>;
}
