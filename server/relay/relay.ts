import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { CloseCode, LONGEST_BATCH, SUBPROTOCOL } from "../../src/net/relay-protocol.ts";
import { admit, type Doors, type Refused } from "./admission.ts";
import { clientOf, Clients } from "./clients.ts";
import { type Limits, LONGEST_URL, MOST_PIECES, PATIENCE, type Patience } from "./limits.ts";
import type { Log } from "./log.ts";
import { Member } from "./member.ts";
import { Counters, type Gauges, METRICS_TYPE, metricsText, type Refusal } from "./metrics.ts";
import { Room } from "./room.ts";
import type { Shared } from "./shared.ts";
import type { Sharing } from "./sharing.ts";
import { Turn } from "./turn.ts";
import type { UplinkFactory } from "./uplink.ts";

export interface RelayOptions {
  limits: Limits;
  doors: Doors;
  log: Log;
  patience?: Partial<Patience>;
  /** The way out of a room, if it has one; of one factory for as long as the room has members. */
  uplinkOf?: (room: string) => UplinkFactory | undefined;
  /** All of these: they end with the relay. */
  uplinks?: readonly UplinkFactory[];
  /** Begins to share its rooms with other relays. */
  shareOver?: (parts: { turn: Turn; counters: Counters; log: Log }) => Sharing;
}

/** Rooms, and who may come into them: what stands behind a path of an HTTP server. */
export class Relay {
  readonly path = "/relay";
  readonly counters = new Counters();
  readonly #options: RelayOptions;
  readonly #shared: Shared;
  readonly #clients: Clients;
  readonly #rooms = new Map<string, Room>();
  /** Those that have not said hello yet among them. */
  readonly #members = new Set<Member>();
  readonly #server: WebSocketServer;
  readonly #chores: NodeJS.Timeout;
  #closing: Promise<void> | undefined;

  constructor(options: RelayOptions) {
    const { limits, log, patience: some, shareOver, uplinkOf = () => undefined } = options;
    this.#options = options;
    this.#clients = new Clients(limits);
    const { counters } = this;
    const turn = new Turn();
    const patience = { ...PATIENCE, ...some };
    this.#shared = {
      limits,
      patience,
      counters,
      log,
      turn,
      pool: { held: 0, most: limits.queues },
      sharing: shareOver?.({ turn, counters, log }),
      uplinkOf,
    };
    // What it takes beyond those of @types/ws.
    const more = {
      closeTimeout: patience.close,
      maxBufferedChunks: MOST_PIECES.chunks,
      maxFragments: MOST_PIECES.fragments,
    };
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: true,
      // Frames are small, and mostly compressed or encrypted already; the memory for it is not.
      perMessageDeflate: false,
      maxPayload: LONGEST_BATCH,
      handleProtocols: chooseProtocol,
      ...more,
    });
    this.#chores = setInterval(() => this.#doChores(), patience.ping);
    this.#chores.unref();
  }

  /** Takes a WebSocket connection. The socket's errors are the caller's to handle. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#closing) {
      this.#refuse(socket, "leaving", "503 Service Unavailable");
      return;
    }
    if (request.url!.length > LONGEST_URL) {
      this.#refuse(socket, "url", "400 Bad Request");
      return;
    }
    const address = clientOf(request, this.#options.doors.behindProxy);
    const obstacle = this.#clients.enter(address, performance.now());
    if (obstacle === "rate") {
      this.#refuse(socket, "rate", "429 Too Many Requests", { "Retry-After": "1" });
      return;
    }
    if (obstacle === "full") {
      this.#refuse(socket, "full", "503 Service Unavailable", { "Retry-After": "10" });
      return;
    }
    socket.once("close", () => this.#clients.leave(address));
    const admitted = admit(request, this.#options.doors);
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      if (typeof admitted === "string") this.#enter(admitted, webSocket, socket);
      else this.#sendAway(webSocket, admitted, address);
    });
  }

  /** Answers a request for /health or /metrics. False: it is for something else. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const path = request.url?.split("?", 1)[0];
    if (path === "/metrics") {
      const uplinks = (this.#options.uplinks ?? []).map((uplink) => uplink.metrics());
      send(response, 200, METRICS_TYPE, [metricsText(this.counters, this.gauges), ...uplinks].join(""));
      return true;
    }
    if (path !== "/health") return false;
    const { rooms, members, shared } = this.gauges;
    const status = this.#closing ? "leaving" : shared?.connected === false ? "degraded" : "ok";
    const health = { status, rooms, members, ...(shared && { nats: shared }) };
    // Degraded is no reason to take it out of service: what it does alone, it does.
    send(response, this.#closing ? 503 : 200, "application/json", `${JSON.stringify(health)}\n`);
    return true;
  }

  get gauges(): Gauges {
    const rooms = [...this.#rooms.values()];
    return {
      rooms: rooms.length,
      members: rooms.reduce((sum, { members }) => sum + members.size, 0),
      connections: this.#clients.connections,
      macs: rooms.reduce((sum, { table }) => sum + table.size, 0),
      queuedBytes: this.#shared.pool.held,
      shared: this.#shared.sharing?.state,
    };
  }

  /** Says farewell to its members, and cuts those that do not answer for too long. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #enter(name: string, webSocket: WebSocket, socket: Duplex): void {
    const room = this.#rooms.get(name) ?? this.#open(name);
    if (!room) {
      const reason = `The relay has ${this.#options.limits.rooms} rooms, and that is all it may have.`;
      this.#sendAway(webSocket, { why: "full", code: "full", reason }, "");
      return;
    }
    const isPlain = webSocket.protocol !== SUBPROTOCOL;
    const member = new Member(newId(), webSocket, socket, room, isPlain, this.#shared);
    this.#members.add(member);
    room.visitors++;
    webSocket.once("close", () => {
      this.#members.delete(member);
      if (--room.visitors > 0) return;
      room.close();
      this.#rooms.delete(name);
    });
  }

  #open(name: string): Room | undefined {
    if (this.#rooms.size >= this.#options.limits.rooms) return undefined;
    const room = new Room(name, this.#shared);
    this.#rooms.set(name, room);
    return room;
  }

  /** Over HTTP, for what programs do: it costs us nearly nothing. */
  #refuse(socket: Duplex, why: Refusal, status: string, headers: Record<string, string> = {}): void {
    this.counters.refused[why]++;
    const lines = Object.entries({ ...headers, Connection: "close", "Content-Length": "0" });
    const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    socket.end(`HTTP/1.1 ${status}\r\n${text}\r\n`, () => socket.destroy());
  }

  /** With a close code, for what people do: a browser shows a page no other answer. */
  #sendAway(webSocket: WebSocket, { why, code, reason }: Refused, client: string): void {
    this.counters.refused[why]++;
    this.#options.log.info("A connection is refused.", { why, client });
    webSocket.on("error", () => undefined);
    webSocket.close(CloseCode[code], reason);
  }

  #doChores(): void {
    const now = performance.now();
    for (const member of this.#members) member.check(now);
    for (const room of this.#rooms.values()) room.age(now);
    this.#clients.age(now);
  }

  async #close(): Promise<void> {
    clearInterval(this.#chores);
    this.#options.log.info("The relay ends.", { members: this.gauges.members });
    // First, so that the others have nobody here in their rosters when ours come to them.
    const farewell = this.#shared.sharing?.close();
    for (const member of this.#members) member.leaving();
    await new Promise<void>((resolve) => {
      const late = setTimeout(() => {
        for (const webSocket of this.#server.clients) webSocket.terminate();
      }, this.#shared.patience.close);
      this.#server.close(() => {
        clearTimeout(late);
        resolve();
      });
    });
    await farewell;
    await Promise.all((this.#options.uplinks ?? []).map((uplink) => uplink.dispose()));
  }
}

/** Letters and digits that no other member of any relay has. */
function newId(): string {
  return randomBytes(6).toString("hex");
}

/** Ours, or the one that clients of websockify ask for; without any a client speaks the plain protocol as well. */
function chooseProtocol(offered: Set<string>): string | false {
  return [SUBPROTOCOL, "binary"].find((protocol) => offered.has(protocol)) ?? false;
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { "Content-Type": type, "Cache-Control": "no-store" });
  response.end(text);
}
