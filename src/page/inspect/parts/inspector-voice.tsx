import { useEffect, useState } from "preact/hooks";
import { describeEvent } from "../../../inspect/decode/describe.ts";
import type { TraceStatistics } from "../../../inspect/types.ts";
import type { Inspection } from "../model.ts";
import { saidSince } from "../voice.ts";

/** Milliseconds from one announcement to the next while the machine runs. */
const EVERY = 5000;

/** For screen readers: what goes on, every few seconds, and at once what the machine stands at. */
export function InspectorVoice({ inspection }: { inspection: Inspection }) {
  const [said, setSaid] = useState("");
  const stop = inspection.stop.value;
  const event = stop && "event" in stop ? stop.event : undefined;
  useEffect(() => {
    if (event === undefined) return undefined;
    let stale = false;
    inspection.events({ from: event, to: event + 1, limit: 1 }).then(
      ([found]) => {
        if (!stale && found) setSaid(describeEvent(found, inspection.summary.peek()?.devices));
      },
      () => undefined, // the machine is gone, and its state says so
    );
    return () => {
      stale = true;
    };
  }, [inspection, event]);
  useEffect(() => {
    if (stop) return undefined;
    let before: TraceStatistics | undefined = inspection.statistics.peek();
    const timer = setInterval(() => {
      const now = inspection.statistics.peek();
      if (!now || now === before) return;
      if (before) setSaid(saidSince(before, now));
      before = now;
    }, EVERY);
    return () => clearInterval(timer);
  }, [inspection, stop]);
  return (
    <p class="unseen" role="status">
      {said}
    </p>
  );
}
