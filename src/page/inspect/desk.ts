import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Session } from "../session.ts";
import type { TerminalView } from "../terminal/terminal.ts";
import { type Breakpoints, breakpointsOf } from "./breakpoints.ts";
import { type LessonsModel, openLessons } from "./lesson-desk.ts";
import { Inspection } from "./model.ts";
import { Recordings } from "./recordings.ts";
import type { TraceSource } from "./source.ts";

/** What the open inspector works with: made when it opens, disposed of when it closes. */
export class InspectorDesk {
  readonly session: Session;
  /** Of the machine. */
  readonly inspection = new Inspection();
  readonly breakpoints: Breakpoints = breakpointsOf(this.inspection);
  readonly recordings = new Recordings();
  /** What the views show: the machine's trace, or that of the recording. */
  readonly source: ReadonlySignal<TraceSource> = computed(
    () => this.recordings.source.value ?? this.inspection,
  );
  /** Id of the view that is on show, see parts/views.tsx. */
  readonly view = signal("rings");
  readonly lessons: LessonsModel;

  constructor(session: Session, terminal: TerminalView) {
    this.session = session;
    this.lessons = openLessons({
      session,
      terminal,
      source: () => this.inspection,
      view: this.view,
    });
    if (this.lessons.desk.walk.peek()) this.view.value = "lessons";
    this.inspection.open(session);
  }

  dispose(): void {
    this.lessons.desk.dispose();
    this.recordings.closeRecording();
    this.inspection.close();
  }
}
