import { createReadStream } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { join } from "node:path";
import { linkTo, listen } from "../../../server/listen.ts";
import { bundle } from "../bundle.ts";
import { GUEST_MEMORY } from "../guest/peer.ts";
import { PEER_PARAMETERS } from "../guest/v86.ts";
import { peerFiles } from "../material.ts";
import type { RunningServer } from "./our-server.ts";
import type { PeerBootRequest } from "./peer-worker.ts";

const request: PeerBootRequest = { commandLine: PEER_PARAMETERS, memory: GUEST_MEMORY };

/** Nothing but what boots the guest; leaves in `peerBoot` the milliseconds from navigation to /init, or what went wrong. */
const PAGE = `<!doctype html>
<title>v86 by itself</title>
<script type="module">
  const worker = new Worker("/worker.js", { type: "module" });
  worker.onerror = ({ message }) => (window.peerBoot = message || "the worker failed");
  worker.onmessage = ({ data }) => (window.peerBoot = data - performance.timeOrigin);
  worker.postMessage(${JSON.stringify(request)});
</script>
`;

/** The peer's page, worker and files, on a free port. */
export async function servePeerPage(): Promise<RunningServer> {
  const files = await peerFiles();
  const texts: Record<string, [type: string, body: string]> = {
    "/": ["text/html", PAGE],
    "/worker.js": ["text/javascript", await bundle(join(import.meta.dirname, "peer-worker.ts"))],
  };
  const binaries: Record<string, [type: string, path: string]> = {
    "/v86.wasm": ["application/wasm", files.wasm],
    "/bios": ["application/octet-stream", files.bios],
    "/vga-bios": ["application/octet-stream", files.vgaBios],
    "/bzimage": ["application/octet-stream", files.bzImage],
    "/initrd": ["application/octet-stream", files.initrd],
  };
  const server = createServer(({ url = "" }, response) => {
    const [text, binary] = [texts[url], binaries[url]];
    if (text) head(response, text[0]).end(text[1]);
    else if (binary) createReadStream(binary[1]).pipe(head(response, binary[0]));
    else response.writeHead(404).end();
  });
  const address = await listen(server, { host: "127.0.0.1", port: 0, alternatives: 0 });
  return {
    url: linkTo(address),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The headers that give a page precise clocks, as Ringside's has. */
function head(response: ServerResponse, type: string): ServerResponse {
  return response.writeHead(200, {
    "Content-Type": type,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
  });
}
