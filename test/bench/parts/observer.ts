/** What it costs that somebody could watch: the core with its observer calls taken out, with nobody there, with a listener. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bundle } from "../bundle.ts";
import { DiskUnderTest } from "../guest/disk-under-test.ts";
import type { CommandResult, Listener } from "../guest/protocol.ts";
import { withSessions } from "../guest/session.ts";
import { benchInitrd, PROJECT } from "../material.ts";
import type { Part } from "../part.ts";
import { compare, millions, processorSeconds, type Row, seconds } from "../result.ts";
import { withinNoise } from "../statistics.ts";
import { inTurns } from "../turns.ts";
import { withoutObserver } from "../without-observer.ts";
import { DISK_SIZE, runWorkload, WORKLOADS, type Workload } from "./disk.ts";

/** Half of the disk part's, so that four machines take their turns in bearable time. */
const READS: Workload = {
  ...WORKLOADS.small,
  name: "4,096 direct reads of 4 KiB",
  command: (disk) => WORKLOADS.small.command(disk).replace("count=8192", "count=4096"),
  blocks: 4096,
};

const MACHINES = ["removed", "again", "nobody", "no-op"] as const;
type MachineName = (typeof MACHINES)[number];

export const observer: Part = {
  name: "observer",
  title: `Observer: ${READS.name}`,
  rounds: 5,
  async run({ rounds, progress }) {
    progress("observer: bundling the core");
    const cores = await buildCores();
    const kinds: Record<MachineName, { core: string; listener: Listener }> = {
      removed: { core: cores.without, listener: "nobody" },
      again: { core: cores.without, listener: "nobody" },
      nobody: { core: cores.with, listener: "nobody" },
      "no-op": { core: cores.with, listener: "no-op" },
    };
    const initrd = await benchInitrd();
    const results = Object.fromEntries(MACHINES.map((name) => [name, [] as CommandResult[]])) as Results;
    await withSessions(MACHINES.length, async (sessions) => {
      const disks: DiskUnderTest[] = [];
      for (const [index, name] of MACHINES.entries()) {
        progress(`observer: booting ${name}`);
        const session = sessions[index]!;
        await session.boot({ peer: "ours", initrd, disk: DISK_SIZE, ...kinds[name] });
        await session.login();
        disks.push(await DiskUnderTest.find(session, "ours"));
        await session.pause();
      }
      for (let round = 0; round <= rounds; round++) {
        for (const [index, name] of MACHINES.entries()) {
          progress(`observer ${round === 0 ? "warm-up" : `${round}/${rounds}`}: ${name}`);
          const result = await inTurns(sessions[index]!, () => runWorkload(disks[index]!, READS));
          if (round > 0) results[name].push(result);
        }
      }
    });
    return rows(results);
  },
};

type Results = Record<MachineName, CommandResult[]>;

/** Paths of the machine as one module, with and without its observer calls. */
async function buildCores(): Promise<{ with: string; without: string }> {
  const folder = join(PROJECT, ".cache/bench");
  await mkdir(folder, { recursive: true });
  const entry = join(PROJECT, "src/machine/machine.ts");
  const paths = { with: join(folder, "core.mjs"), without: join(folder, "core-without-observer.mjs") };
  await writeFile(paths.with, await bundle(entry));
  const plugin = withoutObserver();
  await writeFile(paths.without, await bundle(entry, [plugin]));
  if (plugin.removed() === 0)
    throw new Error("No observer calls were found in src/virtio: this part must be adapted.");
  return paths;
}

function rows({ removed, again, nobody, "no-op": noOp }: Results): Row[] {
  const part = observer.name;
  const against = (
    name: string,
    results: CommandResult[],
    peer: CommandResult[],
    peerName: string,
  ): Row[] => [
    compare({ part, name, unit: "s", ours: seconds(results), peer: seconds(peer), peerName }),
    compare({
      part,
      name: "· processor time",
      unit: "cpu s",
      ours: processorSeconds(results),
      peer: processorSeconds(peer),
      peerName,
    }),
  ];
  const [time, ...more] = against(
    "nobody listens : no observer in the core",
    nobody,
    removed,
    "observer calls removed",
  );
  return [
    ...against("the same machine twice (the noise)", again, removed, "observer calls removed"),
    { ...time!, met: withinNoise(time!.ratio!, seconds(again), seconds(removed)) },
    ...more,
    compare({
      part,
      name: "· guest instructions",
      unit: "M",
      ours: millions(nobody),
      peer: millions(removed),
      peerName: "observer calls removed",
    }),
    ...against("a listener that does nothing : nobody", noOp, nobody, "nobody listens"),
  ];
}
