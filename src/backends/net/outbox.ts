import { HEADER } from "../../net/packet.ts";
import { toPlain } from "../../net/offload.ts";
import { encodeBatch, LONGEST_BATCH } from "../../net/relay-protocol.ts";
import type { Socket } from "./socket.ts";

/** Bytes that wait for the network: beyond `mark` the guest is held back until `low`, beyond `most` packets are dropped. */
export const OUTBOX = { low: 256 << 10, mark: 1 << 20, most: 4 << 20 } as const;

/** What leaves for a room. Packets of one turn of the event loop go together. */
export class Outbox {
  readonly #socket: Socket;
  readonly #extended: boolean;
  #pending: Uint8Array[] = [];
  #bytes = 0;
  #scheduled = false;
  #room: PromiseWithResolvers | undefined;
  #ended = false;

  constructor(socket: Socket, extended: boolean) {
    this.#socket = socket;
    this.#extended = extended;
  }

  /** False: there is no room, and it is dropped. */
  push(packet: Uint8Array): boolean {
    if (this.#ended || this.waiting + packet.length > OUTBOX.most) return false;
    const cost = 4 + packet.length;
    if (this.#extended && this.#bytes + cost > LONGEST_BATCH) this.#flush();
    this.#pending.push(packet);
    this.#bytes += cost;
    if (!this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(this.#turnEnds);
    }
    return true;
  }

  get waiting(): number {
    return this.#bytes + this.#socket.waiting;
  }

  /** Undefined while there is room; else a promise until there is. */
  get room(): Promise<void> | undefined {
    if (this.#ended || this.waiting < OUTBOX.mark) return undefined;
    if (!this.#room) {
      this.#room = withResolvers();
      this.#flush();
      this.#socket.whenDrained(OUTBOX.low);
    }
    return this.#room.promise;
  }

  /** The socket's event of that name. */
  onDrained(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  /** The connection has ended: what waits is gone, and nobody waits any longer. Returns how many packets that were. */
  end(): number {
    const lost = this.#pending.length;
    this.#ended = true;
    this.#pending = [];
    this.#bytes = 0;
    this.onDrained();
    return lost;
  }

  readonly #turnEnds = (): void => {
    this.#scheduled = false;
    this.#flush();
  };

  #flush(): void {
    const packets = this.#pending;
    if (packets.length === 0) return;
    this.#pending = [];
    this.#bytes = 0;
    if (this.#extended) {
      this.#socket.send(encodeBatch(packets));
      return;
    }
    for (const packet of packets) {
      // Not shared memory: packets are arrays of ours.
      for (const frame of toPlain(packet))
        this.#socket.send(frame.subarray(HEADER) as Uint8Array<ArrayBuffer>);
    }
  }
}

interface PromiseWithResolvers {
  promise: Promise<void>;
  resolve: () => void;
}

/** Promise.withResolvers, which Node 20 does not have. */
function withResolvers(): PromiseWithResolvers {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
