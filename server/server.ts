import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { imageFiles, pageFiles, type Handler } from "./files.ts";
import { MACHINE_SCRIPT, securityHeaders } from "./headers.ts";
import { serveUpgrades, type UpgradeHandler } from "./upgrades.ts";

export interface ServerParts {
  /** Folder of the built page. */
  page: string;
  /** Folder of the guest images. */
  images: string;
  upgrades?: readonly UpgradeHandler[];
}

/** An HTTP server for the page and the guest images; not yet listening. */
export function createPageServer({ page, images, upgrades = [] }: ServerParts): Server {
  const headers = Object.entries(securityHeaders("page"));
  const machineHeaders = Object.entries(securityHeaders("machine"));
  const handlers = [imageFiles(images), pageFiles(page), notFound];

  const server = createServer((request, response) => {
    const isMachine = request.url?.startsWith(MACHINE_SCRIPT) ?? false;
    for (const [name, value] of isMachine ? machineHeaders : headers) response.setHeader(name, value);
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      plainText(response, 405, "Only GET and HEAD are served here.");
      return;
    }
    if (upgrades.some((handler) => handler.answer?.(request, response))) return;
    if (!isPlainRange(request.headers.range)) delete request.headers.range;
    // sirv pipes the file here. When it cannot be read after all (removed just now, a broken disk) this answer ends, no more.
    response.on("pipe", (file) => file.once("error", () => response.destroy()));
    run(handlers, request, response);
  });

  serveUpgrades(server, upgrades);
  return server;
}

/** One range from its first byte on. A server may ignore all others, and sirv stumbles over those that end before they begin. */
function isPlainRange(range: string | undefined): boolean {
  const [, first, last] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(range ?? "") ?? [];
  return first !== undefined && (last === "" || Number(last) >= Number(first));
}

function run(handlers: readonly Handler[], request: IncomingMessage, response: ServerResponse): void {
  const [first, ...rest] = handlers;
  first?.(request, response, () => run(rest, request, response));
}

const notFound: Handler = (_request, response) => plainText(response, 404, "There is no such file here.");

function plainText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" });
  response.end(`${text}\n`);
}
