import { useEffect } from "preact/hooks";
import type { InspectorDesk } from "../desk.ts";
import type { Inspection } from "../model.ts";

/** The machine's inspection, whose devices and rings are looked at as long as the view is there; undefined: a recording is shown. */
export function useLive({ inspection, recordings }: InspectorDesk): Inspection | undefined {
  const recorded = recordings.recording.value !== undefined;
  useEffect(() => {
    if (recorded) return undefined;
    inspection.visible.value = true;
    return () => (inspection.visible.value = false);
  }, [inspection, recorded]);
  return recorded ? undefined : inspection;
}
