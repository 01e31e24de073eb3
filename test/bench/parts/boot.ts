/** Boot to /init in Node: the whole way, from files on the disk. */
import { withSessions } from "../guest/session.ts";
import type { Cost, PeerName } from "../guest/protocol.ts";
import type { Part } from "../part.ts";
import { compare, millions, processorSeconds, seconds } from "../result.ts";

const peerName = "v86, SeaBIOS, bzImage";

export const boot: Part = {
  name: "boot",
  title: "Boot to /init in Node, the same kernel and initramfs",
  rounds: 3,
  async run({ rounds, progress }) {
    const costs: Record<PeerName, Cost[]> = { ours: [], v86: [] };
    for (let round = 1; round <= rounds; round++) {
      for (const peer of ["ours", "v86"] as const) {
        progress(`boot ${round}/${rounds}: ${peer}`);
        // Each boot in a process of its own: for both, the first of a fresh page or program is what a person waits for.
        costs[peer].push(await withSessions(1, ([session]) => session!.boot({ peer })));
      }
    }
    const { ours, v86 } = costs;
    const common = { part: boot.name, peerName };
    return [
      compare({ ...common, name: "time", unit: "s", ours: seconds(ours), peer: seconds(v86), target: 0.5 }),
      compare({
        ...common,
        name: "processor time",
        unit: "cpu s",
        ours: processorSeconds(ours),
        peer: processorSeconds(v86),
      }),
      compare({
        ...common,
        name: "guest instructions",
        unit: "M",
        ours: millions(ours),
        peer: millions(v86),
      }),
    ];
  },
};
