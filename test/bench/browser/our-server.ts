import { join } from "node:path";
import { buildPage } from "../../../server/build.ts";
import { linkTo, listen } from "../../../server/listen.ts";
import { createPageServer } from "../../../server/server.ts";
import { PROJECT } from "../material.ts";
import { Traffic } from "./traffic.ts";

export interface RunningServer {
  url: string;
  traffic: Traffic;
  close(): void;
}

/** What `npm start` serves, on a free port. */
export async function serveOurPage(): Promise<RunningServer> {
  const page = await buildPage(PROJECT);
  const server = createPageServer({ page, images: join(PROJECT, "public/images") });
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
