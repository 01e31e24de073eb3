import type { BytesServer } from "./bytes-server.ts";

/** Of `npm run bench -- --only`. */
export const PART = "inspector";

const DISK = "/dev/vda";
/** Of the disk, in MiB. */
const SIZE = 64;
const PASSES = 16;
const SMALL_READS = 16384;

/** What the guest does; `amount` by its seconds is a rate. */
export interface Workload {
  name: string;
  command: string;
  amount: number;
  unit: "/s" | "MB/s";
}

/** One request at a time, the most events for the least work. */
export const SMALL: Workload = {
  name: "direct reads of 4 KiB",
  command: `dd if=${DISK} of=/dev/null bs=4k count=${SMALL_READS} iflag=direct`,
  amount: SMALL_READS,
  unit: "/s",
};

export const LARGE: Workload = {
  name: "direct reads of 1 MiB",
  command: `for i in $(seq ${PASSES}); do dd if=${DISK} of=/dev/null bs=1M iflag=direct || exit 1; done`,
  amount: (PASSES * SIZE * 2 ** 20) / 1e6,
  unit: "MB/s",
};

/** By the gateway's proxy, which asks with the browser's own fetch. */
export function download({ url, bytes }: BytesServer): Workload {
  return {
    name: "a download over HTTP",
    command: `http_proxy=http://10.77.0.1:3128 wget -qO /dev/null ${url}`,
    amount: bytes / 1e6,
    unit: "MB/s",
  };
}

/** So that a read finds blocks, and not the nothing of a disk that was never written to. */
export const FILL = `dd if=/dev/zero of=${DISK} bs=1M count=${SIZE}`;

/** Reads of 4 KiB, again and again until at least so many seconds are over. */
export function readsFor(seconds: number): string {
  const now = "$(cut -d. -f1 /proc/uptime)";
  return `end=$((${now} + ${seconds} + 1)); while [ ${now} -lt $end ]; do ${SMALL.command} || exit 1; done`;
}
