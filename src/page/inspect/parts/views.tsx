import type { ComponentChildren } from "preact";
import type { InspectorDesk } from "../desk.ts";
import { DevicesView } from "./devices-view.tsx";
import { Lessons } from "./lessons.tsx";
import { NumbersAccount } from "./numbers-account.tsx";
import { NumbersView } from "./numbers-view.tsx";
import { SplitView } from "./split-view.tsx";
import { TimeView } from "./time-view.tsx";

export interface InspectorView {
  /** Lessons name views by these ids (src/page/lessons/tabs.ts). */
  id: string;
  label: string;
  draw(desk: InspectorDesk): ComponentChildren;
}

/** The inspector's views, in the order of their tabs. */
export const VIEWS: readonly InspectorView[] = [
  { id: "rings", label: "Rings", draw: (desk) => <SplitView desk={desk} /> },
  { id: "devices", label: "Devices", draw: (desk) => <DevicesView desk={desk} /> },
  {
    id: "time",
    label: "Time",
    draw: ({ source, recordings, inspection, breakpoints }) => (
      <TimeView
        source={source.value}
        {...(recordings.recording.value
          ? { live: undefined, breakpoints: undefined }
          : { live: inspection, breakpoints })}
      />
    ),
  },
  {
    id: "numbers",
    label: "Numbers",
    draw: ({ source, recordings }) => (
      <NumbersView source={source.value} live={!recordings.recording.value} />
    ),
  },
  {
    id: "account",
    label: "Account",
    draw: ({ recordings, inspection }) =>
      recordings.recording.value ? (
        <p class="inspector-hint">A recording runs no commands: go back to the machine for that.</p>
      ) : (
        <NumbersAccount machine={inspection} devices={inspection.summary.value?.devices ?? []} />
      ),
  },
  { id: "lessons", label: "Lessons", draw: ({ lessons }) => <Lessons {...lessons} /> },
];
