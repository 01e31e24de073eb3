/** `npm start`: makes what is missing (the guest image, the built page), then serves it. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { usualImages } from "../images/catalogue.ts";
import { ensureImages } from "../images/ensure.ts";
import { streamProgress } from "../images/progress.ts";
import { buildPage } from "./build.ts";
import { linkTo, listen } from "./listen.ts";
import { parseOptions, usage, type ServerOptions } from "./options.ts";
import { openRelay } from "./relay/open.ts";
import { createPageServer } from "./server.ts";
import { stopOnSignals } from "./stop.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

async function main(options: ServerOptions): Promise<void> {
  await ensureImages([...usualImages], streamProgress(process.stderr, ""));
  const page = await buildPage(root);
  const relay = await openRelay(options.relay);
  const server = createPageServer({ page, images: join(root, "public/images"), upgrades: [relay] });

  const alternatives = options.portChosen ? 0 : 20;
  const address = await listen(server, { host: options.host, port: options.port, alternatives });
  if (options.port !== 0 && address.port !== options.port) {
    console.log(`Port ${options.port} is taken; using ${address.port}.`);
  }
  console.log(`Ringside is at ${linkTo(address)}   (Ctrl-C stops it)`);

  await stopOnSignals(server, [relay]);
}

try {
  const options = parseOptions(process.argv.slice(2), process.env);
  if (options.help) process.stdout.write(usage);
  else await main(options);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
