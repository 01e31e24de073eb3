import type { ReadonlySignal, Signal } from "@preact/signals";
import { formatConfig, parseConfig } from "../../config/grammar.ts";
import type { InspectorApi } from "../../inspect/api.ts";
import type { StopReason, TraceSummary } from "../../inspect/types.ts";
import type { LessonHost } from "../lessons/host.ts";
import { isDevice } from "../lessons/match.ts";
import type { Scene, TraceAccess } from "../lessons/scene.ts";
import type { Session } from "../session.ts";
import { copyText } from "../terminal/clipboard.ts";
import type { TerminalView } from "../terminal/terminal.ts";
import type { Selected } from "./source.ts";

/** What lessons need of the page's Inspection. */
export interface LessonSource {
  readonly summary: ReadonlySignal<TraceSummary | undefined>;
  readonly selected: Signal<Selected>;
  readonly stop: ReadonlySignal<StopReason | undefined>;
  events(...query: Parameters<InspectorApi["events"]>): Promise<ReturnType<InspectorApi["events"]>>;
  request(id: number): Promise<ReturnType<InspectorApi["request"]>>;
  devices(): Promise<ReturnType<InspectorApi["devices"]>>;
}

export interface LessonStage {
  session: Session;
  terminal: TerminalView;
  /** Undefined while nothing is inspected. */
  source: () => LessonSource | undefined;
  /** Id of the inspector's view. */
  view: Signal<string>;
}

/** The page as a lesson sees it. */
export function lessonScene({ session, terminal, source, view }: LessonStage): Scene {
  return {
    trace() {
      const inspection = source();
      return inspection?.summary.peek() && traceAccess(inspection);
    },
    screen: () => terminal.text(),
    state: () => (source()?.stop.peek() ? "paused" : session.state.peek().name),
    config() {
      const config = session.config.peek();
      return config && formatConfig(config);
    },
    view() {
      const { device, queue } = source()?.selected.peek() ?? {};
      return { tab: view.peek(), device, queue };
    },
  };
}

/** What a lesson does to the page. */
export function lessonHost({ session, terminal, source, view }: LessonStage): LessonHost {
  return {
    config: () => session.config.value,
    run(command) {
      terminal.type(`${command}\r`);
      terminal.focus();
    },
    start: (config) => session.replace(parseConfig(config)),
    show({ tab, device, queue }) {
      if (tab !== undefined) view.value = tab;
      const inspection = source();
      if (!inspection || device === undefined) return;
      const known = inspection.summary.peek()?.devices ?? [];
      const name = known.find((candidate) => isDevice(candidate.name, device))?.name ?? device;
      inspection.selected.value = { device: name, queue };
    },
    reveal(event) {
      const inspection = source();
      if (!inspection) return;
      const queue = "queue" in event ? event.queue : undefined;
      inspection.selected.value = { device: event.device, queue, seq: event.seq };
      view.value = "time";
    },
    copy: copyText,
  };
}

function traceAccess(inspection: LessonSource): TraceAccess {
  return {
    async summary() {
      // The page's copy is some time old; a step begins with the newest event that there is now.
      const [newest] = await inspection.events({ newest: true, limit: 1 });
      const summary = inspection.summary.peek();
      if (!summary) throw new Error("There is no trace.");
      return { ...summary, next: newest ? newest.seq + 1 : summary.next };
    },
    events: (query) => inspection.events(query),
    request: (id) => inspection.request(id),
    async features(device) {
      const devices = await inspection.devices();
      return devices.find(({ name }) => name === device)?.features ?? [];
    },
  };
}
