import type { Breakpoint, StopReason } from "../../inspect/types.ts";
import { describeBreakpoint } from "./breakpoint-form.ts";

/** Why the machine stands still, as a sentence; or that it runs. */
export function stopSentence(stop: StopReason | undefined, breakpoints: readonly Breakpoint[]): string {
  if (!stop) return "The machine runs.";
  switch (stop.by) {
    case "person":
      return "Stands still: you paused it.";
    case "step":
      return `Stands still: the step ended at event ${stop.event}.`;
    case "end":
      return `Stands still: ${stop.why}`;
    case "breakpoint": {
      const breakpoint = breakpoints.find(({ id }) => id === stop.breakpoint);
      const which = breakpoint
        ? `the breakpoint on ${describeBreakpoint(breakpoint)}`
        : "a breakpoint that is gone";
      return `Stands still at event ${stop.event}: ${which}.`;
    }
  }
}
