/** A trace of the tests' own, as the page's views ask for it: a list of events in memory. */
import { signal } from "@preact/signals";
import type {
  EventQuery,
  RequestRecord,
  StopReason,
  TraceEvent,
  TraceStatistics,
  TraceSummary,
} from "../../src/inspect/types.ts";
import type { Selected, StepSource } from "../../src/page/inspect/source.ts";

export interface FakeSource extends StepSource {
  /** What it was told to do, in order. */
  orders: unknown[];
  /** Orders fail with this sentence. */
  refuses: string | undefined;
  events_: TraceEvent[];
  requests_: RequestRecord[];
  summary: ReturnType<typeof signal<TraceSummary | undefined>>;
  statistics: ReturnType<typeof signal<TraceStatistics | undefined>>;
  stop: ReturnType<typeof signal<StopReason | undefined>>;
  /** Says that there is something new. */
  update(): void;
}

export function fakeSource(events: TraceEvent[], requests: RequestRecord[] = []): FakeSource {
  const source: FakeSource = {
    orders: [],
    refuses: undefined,
    events_: events,
    requests_: requests,
    summary: signal<TraceSummary | undefined>(undefined),
    statistics: signal<TraceStatistics | undefined>(undefined),
    stop: signal<StopReason | undefined>(undefined),
    selected: signal<Selected>({}),
    update() {
      const { events_ } = source;
      source.summary.value = {
        start: 0,
        end: events_.at(-1)?.time ?? 0,
        first: events_[0]?.seq ?? 0,
        next: (events_.at(-1)?.seq ?? -1) + 1,
        firstTime: events_[0]?.time ?? 0,
        dropped: events_[0]?.seq ?? 0,
        bytes: events_.length * 40,
        bound: 1 << 24,
        devices: [...new Set(events_.map(({ device }) => device))].map((name) => ({
          name,
          kind: name.replace(/\d+$/, ""),
          transport: "pci",
          queues: ["requestq"],
        })),
        config: "",
      };
    },
    events: (query) => Promise.resolve(select(source.events_, query)),
    related: (seq) => {
      const requests = source.events_.find((event) => event.seq === seq)?.requests;
      return Promise.resolve(
        source.events_.filter((event) => requests && event.requests?.first === requests.first),
      );
    },
    request: (id) => Promise.resolve(source.requests_.find((request) => request.id === id)),
    timeline: (from, to, buckets) => {
      const width = (to - from) / buckets;
      const devices = (source.summary.peek()?.devices ?? []).map(({ name }) => {
        const counts = new Array<number>(buckets).fill(0);
        for (const { device, time } of source.events_)
          if (device === name && time >= from && time < to) counts[Math.floor((time - from) / width)]! += 1;
        return { name, events: counts, kicks: counts, interrupts: counts, bytes: counts };
      });
      return Promise.resolve({ from, to, devices });
    },
    file: () => Promise.resolve(new Blob(["a trace"])),
    setBreakpoints: (breakpoints) => order({ breakpoints }),
    step: (step) => order({ step }),
    slowMotion: (milliseconds) => order({ slow: milliseconds }),
    account: async (command) => {
      await order({ command });
      const counts = { exits: 12, kicks: 3, interrupts: 2, requests: 3, bytesRead: 4112, bytesWritten: 3 };
      return {
        command,
        status: 0,
        stdout: "",
        stderr: "",
        milliseconds: 12.5,
        instructions: 1_234_567,
        devices: [{ name: "blk0", ...counts }],
      };
    },
  };
  const order = (what: unknown): Promise<void> => {
    if (source.refuses !== undefined) return Promise.reject(new Error(source.refuses));
    source.orders.push(what);
    return Promise.resolve();
  };
  source.update();
  return source;
}

function select(events: readonly TraceEvent[], query: EventQuery): TraceEvent[] {
  const { from = 0, to = Infinity, fromTime = 0, toTime = Infinity, device, kinds, newest, limit } = query;
  const matching = events.filter(
    ({ seq, time, device: of, kind }) =>
      seq >= from &&
      seq < to &&
      time >= fromTime &&
      time < toTime &&
      (device === undefined || of === device) &&
      (!kinds || kinds.includes(kind)),
  );
  return newest ? matching.slice(-limit) : matching.slice(0, limit);
}
