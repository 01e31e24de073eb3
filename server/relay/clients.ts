import type { IncomingMessage } from "node:http";
import { isIPv6 } from "node:net";
import { parseAddress } from "../../src/net/address.ts";
import { Bucket } from "./bucket.ts";
import { JOIN_BURST, type Limits } from "./limits.ts";

interface Client {
  connections: number;
  joins: Bucket;
}

/** Who is connected from where, and how often they come: what keeps one client from taking the places of all. */
export class Clients {
  readonly #limits: Limits;
  readonly #clients = new Map<string, Client>();
  #connections = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get connections(): number {
    return this.#connections;
  }

  /** A connection from there wants in. `rate`: it comes too often; `full`: there are too many, from there or in all. */
  enter(address: string, now: number): "rate" | "full" | undefined {
    const client = this.#clientAt(address, now);
    if (!client?.joins.tryTake(1, now)) return "rate";
    const { members, membersPerAddress } = this.#limits;
    if (this.#connections >= members || client.connections >= membersPerAddress) return "full";
    client.connections++;
    this.#connections++;
    return undefined;
  }

  /** A connection that had got in is closed. */
  leave(address: string): void {
    this.#clients.get(address)!.connections--;
    this.#connections--;
  }

  /** Forgets those whose memory makes no difference. */
  age(now: number): void {
    for (const [address, { connections, joins }] of this.#clients) {
      if (connections === 0 && joins.isFull(now)) this.#clients.delete(address);
    }
  }

  /** Undefined when there are too many to remember: then nobody new comes in until some have gone. */
  #clientAt(address: string, now: number): Client | undefined {
    const known = this.#clients.get(address);
    if (known) return known;
    const { joinsPerSecond, members } = this.#limits;
    if (this.#clients.size >= MOST_REMEMBERED + members) {
      this.age(now);
      if (this.#clients.size >= MOST_REMEMBERED + members) return undefined;
    }
    const client = { connections: 0, joins: new Bucket(joinsPerSecond, joinsPerSecond * JOIN_BURST, now) };
    this.#clients.set(address, client);
    return client;
  }
}

/** Clients that have no connection now. */
const MOST_REMEMBERED = 10_000;

/** Whose connection it is, as far as limits go: an IPv4 address, or the /64 that a host on IPv6 has for itself. */
export function clientOf(request: IncomingMessage, behindProxy: boolean): string {
  const forwarded = behindProxy ? request.headers["x-forwarded-for"] : undefined;
  // The last one is what our proxy has seen; those before it anybody can have written.
  const address =
    String(forwarded ?? "")
      .split(",")
      .at(-1)!
      .trim() ||
    (request.socket.remoteAddress ?? "");
  const plain = address.replace(/^::ffff:(?=\d+\.)/, "").replace(/%.*$/, "");
  if (!isIPv6(plain)) return plain.slice(0, 45);
  return `${Buffer.from(parseAddress(plain)!.subarray(0, 8)).toString("hex")}/64`;
}
