import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** Takes WebSocket connections at one path, and may answer requests beside it. */
export interface UpgradeHandler {
  /** Such as `/relay`. */
  readonly path: string;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Answers a request that is for it, and returns whether it was. */
  answer?(request: IncomingMessage, response: ServerResponse): boolean;
}

/** Hands the server's upgrades to those who take them. */
export function serveUpgrades(server: Server, handlers: readonly UpgradeHandler[]): void {
  server.on("upgrade", (request, socket: Duplex, head) => {
    // A client that goes away in the middle of the handshake is no error of ours.
    socket.on("error", () => socket.destroy());
    // Not by URL: it throws at what some clients send for a path.
    const path = request.url?.split("?", 1)[0];
    const handler = handlers.find((candidate) => candidate.path === path);
    if (handler) handler.upgrade(request, socket, head);
    else socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
  });
}
