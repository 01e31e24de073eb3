/**
 * The way to the guest. A packet is always taken; when the guest is behind, whoever has much to say waits its turn until the guest has
 * room again.
 */
export class Outlet {
  readonly #deliver: (packet: Uint8Array) => boolean | undefined;
  readonly #waiting = new Set<Talker>();
  #held = false;

  constructor(deliver: (packet: Uint8Array) => boolean | undefined) {
    this.#deliver = deliver;
  }

  /** Nobody should send what can wait. */
  get held(): boolean {
    return this.#held;
  }

  send(packet: Uint8Array): void {
    if (this.#deliver(packet) === false) this.#held = true;
  }

  /** Calls `talker.resume` when there is room, in the order of asking. */
  wait(talker: Talker): void {
    this.#waiting.add(talker);
  }

  forget(talker: Talker): void {
    this.#waiting.delete(talker);
  }

  /** The guest has room again. */
  resume(): void {
    this.#held = false;
    for (const talker of [...this.#waiting]) {
      if (this.held) return;
      this.#waiting.delete(talker);
      talker.resume();
    }
  }
}

export interface Talker {
  resume(): void;
}
