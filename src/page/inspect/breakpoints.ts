import { signal } from "@preact/signals";
import type { Breakpoint, TraceEvent } from "../../inspect/types.ts";
import { breakpointLike } from "./breakpoint-form.ts";
import type { StepSource } from "./source.ts";

/** More than these nobody keeps in mind, and each is looked at for each event. */
export const MOST_BREAKPOINTS = 32;

type Place = Omit<Breakpoint, "id" | "enabled">;

/** The breakpoints that somebody has set; the machine is told of each change. */
export class Breakpoints {
  readonly list = signal<readonly Breakpoint[]>([]);
  /** Why the last change had no effect: a sentence. */
  readonly problem = signal<string | undefined>(undefined);
  readonly #source: Pick<StepSource, "setBreakpoints">;
  #nextId = 1;

  constructor(source: Pick<StepSource, "setBreakpoints">) {
    this.#source = source;
  }

  add(place: Place): Promise<void> {
    const already = this.list.value.find((other) => samePlace(other, place));
    if (already) return already.enabled ? Promise.resolve() : this.enable(already.id, true);
    if (this.list.value.length >= MOST_BREAKPOINTS) {
      this.problem.value = `There can be ${MOST_BREAKPOINTS} breakpoints; remove one first.`;
      return Promise.resolve();
    }
    return this.#set([...this.list.value, { id: `b${this.#nextId++}`, enabled: true, ...place }]);
  }

  addLike(event: TraceEvent): Promise<void> {
    return this.add(breakpointLike(event));
  }

  replace(id: string, place: Place): Promise<void> {
    return this.#set(
      this.list.value.map((other) => (other.id === id ? { id, enabled: other.enabled, ...place } : other)),
    );
  }

  enable(id: string, enabled: boolean): Promise<void> {
    return this.#set(this.list.value.map((other) => (other.id === id ? { ...other, enabled } : other)));
  }

  remove(id: string): Promise<void> {
    return this.#set(this.list.value.filter((other) => other.id !== id));
  }

  /** Tells the machine again: there is another one. */
  async tell(): Promise<void> {
    try {
      await this.#source.setBreakpoints(this.list.value);
      this.problem.value = undefined;
    } catch (error) {
      this.problem.value = error instanceof Error ? error.message : String(error);
    }
  }

  #set(list: readonly Breakpoint[]): Promise<void> {
    this.list.value = list;
    return this.tell();
  }
}

const known = new WeakMap<object, Breakpoints>();

/** Those of an inspection: the controls and the views change the same ones. */
export function breakpointsOf(source: Pick<StepSource, "setBreakpoints">): Breakpoints {
  let breakpoints = known.get(source);
  if (!breakpoints) known.set(source, (breakpoints = new Breakpoints(source)));
  return breakpoints;
}

function samePlace(one: Place, other: Place): boolean {
  return (
    one.device === other.device &&
    one.queue === other.queue &&
    one.kind === other.kind &&
    one.register === other.register &&
    one.sectors?.first === other.sectors?.first &&
    one.sectors?.last === other.sectors?.last &&
    one.etherType === other.etherType
  );
}
