import { addressText } from "../../net/address.ts";
import { parseArp } from "../../net/arp.ts";
import { EtherType, etherTypeOf, macText } from "../../net/ethernet.ts";
import { packetFault } from "../../net/offload.ts";
import { HEADER } from "../../net/packet.ts";
import { decodeBatch, encodeBatch, LONGEST_BATCH, type Member } from "../../net/relay-protocol.ts";
import type { NetPort } from "../../virtio/net-backend.ts";
import { bytesText } from "../../virtio/view/bytes-text.ts";
import type { NamedValue } from "../../virtio/view/types.ts";
import { Presence } from "./presence.ts";
import { parseMember } from "./roster.ts";
import { wireState } from "./state.ts";
import { noWireCounters, type SharedWire, type WireStatus } from "./wire.ts";

/** Milliseconds between signs of life; who gives none for longer is gone. Tabs in the background may be woken once a minute. */
const HERE_EVERY = 10_000;
const GONE_AFTER = 90_000;

const MOST_MEMBERS = 64;
const MOST_MACS = 16;
const MOST_ADDRESSES = 8;

/** Bytes that others may have waiting of ours: beyond `mark` the guest is held back until all have dealt with all but `low`. */
const UNDER_WAY = { low: 1 << 20, mark: 4 << 20 } as const;

/** Milliseconds after which nobody waits for a tab that is asleep. */
const ASLEEP_AFTER = 2000;

/** What tabs say to each other. Any page of the origin can say anything. */
type Message =
  /** `isNew`: the others introduce themselves, too. */
  | { type: "here"; member: Member; isNew: boolean }
  | { type: "gone"; id: string }
  /** `to`: the only one whom it concerns. */
  | { type: "packets"; id: string; to: string | undefined; batch: Uint8Array }
  /** `id` has dealt with so many bytes of batches from `to`, since both are here. */
  | { type: "taken"; id: string; to: string; bytes: number };

interface Neighbour {
  member: Member;
  lastSeen: number;
  /** Bytes of our batches that it has not dealt with; it gets all of them, whomever they are for. */
  underWay: number;
  lastTaken: number;
}

export interface TabsOptions {
  /** A word; with the same one they are on the same Ethernet. */
  channel: string;
  /** What the others see; undefined: the guest's MAC address. */
  name?: string | undefined;
}

/**
 * An Ethernet among the machines of one origin in one browser, with nobody in between: a BroadcastChannel, on which packets go with
 * their offload headers. In Node it is among those of one process.
 */
export class Tabs implements SharedWire {
  onStatus: ((status: WireStatus) => void) | undefined;
  readonly hasUplink = false;
  readonly #options: TabsOptions;
  readonly #id: string = crypto.randomUUID();
  readonly #since = Date.now();
  readonly #channel: BroadcastChannel;
  readonly #presence = new Presence();
  readonly #counters = noWireCounters();
  readonly #neighbours = new Map<string, Neighbour>();
  /** Who has a MAC address, by its number. */
  readonly #owners = new Map<number, string>();
  readonly #timer: ReturnType<typeof setInterval>;
  #port: NetPort | undefined;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #scheduled = false;
  #patience: ReturnType<typeof setTimeout> | undefined;
  #room: { promise: Promise<void>; resolve: () => void } | undefined;
  /** IPv4 addresses that the guest uses. */
  readonly #addresses: string[] = [];
  /** Bytes of batches that came while the guest had no room, by sender: they are not given back yet. */
  readonly #held = new Map<string, number>();
  #holding = false;
  #disposed = false;

  constructor(options: TabsOptions) {
    this.#options = options;
    this.#channel = new BroadcastChannel(`ringside.net.${options.channel}`);
    this.#channel.onmessage = (event: MessageEvent<unknown>) => this.#onMessage(event.data);
    this.#timer = setInterval(() => this.#look(), HERE_EVERY);
  }

  get status(): WireStatus {
    const others = [...this.#neighbours.values()].map(({ member }) => member);
    return {
      state: "up",
      since: this.#since,
      reason: undefined,
      retryAt: undefined,
      relay: undefined,
      self: this.#id,
      members: this.#port ? [this.#self(this.#port), ...others] : others,
      lease: undefined,
      counters: { ...this.#counters },
    };
  }

  state(): NamedValue[] {
    const underWay = [...this.#neighbours.values()].map((neighbour) => neighbour.underWay);
    const most = Math.max(this.#pendingBytes, ...underWay);
    const buffered = { name: "on the way to the slowest tab", value: bytesText(most) };
    return wireState(`tabs, channel ${this.#options.channel}`, this.status, [buffered]);
  }

  connect(port: NetPort): void {
    this.#port = port;
    void this.#presence
      .hold(this.#id)
      .then(() => this.#post({ type: "here", member: this.#self(port), isNew: true }));
    port.setLink(true);
  }

  send(packet: Uint8Array): Promise<void> | undefined {
    if (etherTypeOf(packet) === EtherType.ARP) this.#learnAddress(packet, this.#addresses);
    this.#counters.packetsOut++;
    this.#counters.bytesOut += packet.length - HEADER;
    const cost = 4 + packet.length;
    if (this.#pendingBytes + cost > LONGEST_BATCH) this.#flush();
    this.#pending.push(packet);
    this.#pendingBytes += cost;
    if (!this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(() => {
        this.#scheduled = false;
        this.#flush();
      });
    }
    return this.#room?.promise;
  }

  resume(): void {
    this.#holding = false;
    for (const [to, bytes] of this.#held) this.#post({ type: "taken", id: this.#id, to, bytes });
    this.#held.clear();
  }

  dispose(): Promise<void> {
    if (this.#disposed) return Promise.resolve();
    this.#flush();
    this.#post({ type: "gone", id: this.#id });
    this.#presence.dispose();
    this.#disposed = true;
    this.onStatus = undefined;
    clearInterval(this.#timer);
    clearTimeout(this.#patience);
    this.#channel.close();
    this.#room?.resolve();
    this.#port = undefined;
    return Promise.resolve();
  }

  #self(port: NetPort): Member {
    const mac = macText(port.mac);
    const { name = mac } = this.#options;
    return {
      id: this.#id,
      name,
      macs: [mac],
      addresses: [...this.#addresses],
      since: this.#since,
      plain: false,
    };
  }

  #flush(): void {
    const packets = this.#pending;
    if (packets.length === 0 || this.#disposed) return;
    this.#pending = [];
    this.#pendingBytes = 0;
    if (this.#neighbours.size === 0) return;
    const batch = encodeBatch(packets);
    for (const neighbour of this.#neighbours.values()) {
      if (neighbour.underWay === 0) neighbour.lastTaken = performance.now();
      neighbour.underWay += batch.length;
    }
    this.#post({ type: "packets", id: this.#id, to: this.#onlyOwner(packets), batch });
    if (!this.#room && this.#slowest() > UNDER_WAY.mark) this.#hold();
  }

  /** Whom all these packets are for, if that is one. */
  #onlyOwner(packets: readonly Uint8Array[]): string | undefined {
    const owner = this.#owners.get(macNumber(packets[0]!, HEADER));
    if (owner === undefined) return undefined;
    return packets.every((packet) => this.#owners.get(macNumber(packet, HEADER)) === owner)
      ? owner
      : undefined;
  }

  #hold(): void {
    let resolve!: () => void;
    const promise = new Promise<void>((done) => (resolve = done));
    this.#room = { promise, resolve };
    this.#wait();
  }

  /** Whoever is slow may have fallen asleep meanwhile. */
  #wait(): void {
    this.#patience = setTimeout(() => {
      this.#mayGoOn();
      if (this.#room) this.#wait();
    }, ASLEEP_AFTER);
  }

  #mayGoOn(): void {
    if (!this.#room) return;
    if (this.#slowest() > UNDER_WAY.low) return;
    clearTimeout(this.#patience);
    this.#room.resolve();
    this.#room = undefined;
  }

  /** The most bytes that somebody has waiting who is awake. */
  #slowest(): number {
    const awake = performance.now() - ASLEEP_AFTER;
    let most = 0;
    for (const { underWay, lastTaken } of this.#neighbours.values()) {
      if (lastTaken >= awake) most = Math.max(most, underWay);
    }
    return most;
  }

  #onMessage(data: unknown): void {
    const message = parseMessage(data);
    if (!message || this.#disposed) return;
    switch (message.type) {
      case "here":
        this.#onHere(message.member, message.isNew);
        break;
      case "gone":
        this.#forget(message.id);
        break;
      case "packets":
        this.#onPackets(message);
        break;
      case "taken": {
        const neighbour = message.to === this.#id ? this.#neighbours.get(message.id) : undefined;
        if (!neighbour) break;
        neighbour.underWay = Math.max(0, neighbour.underWay - message.bytes);
        neighbour.lastTaken = performance.now();
        this.#mayGoOn();
      }
    }
  }

  #onHere(member: Member, isNew: boolean): void {
    const now = performance.now();
    const known = this.#neighbours.get(member.id);
    if (member.id === this.#id || (!known && this.#neighbours.size >= MOST_MEMBERS)) return;
    if (known) Object.assign(known, { member, lastSeen: now });
    else {
      this.#neighbours.set(member.id, { member, lastSeen: now, underWay: 0, lastTaken: now });
      this.#presence.watch(member.id, () => this.#forget(member.id));
    }
    if (isNew && this.#port) this.#post({ type: "here", member: this.#self(this.#port), isNew: false });
    if (JSON.stringify(known?.member) !== JSON.stringify(member) || !known) this.onStatus?.(this.status);
  }

  #onPackets({ id, to, batch }: Extract<Message, { type: "packets" }>): void {
    const packets = to === undefined || to === this.#id ? decodeBatch(batch) : [];
    for (const packet of packets ?? []) {
      if (packetFault(packet) !== undefined) {
        this.#counters.dropped++;
        continue;
      }
      this.#learn(packet, id);
      const sender = etherTypeOf(packet) === EtherType.ARP ? this.#neighbours.get(id) : undefined;
      if (sender) this.#learnAddress(packet, sender.member.addresses);
      this.#counters.packetsIn++;
      this.#counters.bytesIn += packet.length - HEADER;
      // A packet that waits would keep its whole batch.
      const own = 4 * packet.length < batch.length ? packet.slice() : packet;
      if (this.#port?.receive(own) === false) this.#holding = true;
    }
    if (!this.#neighbours.has(id)) return;
    if (this.#holding) this.#held.set(id, (this.#held.get(id) ?? 0) + batch.length);
    else this.#post({ type: "taken", id: this.#id, to: id, bytes: batch.length });
  }

  /** From an ARP packet of somebody with these addresses. */
  #learnAddress(packet: Uint8Array, addresses: string[]): void {
    const arp = parseArp(packet);
    if (!arp || arp.senderAddress.every((byte) => byte === 0)) return;
    const address = addressText(arp.senderAddress);
    if (addresses.includes(address)) return;
    addresses.push(address);
    if (addresses.length > MOST_ADDRESSES) addresses.shift();
    this.onStatus?.(this.status);
  }

  #learn(packet: Uint8Array, id: string): void {
    const mac = macNumber(packet, HEADER + 6);
    if (this.#owners.get(mac) === id || !this.#neighbours.has(id)) return;
    if (!this.#owners.has(mac) && this.#owners.size >= MOST_MEMBERS * MOST_MACS) this.#owners.clear();
    this.#owners.set(mac, id);
  }

  /** Shows that we are here, and who is not any more. */
  #look(): void {
    if (this.#port) this.#post({ type: "here", member: this.#self(this.#port), isNew: false });
    const now = performance.now();
    for (const [id, { lastSeen }] of this.#neighbours) if (now - lastSeen > GONE_AFTER) this.#forget(id);
  }

  #forget(id: string): void {
    if (!this.#neighbours.delete(id)) return;
    this.#held.delete(id);
    for (const [mac, owner] of this.#owners) if (owner === id) this.#owners.delete(mac);
    this.#mayGoOn();
    this.onStatus?.(this.status);
  }

  #post(message: Message): void {
    if (!this.#disposed) this.#channel.postMessage(message);
  }
}

function parseMessage(data: unknown): Message | undefined {
  if (typeof data !== "object" || data === null) return undefined;
  const { type, id, to, batch, bytes, member, isNew } = data as Record<string, unknown>;
  if (type === "here") {
    const parsed = parseMember(member);
    return parsed && { type, member: parsed, isNew: isNew === true };
  }
  if (typeof id !== "string") return undefined;
  if (type === "gone") return { type, id };
  if (type === "packets" && batch instanceof Uint8Array && (to === undefined || typeof to === "string")) {
    return { type, id, to, batch };
  }
  if (type === "taken" && typeof to === "string" && Number.isSafeInteger(bytes) && (bytes as number) > 0) {
    return { type, id, to, bytes: bytes as number };
  }
  return undefined;
}

/** A MAC address in 48 bits. */
function macNumber(packet: Uint8Array, at: number): number {
  const high = (packet[at]! << 8) | packet[at + 1]!;
  const low =
    ((packet[at + 2]! << 24) | (packet[at + 3]! << 16) | (packet[at + 4]! << 8) | packet[at + 5]!) >>> 0;
  return high * 2 ** 32 + low;
}
