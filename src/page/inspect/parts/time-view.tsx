import { useEffect, useMemo } from "preact/hooks";
import type { Breakpoints } from "../breakpoints.ts";
import type { TraceSource } from "../source.ts";
import { TimeModel } from "../time-model.ts";
import { TimeDetail } from "./time-detail.tsx";
import { TimeEvents } from "./time-events.tsx";
import { TimeLine } from "./time-line.tsx";

/** The trace over time: a timeline, the events around a point of it, and the one that is looked at. */
export function TimeView({
  source,
  breakpoints,
}: {
  source: TraceSource;
  breakpoints: Breakpoints | undefined;
}) {
  const model = useMemo(() => new TimeModel(source), [source]);
  useEffect(() => () => model.dispose(), [model]);
  const summary = source.summary.value;
  if (!summary) return <p class="time-hint">Nothing has been recorded yet.</p>;
  const kinds = new Map(summary.devices.map(({ name, kind }) => [name, kind]));
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
        <TimeDetail model={model} kinds={kinds} breakpoints={breakpoints} />
      </div>
    </div>
  );
}
