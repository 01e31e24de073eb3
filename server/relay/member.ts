import type { Duplex } from "node:stream";
import type { RawData, WebSocket } from "ws";
import {
  CloseCode,
  decodeBatch,
  type FromRelay,
  type Member as Entry,
} from "../../src/net/relay-protocol.ts";
import { toPlain } from "../../src/net/offload.ts";
import { HEADER, isPlain } from "../../src/net/packet.ts";
import { Bucket } from "./bucket.ts";
import { type Control, parseControl } from "./control.ts";
import { refuse } from "./inspect.ts";
import { CONTROL_RATE, MOST_ADDRESSES, MOST_MISSED, RATE_BURST } from "./limits.ts";
import { macAt, macText } from "./mac-address.ts";
import type { Refusal } from "./metrics.ts";
import { Outbox } from "./outbox.ts";
import type { Resident, Room } from "./room.ts";
import { rosterMessage } from "./roster.ts";
import type { Shared } from "./shared.ts";
import type { UplinkFactory } from "./uplink.ts";
import { WayOut } from "./way-out.ts";

/** One connection to a room, extended or plain. Not in the room before it has said hello, if it is extended. */
export class Member implements Resident {
  readonly id: string;
  readonly isHere = true;
  readonly isPlain: boolean;
  readonly since = Date.now();
  readonly #socket: WebSocket;
  readonly #room: Room;
  readonly #shared: Shared;
  readonly #outbox: Outbox;
  readonly #bytes: Bucket;
  readonly #packets: Bucket;
  readonly #messages: Bucket;
  readonly #addresses = new Set<string>();
  #name = "";
  #mac: number | undefined;
  #hasJoined = false;
  #isInTurn = false;
  #wayOut: WayOut | undefined;
  /** Pings since the last sign of life. */
  #missed = 0;
  #lastPacket = performance.now();
  #helloTimer: NodeJS.Timeout | undefined;
  #probeTimer: NodeJS.Timeout | undefined;
  #pauseTimer: NodeJS.Timeout | undefined;

  /** @param stream the one under `socket` */
  constructor(id: string, socket: WebSocket, stream: Duplex, room: Room, isPlain: boolean, shared: Shared) {
    this.id = id;
    this.isPlain = isPlain;
    this.#socket = socket;
    this.#room = room;
    this.#shared = shared;
    const { limits, pool } = shared;
    this.#outbox = new Outbox(socket, stream, !isPlain, pool, limits.queue);
    const now = performance.now();
    this.#bytes = new Bucket(limits.rate, limits.rate * RATE_BURST, now);
    this.#packets = new Bucket(limits.packetRate, limits.packetRate * RATE_BURST, now);
    this.#messages = new Bucket(CONTROL_RATE.perSecond, CONTROL_RATE.burst, now);

    socket.on("message", (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on("pong", () => this.#isAlive());
    // `ws` closes the connection after any error; why is worth a line only to who looks for it.
    socket.on("error", (error) =>
      shared.log.debug("A member's connection failed.", { member: id, error: error.message }),
    );
    socket.once("close", () => this.#dispose());
    if (isPlain) this.#join();
    else
      this.#helloTimer = setTimeout(
        () => this.end("silent", "protocol", "No hello came."),
        shared.patience.hello,
      );
  }

  /** The MAC address that it said in its hello. */
  get mac(): number | undefined {
    return this.#mac;
  }

  deliver(packet: Uint8Array): void {
    if (!this.#isInTurn) {
      this.#isInTurn = true;
      this.#shared.turn.add(this);
    }
    if (!this.isPlain || isPlain(packet)) this.#push(packet);
    else for (const frame of plainFrames(packet)) this.#push(frame);
  }

  /** The turn is over. */
  flush(): void {
    this.#isInTurn = false;
    this.#outbox.flush();
  }

  /** What only the member's uplink gets. */
  sendOut(packet: Uint8Array, factory: UplinkFactory): void {
    const { counters, log } = this.#shared;
    this.#wayOut ??= new WayOut(
      factory,
      { room: this.#room.name, id: this.id, mac: macText(macAt(packet, HEADER + 6)) },
      (incoming) => this.#receiveFromOutside(incoming),
      (reason) => log.warn("An uplink failed.", { room: this.#room.name, member: this.id, reason }),
    );
    if (this.#wayOut.send(packet)) counters.uplinkPacketsOut++;
    else counters.dropped.uplink++;
  }

  /** A roster. False: too much waits for the member, it was not sent. */
  tell(message: string): boolean {
    if (this.isPlain) return true;
    if (!this.#outbox.isCalm) return false;
    this.#socket.send(message);
    return true;
  }

  /** The relay is about to end. */
  leaving(): void {
    if (!this.isPlain && this.#hasJoined) this.tell(JSON.stringify({ type: "leaving" } satisfies FromRelay));
    this.#socket.close(CloseCode.leaving, "The relay ends.");
  }

  /** Sends it away; `why` is for the metrics, `reason` a sentence for a person. */
  end(why: Refusal, code: keyof typeof CloseCode, reason: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#shared.counters.refused[why]++;
    this.#shared.log.info("A member is sent away.", { room: this.#room.name, member: this.id, reason });
    this.#socket.close(CloseCode[code], reason);
    // What it sends from now on is nobody's.
    this.#leave();
  }

  probe(): void {
    // Whoever is not being read from has just sent a lot, and could not answer.
    if (this.#probeTimer !== undefined || this.#pauseTimer !== undefined) return;
    this.#ping();
    this.#probeTimer = setTimeout(() => this.#die(), this.#shared.patience.probe);
  }

  /** Called after each `ping` of the relay's patience: asks for a sign of life, and ends who has not given one. */
  check(now: number): void {
    const { idle } = this.#shared.limits;
    if (idle > 0 && now - this.#lastPacket > idle) this.end("idle", "idle", "No packets came for too long.");
    else if (this.#pauseTimer !== undefined) return;
    else if (this.#missed >= MOST_MISSED) this.#die();
    else {
      this.#missed++;
      this.#ping();
    }
  }

  /** Notes that it was seen to use this IP address. Returns whether that is new. */
  hasAddress(address: string): boolean {
    if (this.#addresses.has(address)) return false;
    if (this.#addresses.size >= MOST_ADDRESSES) {
      const [oldest] = this.#addresses;
      this.#addresses.delete(oldest!);
    }
    this.#addresses.add(address);
    return true;
  }

  /** In the roster. */
  entry(macs: string[]): Entry {
    const { id, since, isPlain: plain } = this;
    return { id, name: this.#name, macs, addresses: [...this.#addresses], since, plain };
  }

  get held(): number {
    return this.#outbox.held;
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    this.#isAlive();
    const now = performance.now();
    const bytes = data as Buffer; // what `ws` gives with its own binaryType
    let frames = 1;
    if (!isBinary) this.#onText(bytes, now);
    else if (this.isPlain) frames = this.#onFrame(bytes, now);
    else frames = this.#onBatch(bytes, now);
    const wait = Math.max(this.#bytes.take(bytes.length, now), this.#packets.take(frames, now));
    if (wait > 0) this.#pause(wait);
  }

  #onText(text: Buffer, now: number): void {
    // Among the plain it has no meaning.
    if (this.isPlain) return;
    if (!this.#messages.tryTake(1, now)) {
      this.end("protocol", "protocol", "Too many messages.");
      return;
    }
    const message = parseControl(text);
    if (typeof message === "string") this.end("protocol", "protocol", message);
    else if (message.type === "hello") this.#onHello(message);
    else if (message.type === "ping") this.tell(PONG);
    else this.#outbox.credit(message.bytes);
  }

  #onHello({ name, mac, window }: Extract<Control, { type: "hello" }>): void {
    if (this.#hasJoined) {
      this.end("protocol", "protocol", "A second hello came.");
      return;
    }
    clearTimeout(this.#helloTimer);
    this.#name = name;
    this.#mac = mac;
    this.#join();
    if (!this.#room.members.has(this)) return;
    const { limits, sharing } = this.#shared;
    this.#socket.send(
      rosterMessage({
        type: "welcome",
        id: this.id,
        frame: limits.frame,
        others: sharing?.others ?? [],
        uplink: this.#room.uplink !== undefined,
        members: this.#room.roster(),
      }),
    );
    this.#outbox.window = window;
  }

  #join(): void {
    const { limits, counters, log } = this.#shared;
    if (this.#room.members.size >= limits.membersPerRoom) {
      this.end("full", "full", `The room has ${limits.membersPerRoom} members, and that is all it may have.`);
      return;
    }
    this.#hasJoined = true;
    counters.joins++;
    this.#room.join(this);
    log.info("A member came.", { room: this.#room.name, member: this.id, plain: this.isPlain });
  }

  #onFrame(frame: Buffer, now: number): number {
    const packet = Buffer.allocUnsafe(HEADER + frame.length);
    packet.fill(0, 0, HEADER);
    packet.set(frame, HEADER);
    return this.#forward(packet, now);
  }

  /** Returns how many frames were in it. */
  #onBatch(batch: Buffer, now: number): number {
    if (!this.#hasJoined) {
      this.end("protocol", "protocol", "Packets came before the hello.");
      return 1;
    }
    const packets = decodeBatch(batch);
    if (!packets) {
      this.end("protocol", "protocol", "A message is no batch of packets.");
      return 1;
    }
    let frames = 0;
    for (const packet of packets) frames += this.#forward(packet, now);
    return frames;
  }

  #forward(packet: Uint8Array, now: number): number {
    // It was sent away, but what it has sent until then still comes.
    if (!this.#hasJoined) return 1;
    const { counters } = this.#shared;
    this.#lastPacket = now;
    counters.packetsIn++;
    counters.bytesIn += Math.max(0, packet.length - HEADER);
    return this.#room.forward(this, packet, now);
  }

  #receiveFromOutside(packet: Uint8Array): void {
    const { counters, limits } = this.#shared;
    counters.uplinkPacketsIn++;
    const fault = refuse(packet, limits.frame);
    if (fault === undefined) this.deliver(packet);
    else counters.dropped[fault]++;
  }

  #push(packet: Uint8Array): void {
    const { counters } = this.#shared;
    if (this.#outbox.push(packet)) {
      counters.packetsOut++;
      counters.bytesOut += packet.length - HEADER;
    } else counters.dropped.queue++;
  }

  /** Leaves what it sends where it is, for that many milliseconds: in the kernel's buffers, and then in its own. */
  #pause(milliseconds: number): void {
    if (this.#pauseTimer !== undefined || this.#socket.readyState !== this.#socket.OPEN) return;
    this.#shared.counters.pauses++;
    this.#socket.pause();
    this.#pauseTimer = setTimeout(() => {
      this.#pauseTimer = undefined;
      this.#isAlive();
      this.#socket.resume();
    }, Math.ceil(milliseconds));
  }

  #ping(): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
  }

  #isAlive(): void {
    this.#missed = 0;
    if (this.#probeTimer === undefined) return;
    clearTimeout(this.#probeTimer);
    this.#probeTimer = undefined;
  }

  /** Nobody is there: the connection is cut. */
  #die(): void {
    this.#shared.counters.refused.silent++;
    this.#shared.log.info("A member does not answer.", { room: this.#room.name, member: this.id });
    this.#socket.terminate();
    this.#leave();
  }

  #leave(): void {
    clearTimeout(this.#helloTimer);
    clearTimeout(this.#probeTimer);
    this.#wayOut?.dispose();
    this.#wayOut = undefined;
    if (!this.#hasJoined) return;
    this.#hasJoined = false;
    this.#room.leave(this);
  }

  #dispose(): void {
    const wasHere = this.#hasJoined;
    this.#leave();
    clearTimeout(this.#pauseTimer);
    this.#outbox.dispose();
    if (wasHere) this.#shared.log.info("A member left.", { room: this.#room.name, member: this.id });
  }
}

const PONG = JSON.stringify({ type: "pong" } satisfies FromRelay);

/** The packet that was cut last: in a flood it is the same for all plain members. */
let lastPacket: Uint8Array | undefined;
let lastFrames: Uint8Array[] = [];

function plainFrames(packet: Uint8Array): Uint8Array[] {
  if (packet !== lastPacket) {
    lastFrames = toPlain(packet);
    lastPacket = packet;
  }
  return lastFrames;
}
