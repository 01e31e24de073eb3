import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface ListenOptions {
  host: string;
  port: number;
  /** How many following ports to try when `port` is taken; 0 when the person asked for that very port. */
  alternatives: number;
}

/** Binds the server and returns where it listens. Rejects with a plain sentence when no port can be had. */
export async function listen(
  server: Server,
  { host, port, alternatives }: ListenOptions,
): Promise<AddressInfo> {
  for (let candidate = port; ; candidate++) {
    try {
      return await bind(server, host, candidate);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EADDRINUSE" && candidate < port + alternatives && candidate < 65535) continue;
      throw new Error(explain(code, host, port, candidate) ?? `Cannot listen on ${host}: ${String(error)}`, {
        cause: error,
      });
    }
  }
}

function bind(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => reject(error);
    server.once("error", failed);
    server.listen(port, host, () => {
      server.off("error", failed);
      resolve(server.address() as AddressInfo);
    });
  });
}

function explain(code: string | undefined, host: string, first: number, last: number): string | undefined {
  switch (code) {
    case "EADDRINUSE":
      return first === last
        ? `Port ${first} on ${host} is taken by another program. Choose another with --port.`
        : `Ports ${first} to ${last} on ${host} are all taken. Choose another with --port.`;
    case "EACCES":
      return `Port ${last} on ${host} needs rights that this program does not have. Choose one above 1023 with --port.`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `This computer has no address "${host}". Use --host 127.0.0.1, or --host 0.0.0.0 for every address.`;
    default:
      return undefined;
  }
}

/** The link for a person: a browser treats localhost as secure, which the page needs. */
export function linkTo({ address, port, family }: AddressInfo): string {
  const local = ["127.0.0.1", "::1", "0.0.0.0", "::"].includes(address);
  const host = local ? "localhost" : family === "IPv6" ? `[${address}]` : address;
  return `http://${host}:${port}/`;
}
