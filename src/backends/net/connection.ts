import { packetFault } from "../../net/offload.ts";
import { packetOf } from "../../net/packet.ts";
import { decodeBatch, type FromMember, SUBPROTOCOL, WINDOW } from "../../net/relay-protocol.ts";
import { Outbox } from "./outbox.ts";
import { parseSaid, type Said, shownReason } from "./roster.ts";
import type { OpenSocket, Socket, SocketEnd } from "./socket.ts";

/** Milliseconds until a relay has to be there, its welcome included. */
const CONNECT_WITHIN = 10_000;

/** Milliseconds: after so much silence the relay is asked for a sign of life, and has so much time for one. */
const QUIET = 15_000;
const ANSWER_WITHIN = 10_000;
const LOOK_EVERY = 5000;

/** Credit is given back in pieces of so many bytes at least. */
const CREDIT = 64 << 10;

/** Text messages that a relay may send within a second: rosters of a room where everybody comes and goes. */
const MOST_MESSAGES = 500;

export type Welcome = Extract<Said, { type: "welcome" }>;
export type Members = Extract<Said, { type: "members" }>;

export interface ConnectionOptions {
  url: string;
  /** Offers the extended protocol; otherwise it is the plain one. */
  extended: boolean;
  open: OpenSocket;
  hello: () => { name: string | undefined; mac: string };
  events: ConnectionEvents;
}

export interface ConnectionEvents {
  /** Packets go both ways from now on; without a welcome the relay speaks the plain protocol. */
  onUp(welcome: Welcome | undefined): void;
  onMembers(members: Members): void;
  onLeaving(): void;
  /** False: hold back until {@link Connection.resume}. */
  onPacket(packet: Uint8Array): boolean;
  /** Something that is no packet came. */
  onBadPacket(): void;
  /** The last event. */
  onEnd(end: ConnectionEnd): void;
}

export interface ConnectionEnd {
  code: number;
  /** A sentence for a person. */
  reason: string;
  /** Before it was up: the relay may be one that knows the plain protocol only. */
  mayBePlain: boolean;
}

/** One connection to a relay, from its opening to its end. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #host: string;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #looks: ReturnType<typeof setInterval>;
  readonly #socket: Socket;
  readonly #outbox: Outbox;
  #isOpen = false;
  #isUp = false;
  #ended = false;
  /** Bytes of batches that came and were not given back as credit. */
  #owed = 0;
  #holding = false;
  #lastHeard = 0;
  #askedAt: number | undefined;
  #messages = 0;
  #messagesSince = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#events = options.events;
    this.#host = new URL(options.url).host;
    this.#timer = setTimeout(() => this.#fail(`The relay at ${this.#host} does not answer.`), CONNECT_WITHIN);
    this.#looks = setInterval(() => this.#look(performance.now()), LOOK_EVERY);
    this.#socket = options.open(options.url, options.extended ? [SUBPROTOCOL] : [], {
      onOpen: (protocol) => this.#onOpen(protocol),
      onBinary: (message) => this.#onBinary(message),
      onText: (message) => this.#onText(message),
      onDrained: () => this.#outbox.onDrained(),
      onAlive: () => this.#heard(),
      onEnd: (end) => this.#onEnd(end),
    });
    this.#outbox = new Outbox(this.#socket, options.extended);
  }

  /** False: it was dropped. */
  send(packet: Uint8Array): boolean {
    return this.#isUp && this.#outbox.push(packet);
  }

  /** Bytes that wait to leave. */
  get waiting(): number {
    return this.#outbox.waiting;
  }

  /** See `NetBackend.send`. */
  get room(): Promise<void> | undefined {
    return this.#outbox.room;
  }

  /** The device has room again. */
  resume(): void {
    if (!this.#holding) return;
    this.#holding = false;
    if (this.#options.extended) this.#giveCredit(1);
    else {
      this.#heard();
      this.#socket.resume();
    }
  }

  close(): void {
    this.#end();
  }

  #onOpen(protocol: string): void {
    if (this.#ended) return;
    this.#isOpen = true;
    this.#heard();
    if (this.#options.extended !== (protocol === SUBPROTOCOL)) {
      this.#fail(`The relay at ${this.#host} chose a protocol that was not offered.`);
    } else if (this.#options.extended) {
      const { name, mac } = this.#options.hello();
      this.#say({ type: "hello", mac, window: WINDOW.standard, ...(name !== undefined && { name }) });
    } else this.#up(undefined);
  }

  #up(welcome: Welcome | undefined): void {
    clearTimeout(this.#timer);
    this.#isUp = true;
    this.#events.onUp(welcome);
  }

  #onBinary(message: Uint8Array<ArrayBuffer>): void {
    if (this.#ended) return;
    this.#heard();
    if (!this.#options.extended) {
      this.#take(packetOf(message));
      if (this.#holding) this.#socket.pause();
      return;
    }
    const packets = this.#isUp ? decodeBatch(message) : undefined;
    this.#owed += message.length;
    if (!packets || this.#owed > WINDOW.standard) {
      this.#fail(`The relay at ${this.#host} does not keep to the protocol.`);
      return;
    }
    for (const packet of packets) {
      // A packet that waits would keep its whole batch.
      this.#take(4 * packet.length < message.length ? packet.slice() : packet);
      // What the packet led to may have ended the connection.
      if (this.#stopped) return;
    }
    if (!this.#holding) this.#giveCredit(CREDIT);
  }

  get #stopped(): boolean {
    return this.#ended;
  }

  #take(packet: Uint8Array): void {
    if (packetFault(packet) !== undefined) this.#events.onBadPacket();
    else if (!this.#events.onPacket(packet)) this.#holding = true;
  }

  #giveCredit(least: number): void {
    if (this.#owed < least || this.#ended) return;
    this.#say({ type: "credit", bytes: this.#owed });
    this.#owed = 0;
  }

  #onText(text: string): void {
    if (this.#ended) return;
    const now = this.#heard();
    // Among the plain it has no meaning.
    if (!this.#options.extended) return;
    if (now - this.#messagesSince > 1000) {
      this.#messagesSince = now;
      this.#messages = 0;
    }
    const said = ++this.#messages > MOST_MESSAGES ? undefined : parseSaid(text);
    if (!said || (said.type === "welcome" && this.#isUp)) {
      this.#fail(`The relay at ${this.#host} does not keep to the protocol.`);
    } else if (said.type === "welcome") this.#up(said);
    else if (!this.#isUp) return;
    else if (said.type === "members") this.#events.onMembers(said);
    else if (said.type === "leaving") this.#events.onLeaving();
  }

  #heard(): number {
    this.#askedAt = undefined;
    return (this.#lastHeard = performance.now());
  }

  /** A computer that slept has not heard for long, either: whoever is silent is asked first. */
  #look(now: number): void {
    if (!this.#isUp || now - this.#lastHeard < QUIET) return;
    // Who is not read from cannot be heard.
    if (this.#holding && !this.#options.extended) return;
    if (this.#askedAt === undefined) {
      if (this.#options.extended) this.#say({ type: "ping" });
      else if (this.#socket.ping) this.#socket.ping();
      else return;
      this.#askedAt = now;
    } else if (now - this.#askedAt >= ANSWER_WITHIN) {
      this.#fail(`The relay at ${this.#host} has gone silent.`);
    }
  }

  #say(message: FromMember): void {
    this.#socket.send(JSON.stringify(message));
  }

  /** It ends from here, for what the other side did. */
  #fail(reason: string): void {
    if (this.#ended) return;
    this.#end();
    this.#events.onEnd({ code: 1006, reason, mayBePlain: false });
  }

  #onEnd({ code, reason, cause, withoutProtocol }: SocketEnd): void {
    if (this.#ended) return;
    const wasOpen = this.#isOpen;
    this.#end();
    const said = shownReason(reason);
    const sentence =
      said !== undefined
        ? `The relay at ${this.#host} says: ${said}`
        : wasOpen
          ? `The connection to the relay at ${this.#host} was lost.`
          : `The relay at ${this.#host} cannot be reached${cause === undefined ? "" : `: ${cause}`}.`;
    const mayBePlain = this.#options.extended && !wasOpen && withoutProtocol !== false;
    this.#events.onEnd({ code, reason: sentence, mayBePlain });
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#isUp = false;
    clearTimeout(this.#timer);
    clearInterval(this.#looks);
    this.#outbox.end();
    this.#socket.close();
  }
}
