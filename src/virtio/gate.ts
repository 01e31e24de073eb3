/**
 * Stands between the devices of a machine and its guest. While it is closed the devices take nothing from the guest and do
 * nothing to it: what they would do is held, and done in the same order when the gate opens. Register reads and writes go
 * through, because the guest waits for them; so do a backend's writes into the buffers of a request that it has: they are the
 * device's until the request is given back (2.7.13).
 *
 * An observer may close the gate from inside an event: what the event announces is then held, and is the first thing to
 * happen at the opening.
 *
 * What is held is bounded: queues and devices hold each kind of work once, and one completion of each chain in flight.
 */
export class Gate {
  /**
   * Sees the interrupt of a queue before the driver does, and may keep it back by returning true; `raise` raises it later, and
   * returns false when the queue was reset meanwhile.
   */
  keepInterrupt: ((queue: object, raise: () => boolean) => boolean) | undefined;

  #closed = false;
  #held: (() => void)[] = [];
  /** While an action runs: where in `#held` the rest of it goes, which is before everything that came later. */
  #place: number | undefined;

  get closed(): boolean {
    return this.#closed;
  }

  /** How many actions wait. */
  get waiting(): number {
    return this.#held.length;
  }

  close(): void {
    this.#closed = true;
  }

  /** Does what was held, in order, until an action closes the gate again. From inside such an action: lets it go on. */
  open(): void {
    this.#closed = false;
    if (this.#place !== undefined) return;
    for (let action = this.#next(); action; action = this.#next()) {
      this.#place = 0;
      try {
        action();
      } finally {
        this.#place = undefined;
      }
    }
  }

  /** Keeps an action for the opening. It has to be harmless after a reset of what it acts on. */
  hold(action: () => void): void {
    if (this.#place === undefined) this.#held.push(action);
    else this.#held.splice(this.#place++, 0, action);
  }

  #next(): (() => void) | undefined {
    return this.#closed ? undefined : this.#held.shift();
  }
}
