/** The two ends of a wire: a device that notes what comes, and a relay that does what a test tells it. */
import { once } from "node:events";
import { type AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { Room, type RoomOptions } from "../../src/backends/net/room.ts";
import type { Wire } from "../../src/backends/net/wire.ts";
import { HEADER } from "../../src/net/packet.ts";
import { type FromRelay, SUBPROTOCOL } from "../../src/net/relay-protocol.ts";
import { openSocket } from "../../src/node/socket.ts";
import type { NetPort } from "../../src/virtio/net-backend.ts";

export class TestPort implements NetPort {
  readonly mac: Uint8Array;
  readonly packets: Uint8Array[] = [];
  /** setLink and announce, in order. */
  readonly calls: (boolean | "announce")[] = [];
  hasRoom = true;

  constructor(last = 1) {
    this.mac = Uint8Array.of(2, 0, 0, 0, 0, last);
  }

  receive(packet: Uint8Array): boolean {
    this.packets.push(packet);
    return this.hasRoom;
  }

  setLink(up: boolean): void {
    this.calls.push(up);
  }

  announce(): void {
    this.calls.push("announce");
  }
}

/** A plain packet with a frame of `length` bytes, 0x88b5 in its EtherType. */
export function frame(to: number, from: number, length = 60): Uint8Array {
  const packet = new Uint8Array(HEADER + length);
  packet.set([2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 0x88, 0xb5], HEADER);
  return packet;
}

export interface ScriptedRelay extends AsyncDisposable {
  url: string;
  port: number;
  connections: Connected[];
}

/** One connection, and what came over it. */
export class Connected {
  readonly socket: WebSocket;
  readonly url: string;
  readonly texts: Record<string, unknown>[] = [];
  readonly binaries: Buffer[] = [];

  constructor(socket: WebSocket, url: string) {
    this.socket = socket;
    this.url = url;
    socket.on("error", () => undefined);
    socket.on("message", (data, isBinary) => {
      if (isBinary) this.binaries.push(data as Buffer);
      else this.texts.push(JSON.parse((data as Buffer).toString()) as Record<string, unknown>);
    });
  }

  say(message: Partial<FromRelay> | Record<string, unknown>): void {
    this.socket.send(JSON.stringify(message));
  }

  welcome(more: Record<string, unknown> = {}): void {
    this.say({ type: "welcome", id: "me", frame: 1522, others: [], uplink: false, members: [], ...more });
  }
}

/** @param script called for each connection; plain: speaks no subprotocol */
export async function scriptedRelay(
  script: (connection: Connected) => void,
  { plain = false, port = 0 } = {},
): Promise<ScriptedRelay> {
  const server = new WebSocketServer({
    host: "127.0.0.1",
    port,
    handleProtocols: () => (plain ? false : SUBPROTOCOL),
  });
  await once(server, "listening");
  const connections: Connected[] = [];
  server.on("connection", (socket, request) => {
    const connection = new Connected(socket, request.url!);
    connections.push(connection);
    script(connection);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${bound}/relay`,
    port: bound,
    connections,
    async [Symbol.asyncDispose]() {
      for (const client of server.clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function enter(
  relays: string[],
  more: Partial<RoomOptions> = {},
): { room: Room; port: TestPort } & AsyncDisposable {
  const room = new Room({ room: "lab", relays, open: openSocket, random: () => 0, ...more });
  const port = new TestPort();
  room.connect(port);
  return { room, port, [Symbol.asyncDispose]: () => room.dispose() };
}

/** Waits until it holds; a hang is a failure. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 10_000; !holds(); await new Promise((resolve) => setTimeout(resolve, 2))) {
    if (Date.now() > end) throw new Error(`Never: ${what}`);
  }
}

export const isUp = (wire: Wire): Promise<void> => until(() => wire.status.state === "up", "it is up");
