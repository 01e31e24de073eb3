import type { Ip, Route } from "../../../../net/ip.ts";
import { type Segment, TcpFlag, tcpPacket } from "../../../../net/tcp.ts";
import type { Clock } from "../clock.ts";
import type { Outlet } from "../outlet.ts";
import { Connection } from "./connection.ts";
import { plus } from "./sequence.ts";

/** At a time. With their buffers (RECEIVE_BUFFER, SEND_BUFFER) at most some 200 MiB, if a guest fills them all. */
export const CONNECTIONS = 256;

/** Deals with one connection; when its promise ends, so does the connection. */
export type Service = (connection: Connection) => Promise<void>;

export interface StackOptions {
  clock: Clock;
  outlet: Outlet;
  mtu: number;
  /** Who answers at this address and port; undefined: nobody. */
  service: (address: Uint8Array, port: number) => Service | undefined;
}

/** The TCP connections of a guest, all of which it has opened. */
export class TcpStack {
  readonly #options: StackOptions;
  readonly #connections = new Map<string, Connection>();

  constructor(options: StackOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#connections.size;
  }

  /** A segment from the guest, and the way back to it. */
  receive(ip: Ip, segment: Segment, route: () => Route): void {
    const key = flow(ip, segment);
    let connection = this.#connections.get(key);
    if (connection?.state === "lingering" && opens(segment)) {
      connection.drop();
      connection = undefined;
    }
    if (connection) connection.receive(segment);
    else if (!opens(segment) || !this.#open(key, ip, segment, route)) this.#refuse(segment, route);
  }

  /** Resets all connections; `silently`: there is nobody there any more who would hear it. */
  close(silently: boolean): void {
    for (const connection of [...this.#connections.values()]) {
      if (silently) connection.drop();
      else connection.abort();
    }
  }

  #open(key: string, ip: Ip, segment: Segment, route: () => Route): boolean {
    const service = this.#options.service(ip.destination, segment.destinationPort);
    if (!service || !this.#makeRoom()) return false;
    const { clock, outlet, mtu } = this.#options;
    const connection = new Connection(segment, {
      clock,
      outlet,
      mtu,
      route: route(),
      initial: crypto.getRandomValues(new Uint32Array(1))[0]!,
      onOpen: (opened) => void serve(opened, service),
      onGone: () => this.#connections.delete(key),
    });
    this.#connections.set(key, connection);
    return true;
  }

  /** Whether there is room for one more: for it goes who only waits for the other side's memory to fade, or was never open. */
  #makeRoom(): boolean {
    if (this.#connections.size < CONNECTIONS) return true;
    const all = [...this.#connections.values()];
    const weakest =
      all.find(({ state }) => state === "lingering") ?? all.find(({ state }) => state === "opening");
    weakest?.drop();
    return weakest !== undefined;
  }

  /** RFC 9293, 3.10.7.1. */
  #refuse({ flags, sequence, acknowledgement, data, ...ports }: Segment, route: () => Route): void {
    if (flags & TcpFlag.RST) return;
    const has = (flag: number) => (flags & flag ? 1 : 0);
    const length = data.length + has(TcpFlag.SYN) + has(TcpFlag.FIN);
    const header = {
      sourcePort: ports.destinationPort,
      destinationPort: ports.sourcePort,
      window: 0,
      maximum: undefined,
      scale: undefined,
      ...(flags & TcpFlag.ACK
        ? { sequence: acknowledgement, acknowledgement: 0, flags: TcpFlag.RST }
        : {
            sequence: 0,
            acknowledgement: plus(sequence, length),
            flags: TcpFlag.RST | TcpFlag.ACK,
          }),
    };
    this.#options.outlet.send(tcpPacket(route(), header, 0, 0));
  }
}

/** Only a plain SYN opens. */
const opens = ({ flags }: Segment): boolean =>
  (flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST | TcpFlag.FIN)) === TcpFlag.SYN;

async function serve(connection: Connection, service: Service): Promise<void> {
  try {
    await service(connection);
    connection.end();
  } catch {
    // The service had nobody to tell, or could not go on: the guest sees a connection that breaks off.
    connection.abort();
  }
}

function flow({ source, destination }: Ip, { sourcePort, destinationPort }: Segment): string {
  return String.fromCharCode(sourcePort, destinationPort, ...source, ...destination);
}
