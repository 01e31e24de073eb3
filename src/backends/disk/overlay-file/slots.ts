import { DiskError } from "../errors.ts";
import { NOWHERE } from "./format.ts";

/** Which slots of an overlay file are free: those below `end` that were given back, and all from `end` on. */
export class Slots {
  /** The lowest is taken first, while nothing is given back: the order in which a file is read best. */
  readonly #free: number[] = [];
  #end: number;

  /** @param used the slots in use; slot 0 always is */
  constructor(used: Iterable<number>) {
    const taken: boolean[] = [true];
    for (const slot of used) taken[slot] = true;
    this.#end = taken.length;
    for (let slot = this.#end - 1; slot > 0; slot--) if (!taken[slot]) this.#free.push(slot);
  }

  /** Slots that a file has at least. */
  get end(): number {
    return this.#end;
  }

  take(): number {
    const slot = this.#free.pop() ?? this.#end++;
    if (slot >= NOWHERE) throw new DiskError("full", "The disk file has no slots left.");
    return slot;
  }

  give(slots: Iterable<number>): void {
    for (const slot of slots) this.#free.push(slot);
  }
}
