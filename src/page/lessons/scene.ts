import type { EventQuery, RequestRecord, TraceEvent, TraceSummary } from "../../inspect/types.ts";

/** What a lesson can see of the page. Everything is of this moment. */
export interface Scene {
  /** Undefined: nothing is recorded, since there is no machine. */
  trace(): TraceAccess | undefined;
  /** The terminal's text, scrolled-off lines included. */
  screen(): string;
  /** As on the page's state line; `paused` also when a breakpoint stopped it. */
  state(): string;
  /** The machine, as after `#` in a link; undefined: none. */
  config(): string | undefined;
  view(): { tab: string; device: string | undefined; queue: number | undefined };
}

/** Methods reject when the machine went away. */
export interface TraceAccess {
  summary(): Promise<TraceSummary>;
  events(query: EventQuery): Promise<TraceEvent[]>;
  request(id: number): Promise<RequestRecord | undefined>;
  /** The feature bits that a device knows. */
  features(device: string): Promise<readonly { bit: number; name: string }[]>;
}
