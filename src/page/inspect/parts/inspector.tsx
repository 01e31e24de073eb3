import { useEffect, useMemo, useState } from "preact/hooks";
import { Button } from "../../parts/button.tsx";
import type { Session } from "../../session.ts";
import type { TerminalView } from "../../terminal/terminal.ts";
import "../../styles/inspect.css";
import { InspectorDesk } from "../desk.ts";
import { InspectorSeparator } from "./inspector-separator.tsx";
import { InspectorTabs } from "./inspector-tabs.tsx";
import { InspectorVoice } from "./inspector-voice.tsx";
import { LessonDock } from "./lesson-dock.tsx";
import { RecordingControls } from "./recording-controls.tsx";
import { TimeControls } from "./time-controls.tsx";
import { VIEWS } from "./views.tsx";

export interface InspectorProps {
  session: Session;
  terminal: TerminalView;
  onClose: () => void;
}

/** The ringside seat: the inspection lasts as long as this is on the page. */
export function Inspector({ session, terminal, onClose }: InspectorProps) {
  const desk = useMemo(() => new InspectorDesk(session, terminal), [session, terminal]);
  useEffect(() => () => desk.dispose(), [desk]);
  const [filing, setFiling] = useState(false);
  const view = VIEWS.find(({ id }) => id === desk.view.value) ?? VIEWS[0]!;
  const recording = desk.recordings.recording.value;
  return (
    <>
      <InspectorSeparator />
      <div class="inspector-head">
        <InspectorTabs views={VIEWS} current={desk.view} />
        <Button
          label="Recordings"
          icon="record"
          compact
          expanded={filing}
          controls="inspector-files"
          onClick={() => setFiling(!filing)}
        />
        <Button label="Close the inspector" icon="close" compact onClick={onClose} />
      </div>
      <div class="inspector-controls">
        <div id="inspector-files" hidden={!filing && !recording}>
          <RecordingControls source={desk.source.value} desk={desk.recordings} />
        </div>
        {!recording && (
          <TimeControls source={desk.inspection} machine={session} breakpoints={desk.breakpoints} />
        )}
      </div>
      {view.id !== "lessons" && <LessonDock {...desk.lessons} />}
      <div
        class="inspector-view"
        id="inspector-view"
        role="tabpanel"
        aria-labelledby={`view-tab-${view.id}`}
        data-view={view.id}
      >
        {view.draw(desk)}
      </div>
      <InspectorVoice inspection={desk.inspection} />
    </>
  );
}
