import { macText } from "../../net/ethernet.ts";
import { HEADER, isPlain } from "../../net/packet.ts";
import { CloseCode } from "../../net/relay-protocol.ts";
import type { NetPort } from "../../virtio/net-backend.ts";
import { bytesText } from "../../virtio/view/bytes-text.ts";
import type { NamedValue } from "../../virtio/view/types.ts";
import { Backoff } from "./backoff.ts";
import { Connection, type ConnectionEnd, type Members, type Welcome } from "./connection.ts";
import { Relays } from "./relays.ts";
import type { OpenSocket } from "./socket.ts";
import { wireState } from "./state.ts";
import { noWireCounters, type SharedWire, type WireStatus } from "./wire.ts";

/** Milliseconds after which a connection counts as one that works: its end is no failure of the attempt. */
const STABLE = 5000;

/** Milliseconds until those are asked again that refused. */
const REFUSED_FOR = 60_000;

/** What a person may change while we wait: the secret, the room, whom the relay lets in. */
const MAY_CHANGE: readonly number[] = [CloseCode.secret, CloseCode.name, CloseCode.origin];

export interface RoomOptions {
  room: string;
  /** URLs, at least one: `wss://host/relay`. */
  relays: readonly string[];
  secret?: string | undefined;
  /** What the others see; undefined: the guest's MAC address. */
  name?: string | undefined;
  open: OpenSocket;
  /** Has `tell` called when the computer is on a network again; returns what ends that. */
  whenOnline?: (tell: () => void) => () => void;
  random?: () => number;
}

/** A room of a relay: an Ethernet with others, over a WebSocket that comes back when it is lost. */
export class Room implements SharedWire {
  onStatus: ((status: WireStatus) => void) | undefined;
  hasUplink = false;
  readonly #options: RoomOptions;
  readonly #relays: Relays;
  readonly #backoff: Backoff;
  readonly #counters = noWireCounters();
  #status: Omit<WireStatus, "counters">;
  #port: NetPort | undefined;
  #connection: Connection | undefined;
  #unwatch: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Bytes of a frame that the relay takes. */
  #frame = Infinity;
  #upSince = 0;
  #wasUp = false;
  #isLeaving = false;
  #disposed = false;

  constructor(options: RoomOptions) {
    this.#options = options;
    this.#relays = new Relays(options.relays);
    this.#backoff = new Backoff(options.random);
    this.#status = {
      state: "connecting",
      since: Date.now(),
      reason: undefined,
      retryAt: undefined,
      relay: this.#relays.current,
      self: undefined,
      members: [],
      lease: undefined,
    };
  }

  get status(): WireStatus {
    return { ...this.#status, counters: { ...this.#counters } };
  }

  state(): NamedValue[] {
    const waiting = this.#connection?.waiting ?? 0;
    const buffered = { name: "waits for the network", value: bytesText(waiting) };
    return wireState(`room ${this.#options.room}`, this.status, [buffered]);
  }

  connect(port: NetPort): void {
    this.#port = port;
    this.#unwatch = this.#options.whenOnline?.(() => this.#tryNow());
    this.#try(true);
  }

  send(packet: Uint8Array): Promise<void> | undefined {
    const bytes = packet.length - HEADER;
    const fits = bytes <= this.#frame || !isPlain(packet);
    if (!fits || !this.#connection?.send(packet)) {
      this.#counters.dropped++;
      return undefined;
    }
    this.#counters.packetsOut++;
    this.#counters.bytesOut += bytes;
    return this.#connection.room;
  }

  resume(): void {
    this.#connection?.resume();
  }

  dispose(): Promise<void> {
    this.#disposed = true;
    this.onStatus = undefined;
    this.#unwatch?.();
    clearTimeout(this.#timer);
    this.#connection?.close();
    this.#connection = undefined;
    this.#port = undefined;
    return Promise.resolve();
  }

  /** Does not wait any longer. */
  #tryNow(): void {
    if (this.#connection || this.#disposed || this.#status.retryAt === undefined) return;
    this.#relays.forgive();
    this.#try(true);
  }

  #try(extended: boolean): void {
    clearTimeout(this.#timer);
    this.#isLeaving = false;
    const relay = this.#relays.current;
    this.#set({ state: "connecting", retryAt: undefined, relay });
    this.#connection = new Connection({
      url: this.#urlOf(relay),
      extended,
      open: this.#options.open,
      hello: () => {
        const mac = macText(this.#port!.mac);
        return { name: this.#options.name ?? mac, mac };
      },
      events: {
        onUp: (welcome) => this.#onUp(welcome),
        onMembers: (members) => this.#onMembers(members),
        onLeaving: () => this.#onLeaving(),
        onPacket: (packet) => this.#onPacket(packet),
        onBadPacket: () => {
          this.#counters.dropped++;
        },
        onEnd: (end) => this.#onEnd(end),
      },
    });
  }

  #urlOf(relay: string): string {
    const url = new URL(relay);
    // A WebSocket's URL may not have one.
    url.hash = "";
    url.searchParams.set("room", this.#options.room);
    if (this.#options.secret !== undefined) url.searchParams.set("secret", this.#options.secret);
    return url.href;
  }

  #onUp(welcome: Welcome | undefined): void {
    this.#upSince = performance.now();
    this.#relays.forgive();
    this.#frame = welcome?.frame ?? Infinity;
    this.hasUplink = welcome?.uplink ?? false;
    if (welcome) this.#relays.learn(welcome.others);
    this.#set({
      state: "up",
      reason: undefined,
      retryAt: undefined,
      self: welcome?.id,
      members: welcome?.members ?? [],
    });
    this.#port?.setLink(true);
    if (this.#wasUp) this.#port?.announce();
    this.#wasUp = true;
  }

  #onMembers({ members, others }: Members): void {
    if (others) this.#relays.learn(others);
    this.#set({ members });
  }

  /** It would close the connection by itself, but another relay can be there sooner. */
  #onLeaving(): void {
    this.#isLeaving = true;
    this.#connection?.close();
    const reason = `The relay at ${new URL(this.#relays.current).host} ends.`;
    this.#onEnd({ code: CloseCode.leaving, reason, mayBePlain: false });
  }

  #onPacket(packet: Uint8Array): boolean {
    this.#counters.packetsIn++;
    this.#counters.bytesIn += packet.length - HEADER;
    return this.#port?.receive(packet) ?? true;
  }

  #onEnd({ code, reason, mayBePlain }: ConnectionEnd): void {
    this.#connection = undefined;
    if (this.#disposed) return;
    if (mayBePlain) {
      // Whoever knows nothing of subprotocols ends the handshake.
      this.#try(false);
      return;
    }
    const wasUp = this.#status.state === "up";
    const wasStable = wasUp && performance.now() - this.#upSince >= STABLE;
    if (wasUp) {
      this.#counters.losses++;
      this.#port?.setLink(false);
    }
    if (wasStable) this.#backoff.reset();
    const isRefused = code >= 4400 && code < 4500;
    if (isRefused) this.#relays.refuse();
    const hasNext = this.#relays.next();
    if (!hasNext) this.#giveUp(reason, MAY_CHANGE.includes(code));
    else if (wasStable && this.#isLeaving && this.#relays.count > 1) this.#wait(0, reason);
    else this.#wait(this.#backoff.next(this.#relays.count), reason);
  }

  #giveUp(reason: string, mayChange: boolean): void {
    const retryAt = mayChange ? Date.now() + REFUSED_FOR : undefined;
    this.#set({ state: "down", reason, retryAt, self: undefined, members: [] });
    if (retryAt !== undefined) {
      this.#timer = setTimeout(() => {
        this.#relays.forgive();
        this.#relays.next();
        this.#try(true);
      }, REFUSED_FOR);
    }
  }

  #wait(milliseconds: number, reason: string): void {
    const retryAt = Date.now() + milliseconds;
    const relay = this.#relays.current;
    this.#set({ state: "connecting", reason, retryAt, relay, self: undefined, members: [] });
    this.#timer = setTimeout(() => this.#try(true), milliseconds);
  }

  #set(change: Partial<Omit<WireStatus, "counters">>): void {
    const since = change.state !== undefined && change.state !== this.#status.state ? Date.now() : undefined;
    this.#status = { ...this.#status, ...change, ...(since !== undefined && { since }) };
    this.onStatus?.(this.status);
  }
}
