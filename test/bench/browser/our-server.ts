import { join } from "node:path";
import { buildPage } from "../../../server/build.ts";
import { linkTo, listen } from "../../../server/listen.ts";
import { createPageServer } from "../../../server/server.ts";
import { PROJECT } from "../material.ts";

export interface RunningServer {
  url: string;
  close(): void;
}

/** What `npm start` serves, on a free port. */
export async function serveOurPage(): Promise<RunningServer> {
  const page = await buildPage(PROJECT);
  const server = createPageServer({ page, images: join(PROJECT, "public/images") });
  const address = await listen(server, { host: "127.0.0.1", port: 0, alternatives: 0 });
  return {
    url: linkTo(address),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
