import { useEffect, useMemo } from "preact/hooks";
import type { Breakpoints } from "../breakpoints.ts";
import type { Inspection } from "../model.ts";
import type { TraceSource } from "../source.ts";
import { TimeModel } from "../time-model.ts";
import { TimeDetail } from "./time-detail.tsx";
import { TimeEvents } from "./time-events.tsx";
import { TimeLine } from "./time-line.tsx";

export interface TimeViewProps {
  source: TraceSource;
  /** The machine; undefined: a recording is shown. */
  live: Inspection | undefined;
  /** None: nothing can be stopped, the trace is a file. */
  breakpoints: Breakpoints | undefined;
}

/** The trace over time: a timeline, the events around a point of it, and the one that is looked at. */
export function TimeView({ source, live, breakpoints }: TimeViewProps) {
  const model = useMemo(() => new TimeModel(source), [source]);
  useEffect(() => () => model.dispose(), [model]);
  const summary = source.summary.value;
  if (!summary) return <p class="time-hint">Nothing has been recorded yet.</p>;
  return (
    <div class="time-view">
      {model.problem.value !== undefined && (
        <p class="time-problem" role="alert">
          {model.problem.value}
        </p>
      )}
      <TimeLine model={model} devices={summary.devices} />
      <div class="time-columns">
        <TimeEvents model={model} summary={summary} />
        <TimeDetail model={model} source={source} live={live} breakpoints={breakpoints} />
      </div>
    </div>
  );
}
