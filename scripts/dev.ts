/** `npm run dev`: the guest image if it is missing, then Vite's development server with hot reload. */
import { fileURLToPath } from "node:url";
import { createServer } from "vite";
import { usualImages } from "../images/catalogue.ts";
import { ensureImages } from "../images/ensure.ts";
import { streamProgress } from "../images/progress.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

await ensureImages([...usualImages], streamProgress(process.stderr, ""));
const server = await createServer({ root });
await server.listen();
server.printUrls();
server.bindCLIShortcuts({ print: true });
