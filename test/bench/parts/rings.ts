/** Ringside against itself: split and packed rings, interrupts by line (INTx) and by message (MSI-X), 4 KiB at a time. */
import type { DiskUnderTest } from "../guest/disk-under-test.ts";
import type { CommandResult } from "../guest/protocol.ts";
import { withSessions } from "../guest/session.ts";
import type { Part } from "../part.ts";
import { compare, processorSeconds, type Row, seconds, single } from "../result.ts";
import { inTurns } from "../turns.ts";
import { countAll, type Counts, openDisk, runWorkload, type Workload, WORKLOADS } from "./disk.ts";

const REQUESTS = 8192;

/**
 * One after the other, and 32 at once: a kernel that is told that a request has at most 4 KiB cuts a large read into such, and
 * gathers 32 of them before it tells the driver (a read of up to 1 MiB would not be gathered).
 */
const WORKLOADS_BY_DEPTH: readonly { depth: number; accesses: number; workload: Workload }[] = [
  { depth: 1, accesses: 1, workload: { ...WORKLOADS.small, name: "depth 1", target: { time: 1 } } },
  {
    depth: 32,
    accesses: 0.1,
    workload: {
      name: "depth 32",
      command: (disk) =>
        `echo 4 >/sys/block/${disk}/queue/max_sectors_kb; dd if=/dev/${disk} of=/dev/null bs=2M count=16 iflag=direct; ` +
        `s=$?; cat /sys/block/${disk}/queue/max_hw_sectors_kb >/sys/block/${disk}/queue/max_sectors_kb; (exit $s)`,
      blocks: 16,
      repeat: 1,
      target: { time: 1 },
    },
  },
];

const MACHINES = {
  "split, MSI-X": "packed=off",
  "packed, MSI-X": "packed=on",
  "split, INTx": "packed=off,vectors=0",
  "packed, INTx": "packed=on,vectors=0",
} as const;
type MachineName = keyof typeof MACHINES;
const NAMES = Object.keys(MACHINES) as MachineName[];

/** The default comes first in each pair: the other is what it is compared with. */
const PAIRS: readonly [MachineName, MachineName][] = [
  ["packed, MSI-X", "split, MSI-X"],
  ["split, MSI-X", "split, INTx"],
  ["packed, MSI-X", "packed, INTx"],
];

interface Measured {
  results: CommandResult[];
  counts: Counts;
}

export const rings: Part = {
  name: "rings",
  title: "Rings and interrupts: 8,192 direct reads of 4 KiB, ours against ours",
  rounds: 4,
  run: (options) =>
    withSessions(NAMES.length, async (sessions) => {
      const disks: DiskUnderTest[] = [];
      for (const [index, name] of NAMES.entries()) {
        disks.push(await openDisk(sessions[index]!, "ours", options, MACHINES[name]));
      }
      const rows: Row[] = [];
      for (const { depth, accesses, workload } of WORKLOADS_BY_DEPTH) {
        const results = NAMES.map(() => [] as CommandResult[]);
        for (let round = 0; round <= options.rounds; round++) {
          for (const [index, name] of NAMES.entries()) {
            options.progress(`rings, depth ${depth} ${round}/${options.rounds}: ${name}`);
            const under = disks[index]!;
            const result = await inTurns(under.session, () => runWorkload(under, workload));
            if (round > 0) results[index]!.push(result);
          }
        }
        const measured = {} as Record<MachineName, Measured>;
        for (const [index, name] of NAMES.entries()) {
          const [counts] = await countAll(disks[index]!, [workload]);
          measured[name] = { results: results[index]!, counts: counts! };
        }
        rows.push(
          ...absolute(depth, accesses, measured),
          ...PAIRS.flatMap((pair) => relative(pair, measured)),
        );
      }
      return rows;
    }),
};

function absolute(depth: number, accesses: number, measured: Record<MachineName, Measured>): Row[] {
  const part = rings.name;
  return NAMES.flatMap((name) => {
    const { results, counts } = measured[name];
    const each = (total: number): number[] => [total / counts.requests];
    const rate = results.map(({ milliseconds }) => (1000 * REQUESTS) / milliseconds);
    const target = name.endsWith("MSI-X") ? accesses : undefined;
    return [
      single(part, `depth ${depth}, ${name}: requests`, "/s", rate),
      single(part, "· guest instructions a request", "", [
        Math.round(Math.min(...results.map(({ instructions }) => instructions)) / REQUESTS),
      ]),
      single(part, "· register accesses a request", "", each(counts.accesses).map(rounded), target),
      single(part, "· interrupts a request", "", each(counts.interrupts).map(rounded)),
    ];
  });
}

/** The guest's clock and console are not quite silent: a few accesses in thousands of requests. */
function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

function relative([one, other]: [MachineName, MachineName], measured: Record<MachineName, Measured>): Row[] {
  const [ours, peer] = [measured[one].results, measured[other].results];
  const common = { part: rings.name, peerName: other };
  const perRequest = (results: CommandResult[]): number[] =>
    results.map(({ instructions }) => Math.round(instructions / REQUESTS));
  return [
    compare({ ...common, name: `${one} : ${other}`, unit: "s", ours: seconds(ours), peer: seconds(peer) }),
    compare({
      ...common,
      name: "· processor time",
      unit: "cpu s",
      ours: processorSeconds(ours),
      peer: processorSeconds(peer),
    }),
    compare({
      ...common,
      name: "· guest instructions a request",
      unit: "",
      ours: perRequest(ours),
      peer: perRequest(peer),
    }),
  ];
}
