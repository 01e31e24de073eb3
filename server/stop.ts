import { once } from "node:events";
import type { Server } from "node:http";

/** Milliseconds for downloads that are under way. */
const PATIENCE = 2000;

/**
 * Waits for SIGINT or SIGTERM, then ends the server and what it serves. Resolves when all is closed; a second signal ends the
 * process as signals do.
 */
export async function stopOnSignals(
  server: Server,
  parts: readonly { close(): Promise<void> }[],
): Promise<void> {
  await new Promise<void>((resolve) => {
    const stop = () => {
      process.off("SIGINT", stop);
      process.off("SIGTERM", stop);
      resolve();
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
  });
  const closed = once(server, "close");
  server.close();
  await Promise.all(parts.map((part) => part.close()));
  // What is open now is idle keep-alives or downloads: give the latter a moment, then cut them.
  server.closeIdleConnections();
  setTimeout(() => server.closeAllConnections(), PATIENCE).unref();
  await closed;
}
