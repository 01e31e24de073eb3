/** Ringside's virtio-blk against v86's IDE: the same guest, a disk in memory, the guest's own dd. */
import { DiskUnderTest } from "../guest/disk-under-test.ts";
import type { CommandResult, PeerName } from "../guest/protocol.ts";
import { type GuestSession, withSessions } from "../guest/session.ts";
import { inTurns } from "../turns.ts";
import { benchInitrd } from "../material.ts";
import type { Part, PartOptions } from "../part.ts";
import { compare, millions, processorSeconds, type Row, seconds } from "../result.ts";

const MIB = 2 ** 20;
export const DISK_SIZE = 128 * MIB;
const peerName = "v86's IDE";

export interface Workload {
  name: string;
  command: (disk: string) => string;
  /** What dd must have copied, in blocks. */
  blocks: number;
  /** How often it runs in one round: a short one more often. */
  repeat: number;
  target: { time: number; instructions?: number };
}

export const WORKLOADS = {
  sequential: {
    name: "128 MiB sequential read",
    command: (disk) => `dd if=/dev/${disk} of=/dev/null bs=1M count=128`,
    blocks: 128,
    repeat: 3,
    target: { time: 0.95 },
  },
  small: {
    name: "8,192 direct reads of 4 KiB",
    command: (disk) => `dd if=/dev/${disk} of=/dev/null bs=4k count=8192 iflag=direct`,
    blocks: 8192,
    repeat: 1,
    target: { time: 0.7, instructions: 0.62 },
  },
  write: {
    name: "64 MiB direct write",
    command: (disk) => `dd if=/dev/zero of=/dev/${disk} bs=1M count=64 oflag=direct conv=notrunc`,
    blocks: 64,
    repeat: 8,
    target: { time: 0.65 },
  },
} satisfies Record<string, Workload>;

const ALL: readonly Workload[] = Object.values(WORKLOADS);

export const disk: Part = {
  name: "disk",
  title: "Disk in memory: virtio-blk (pci) against v86's IDE",
  rounds: 4,
  async run(options) {
    const timed = await withSessions(2, async ([ours, v86]) => {
      const disks = {
        ours: await openDisk(ours!, "ours", options),
        v86: await openDisk(v86!, "v86", options),
      };
      const results = await timeInTurns(disks, options);
      options.progress("disk: counting register accesses");
      const ourCounts = await countAll(disks.ours, ALL);
      return { results, ourCounts, peerCounts: await countOnPeer(disks.v86) };
    });
    return ALL.flatMap((workload, index) =>
      rows(workload, timed.results[index]!, timed.ourCounts[index]!, timed.peerCounts[index]!),
    );
  },
};

/** Boots a guest with a disk and leaves it paused. */
export async function openDisk(
  session: GuestSession,
  peer: PeerName,
  { progress }: PartOptions,
  diskOptions?: string,
): Promise<DiskUnderTest> {
  progress(`disk: booting ${peer}`);
  await session.boot({
    peer,
    initrd: await benchInitrd(),
    disk: DISK_SIZE,
    ...(diskOptions && { diskOptions }),
  });
  await session.login();
  const found = await DiskUnderTest.find(session, peer);
  await session.pause();
  return found;
}

export async function runWorkload(under: DiskUnderTest, workload: Workload): Promise<CommandResult> {
  await under.forget();
  const result = await under.session.run(workload.command(under.name));
  const copied = `${workload.blocks}+0 records out`;
  if (result.status !== 0 || !result.output.includes(copied)) {
    throw new Error(
      `"${workload.name}" on ${under.name} ended with status ${result.status}:\n${result.output}`,
    );
  }
  return result;
}

async function repeatWorkload(under: DiskUnderTest, workload: Workload): Promise<CommandResult[]> {
  const results: CommandResult[] = [];
  while (results.length < workload.repeat) results.push(await runWorkload(under, workload));
  return results;
}

/** For each workload what each run cost. */
async function timeInTurns(
  disks: Record<PeerName, DiskUnderTest>,
  { rounds, progress }: PartOptions,
): Promise<Record<PeerName, CommandResult[]>[]> {
  const results = ALL.map(() => ({ ours: [] as CommandResult[], v86: [] as CommandResult[] }));
  // Round 0 warms both up: code that the guest will run is compiled by then, for both alike. It does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const [index, workload] of ALL.entries()) {
      progress(`disk ${round === 0 ? "warm-up" : `${round}/${rounds}`}: ${workload.name}`);
      for (const peer of ["ours", "v86"] as const) {
        const repeated = await inTurns(disks[peer].session, () => repeatWorkload(disks[peer], workload));
        if (round > 0) results[index]![peer].push(...repeated);
      }
    }
  }
  return results;
}

/** What one run of a workload counted. */
export interface Counts {
  requests: number;
  interrupts: number;
  accesses: number;
}

async function countOnPeer(under: DiskUnderTest): Promise<Counts[]> {
  await under.session.resume();
  await under.session.countPorts(await under.ports());
  await under.session.pause();
  return countAll(under, ALL);
}

/** Resumes a paused guest, counts each workload once, and pauses it again. */
export async function countAll(under: DiskUnderTest, workloads: readonly Workload[]): Promise<Counts[]> {
  await under.session.resume();
  const all: Counts[] = [];
  for (const workload of workloads) {
    await under.forget();
    const before = await under.counts();
    const { accesses } = await runWorkload(under, workload);
    const after = await under.counts();
    all.push({
      accesses,
      requests: after.requests - before.requests,
      interrupts: after.interrupts - before.interrupts,
    });
  }
  await under.session.pause();
  return all;
}

function rows(
  { name, target }: Workload,
  { ours, v86 }: Record<PeerName, CommandResult[]>,
  ourCounts: Counts,
  peerCounts: Counts,
): Row[] {
  const common = { part: disk.name, peerName };
  const perRequest = (what: "interrupts" | "accesses"): { ours: number[]; peer: number[] } => ({
    ours: [ourCounts[what] / ourCounts.requests],
    peer: [peerCounts[what] / peerCounts.requests],
  });
  return [
    compare({ ...common, name, unit: "s", ours: seconds(ours), peer: seconds(v86), target: target.time }),
    compare({
      ...common,
      name: "· processor time",
      unit: "cpu s",
      ours: processorSeconds(ours),
      peer: processorSeconds(v86),
    }),
    compare({
      ...common,
      name: "· guest instructions",
      unit: "M",
      ours: millions(ours),
      peer: millions(v86),
      ...(target.instructions !== undefined && { target: target.instructions }),
    }),
    compare({
      ...common,
      name: "· requests",
      unit: "",
      ours: [ourCounts.requests],
      peer: [peerCounts.requests],
    }),
    compare({ ...common, name: "· register accesses a request", unit: "", ...perRequest("accesses") }),
    compare({ ...common, name: "· interrupts a request", unit: "", ...perRequest("interrupts") }),
  ];
}
