import type { Observer, VirtioEvent } from "../virtio/observer.ts";
import type { DeviceView, QueueView } from "../virtio/view/types.ts";
import type { InspectorApi, InspectorListener, TraceFormat } from "./api.ts";
import { matcher } from "./breakpoints.ts";
import { costBetween } from "./cost.ts";
import { type InspectedMachine, tracedDevice } from "./inspected.ts";
import { Trace } from "./trace.ts";
import { Updates } from "./updates.ts";
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
} from "./types.ts";

export interface InspectorOptions {
  listener: InspectorListener;
  /** Runs a command in the guest, and rejects with a sentence when there is none that could. */
  run: (command: string) => Promise<{ status: number; stdout: string; stderr: string }>;
  /** Called once, when the inspection has ended. */
  onClose?: () => void;
  /** Of the trace; bytes. */
  bound?: number;
  sample?: number;
}

type Met = { by: "breakpoint"; breakpoint: string } | { by: "step" } | { by: "slow" };

/** Breakpoints are looked at for each event. */
const MAXIMUM_BREAKPOINTS = 256;
const MAXIMUM_MEMORY = 64 << 10;
/** Milliseconds after each crossing. */
const SLOWEST = 60_000;
/** Devices that a trace lists, those that have left included: as many as a recording may. */
const MAXIMUM_DEVICES = 256;

/** A person's look at a machine: the trace, breakpoints and steps, and what the devices are now. */
export class Inspector implements InspectorApi {
  readonly #options: InspectorOptions;
  readonly #updates: Updates;
  #machine: InspectedMachine | undefined;
  #trace: Trace;
  /** Names of devices that the trace lists, or that the machine does not know either. */
  #known = new Set<string>();
  /** Number of the newest event: what is looked at by breakpoints and steps has it. */
  #seq = -1;
  #breakpoints: readonly Breakpoint[] = [];
  #match: ((event: VirtioEvent) => Breakpoint | undefined) | undefined;
  /** What the event that is being looked at meets. */
  #met: Met | undefined;
  /** Why the step that has just ended did not come to what it was for. */
  #why: string | undefined;
  /** The step under way goes on to a delivery when its request is given back. */
  #thenDelivery: { device: string; queue: number } | undefined;
  #slowness = 0;
  /** Goes on after a crossing in slow motion: to the listener the machine runs meanwhile. */
  #pause: ReturnType<typeof setTimeout> | undefined;
  #stop: StopReason | undefined;
  #closed = false;

  constructor(options: InspectorOptions) {
    this.#options = options;
    this.#trace = this.#newTrace("", []);
    this.#updates = new Updates(options.listener, this.#trace);
  }

  /**
   * Looks at this machine from now on; the trace begins anew, breakpoints stay. Undefined: there is none any more, and what the
   * trace has of it can still be read.
   *
   * @param config the machine as in a link
   */
  follow(machine: InspectedMachine | undefined, config = ""): void {
    if (this.#closed || machine === this.#machine) return;
    this.#letGo();
    this.#machine = machine;
    if (!machine) return;
    this.#trace = this.#newTrace(config, machine.describe().map(tracedDevice));
    this.#known = new Set(this.#trace.devices.map(({ name }) => name));
    this.#seq = -1;
    machine.observe(this.#observe);
    machine.debugger.onStop = (event, why) => this.#stopped(event, why);
    this.#setMatch();
    this.#updates.follow(this.#trace);
    if (machine.debugger.stopped) this.#tellStop({ by: "person" });
  }

  /** Whoever follows the machine's state has seen it change: it may go on. */
  stateChanged(): void {
    if (this.#closed || this.#machine?.debugger.stopped) return;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    if (this.#stop) this.#tellStop(undefined);
  }

  /** A person wants it to stand still; in slow motion it may do so for a moment anyway. */
  personPauses(): void {
    if (this.#pause === undefined) return;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#tellStop({ by: "person" });
  }

  // ---- the trace ----

  summary(): TraceSummary {
    return this.#trace.summary();
  }

  events(query: EventQuery): TraceEvent[] {
    return this.#trace.events(query);
  }

  related(seq: number): TraceEvent[] {
    return this.#trace.related(seq);
  }

  request(id: number): RequestRecord | undefined {
    return this.#trace.request(id);
  }

  timeline(fromTime: number, toTime: number, buckets: number): Timeline {
    return this.#trace.timeline(fromTime, toTime, buckets);
  }

  statistics(): TraceStatistics {
    return this.#trace.statistics();
  }

  file(format: TraceFormat): Promise<Blob> {
    return this.#trace.file(format);
  }

  // ---- the machine as it is ----

  devices(): DeviceView[] {
    return this.#present().inspect();
  }

  queue(device: string, queue: number): QueueView | undefined {
    return this.#present().inspectQueue(device, queue);
  }

  memory(address: number, length: number): Uint8Array {
    return this.#present().readMemory(address, Math.min(Math.max(length || 0, 0), MAXIMUM_MEMORY));
  }

  async account(command: string): Promise<Account> {
    const machine = this.#present();
    const trace = this.#trace;
    const { instructions } = machine.counters();
    const before = trace.statistics();
    const begun = performance.now();
    const { status, stdout, stderr } = await this.#options.run(command);
    const milliseconds = performance.now() - begun;
    if (this.#trace !== trace || this.#closed)
      throw new Error("The machine was replaced while the command ran.");
    const devices = costBetween(before, trace.statistics());
    return {
      command,
      status,
      stdout,
      stderr,
      milliseconds,
      instructions: machine.counters().instructions - instructions,
      devices,
    };
  }

  // ---- stopping ----

  setBreakpoints(breakpoints: readonly Breakpoint[]): void {
    this.#refuseWhenClosed();
    if (breakpoints.length > MAXIMUM_BREAKPOINTS)
      throw new Error(`There can be ${MAXIMUM_BREAKPOINTS} breakpoints.`);
    this.#breakpoints = breakpoints;
    this.#setMatch();
  }

  step(step: Step): void {
    const machine = this.#present();
    if (!machine.debugger.stopped) throw new Error("The machine runs: pause it before you step.");
    const go = this.#planOf(step, machine);
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#why = undefined;
    this.#thenDelivery = undefined;
    go();
  }

  slowMotion(milliseconds: number): void {
    this.#refuseWhenClosed();
    this.#slowness = Math.min(Math.max(milliseconds || 0, 0), SLOWEST);
    this.#setMatch();
    if (this.#slowness === 0 && this.#pause !== undefined) this.#goOn();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#updates.close();
    const machine = this.#machine;
    this.#letGo();
    if (machine?.debugger.stopped) machine.resume();
    this.#trace = this.#newTrace("", []);
    this.#options.onClose?.();
  }

  // ---- inside ----

  readonly #observe: Observer = (event) => {
    if (!this.#known.has(event.device)) this.#learn(event.device);
    this.#seq = this.#trace.record(event);
    this.#updates.happened();
  };

  /** Checks that the step can come to its end, and returns what begins it. */
  #planOf(step: Step, { debugger: debugger_ }: InspectedMachine): () => void {
    if (step.to === "crossing") return () => debugger_.step(() => this.#meets({ by: "step" }));
    const request = this.#trace.request(step.request);
    if (!request) throw new Error(`Request ${step.request} is not in the trace any more.`);
    const { device, queue, used, interrupt, delivery } = request;
    if (step.to === "used") {
      if (used !== undefined) throw new Error(`Request ${step.request} has been given back already.`);
      return () => debugger_.step((event) => this.#isReturned(event, request));
    }
    if (delivery !== undefined || (interrupt !== undefined && interrupt !== this.#seq)) {
      throw new Error(`The interrupt of request ${step.request} has been raised already.`);
    }
    if (used !== undefined) return () => debugger_.stepToDelivery(device, queue);
    return () => {
      // The queue's next interrupt may be for another request that ends before.
      this.#thenDelivery = { device, queue };
      debugger_.step((event) => this.#isReturned(event, request));
    };
  }

  /** A step's end: the request is given back, or never will be. */
  #isReturned(event: VirtioEvent, { id, device, queue }: RequestRecord): boolean {
    if (event.device !== device) return false;
    if (event.type === "used") {
      return this.#trace.requestsOf(this.#seq)?.first === id && this.#meets({ by: "step" });
    }
    if (event.type !== "reset" && !(event.type === "queue" && event.queue === queue)) return false;
    this.#why = "The driver has reset the device or its queue: the request will not be given back.";
    return this.#meets({ by: "step" });
  }

  #meets(what: Met): true {
    this.#met = what;
    return true;
  }

  #setMatch(): void {
    this.#match = matcher(this.#breakpoints, this.#trace.devices);
    const looks = this.#match !== undefined || this.#slowness > 0;
    this.#machine?.debugger.breakOn(looks ? this.#isBreak : undefined);
  }

  readonly #isBreak = (event: VirtioEvent): boolean => {
    const met = this.#match?.(event);
    if (met) return this.#meets({ by: "breakpoint", breakpoint: met.id });
    return this.#slowness > 0 && this.#meets({ by: "slow" });
  };

  #stopped(event: VirtioEvent | undefined, why = this.#why): void {
    const met = this.#met;
    const then = this.#thenDelivery;
    this.#met = this.#why = this.#thenDelivery = undefined;
    if (why !== undefined) {
      this.#tellStop({ by: "end", why });
      // It was reset or switched off, rather than stopped.
      if (!this.#machine?.debugger.stopped) this.#tellStop(undefined);
    } else if (!event) this.#tellStop({ by: "person" });
    else if (met?.by === "slow") this.#pause = setTimeout(() => this.#goOn(), this.#slowness);
    else if (met?.by === "breakpoint") this.#tellStop({ ...met, event: this.#seq });
    else if (then) this.#continueTo(then);
    else this.#tellStop({ by: "step", event: this.#seq });
  }

  /** Later: a device is in the middle of what it has told us of. */
  #continueTo({ device, queue }: { device: string; queue: number }): void {
    const machine = this.#machine;
    queueMicrotask(() => {
      if (machine === this.#machine && machine?.debugger.stopped)
        machine.debugger.stepToDelivery(device, queue);
    });
  }

  #goOn(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#machine?.resume();
  }

  #tellStop(stop: StopReason | undefined): void {
    this.#stop = stop;
    // What it stands at is seen together with why.
    if (stop) this.#updates.now();
    tell(() => this.#options.listener.onStop(stop));
  }

  /** A device that the trace does not list: it came while the machine was there. */
  #learn(name: string): void {
    this.#known.add(name);
    const now = (this.#machine?.describe() ?? []).map(tracedDevice);
    const gone = this.#trace.devices.filter((device) => now.every((other) => other.name !== device.name));
    this.#trace.devices = [...now, ...gone].slice(0, MAXIMUM_DEVICES);
    for (const device of now) this.#known.add(device.name);
    if (this.#match) this.#setMatch();
  }

  #letGo(): void {
    const machine = this.#machine;
    this.#machine = undefined;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#met = this.#why = this.#thenDelivery = undefined;
    if (!machine) return;
    machine.observe(undefined);
    machine.debugger.onStop = undefined;
    machine.debugger.breakOn(undefined);
    if (this.#stop) this.#tellStop(undefined);
  }

  #newTrace(config: string, devices: Trace["devices"]): Trace {
    const { bound, sample } = this.#options;
    // Before there is a machine, and after the end, it is as small as can be.
    const size = devices.length === 0 ? { bound: 0 } : bound === undefined ? {} : { bound };
    return new Trace({ config, devices, ...size, ...(sample !== undefined && { sample }) });
  }

  #present(): InspectedMachine {
    this.#refuseWhenClosed();
    if (!this.#machine) throw new Error("There is no machine: it was not started, or it failed to start.");
    return this.#machine;
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new Error("This inspection has ended.");
  }
}

/** Through comlink a call is a promise, and whoever listens may be gone. */
function tell(call: () => unknown): void {
  void Promise.resolve()
    .then(call)
    .catch(() => undefined);
}
