import { batch, computed, effect, type ReadonlySignal, signal, untracked } from "@preact/signals";
import type { DeviceView, QueueView, TraceFormat, TraceUpdate } from "../../inspect/api.ts";
import type {
  Account,
  Breakpoint,
  EventQuery,
  RequestRecord,
  Step,
  StopReason,
  Timeline,
  TraceEvent,
  TraceStatistics,
  TraceSummary,
} from "../../inspect/types.ts";
import type { Session, SessionInspection } from "../session.ts";
import { Calls } from "./calls.ts";
import { Latest } from "./latest.ts";
import type { Selected, StepSource } from "./source.ts";

/** Milliseconds between two looks at the devices while the machine runs: at least, and while nothing crosses the line. */
const LOOK_REST = 200;
const LOOK_IDLE = 1000;

/** What the model needs of the page's session. */
export type InspectedSession = Pick<Session, "inspect" | "state">;

/**
 * What the inspector's views look at: the machine, as long as it is open. Its signals change as updates come; its
 * methods are InspectorApi's, as promises that reject with a sentence when there is nobody to ask.
 */
export class Inspection implements StepSource {
  /** Undefined until something is known. */
  readonly summary = signal<TraceSummary | undefined>(undefined);
  readonly statistics = signal<TraceStatistics | undefined>(undefined);
  /** The newest events of the last update, at most 100, and how many there were since the one before. */
  readonly newest = signal<readonly TraceEvent[]>([]);
  readonly count = signal(0);
  /** Why the machine stands still; undefined while it runs. */
  readonly stop = signal<StopReason | undefined>(undefined);
  /** What the devices are, as of the last look; see `visible`. */
  readonly deviceViews = signal<readonly DeviceView[]>([]);
  /** The rings of the queue that is selected; undefined: none is, or it is not enabled. */
  readonly queueView = signal<QueueView | undefined>(undefined);
  /** Set by the views. */
  readonly selected = signal<Selected>({});
  /** Set by whoever shows devices and rings: they are looked at only then, at most five times a second. */
  readonly visible = signal(false);
  /** There is a machine to ask. */
  readonly live: ReadonlySignal<boolean>;
  readonly #live = signal(false);
  readonly #look = new Latest(() => this.#lookAtMachine(), {
    rest: LOOK_REST,
    onError: () => this.#forgetViews(),
  });

  #session: InspectedSession | undefined;
  #link: (SessionInspection & { calls: Calls }) | undefined;
  #linking = false;
  /** What a machine of another worker has to be told again. */
  #breakpoints: readonly Breakpoint[] = [];
  #slowness = 0;
  #ends: (() => void)[] = [];

  constructor() {
    this.live = this.#live;
  }

  /** Begins to look at the session's machine, and at those that come after it, until `close`. */
  open(session: InspectedSession): void {
    this.close();
    this.#session = session;
    this.#ends = [
      // A worker that died is followed by another when the machine is started again.
      session.state.subscribe(() => untracked(() => void this.#connect())),
      this.#lookRegularly(),
    ];
  }

  /** Ends it: nothing is recorded any more, and a machine that stands still goes on. */
  close(): void {
    for (const end of this.#ends) end();
    this.#ends = [];
    this.#session = undefined;
    const link = this.#link;
    this.#unlink("The inspection was closed.");
    link?.close();
    batch(() => {
      this.summary.value = undefined;
      this.statistics.value = undefined;
      this.newest.value = [];
      this.count.value = 0;
      this.selected.value = {};
    });
  }

  /** Looks at the devices and the selected queue now, also while the machine stands still. */
  refresh(): void {
    this.#look.ask();
  }

  // ---- the trace ----

  events(query: EventQuery): Promise<TraceEvent[]> {
    const told = this.#toldNewest(query);
    return told ? Promise.resolve(told) : this.#machine((api) => api.events(query));
  }

  related(seq: number): Promise<TraceEvent[]> {
    return this.#machine((api) => api.related(seq));
  }

  request(id: number): Promise<RequestRecord | undefined> {
    return this.#machine((api) => api.request(id));
  }

  timeline(fromTime: number, toTime: number, buckets: number): Promise<Timeline> {
    return this.#machine((api) => api.timeline(fromTime, toTime, buckets));
  }

  file(format: TraceFormat): Promise<Blob> {
    return this.#machine((api) => api.file(format));
  }

  // ---- the machine ----

  devices(): Promise<DeviceView[]> {
    return this.#machine((api) => api.devices());
  }

  queue(device: string, queue: number): Promise<QueueView | undefined> {
    return this.#machine((api) => api.queue(device, queue));
  }

  memory(address: number, length: number): Promise<Uint8Array> {
    return this.#machine((api) => api.memory(address, length));
  }

  setBreakpoints(breakpoints: readonly Breakpoint[]): Promise<void> {
    this.#breakpoints = breakpoints;
    return this.#machine((api) => api.setBreakpoints(breakpoints));
  }

  step(step: Step): Promise<void> {
    return this.#machine((api) => api.step(step));
  }

  slowMotion(milliseconds: number): Promise<void> {
    this.#slowness = milliseconds;
    return this.#machine((api) => api.slowMotion(milliseconds));
  }

  account(command: string): Promise<Account> {
    return this.#machine((api) => api.account(command));
  }

  // ---- inside ----

  async #connect(): Promise<void> {
    const session = this.#session;
    if (!session || this.#link || this.#linking) return;
    this.#linking = true;
    try {
      // What an inspection says that was closed meanwhile is not heard.
      const heard = (): boolean => this.#session === session;
      const opened = await session.inspect({
        onUpdate: (update) => {
          if (heard()) this.#onUpdate(update);
        },
        onStop: (stop) => {
          if (heard()) this.#onStop(stop);
        },
      });
      if (!heard()) {
        opened.close();
        return;
      }
      const link = { ...opened, calls: new Calls() };
      this.#link = link;
      this.#live.value = true;
      void link.ended.then(() => this.#link === link && this.#unlink("The machine went away."));
      if (this.#breakpoints.length > 0) await this.setBreakpoints(this.#breakpoints);
      if (this.#slowness > 0) await this.slowMotion(this.#slowness);
    } catch {
      // There is no worker now; when the session starts one, its state says so.
    } finally {
      this.#linking = false;
      if (this.#session !== session) void this.#connect();
    }
  }

  #unlink(why: string): void {
    this.#link?.calls.end(new Error(why));
    this.#link = undefined;
    batch(() => {
      this.#live.value = false;
      this.stop.value = undefined;
      this.#forgetViews();
    });
  }

  #onUpdate({ summary, statistics, count, newest }: TraceUpdate): void {
    batch(() => {
      const before = this.summary.peek();
      // Another trace: its numbers begin again.
      if (before && before.start !== summary.start) {
        this.selected.value = { ...this.selected.peek(), seq: undefined };
      }
      this.summary.value = summary;
      this.statistics.value = statistics;
      this.count.value = count;
      this.newest.value = newest;
    });
    this.#look.ask();
  }

  #onStop(stop: StopReason | undefined): void {
    this.stop.value = stop;
    this.#look.ask();
  }

  /** While somebody sees it and the machine runs, besides after each update; when it stops, or another queue is selected, once. */
  #lookRegularly(): () => void {
    let timer: ReturnType<typeof setInterval> | undefined;
    const end = effect(() => {
      clearInterval(timer);
      if (!this.#live.value || !this.visible.value) return;
      this.#look.ask();
      if (this.stop.value === undefined) timer = setInterval(() => this.#look.ask(), LOOK_IDLE);
    });
    const place = computed(() => `${this.selected.value.queue} ${this.selected.value.device}`);
    const endSelected = place.subscribe(() => untracked(() => this.#look.ask()));
    return () => {
      clearInterval(timer);
      end();
      endSelected();
    };
  }

  async #lookAtMachine(): Promise<void> {
    if (!this.visible.peek() || !this.#link) return;
    const { device, queue } = this.selected.peek();
    const [devices, rings] = await Promise.all([
      this.devices(),
      device === undefined || queue === undefined ? undefined : this.queue(device, queue),
    ]);
    const now = this.selected.peek();
    batch(() => {
      this.deviceViews.value = devices;
      // Of another queue meanwhile: that one is on its way.
      if (now.device === device && now.queue === queue) this.queueView.value = rings;
    });
  }

  #forgetViews(): void {
    batch(() => {
      this.deviceViews.value = [];
      this.queueView.value = undefined;
    });
  }

  /** The newest events without a filter, when the last update had them: nobody needs to ask for them. */
  #toldNewest({ newest, to, limit, ...filter }: EventQuery): TraceEvent[] | undefined {
    const told = this.newest.peek();
    if (!newest || to === undefined || to !== this.summary.peek()?.next) return undefined;
    if (limit > told.length || Object.keys(filter).length > 0) return undefined;
    return told.slice(told.length - limit);
  }

  async #machine<T>(ask: (api: SessionInspection["api"]) => Promise<T>): Promise<T> {
    if (!this.#link) throw new Error("There is no machine.");
    return this.#link.calls.answer(ask(this.#link.api));
  }
}
