/** A relay in this process, and members that connect to it as strangers would: by WebSocket, over the loopback. */
import { once } from "node:events";
import { createRelayServer } from "../../server/relay/command.ts";
import { type Limits, STANDARD } from "../../server/relay/limits.ts";
import { type Level, Log } from "../../server/relay/log.ts";
import { Relay, type RelayOptions } from "../../server/relay/relay.ts";
import { listen } from "../../server/listen.ts";
import { ETHERNET, frameOf, HEADER, packetOf } from "../../src/net/packet.ts";
import { decodeBatch, encodeBatch, type FromRelay, SUBPROTOCOL } from "../../src/net/relay-protocol.ts";
import { type ClientOptions, WebSocket } from "ws";

export interface TestRelay extends AsyncDisposable {
  relay: Relay;
  /** `ws://…/relay`. */
  url: string;
  /** `http://…`. */
  http: string;
  /** What was logged. */
  log: string[];
}

export interface TestRelayOptions extends Omit<Partial<RelayOptions>, "limits" | "doors" | "log"> {
  limits?: Partial<Limits>;
  doors?: Partial<RelayOptions["doors"]>;
  level?: Level;
}

/** Without bounds on joins from here, unless they are what is looked at. */
export async function startRelay({
  limits,
  doors,
  level,
  ...more
}: TestRelayOptions = {}): Promise<TestRelay> {
  const log: string[] = [];
  const relay = new Relay({
    limits: { ...STANDARD, membersPerAddress: 1000, joinsPerSecond: 10_000, ...limits },
    doors: { origins: [], secrets: new Map(), behindProxy: false, ...doors },
    log: new Log({ level: level ?? "debug", format: "json", write: (line) => log.push(line) }),
    ...more,
  });
  const server = createRelayServer(relay, 4000);
  const { port } = await listen(server, { host: "127.0.0.1", port: 0, alternatives: 0 });
  return {
    relay,
    url: `ws://127.0.0.1:${port}/relay`,
    http: `http://127.0.0.1:${port}`,
    log,
    async [Symbol.asyncDispose]() {
      server.close();
      await relay.close();
      server.closeAllConnections();
    },
  };
}

/** A member. What comes is kept until somebody asks for it. */
export class Peer {
  readonly socket: WebSocket;
  readonly extended: boolean;
  /** Packets that came; of a plain member with an empty header. */
  readonly packets: Uint8Array[] = [];
  /** Messages in JSON that came. */
  readonly said: FromRelay[] = [];
  /** Binary messages that came. */
  messages = 0;
  /** Why it was closed, when it was. */
  closed: { code: number; reason: string } | undefined;
  /** Whether it gives back credit by itself. */
  gives = true;

  constructor(url: string, extended: boolean, options: ClientOptions = {}) {
    this.extended = extended;
    this.socket = new WebSocket(url, extended ? [SUBPROTOCOL] : [], { perMessageDeflate: false, ...options });
    this.socket.on("message", (data: Buffer, isBinary) => {
      if (!isBinary) this.said.push(JSON.parse(data.toString()) as FromRelay);
      else {
        this.messages++;
        this.packets.push(...(extended ? decodeBatch(new Uint8Array(data))! : [packetOf(data)]));
        if (extended && this.gives) this.say({ type: "credit", bytes: data.length });
      }
    });
    this.socket.on("error", () => undefined);
    this.socket.once("close", (code, reason) => {
      this.closed = { code, reason: reason.toString() };
    });
  }

  say(message: unknown): void {
    this.socket.send(JSON.stringify(message));
  }

  /** One message with all of them, or of a plain member one each. */
  send(...packets: Uint8Array[]): void {
    if (this.extended) this.socket.send(encodeBatch(packets));
    else for (const packet of packets) this.socket.send(frameOf(packet));
  }

  get welcome(): Extract<FromRelay, { type: "welcome" }> {
    return this.said.find((message) => message.type === "welcome")!;
  }

  /** The latest list of who is here. */
  get members(): Extract<FromRelay, { type: "members" }>["members"] {
    return this.said.findLast((message) => "members" in message)!.members;
  }

  /** The numbers that {@link packet} put into those that came. */
  get numbers(): number[] {
    return this.packets.map((packet) => packet[NUMBER]!);
  }

  /** As of a member that the network has lost: nothing is said any more. */
  vanish(): void {
    this.socket.pause();
  }
}

/** In its room: the extended with this MAC address, the plain unknown. */
export async function join(
  { url }: { url: string },
  room: string,
  mac: string | undefined,
  more: { name?: string; window?: number; secret?: string; options?: ClientOptions } = {},
): Promise<Peer> {
  const { name, window, secret, options } = more;
  const query = new URLSearchParams({ room, ...(secret !== undefined && { secret }) });
  const peer = new Peer(`${url}?${query.toString()}`, mac !== undefined, options);
  await once(peer.socket, "open");
  if (mac === undefined) return peer;
  peer.say({
    type: "hello",
    mac,
    ...(name !== undefined && { name }),
    ...(window !== undefined && { window }),
  });
  await until(() => peer.said.length > 0 || peer.closed, "a welcome");
  return peer;
}

/** Resolves when it is so. Rejects after some seconds, far more than anything takes. */
export async function until(isSo: () => unknown, what: string): Promise<void> {
  for (const end = Date.now() + 8000; !isSo();) {
    if (Date.now() > end) throw new Error(`Waited in vain for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export const BROADCAST = "ff:ff:ff:ff:ff:ff";
export const mac = (number: number): string => `02:00:00:00:00:${number.toString(16).padStart(2, "0")}`;
export const macBytes = (text: string): number[] => text.split(":").map((byte) => parseInt(byte, 16));

/** Where a test's packets have a number that tells them apart. */
const NUMBER = HEADER + ETHERNET;

/** A plain packet of an EtherType for experiments. `length`: of its frame. */
export function packet(to: string, from: string, number = 0, length = 60): Uint8Array {
  const bytes = new Uint8Array(HEADER + length);
  bytes.set([...macBytes(to), ...macBytes(from), 0x88, 0xb5, number].slice(0, length), HEADER);
  return bytes;
}
