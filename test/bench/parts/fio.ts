/** fio in Chromium: the copy-on-write disk in IndexedDB, a disk in memory, and v86's IDE disk (in memory). */
import { withOurPage, withPeerPage, type PageGuest } from "../browser/boot.ts";
import { launchChromium } from "../browser/chromium.ts";
import { serveOurPage } from "../browser/our-server.ts";
import { servePeerPage } from "../browser/peer-server.ts";
import type { Part } from "../part.ts";
import { compareRates, type Row } from "../result.ts";
import { peerPage } from "./debian.ts";

const MIB = 2 ** 20;
/** Of each disk, in MiB: fits into the overlay's cache. */
const AREA = 32;

interface Workload {
  name: string;
  /** fio's options besides the common ones. */
  options: string;
  side: "read" | "write";
  unit: "/s" | "MB/s";
  /** Of memory's time by the overlay's. */
  target?: number;
}

const WORKLOADS: readonly Workload[] = [
  {
    name: "1 MiB sequential write",
    options: "--rw=write --bs=1M --end_fsync=1",
    side: "write",
    unit: "MB/s",
  },
  {
    name: "1 MiB sequential read",
    options: "--rw=read --bs=1M --loops=32",
    side: "read",
    unit: "MB/s",
    target: 1.1,
  },
  { name: "4 KiB random read", options: "--rw=randread --bs=4k --loops=2", side: "read", unit: "/s" },
  {
    name: "4 KiB random write, each with fsync",
    options: "--rw=randwrite --bs=4k --fsync=1 --io_size=2M",
    side: "write",
    unit: "/s",
  },
];

type Rates = Record<string, number>;

export const fio: Part = {
  name: "fio",
  title: "fio in Chromium: rates, and our time by the peer's",
  rounds: 2,
  async run({ rounds, progress }) {
    progress("fio: building");
    const ourServer = await serveOurPage();
    const peerServer = await servePeerPage({ ...(await peerPage()), memoryDisk: 2 * AREA * MIB });
    const browser = await launchChromium();
    const disks = [
      "device=blk,id=debian,base=debian",
      "device=blk,id=overlay,base=debian,store=idb",
      `device=blk,id=memory,store=memory,size=${2 * AREA}M`,
    ];
    const overlay: Rates[] = [];
    const memory: Rates[] = [];
    const v86: Rates[] = [];
    try {
      for (let round = 1; round <= rounds; round++) {
        progress(`fio ${round}/${rounds}: ours`);
        await withOurPage(browser, `${ourServer.url}#image=debian&${disks.join("&")}`, async (guest) => {
          const devices = { overlay: "/dev/vdb", memory: "/dev/vdc" };
          // The first time warms up: fio is fetched, and its code and the kernel's are compiled.
          for (const device of Object.values(devices)) await measure(guest, device);
          overlay.push(await measure(guest, devices.overlay));
          memory.push(await measure(guest, devices.memory));
        });
        progress(`fio ${round}/${rounds}: v86`);
        await withPeerPage(browser, peerServer.url, async (guest) => {
          await guest.exec("echo none >/sys/block/sdb/queue/scheduler");
          await measure(guest, "/dev/sdb");
          v86.push(await measure(guest, "/dev/sdb"));
        });
      }
    } finally {
      await browser.close();
      ourServer.close();
      peerServer.close();
    }
    return WORKLOADS.flatMap((workload) => rows(workload, overlay, memory, v86));
  },
};

/** Each workload once; rates a second by its name. */
async function measure<T>(guest: PageGuest<T>, device: string): Promise<Rates> {
  const rates: Rates = {};
  for (const { name, options, side, unit } of WORKLOADS) {
    const common = `--name=bench --filename=${device} --size=${AREA}M --direct=1 --ioengine=psync --output-format=json`;
    const output = await guest.exec(`fio ${common} ${options}`);
    const { jobs } = JSON.parse(output.slice(output.indexOf("{"))) as {
      jobs: Record<"read" | "write", { bw_bytes: number; iops: number }>[];
    };
    const result = jobs[0]![side];
    rates[name] = unit === "MB/s" ? result.bw_bytes / 1e6 : result.iops;
  }
  return rates;
}

function rows({ name, unit, target }: Workload, overlay: Rates[], memory: Rates[], v86: Rates[]): Row[] {
  const of = (rates: Rates[]): number[] => rates.map((each) => each[name]!);
  const part = fio.name;
  return [
    compareRates({
      part,
      name: `${name}: overlay in IndexedDB : memory`,
      unit,
      ours: of(overlay),
      peer: of(memory),
      peerName: "ours, in memory",
      ...(target !== undefined && { target }),
    }),
    compareRates({
      part,
      name: "· overlay : v86's IDE",
      unit,
      ours: of(overlay),
      peer: of(v86),
      peerName: "v86's IDE",
    }),
    compareRates({
      part,
      name: "· memory : v86's IDE",
      unit,
      ours: of(memory),
      peer: of(v86),
      peerName: "v86's IDE",
    }),
  ];
}
