import type { Route } from "../../../../net/ip.ts";
import { type Segment, TcpFlag, tcpPacket } from "../../../../net/tcp.ts";
import type { Clock } from "../clock.ts";
import type { Outlet, Talker } from "../outlet.ts";
import { ByteQueue } from "./byte-queue.ts";
import { RetransmissionTime } from "./retransmission-time.ts";
import { ahead, plus } from "./sequence.ts";

/** Bytes received that nobody has read yet: the window. */
export const RECEIVE_BUFFER = 256 * 1024;
/** Bytes written that are not acknowledged; with more than these `write` has to be waited for. */
export const SEND_BUFFER = 512 * 1024;
/** Segments in a packet. 44 of 1,460 bytes are all that fit; with smaller ones whoever cuts it up has a bound, too. */
const MOST_SEGMENTS = 64;
/** Bytes of data in a packet: IP counts 65,535 with headers. */
const MOST_DATA = 65535 - 40;
/** Window scale of ours (RFC 7323): 16 bits times 8 are enough for the buffer. */
const SCALE = 3;
/** Timeouts in a row without a word from the guest; with the pauses doubling that is some minutes. */
const MOST_RETRIES = 10;
/** Milliseconds that a connection stays known after both sides ended it: nothing is older on one hop in the same process. */
const LINGER = 10_000;
/** Milliseconds for the guest to end its side after we ended ours; what it says meanwhile is not read any more. */
const LAST_WORDS = 60_000;
/** Bounds of what a guest may say its maximum segment size is: below is no use, above there is no such packet. */
const LEAST_SIZE = 28;

/** The connection is gone: reset by the guest, or nothing came for too long. */
export class ConnectionGone extends Error {
  constructor() {
    super("The connection to the guest is gone.");
    this.name = "ConnectionGone";
  }
}

export interface ConnectionOptions {
  route: Route;
  clock: Clock;
  outlet: Outlet;
  /** Bytes of the link's IP packets. */
  mtu: number;
  /** Where our sequence numbers begin. */
  initial: number;
  /** The handshake is complete. */
  onOpen: (connection: Connection) => void;
  /** Nothing more comes of it, and nothing may be done with it. */
  onGone: (connection: Connection) => void;
}

/**
 * One TCP connection that the guest opened (RFC 9293). Streams both ways with windows, retransmission and an orderly end; data that
 * comes out of order is asked for again. There is no congestion control: the way is one hop, whose queue says when it is full.
 */
export class Connection implements Talker {
  readonly route: Route;
  readonly localPort: number;
  readonly remotePort: number;
  state: "opening" | "open" | "lingering" | "gone" = "opening";
  readonly #options: ConnectionOptions;
  readonly #size: number;
  readonly #burst: number;
  readonly #scale: number;
  /** Bytes of the receive buffer that their header has words for. */
  readonly #capacity: number;
  readonly #theirScale: number;

  // What we send: first not acknowledged, next, and highest ever sent.
  #unacknowledged: number;
  #next: number;
  #highest: number;
  readonly #outgoing = new ByteQueue();
  #corked = false;
  #ending = false;
  /** What comes after our end, once that was sent. */
  #end: number | undefined;
  #window: number;
  #windowSequence: number;
  #windowAcknowledgement = 0;
  #duplicates = 0;
  /** Until this is acknowledged, each acknowledgement of less says what to send again. */
  #recovery: number | undefined;
  /** After a timeout nothing but the first segment goes out until it is acknowledged. */
  #probing = false;
  readonly #time = new RetransmissionTime();
  #retries = 0;
  #timed: { sequence: number; at: number } | undefined;

  // What we receive: next expected, end of the window that they know, and what they know of what we have.
  #expected: number;
  #edge: number;
  #acknowledged: number;
  readonly #incoming = new ByteQueue();
  #theirEnd = false;
  #acknowledgementDue = false;

  #deadline: number | undefined;
  #cancelTimer: (() => void) | undefined;
  #timerAt = 0;
  #reader: { resolve: (bytes: Uint8Array | undefined) => void; reject: (error: Error) => void } | undefined;
  #writer: { resolve: () => void; reject: (error: Error) => void } | undefined;
  readonly #goneCallbacks = new Set<() => void>();

  constructor(syn: Segment, options: ConnectionOptions) {
    this.#options = options;
    this.route = options.route;
    this.localPort = syn.destinationPort;
    this.remotePort = syn.sourcePort;
    const v4 = this.route.source.length === 4;
    const ours = options.mtu - (v4 ? 40 : 60);
    this.#size = Math.max(Math.min(syn.maximum ?? (v4 ? 536 : 1220), ours), LEAST_SIZE);
    this.#burst = Math.min(MOST_SEGMENTS, Math.floor(MOST_DATA / this.#size)) * this.#size;
    this.#scale = syn.scale === undefined ? 0 : SCALE;
    this.#capacity = syn.scale === undefined ? 0xffff : RECEIVE_BUFFER;
    this.#theirScale = syn.scale ?? 0;
    this.#unacknowledged = this.#next = this.#highest = options.initial;
    this.#expected = this.#acknowledged = plus(syn.sequence, 1);
    this.#edge = plus(this.#expected, 0xffff);
    this.#window = syn.window;
    this.#windowSequence = syn.sequence;
    this.#sendSyn();
  }

  /** The next bytes from the guest; undefined when it has said all, or after `end`. Throws {@link ConnectionGone}. One at a time. */
  read(): Promise<Uint8Array | undefined> {
    if (this.state === "gone") return Promise.reject(new ConnectionGone());
    const bytes = this.#incoming.take();
    if (bytes) this.#openWindow();
    if (bytes ?? (this.#theirEnd || this.#ending)) return Promise.resolve(bytes);
    return new Promise((resolve, reject) => (this.#reader = { resolve, reject }));
  }

  /**
   * Bytes for the guest, which belong to the connection from now on. `more`: others follow soon, so that part of a segment may
   * wait for them. Undefined when there is room for more, otherwise a promise of that, to be waited for before the next write.
   * Throws {@link ConnectionGone}.
   */
  write(pieces: readonly Uint8Array[], more = false): Promise<void> | undefined {
    if (this.state === "gone" || this.#ending) throw new ConnectionGone();
    for (const piece of pieces) this.#outgoing.append(piece);
    this.#corked = more;
    this.#transmit();
    if (this.#outgoing.length <= SEND_BUFFER) return undefined;
    return new Promise((resolve, reject) => (this.#writer = { resolve, reject }));
  }

  /** All is written. What the guest says from now on is not read. */
  end(): void {
    if (this.#ending || this.state === "gone") return;
    this.#ending = true;
    this.#corked = false;
    this.#incoming.clear();
    this.#reader?.resolve(undefined);
    this.#reader = undefined;
    this.#transmit();
  }

  /** Resets it. */
  abort(): void {
    if (this.state === "gone") return;
    if (this.state !== "lingering") this.#send(this.#highest, TcpFlag.RST | TcpFlag.ACK);
    this.drop();
  }

  /** Forgets it without a word. */
  drop(): void {
    if (this.state === "gone") return;
    this.state = "gone";
    this.#cancelTimer?.();
    this.#options.outlet.forget(this);
    this.#incoming.clear();
    this.#outgoing.clear();
    this.#reader?.reject(new ConnectionGone());
    this.#writer?.reject(new ConnectionGone());
    this.#reader = this.#writer = undefined;
    for (const callback of this.#goneCallbacks) callback();
    this.#goneCallbacks.clear();
    this.#options.onGone(this);
  }

  /** Calls back once when it is gone; what it returns takes that back. */
  whenGone(callback: () => void): () => void {
    if (this.state === "gone") callback();
    else this.#goneCallbacks.add(callback);
    return () => this.#goneCallbacks.delete(callback);
  }

  /** The outlet has room again. */
  resume(): void {
    if (this.state !== "gone") this.#transmit();
  }

  /** A segment from the guest (RFC 9293, 3.10.7.4). */
  receive(segment: Segment): void {
    const { flags } = segment;
    if (!this.#isAcceptable(segment)) {
      if (!(flags & TcpFlag.RST)) this.#repeat(segment);
      return;
    }
    if (flags & TcpFlag.RST) {
      // Anywhere else in the window it may be a guess (RFC 5961, 3.2).
      if (segment.sequence === this.#expected) this.drop();
      else this.#acknowledge();
      return;
    }
    if (flags & TcpFlag.SYN) {
      this.#repeat(segment);
      return;
    }
    if (!(flags & TcpFlag.ACK)) return;
    if (this.state === "opening" && !this.#open(segment)) return;
    if (!this.#hear(segment)) return;
    this.#take(segment);
    if (!this.#isGone()) this.#transmit();
  }

  /** The state, where TypeScript would not believe that a call has changed it. */
  #isGone(): boolean {
    return this.state === "gone";
  }

  /** Whether any of it is in the window. */
  #isAcceptable({ sequence, data, flags }: Segment): boolean {
    const length = data.length + (flags & TcpFlag.SYN ? 1 : 0) + (flags & TcpFlag.FIN ? 1 : 0);
    const room = ahead(this.#edge, this.#expected);
    const from = ahead(sequence, this.#expected);
    if (length === 0) return room === 0 ? from === 0 : from >= 0 && from < room;
    return room > 0 && from < room && from + length > 0;
  }

  /** They do not know where we are: a segment came again, or comes from nowhere. */
  #repeat({ flags }: Segment): void {
    if (this.state === "opening" && flags & TcpFlag.SYN) this.#sendSyn();
    else this.#acknowledge();
    if (this.state === "lingering") this.#setDeadline(LINGER);
  }

  #open({ acknowledgement }: Segment): boolean {
    if (acknowledgement !== plus(this.#options.initial, 1)) {
      this.#send(acknowledgement, TcpFlag.RST);
      return false;
    }
    this.state = "open";
    this.#unacknowledged = this.#next = this.#highest = acknowledgement;
    this.#windowAcknowledgement = acknowledgement;
    this.#retries = 0;
    this.#time.calm();
    this.#setDeadline(undefined);
    this.#options.onOpen(this);
    return true;
  }

  /** What they have got of us, and how much they can take. False: it makes no sense, or that was the end. */
  #hear(segment: Segment): boolean {
    const { acknowledgement, sequence } = segment;
    if (ahead(acknowledgement, this.#highest) > 0) {
      this.#acknowledge();
      return false;
    }
    this.#retries = 0;
    const before = this.#window;
    if (
      ahead(sequence, this.#windowSequence) > 0 ||
      (sequence === this.#windowSequence && ahead(acknowledgement, this.#windowAcknowledgement) >= 0)
    ) {
      this.#window = segment.window * 2 ** this.#theirScale;
      this.#windowSequence = sequence;
      this.#windowAcknowledgement = acknowledgement;
    }
    const progress = ahead(acknowledgement, this.#unacknowledged);
    if (this.#probing && progress === 0 && this.#window > before) {
      // There is room again, and what asked for it found none.
      this.#probing = false;
      this.#next = this.#unacknowledged;
    }
    if (progress > 0) return this.#advance(acknowledgement, progress);
    if (
      progress === 0 &&
      segment.data.length === 0 &&
      this.#window === before &&
      this.#highest !== this.#unacknowledged
    )
      this.#duplicate();
    return true;
  }

  /** False: that was the end. */
  #advance(acknowledgement: number, progress: number): boolean {
    if (this.#timed && ahead(acknowledgement, this.#timed.sequence) >= 0) {
      this.#time.measured(this.#options.clock.now() - this.#timed.at);
      this.#timed = undefined;
    }
    const ended = progress > this.#outgoing.length;
    this.#outgoing.discard(Math.min(progress, this.#outgoing.length));
    this.#unacknowledged = acknowledgement;
    if (ahead(acknowledgement, this.#next) > 0) this.#next = acknowledgement;
    this.#duplicates = 0;
    this.#probing = false;
    this.#time.calm();
    if (this.#recovery !== undefined) {
      if (ahead(acknowledgement, this.#recovery) >= 0) this.#recovery = undefined;
      else this.#sendAgain();
    }
    if (this.#outgoing.length <= SEND_BUFFER) {
      this.#writer?.resolve();
      this.#writer = undefined;
    }
    if (ended) return this.#afterOurEnd();
    this.#setDeadline(this.#highest === acknowledgement ? undefined : this.#time.milliseconds);
    return true;
  }

  /** Three in a row: something is missing there (RFC 5681, 3.2). */
  #duplicate(): void {
    if (++this.#duplicates !== 3 || this.#recovery !== undefined) return;
    this.#recovery = this.#highest;
    this.#sendAgain();
  }

  #sendAgain(): void {
    this.#timed = undefined;
    const missing = ahead(this.#recovery!, this.#unacknowledged);
    this.#sendData(this.#unacknowledged, Math.min(missing, this.#burst, this.#outgoing.length));
  }

  /** They know of our end. */
  #afterOurEnd(): boolean {
    if (this.#theirEnd) {
      // Who ended last is done; who ended first stays to say so again (3.6).
      if (this.state !== "lingering") {
        this.drop();
        return false;
      }
      this.#setDeadline(LINGER);
      return true;
    }
    this.#setDeadline(LAST_WORDS);
    return true;
  }

  #take({ sequence, data, flags }: Segment): void {
    const late = ahead(sequence, this.#expected);
    if (late > 0) {
      if (data.length > 0 || flags & TcpFlag.FIN) this.#acknowledge();
      return;
    }
    const from = -late;
    const to = Math.min(data.length, from + ahead(this.#edge, this.#expected));
    if (to > from) this.#accept(data.subarray(from, to));
    else if (data.length > 0 && to <= from && !(flags & TcpFlag.FIN)) this.#acknowledgeSoon();
    if (flags & TcpFlag.FIN && to === data.length && ahead(this.#expected, sequence) === data.length)
      this.#finish();
  }

  #accept(data: Uint8Array): void {
    this.#expected = plus(this.#expected, data.length);
    this.#acknowledgeSoon();
    // After our own end nobody reads.
    if (this.#ending || this.#theirEnd) return;
    this.#incoming.append(data);
    if (!this.#reader) return;
    const { resolve } = this.#reader;
    this.#reader = undefined;
    resolve(this.#incoming.take());
  }

  #finish(): void {
    this.#expected = plus(this.#expected, 1);
    this.#theirEnd = true;
    this.#acknowledge();
    this.#reader?.resolve(undefined);
    this.#reader = undefined;
    if (!this.#ending) return;
    this.state = "lingering";
    // Our end may still be on its way; until it is acknowledged the timer is for that.
    if (this.#highest === this.#unacknowledged) this.#setDeadline(LINGER);
  }

  /** Sends what may be sent now. */
  #transmit(): void {
    const { outlet } = this.#options;
    while (this.state === "open" || this.state === "lingering") {
      const underWay = ahead(this.#next, this.#unacknowledged);
      const unsent = this.#outgoing.length - underWay;
      if (unsent < 0 || (unsent === 0 && (!this.#ending || this.#next === this.#end)) || this.#probing) break;
      if (outlet.held) {
        outlet.wait(this);
        break;
      }
      const room = this.#window - underWay;
      const length = Math.max(Math.min(unsent, room, this.#burst), 0);
      if (unsent > 0 && !this.#isWorthIt(length, unsent, underWay)) break;
      this.#sendData(this.#next, unsent > length ? length - (length % this.#size) || length : length);
    }
    if (this.#deadline === undefined && this.#hasOpenEnds()) this.#setDeadline(this.#time.milliseconds);
    if (this.#acknowledgementDue && ahead(this.#expected, this.#acknowledged) >= this.#capacity / 2)
      this.#acknowledge();
  }

  /** Not a part of a segment without need (RFC 9293, 3.8.6.2.1 and 3.7.4). */
  #isWorthIt(length: number, unsent: number, underWay: number): boolean {
    if (length >= this.#size) return true;
    if (length <= 0) return false;
    return underWay === 0
      ? length === unsent || length >= this.#window / 2
      : length === unsent && !this.#corked;
  }

  /** Something of ours waits for them. */
  #hasOpenEnds(): boolean {
    return this.#outgoing.length > 0 || this.#highest !== this.#unacknowledged;
  }

  #sendData(sequence: number, length: number): void {
    const offset = ahead(sequence, this.#unacknowledged);
    const last = offset + length === this.#outgoing.length;
    const fin = this.#ending && last;
    const end = plus(sequence, length + (fin ? 1 : 0));
    this.#send(sequence, TcpFlag.ACK | (last ? TcpFlag.PSH : 0) | (fin ? TcpFlag.FIN : 0), length);
    if (fin) this.#end = end;
    if (ahead(end, this.#next) > 0) this.#next = end;
    if (ahead(end, this.#highest) <= 0) return;
    this.#highest = end;
    this.#timed ??= { sequence: end, at: this.#options.clock.now() };
  }

  /** A packet; its data are those behind `sequence`. */
  #send(sequence: number, flags: number, length = 0): void {
    const header = this.#header(sequence, flags);
    const packet = tcpPacket(this.route, header, length, this.#size);
    if (length > 0)
      this.#outgoing.copy(ahead(sequence, this.#unacknowledged), packet.subarray(packet.length - length));
    this.#options.outlet.send(packet);
  }

  #sendSyn(): void {
    const { initial, mtu } = this.#options;
    const header = this.#header(initial, TcpFlag.SYN | TcpFlag.ACK);
    // The window of a SYN is never scaled (RFC 7323, 2.2).
    header.window = 0xffff;
    header.maximum = mtu - (this.route.source.length === 4 ? 40 : 60);
    if (this.#scale) header.scale = this.#scale;
    this.#options.outlet.send(tcpPacket(this.route, header, 0, this.#size));
    this.#highest = plus(initial, 1);
    this.#setDeadline(this.#time.milliseconds);
  }

  #header(sequence: number, flags: number) {
    this.#acknowledgementDue = false;
    this.#acknowledged = this.#expected;
    const free = Math.max(this.#capacity - this.#incoming.length, 0);
    const window = Math.min(Math.max(free, ahead(this.#edge, this.#expected)) >>> this.#scale, 0xffff);
    const edge = plus(this.#expected, window << this.#scale);
    if (this.state !== "opening" && ahead(edge, this.#edge) > 0) this.#edge = edge;
    return {
      sourcePort: this.localPort,
      destinationPort: this.remotePort,
      sequence,
      acknowledgement: this.#expected,
      flags,
      window,
      maximum: undefined as number | undefined,
      scale: undefined as number | undefined,
    };
  }

  #acknowledge(): void {
    this.#send(this.#highest, TcpFlag.ACK);
  }

  /** When the guest's doorbell is dealt with: one answer to all that it had rung for. */
  #acknowledgeSoon(): void {
    if (this.#acknowledgementDue) return;
    this.#acknowledgementDue = true;
    queueMicrotask(this.#acknowledgeNow);
  }

  readonly #acknowledgeNow = (): void => {
    if (this.#acknowledgementDue && this.state !== "gone") this.#acknowledge();
  };

  /** Something was read: tells them, when that is worth a packet. */
  #openWindow(): void {
    const known = ahead(this.#edge, this.#expected);
    if (this.#capacity - this.#incoming.length - known >= this.#capacity / 4) this.#acknowledge();
  }

  /** One timer for all; it is not set anew for each segment, but looks when it ends whether it was too early. */
  #setDeadline(milliseconds: number | undefined): void {
    if (milliseconds === undefined) {
      this.#deadline = undefined;
      return;
    }
    this.#deadline = this.#options.clock.now() + milliseconds;
    if (this.#cancelTimer && this.#timerAt <= this.#deadline) return;
    this.#cancelTimer?.();
    this.#setTimer();
  }

  #setTimer(): void {
    this.#timerAt = this.#deadline!;
    this.#cancelTimer = this.#options.clock.after(this.#timerAt - this.#options.clock.now(), () => {
      this.#cancelTimer = undefined;
      if (this.#deadline === undefined) return;
      if (this.#deadline > this.#options.clock.now()) this.#setTimer();
      else this.#timeOut();
    });
  }

  #timeOut(): void {
    this.#deadline = undefined;
    if (this.state === "lingering" && !this.#hasOpenEnds()) {
      this.drop();
      return;
    }
    if (!this.#hasOpenEnds()) {
      this.abort();
      return;
    }
    // A guest that takes nothing, because it is paused, say, cannot answer either.
    if (this.#options.outlet.held) {
      this.#options.outlet.wait(this);
      this.#setDeadline(this.#time.milliseconds);
      return;
    }
    if (++this.#retries > MOST_RETRIES) {
      this.abort();
      return;
    }
    this.#time.double();
    this.#timed = undefined;
    this.#recovery = undefined;
    this.#duplicates = 0;
    if (this.state === "opening") {
      this.#sendSyn();
      return;
    }
    this.#next = this.#unacknowledged;
    this.#probing = true;
    // A closed window is asked with one byte (3.8.6.1).
    this.#sendData(this.#next, Math.min(this.#outgoing.length, this.#size, Math.max(this.#window, 1)));
    this.#setDeadline(this.#time.milliseconds);
  }
}
