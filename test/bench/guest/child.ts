/** A guest in a process of its own: its JIT, its memory and its noise are nobody else's. Driven by ./session.ts. */
import { bootOurs } from "./ours.ts";
import type { Peer } from "./peer.ts";
import type { Call, GuestCalls, Reply } from "./protocol.ts";
import { bootV86 } from "./v86.ts";

let peer: Peer | undefined;

function booted(): Peer {
  if (!peer) throw new Error("The guest has not been booted.");
  return peer;
}

const answers: GuestCalls = {
  async boot(request) {
    peer = await (request.peer === "ours" ? bootOurs(request) : bootV86(request));
    return peer.booted;
  },
  login: () => booted().shell.login(),
  run: (command) => booted().shell.run(command),
  stream: (command, stream, expected) => booted().stream(command, stream, expected),
  countPorts(ranges) {
    booted().countPorts(ranges);
    return Promise.resolve();
  },
  pause: () => booted().pause(),
  resume: () => booted().resume(),
};

async function answer({ id, name, args }: Call): Promise<Reply> {
  try {
    const result: unknown = await (answers[name] as (...args: unknown[]) => unknown)(...args);
    return { id, result };
  } catch (error) {
    return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

process.on("message", (call: Call) => {
  void answer(call).then((reply) => process.send?.(reply));
});
// The parent is gone, or done with this guest: v86 would go on for ever.
process.on("disconnect", () => process.exit(0));
