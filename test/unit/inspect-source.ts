/** A trace of the tests' own, as the page's views ask for it; orders to a machine are noted. */
import { signal } from "@preact/signals";
import { Trace } from "../../src/inspect/trace.ts";
import type { StopReason, TraceEvent, TraceStatistics, TraceSummary } from "../../src/inspect/types.ts";
import type { Selected, StepSource } from "../../src/page/inspect/source.ts";

export interface FakeSource extends StepSource {
  /** What it was told to do, in order. */
  orders: unknown[];
  /** Orders fail with this sentence. */
  refuses: string | undefined;
  trace: Trace;
  summary: ReturnType<typeof signal<TraceSummary | undefined>>;
  statistics: ReturnType<typeof signal<TraceStatistics | undefined>>;
  stop: ReturnType<typeof signal<StopReason | undefined>>;
  /** Says that there is something new. */
  update(): void;
}

export function fakeSource(events: readonly TraceEvent[]): FakeSource {
  const devices = [...new Set(events.map(({ device }) => device))].map((name) => ({
    name,
    kind: name.replace(/\d+$/, ""),
    transport: "pci",
    queues: ["requestq"],
  }));
  const trace = Trace.from(events, { start: 0, config: "", devices });
  const order = (what: unknown): Promise<void> => {
    if (source.refuses !== undefined) return Promise.reject(new Error(source.refuses));
    source.orders.push(what);
    return Promise.resolve();
  };
  const source: FakeSource = {
    orders: [],
    refuses: undefined,
    trace,
    summary: signal<TraceSummary | undefined>(undefined),
    statistics: signal<TraceStatistics | undefined>(undefined),
    stop: signal<StopReason | undefined>(undefined),
    selected: signal<Selected>({}),
    update() {
      source.summary.value = trace.summary();
      source.statistics.value = trace.statistics();
    },
    events: (query) => Promise.resolve(trace.events(query)),
    related: (seq) => Promise.resolve(trace.related(seq)),
    request: (id) => Promise.resolve(trace.request(id)),
    timeline: (from, to, buckets) => Promise.resolve(trace.timeline(from, to, buckets)),
    file: (format) => trace.file(format),
    setBreakpoints: (breakpoints) => order({ breakpoints }),
    step: (step) => order({ step }),
    slowMotion: (milliseconds) => order({ slow: milliseconds }),
    account: () => Promise.reject(new Error("There is no machine.")),
  };
  source.update();
  return source;
}
