import { randomBytes } from "node:crypto";
import {
  type NatsConnection,
  NoRespondersError,
  RequestError,
  type Subscription,
} from "@nats-io/transport-node";
import { LONGEST_BATCH } from "../../../src/net/relay-protocol.ts";
import type { Log } from "../log.ts";
import type { Counters } from "../metrics.ts";
import type { LocalRoom, RoomLink, Sharing } from "../sharing.ts";
import type { Turn } from "../turn.ts";
import { Connection } from "./connection.ts";
import {
  decode,
  encodePackets,
  encodeSaid,
  ID_LENGTH,
  MOST_BEFORE_BATCH,
  RELAYS,
  relaySubject,
  type Said,
} from "./messages.ts";
import { NatsRoomLink, type Others } from "./room-link.ts";

export interface NatsSharingOptions {
  /** Of the NATS server. */
  server: string;
  /** Where members find this relay; undefined: the others do not send them here. */
  url: string | undefined;
  turn: Turn;
  counters: Counters;
  log: Log;
}

/** Milliseconds between signs of life, and until who gives none is forgotten. */
const BEAT = 1000;
const GONE_AFTER = 3500;

/** Milliseconds to answer a probe. */
const ANSWER_WITHIN = 1000;

/** Relays that are remembered. */
const MOST_RELAYS = 64;

interface OtherRelay {
  url: string | undefined;
  seen: number;
}

/**
 * Rooms shared with other relays over NATS: a subject for each room, for packets to all and for who is there, and one for each
 * relay, for packets to a member there. While NATS is away rooms go on with the members that are here.
 */
export class NatsSharing implements Sharing, Others {
  /** Other than the id of any relay before it, also of this process on this computer. */
  readonly id = randomBytes(ID_LENGTH / 2).toString("hex");
  readonly turn: Turn;
  readonly #options: NatsSharingOptions;
  readonly #connection: Connection;
  readonly #links = new Map<string, NatsRoomLink>();
  readonly #relays = new Map<string, OtherRelay>();
  readonly #probing = new Set<string>();
  readonly #heart: NodeJS.Timeout;
  #isClosing = false;

  constructor(options: NatsSharingOptions) {
    this.#options = options;
    this.turn = options.turn;
    this.#connection = new Connection(options.server, `ringside relay ${this.id}`, options.log, {
      begun: (nats) => this.#begin(nats),
      up: () => {
        this.#greet();
        for (const link of this.#links.values()) link.ask();
      },
    });
    this.#heart = setInterval(() => this.#beat(), BEAT);
    this.#heart.unref();
  }

  open(room: LocalRoom): RoomLink {
    const link = new NatsRoomLink(this, room);
    this.#links.set(room.name, link);
    return link;
  }

  get others(): string[] {
    return [...this.#relays.values()].flatMap(({ url }) => url ?? []);
  }

  get state(): { connected: boolean; relays: number } {
    return { connected: this.#connection.isUp, relays: this.#relays.size };
  }

  async close(): Promise<void> {
    clearInterval(this.#heart);
    this.say(RELAYS, { type: "bye" });
    // What it said after that would have the others take it for one that is there.
    this.#isClosing = true;
    await this.#connection.close();
  }

  say(subject: string, said: Said): void {
    if (this.#isClosing) return;
    this.#connection.publish(subject, encodeSaid(this.id, said));
  }

  sendPackets(subject: string, room: string, packets: readonly Uint8Array[]): void {
    const { counters } = this.#options;
    const most = Math.min(LONGEST_BATCH, this.#connection.longest - MOST_BEFORE_BATCH);
    for (let from = 0; from < packets.length;) {
      let length = 0;
      let to = from;
      while (to < packets.length && length + 4 + packets[to]!.length <= most)
        length += 4 + packets[to++]!.length;
      const message = packets.slice(from, to);
      const hasLeft =
        to > from &&
        !this.#isClosing &&
        this.#connection.publish(subject, encodePackets(this.id, room, message));
      // One that no message holds, of a server with a very low limit, is dropped alone.
      const count = Math.max(1, message.length);
      if (hasLeft) counters.relaysPacketsOut += count;
      else counters.dropped.relays += count;
      from += count;
    }
  }

  subscribe(subject: string, link: NatsRoomLink): Subscription | undefined {
    return this.#connection.nats?.subscribe(subject, {
      callback: (error, message) => {
        if (!error) this.#hear(message.data, link);
      },
    });
  }

  async probe(relay: string, room: string, mac: number): Promise<void> {
    const { nats } = this.#connection;
    if (!nats || this.#probing.has(relay)) return;
    this.#probing.add(relay);
    try {
      const question = encodeSaid(this.id, { type: "probe", room, mac });
      await nats.request(relaySubject(relay), question, { timeout: ANSWER_WITHIN });
    } catch (error) {
      const nobody =
        error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders());
      if (nobody) this.#forget(relay);
    } finally {
      this.#probing.delete(relay);
    }
  }

  closed(room: string): void {
    this.#links.delete(room);
  }

  #begin(nats: NatsConnection): void {
    nats.subscribe(RELAYS, {
      callback: (error, message) => {
        if (!error) this.#hear(message.data, undefined);
      },
    });
    nats.subscribe(relaySubject(this.id), {
      callback: (error, message) => {
        if (error) return;
        this.#hear(message.data, undefined);
        // Only questions have somewhere to answer to.
        if (message.reply) message.respond();
      },
    });
    for (const link of this.#links.values()) link.subscribe();
  }

  /** `link`: of the room whose subject the message came on. */
  #hear(data: Uint8Array, link: NatsRoomLink | undefined): void {
    const message = decode(data);
    if (!message || message.from === this.id) return;
    const { from, said } = message;
    if (said.type === "bye") {
      this.#forget(from);
      return;
    }
    const relay = this.#see(from);
    if (!relay) return;
    if (said.type === "beat") {
      const isNews = relay.url !== said.url;
      relay.url = said.url;
      if (isNews) for (const each of this.#links.values()) each.relaysChanged();
    } else if (said.type === "packets" || said.type === "probe") this.#links.get(said.room)?.hear(from, said);
    else link?.hear(from, said);
  }

  /** Undefined when there are more relays than we remember. */
  #see(id: string): OtherRelay | undefined {
    const now = performance.now();
    const known = this.#relays.get(id);
    if (known) {
      known.seen = now;
      return known;
    }
    if (this.#relays.size >= MOST_RELAYS) return undefined;
    const relay = { url: undefined, seen: now };
    this.#relays.set(id, relay);
    this.#options.log.info("Another relay is there.", { relay: id });
    this.#greet();
    // It may be one that was silent for a while, and was forgotten with all it had said.
    for (const link of this.#links.values()) link.ask();
    return relay;
  }

  #forget(id: string): void {
    if (!this.#relays.delete(id)) return;
    this.#options.log.info("Another relay is gone.", { relay: id });
    for (const link of this.#links.values()) {
      link.forget(id);
      link.relaysChanged();
    }
  }

  #greet(): void {
    const { url } = this.#options;
    this.say(RELAYS, { type: "beat", ...(url !== undefined && { url }) });
  }

  #beat(): void {
    this.#greet();
    const longAgo = performance.now() - GONE_AFTER;
    for (const [relay, { seen }] of this.#relays) if (seen < longAgo) this.#forget(relay);
  }
}
