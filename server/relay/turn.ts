/** What is to be done once when all that came in this turn of the event loop has been dealt with. */
export class Turn {
  #waiting: { flush(): void }[] = [];

  /** `flush` is called at the turn's end. Add nothing twice in one turn. */
  add(item: { flush(): void }): void {
    // Immediates run after all sockets that had something to read.
    if (this.#waiting.push(item) === 1) setImmediate(this.#end);
  }

  readonly #end = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const item of waiting) item.flush();
  };
}
