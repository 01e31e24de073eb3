import type { VirtioDevice } from "../virtio/device.ts";
import { Gate } from "../virtio/gate.ts";
import type { VirtioEvent } from "../virtio/observer.ts";
import type { Virtqueue } from "../virtio/queue.ts";
import type { Cpu } from "./cpu.ts";
import type { Delivery, InterruptController } from "./interrupts.ts";

/** What the debugger needs of its machine. */
export interface DebuggedMachine {
  /** Undefined while the machine is off. */
  board(): { readonly cpu: Cpu; readonly interrupts: InterruptController } | undefined;
  device(name: string): VirtioDevice | undefined;
  /** The guest was stopped, if it was not before: the machine is paused. */
  stopped(): void;
  /** The guest goes on. */
  runs(): void;
  /** Whether events are looked at has changed. */
  watchChanged(): void;
  /** Tells the machine's observers of what the debugger itself has seen. */
  tell(event: VirtioEvent): void;
}

/** For how many guest instructions, and slices of the CPU, an interrupt waits for a guest that has masked it. */
const PATIENCE = { exact: 20_000_000, instructions: 100_000_000, slices: 5000 } as const;

const GONE = "The machine was switched off or reset before the step had come to its end.";

/**
 * Stops a machine at events on the line between guest and hypervisor, and lets it go on from there. It stands still at once,
 * see `Gate` and `Cpu.stopNow`: what the guest does in the few instructions that it has left reaches no device.
 */
export class Debugger {
  /**
   * Told of each stop: with the event that it is at, and without one when a person stopped the machine. A step that cannot come
   * to its end says `why` in a sentence: the machine stands still then, unless it was reset or switched off.
   */
  onStop: ((event: VirtioEvent | undefined, why?: string) => void) | undefined;

  readonly gate = new Gate();
  readonly #machine: DebuggedMachine;
  #breakpoint: ((event: VirtioEvent) => boolean) | undefined;
  #until: ((event: VirtioEvent) => boolean) | undefined;
  /** The queue to whose interrupt's delivery a step goes, and what raises the interrupt when the step ends before. */
  #delivery: { queue: Virtqueue; device: VirtioDevice; kept: (() => boolean) | undefined } | undefined;
  #suspended = false;

  constructor(machine: DebuggedMachine) {
    this.#machine = machine;
  }

  /** The guest stands still. */
  get stopped(): boolean {
    return this.gate.closed;
  }

  /** Whether `look` wants to see events. */
  get watching(): boolean {
    return !this.#suspended && (this.#breakpoint !== undefined || this.#until !== undefined);
  }

  /** Stops the machine at every event that `predicate` says yes to, until another one takes its place or none. */
  breakOn(predicate: ((event: VirtioEvent) => boolean) | undefined): void {
    this.#breakpoint = predicate;
    this.#machine.watchChanged();
  }

  /**
   * Lets a machine that stands still go on to the next event that `until` says yes to, or to a breakpoint. Does nothing when it
   * does not stand still.
   */
  step(until: (event: VirtioEvent) => boolean): void {
    if (!this.stopped) return;
    this.#endStep();
    this.#until = until;
    this.#go();
  }

  /**
   * Lets a machine that stands still go on until its CPU has taken the next interrupt of a queue: the first instruction of the
   * handler is the next one. `onStop` gets a `delivery` event, which observers get, too; or a reason, when the interrupt is
   * suppressed, or the guest keeps it masked for PATIENCE.instructions. The interrupt is raised when the guest takes it, which
   * is up to PATIENCE.exact instructions later than it would be. Does nothing when the machine does not stand still.
   */
  stepToDelivery(device: string, queue: number): void {
    if (!this.stopped) return;
    this.#endStep();
    const model = this.#machine.device(device);
    const found = model?.queues[queue];
    if (!model || !found) {
      this.onStop?.(undefined, `There is no queue ${queue} of ${device}.`);
      return;
    }
    this.#delivery = { queue: found, device: model, kept: undefined };
    this.gate.keepInterrupt = (of, raise) => of === found && this.#deliver(raise);
    this.#until = (event) =>
      event.type === "interrupt" && event.queue === queue && event.device === device && event.suppressed;
    this.#go();
  }

  // ---- what the machine calls ----

  /** After observers have seen it. */
  look(event: VirtioEvent): void {
    if (this.#suspended || this.gate.closed || !this.#machine.board()) return;
    if (this.#until?.(event)) {
      const suppressed = this.#delivery !== undefined;
      this.#stop(
        event,
        suppressed ? "The driver wants no interrupt for this: it was suppressed." : undefined,
      );
    } else if (this.#breakpoint?.(event)) this.#stop(event);
  }

  /** A person stops the machine. */
  pause(): void {
    this.#stop(undefined);
  }

  /** Lets it go on, to the next breakpoint. */
  resume(): void {
    this.#endStep();
    this.#go();
  }

  /** The guest is gone, or asked to go: nothing stops it any more until `arm`, and what was held is done. */
  release(): void {
    const stepping = this.#until !== undefined;
    this.#endStep();
    this.#suspended = true;
    this.#machine.watchChanged();
    this.gate.open();
    if (stepping) this.onStop?.(undefined, GONE);
  }

  /** A new guest starts. */
  arm(): void {
    this.#suspended = false;
    this.#machine.watchChanged();
  }

  // ---- inside ----

  #stop(event: VirtioEvent | undefined, why?: string): void {
    this.#endStep();
    this.gate.close();
    this.#machine.board()?.cpu.stopNow();
    this.#machine.stopped();
    this.onStop?.(event, why);
  }

  #go(): void {
    this.#machine.watchChanged();
    this.gate.open();
    if (!this.gate.closed) this.#machine.runs();
  }

  #endStep(): void {
    const kept = this.#delivery?.kept;
    this.gate.keepInterrupt = undefined;
    this.#delivery = undefined;
    kept?.();
    this.#until = undefined;
    this.#machine.board()?.cpu.onSlice(undefined);
    this.#machine.watchChanged();
  }

  /** Keeps an interrupt back until the CPU takes it; at once when it can. */
  #deliver(raise: () => boolean): boolean {
    const board = this.#machine.board();
    const wanted = this.#delivery;
    if (!board || !wanted) return false;
    this.gate.keepInterrupt = undefined; // others of this queue go their way
    wanted.kept = raise;
    const { cpu, interrupts } = board;
    const begun = cpu.instructions;
    let slices = 0;
    let raised: Delivery | undefined;
    const look = (): void => {
      if (this.#delivery !== wanted) return;
      const waited = cpu.instructions - begun;
      const impatient = waited > PATIENCE.exact || slices++ > PATIENCE.slices / 2;
      if (!raised && !cpu.inGuest && (cpu.interruptible || impatient)) {
        wanted.kept = undefined;
        raised = interrupts.recorded(() => {
          if (!raise()) this.#stop(undefined, "The queue was reset before its interrupt was delivered.");
        });
      }
      if (this.#delivery !== wanted) return;
      if (raised && interrupts.taken(raised)) {
        const event: VirtioEvent = {
          type: "delivery",
          device: wanted.device.name,
          cause: "queue",
          queue: wanted.queue.index,
        };
        this.gate.close();
        this.#machine.tell(event);
        this.#stop(event);
      } else if (waited > PATIENCE.instructions || slices > PATIENCE.slices) {
        this.#stop(undefined, `The guest has kept the interrupt masked for ${waited} instructions.`);
      }
    };
    cpu.onSlice(look);
    look();
    return true;
  }
}
