import { createReadStream, statSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { join } from "node:path";
import { linkTo, listen } from "../../../server/listen.ts";
import { bundle } from "../bundle.ts";
import { GUEST_MEMORY } from "../guest/peer.ts";
import { PEER_PARAMETERS } from "../guest/v86.ts";
import { IN_INIT } from "../guest/marker.ts";
import { type PeerFiles, peerFiles } from "../material.ts";
import type { RunningServer } from "./our-server.ts";
import type { PeerBootRequest } from "./peer-worker.ts";
import { Traffic } from "./traffic.ts";

/**
 * Nothing but what boots the guest. Leaves in `peerBoot` the milliseconds from navigation to the moment that was asked for, or
 * what went wrong; `peerText` is what the guest has said, `peerType` types to it.
 */
function pageFor(request: PeerBootRequest): string {
  return `<!doctype html>
<title>v86 by itself</title>
<script type="module">
  const worker = new Worker("/worker.js", { type: "module" });
  window.peerText = "";
  window.peerType = (text) => worker.postMessage({ type: text });
  worker.onerror = ({ message }) => (window.peerBoot = message || "the worker failed");
  worker.onmessage = ({ data }) => {
    if (data.said) window.peerText += data.said;
    else window.peerBoot = data.reached - performance.timeOrigin;
  };
  worker.postMessage({ boot: ${JSON.stringify(request)} });
</script>
`;
}

/** What the peer boots, and how far. */
export type PeerPage = Partial<Omit<PeerBootRequest, "memory">> & {
  files?: PeerFiles;
  /** The file behind the disk that it fetches on demand. */
  disk?: string;
};

/** The peer's page, worker and files, on a free port: to /init of the usual image, unless asked for another. */
export async function servePeerPage(peer: PeerPage = {}): Promise<RunningServer> {
  const { files = await peerFiles(), disk, commandLine = PEER_PARAMETERS, until = IN_INIT, ...rest } = peer;
  const request: PeerBootRequest = { commandLine, until, memory: GUEST_MEMORY, ...rest };
  const texts: Record<string, [type: string, body: string]> = {
    "/": ["text/html", pageFor(request)],
    "/worker.js": ["text/javascript", await bundle(join(import.meta.dirname, "peer-worker.ts"))],
  };
  const binaries: Record<string, [type: string, path: string]> = {
    "/v86.wasm": ["application/wasm", files.wasm],
    "/bios": ["application/octet-stream", files.bios],
    "/vga-bios": ["application/octet-stream", files.vgaBios],
    "/bzimage": ["application/octet-stream", files.bzImage],
    "/initrd": ["application/octet-stream", files.initrd],
  };
  const server = createServer(({ url = "", headers }, response) => {
    const [text, binary] = [texts[url], binaries[url]];
    if (text) head(response, text[0]).end(text[1]);
    else if (binary) createReadStream(binary[1]).pipe(head(response, binary[0], statSync(binary[1]).size));
    else if (url === "/disk" && disk) sendRange(response, disk, headers.range);
    else response.writeHead(404).end();
  });
  const traffic = new Traffic(server);
  const address = await listen(server, { host: "127.0.0.1", port: 0, alternatives: 0 });
  return {
    url: linkTo(address),
    traffic,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A part of a file, as v86 asks for it. */
function sendRange(response: ServerResponse, path: string, range: string | undefined): void {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
  const { size } = statSync(path);
  if (first === undefined) {
    head(response, "application/octet-stream", size).end();
    return;
  }
  const [start, end] = [Number(first), Math.min(Number(last), size - 1)];
  response.setHeader("Content-Range", `bytes ${start}-${end}/${size}`);
  createReadStream(path, { start, end }).pipe(
    head(response, "application/octet-stream", end - start + 1, 206),
  );
}

/** The headers that give a page precise clocks, as Ringside's has. */
function head(response: ServerResponse, type: string, length?: number, status = 200): ServerResponse {
  if (length !== undefined) response.setHeader("Content-Length", length);
  return response.writeHead(status, {
    "Content-Type": type,
    "Accept-Ranges": "bytes",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
  });
}
