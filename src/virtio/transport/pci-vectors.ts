import { NO_VECTOR } from "../spec.ts";

/** MSI-X of the PCI function that a device is behind, as its transport uses it. */
export interface MessageVectors {
  /** Entries of the table. */
  readonly vectors: number;
  /** Whether messages take the place of the interrupt line. */
  readonly enabled: boolean;
  /** Sends the message of a vector, at once or when it is unmasked. */
  signal(vector: number): void;
  /** Drops a message that waits for its vector to be unmasked. */
  forget(vector: number): void;
}

/** Which vector each event of a device is mapped to (4.1.5.1.2): events are its queues, and one for the configuration. */
export class VectorMap {
  readonly #messages: MessageVectors | undefined;
  /** By event: the queues by number, then the configuration. */
  readonly #vectors: Uint16Array;

  constructor(queues: number, messages?: MessageVectors) {
    this.#messages = messages;
    this.#vectors = new Uint16Array(queues + 1).fill(NO_VECTOR);
  }

  /** Whether interrupts are messages now. */
  get enabled(): boolean {
    return this.#messages?.enabled ?? false;
  }

  /** The number of the event "configuration changed". */
  get configEvent(): number {
    return this.#vectors.length - 1;
  }

  /** NO_VECTOR when the event is not mapped, or is none. */
  vectorOf(event: number): number {
    return this.#vectors[event] ?? NO_VECTOR;
  }

  /** Maps an event; false, and the event is unmapped, when the table has no such vector (4.1.5.1.2.1). */
  map(event: number, vector: number): boolean {
    const valid = vector === NO_VECTOR || vector < (this.#messages?.vectors ?? 0);
    const before = this.vectorOf(event);
    this.#vectors[event] = valid ? vector : NO_VECTOR;
    // What waited for the vector to be unmasked was for this event: now nobody is to hear of it.
    if (before !== NO_VECTOR && !this.#vectors.includes(before)) this.#messages?.forget(before);
    return valid;
  }

  /** Unmaps every event (reset). */
  reset(): void {
    for (let event = 0; event < this.#vectors.length; event++) this.map(event, NO_VECTOR);
  }

  /** Sends the message of an event, if it has one. */
  signal(event: number): void {
    const vector = this.vectorOf(event);
    if (vector !== NO_VECTOR) this.#messages?.signal(vector);
  }
}
