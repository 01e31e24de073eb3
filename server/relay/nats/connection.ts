import { setTimeout as delay } from "node:timers/promises";
import { connect, type ConnectionOptions, type NatsConnection, type Status } from "@nats-io/transport-node";
import type { Log } from "../log.ts";

/** Milliseconds between attempts. */
const RETRY = 1000;

/** Bytes that may be under way to the server: what it has not confirmed. */
const WINDOW = 8 << 20;

export interface ConnectionEvents {
  /** Each time it is there again; subscriptions made before are there again as well. */
  up(): void;
  /** Called once for each `NatsConnection`: the place to subscribe. */
  begun(nats: NatsConnection): void;
}

/** A connection that comes back for as long as it is wanted. Nothing here throws or rejects. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #log: Log;
  readonly #events: ConnectionEvents;
  #nats: NatsConnection | undefined;
  #isUp = false;
  #isClosed = false;
  #unconfirmed = 0;
  /** Counts connections: a confirmation of an earlier one says nothing of this one. */
  #epoch = 0;
  #isConfirming = false;

  /** @param url nats://[user:password@]host[:port], or tls:// */
  constructor(url: string, name: string, log: Log, events: ConnectionEvents) {
    this.#options = { ...optionsOf(url), name };
    this.#log = log;
    this.#events = events;
    void this.#run();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Undefined while there is none. */
  get nats(): NatsConnection | undefined {
    return this.#isUp ? this.#nats : undefined;
  }

  /** Bytes that a message may have. */
  get longest(): number {
    return this.#nats?.info?.max_payload ?? 1 << 20;
  }

  /** False: it is not connected, or too much is under way; the message is dropped. */
  publish(subject: string, message: Uint8Array): boolean {
    if (!this.#isUp || this.#unconfirmed + message.length > WINDOW) return false;
    try {
      this.#nats!.publish(subject, message);
    } catch {
      // It was closed a moment ago.
      return false;
    }
    this.#unconfirmed += message.length;
    if (!this.#isConfirming) void this.#confirm();
    return true;
  }

  /** Resolves when what was published has left, or after a second. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const nats = this.#nats;
    if (!nats) return;
    const bounded = (work: Promise<unknown>) =>
      Promise.race([work.catch(() => undefined), delay(500, undefined, { ref: false })]);
    if (this.#isUp) await bounded(nats.flush());
    this.#isUp = false;
    await bounded(nats.close());
  }

  async #run(): Promise<void> {
    let isSaid = false;
    while (!this.#isUnwanted()) {
      try {
        const nats = await connect(this.#options);
        // It may have been closed meanwhile.
        if (this.#isUnwanted()) {
          await nats.close();
          return;
        }
        isSaid = false;
        await this.#use(nats);
      } catch (error) {
        if (!isSaid)
          this.#log.warn("NATS cannot be reached; rooms go on at this relay alone.", {
            error: reasonOf(error),
          });
        isSaid = true;
      }
      this.#isUp = false;
      await delay(RETRY, undefined, { ref: false });
    }
  }

  #isUnwanted(): boolean {
    return this.#isClosed;
  }

  async #use(nats: NatsConnection): Promise<void> {
    this.#nats = nats;
    const ended = nats.closed();
    void this.#watch(nats.status());
    this.#isUp = true;
    this.#events.begun(nats);
    this.#goUp();
    const error = await ended;
    if (error) this.#log.warn("The connection to NATS has ended.", { error: reasonOf(error) });
  }

  async #watch(statuses: AsyncIterable<Status>): Promise<void> {
    for await (const status of statuses) {
      if (this.#isClosed) return;
      if (status.type === "disconnect") {
        this.#isUp = false;
        this.#log.warn("NATS is gone; rooms go on at this relay alone.");
      } else if (status.type === "reconnect") this.#goUp();
      else if (status.type === "error")
        this.#log.warn("NATS reports an error.", { error: status.error.message });
    }
  }

  #goUp(): void {
    this.#isUp = true;
    this.#epoch++;
    this.#unconfirmed = 0;
    this.#isConfirming = false;
    this.#log.info("Connected to NATS.");
    this.#events.up();
  }

  /** The server answers in order: with the answer to a flush all before it has left our memory. */
  async #confirm(): Promise<void> {
    const epoch = this.#epoch;
    this.#isConfirming = true;
    while (epoch === this.#epoch && this.#unconfirmed > 0) {
      const bytes = this.#unconfirmed;
      try {
        await this.#nats!.flush();
      } catch {
        // The connection is gone: the next one begins anew.
        return;
      }
      if (epoch === this.#epoch) this.#unconfirmed -= bytes;
    }
    if (epoch === this.#epoch) this.#isConfirming = false;
  }
}

function optionsOf(url: string): ConnectionOptions {
  const { protocol, host, username, password } = new URL(url);
  const user = decodeURIComponent(username);
  return {
    servers: host,
    ...(protocol === "tls:" && { tls: {} }),
    ...(password === "" ? user !== "" && { token: user } : { user, pass: decodeURIComponent(password) }),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    timeout: 3000,
    pingInterval: 3000,
    maxPingOut: 2,
    noEcho: true,
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
