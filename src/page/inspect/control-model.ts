import { computed, signal } from "@preact/signals";
import type { Step } from "../../inspect/types.ts";
import { Latest } from "./latest.ts";
import type { StepSource } from "./source.ts";

/** What pauses the machine and lets it go on: the page's session. */
export interface Pausable {
  pause(): Promise<void>;
  resume(): Promise<void>;
}

/** The controls' state: what can be stepped to, how slow the motion is, what failed. */
export class ControlModel {
  readonly slowness = signal(0);
  /** The request that steps go by: that of the event that is looked at. */
  readonly request = signal<number | undefined>(undefined);
  /** Why the last order had no effect: a sentence. */
  readonly problem = signal<string | undefined>(undefined);
  readonly stopped = computed(() => this.#source.stop.value !== undefined);
  readonly #source: StepSource;
  readonly #machine: Pausable;
  readonly #requestWork: Latest;
  readonly #ends: (() => void)[] = [];

  constructor(source: StepSource, machine: Pausable) {
    this.#source = source;
    this.#machine = machine;
    this.#requestWork = new Latest(() => this.#findRequest(), {
      rest: 50,
      onError: () => (this.request.value = undefined),
    });
    // Where it stands still is what one wants to see.
    this.#ends.push(
      source.stop.subscribe((stop) => {
        this.problem.value = undefined;
        if (stop && "event" in stop) source.selected.value = { ...source.selected.peek(), seq: stop.event };
      }),
      source.selected.subscribe(() => this.#requestWork.ask()),
      source.summary.subscribe(() => this.#requestWork.ask()),
    );
  }

  /** Pauses a machine that runs, and lets one that stands still go on. */
  async toggle(): Promise<void> {
    await this.#order(() => (this.stopped.peek() ? this.#machine.resume() : this.#machine.pause()));
  }

  async step(to: Step["to"]): Promise<void> {
    const request = this.request.peek();
    if (to === "crossing") await this.#order(() => this.#source.step({ to }));
    else if (request !== undefined) await this.#order(() => this.#source.step({ to, request }));
  }

  async slow(milliseconds: number): Promise<void> {
    await this.#order(async () => {
      await this.#source.slowMotion(milliseconds);
      this.slowness.value = milliseconds;
    });
  }

  dispose(): void {
    for (const end of this.#ends) end();
    this.#requestWork.dispose();
  }

  async #order(give: () => Promise<unknown>): Promise<void> {
    try {
      await give();
      this.problem.value = undefined;
    } catch (error) {
      this.problem.value = error instanceof Error ? error.message : String(error);
    }
  }

  async #findRequest(): Promise<void> {
    const { seq } = this.#source.selected.peek();
    const [event] = seq === undefined ? [] : await this.#source.events({ from: seq, to: seq + 1, limit: 1 });
    this.request.value = event?.requests?.first;
  }
}
