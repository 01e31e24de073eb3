import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { HEADER } from "../../src/net/packet.ts";
import { LONGEST_BATCH } from "../../src/net/relay-protocol.ts";
import { SHARE } from "./limits.ts";

/** What all members of a relay have waiting together. */
export interface Pool {
  held: number;
  readonly most: number;
}

/** How much of it may be in the socket's own queue, outside the credit that only who speaks the extended protocol gives. */
const IN_SOCKET = 256 << 10;

/** What an object of a queue costs besides its bytes. */
const OBJECT = 256;

/** What a packet costs that waits for the end of the event loop's turn: its bytes are there anyway, but not for this member alone. */
const REFERENCE = 16;

/**
 * What waits for one member. Packets of one turn of the event loop leave together; the newest is dropped where the member's
 * bound or the relay's is reached, so that a slow member loses its own packets only.
 */
export class Outbox {
  readonly #socket: WebSocket;
  readonly #stream: Duplex;
  readonly #extended: boolean;
  readonly #pool: Pool;
  readonly #most: number;
  /** Of this turn; with those of others they share bytes that a socket read. */
  #pending: Uint8Array[] = [];
  #pendingCost = 0;
  /** Messages that were put together, in memory of their own, and have to wait. */
  #backlog: Buffer[] = [];
  #backlogCost = 0;
  /** Bytes in the socket's own queue when we last looked. */
  #inSocket = 0;
  #underWay = 0;
  #window = 0;

  /** @param stream the one under `socket`, to write several messages at once */
  constructor(socket: WebSocket, stream: Duplex, extended: boolean, pool: Pool, most: number) {
    this.#socket = socket;
    this.#stream = stream;
    this.#extended = extended;
    this.#pool = pool;
    this.#most = most;
  }

  /** Bytes that may be under way until credit comes. Before it is known nothing leaves. */
  set window(bytes: number) {
    this.#window = bytes;
    this.#send();
  }

  /** Bytes that wait here, as they are counted against the bounds. */
  get held(): number {
    return this.#pendingCost + this.#backlogCost + this.#inSocket;
  }

  /** A text message may go now without adding to much that waits. */
  get isCalm(): boolean {
    return this.#socket.bufferedAmount < IN_SOCKET;
  }

  /** A packet to leave with the next {@link flush}. False: there is no room, it is dropped. */
  push(packet: Uint8Array): boolean {
    const cost = packet.length + REFERENCE;
    const held = this.held + cost;
    if (held > this.#most || (held > SHARE && this.#pool.held + cost > this.#pool.most)) return false;
    this.#pending.push(packet);
    this.#pendingCost += cost;
    this.#pool.held += cost;
    return true;
  }

  /** The turn is over. */
  flush(): void {
    const pending = this.#pending;
    this.#pending = [];
    this.#pool.held -= this.#pendingCost;
    this.#pendingCost = 0;
    if (this.#extended) this.#putTogether(pending);
    else this.#copyFrames(pending);
    this.#send();
  }

  /** The member has dealt with so many bytes. */
  credit(bytes: number): void {
    this.#underWay = Math.max(0, this.#underWay - bytes);
    if (this.#backlog.length > 0) this.#send();
  }

  /** Drops all that waits. Called when the socket is closed. */
  dispose(): void {
    this.#pool.held -= this.held;
    this.#pending = [];
    this.#backlog = [];
    this.#pendingCost = this.#backlogCost = this.#inSocket = 0;
  }

  /** Batches of all these packets. */
  #putTogether(packets: readonly Uint8Array[]): void {
    for (let from = 0; from < packets.length;) {
      let length = 0;
      let to = from;
      while (to < packets.length && length + 4 + packets[to]!.length <= LONGEST_BATCH) {
        length += 4 + packets[to++]!.length;
      }
      const batch = this.#allocate(length);
      for (let at = 0; from < to; from++) {
        const packet = packets[from]!;
        batch.writeUInt32LE(packet.length, at);
        batch.set(packet, at + 4);
        at += 4 + packet.length;
      }
      this.#enqueue(batch);
    }
  }

  /** A message of each frame, in one piece of memory. */
  #copyFrames(packets: readonly Uint8Array[]): void {
    let length = 0;
    for (const packet of packets) length += packet.length - HEADER;
    const frames = this.#allocate(length);
    let at = 0;
    for (const packet of packets) {
      // The header stands where the frame before it ended, or before the piece: only the frame is copied.
      const end = at + packet.length - HEADER;
      frames.set(packet.subarray(HEADER), at);
      this.#enqueue(frames.subarray(at, end));
      at = end;
    }
  }

  /** Memory that leaves at once may be a part of Node's pool; what waits would keep the pool's other parts. */
  #allocate(length: number): Buffer {
    const leaves = this.#backlog.length === 0 && this.#socket.bufferedAmount === 0;
    return leaves ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length);
  }

  #enqueue(message: Buffer): void {
    const cost = message.length + OBJECT;
    this.#backlog.push(message);
    this.#backlogCost += cost;
    this.#pool.held += cost;
  }

  #send(): void {
    const backlog = this.#backlog;
    let sent = 0;
    // All in one write to the kernel.
    this.#stream.cork();
    while (sent < backlog.length && this.#maySend(backlog[sent]!)) {
      const message = backlog[sent++]!;
      if (this.#extended) this.#underWay += message.length;
      this.#backlogCost -= message.length + OBJECT;
      this.#pool.held -= message.length + OBJECT;
      this.#socket.send(message, BINARY, this.#written);
    }
    this.#stream.uncork();
    if (sent === backlog.length) this.#backlog = [];
    else if (sent > 0) backlog.splice(0, sent);
    this.#lookAtSocket();
  }

  #maySend({ length }: Buffer): boolean {
    if (this.#socket.bufferedAmount >= IN_SOCKET) return false;
    return !this.#extended || this.#underWay + length <= this.#window;
  }

  readonly #written = (): void => {
    this.#lookAtSocket();
    if (this.#backlog.length > 0) this.#send();
  };

  #lookAtSocket(): void {
    const now = this.#socket.readyState === this.#socket.CLOSED ? 0 : this.#socket.bufferedAmount;
    this.#pool.held += now - this.#inSocket;
    this.#inSocket = now;
  }
}

const BINARY = { binary: true } as const;
