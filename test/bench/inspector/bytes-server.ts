import { createServer } from "node:http";
import { linkTo, listen } from "../../../server/listen.ts";

export interface BytesServer {
  url: string;
  /** Of an answer. */
  bytes: number;
  close(): void;
}

const BYTES = 64 * 2 ** 20;

/** A server that answers everybody, also pages of other origins, with the same many bytes. */
export async function serveBytes(): Promise<BytesServer> {
  const body = Buffer.alloc(BYTES, "Ringside ");
  const server = createServer((_, response) => {
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.end(body);
  });
  const address = await listen(server, { host: "127.0.0.1", port: 0, alternatives: 0 });
  return {
    url: linkTo(address),
    bytes: body.length,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
