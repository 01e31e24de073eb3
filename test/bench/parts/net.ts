/** Two guests in Node over the relay: Ringside's machines, and plain v86 ones with v86's own network cards. */
import { IPERF_COMMAND, networkInitrd } from "../material.ts";
import type { NetworkRequest, PeerName } from "../guest/protocol.ts";
import { type GuestSession, withSessions } from "../guest/session.ts";
import { startRelay } from "../../tools/relay-process.ts";
import type { Part } from "../part.ts";
import { compare, compareRates, type Row } from "../result.ts";

interface Machines {
  name: string;
  peer: PeerName;
  card: NetworkRequest["card"];
}

const OURS: Machines = { name: "ours", peer: "ours", card: "virtio" };
const VIRTIO: Machines = { name: "v86's virtio-net", peer: "v86", card: "virtio" };
const NE2K: Machines = { name: "v86's ne2k", peer: "v86", card: "ne2k" };

/** Seconds of iperf3, by the guests' clocks; as many before them are not counted (slow start, the CPU's compiler). */
const DURATION = 8;
const WARM_UP = 3;
const PINGS = 300;

interface Measured {
  /** TCP payload that arrived, in bytes a second. */
  there: number;
  back: number;
  /** Milliseconds from a ping to its answer, in the mean. */
  roundTrip: number;
}

export const net: Part = {
  name: "net",
  title: "Two guests in a room: TCP by iperf3 and pings, our time by the peer's",
  rounds: 2,
  async run({ rounds, progress }) {
    const relay = await startRelay(["--log", "warn"]);
    const results = new Map<Machines, Measured[]>([OURS, VIRTIO, NE2K].map((machines) => [machines, []]));
    try {
      for (let round = 1; round <= rounds; round++) {
        for (const [machines, list] of results) {
          progress(`net ${round}/${rounds}: ${machines.name}`);
          list.push(await measure(machines, relay.url));
        }
      }
    } finally {
      await relay.stop();
    }
    return rows(results.get(OURS)!, [
      { name: VIRTIO.name, measured: results.get(VIRTIO)!, targets: { tcp: 1 / 3, ping: 0.8 } },
      { name: NE2K.name, measured: results.get(NE2K)!, targets: { tcp: 1 / 6 } },
    ]);
  },
};

async function measure({ peer, card }: Machines, relay: string): Promise<Measured> {
  const initrd = await networkInitrd();
  return withSessions(2, async ([one, other]) => {
    const guests = [one!, other!];
    await Promise.all(
      guests.map(async (guest, index) => {
        await guest.boot({ peer, initrd, network: { relay, room: "bench", card } });
        await guest.login();
        if (card === "ne2k") await guest.output(". /bench/ne2k");
        // The peer has nobody to ask for an address, so that both have fixed ones.
        await guest.output(
          "killall -9 udhcpc 2>/dev/null; n=0; until [ -e /sys/class/net/eth0 ]; do [ $((n += 1)) -le 50 ] || break; usleep 100000; done; " +
            `ifconfig lo 127.0.0.1 up; ifconfig eth0 10.9.0.${index + 1} netmask 255.255.255.0 up`,
        );
      }),
    );
    await other!.output(`${IPERF_COMMAND} -s -D`);
    await reachable(one!);
    const there = await throughput(one!, "");
    const back = await throughput(one!, "-R");
    return { there, back, roundTrip: await roundTrip(one!) };
  });
}

async function reachable(guest: GuestSession): Promise<void> {
  await guest.output("n=0; until ping -c1 -W1 10.9.0.2; do [ $((n += 1)) -le 30 ] || exit 1; done");
}

async function throughput(guest: GuestSession, direction: string): Promise<number> {
  const output = await guest.output(
    `${IPERF_COMMAND} -c 10.9.0.2 -J -t ${DURATION} -O ${WARM_UP} ${direction}`,
  );
  const { end } = JSON.parse(output.slice(output.indexOf("{"))) as {
    end: { sum_received: { bits_per_second: number } };
  };
  return end.sum_received.bits_per_second / 8;
}

async function roundTrip(guest: GuestSession): Promise<number> {
  const output = await guest.output(`ping -A -q -c ${PINGS} 10.9.0.2`);
  const [, received] = /(\d+) packets received/.exec(output) ?? [];
  const [, mean] = /min\/avg\/max = [\d.]+\/([\d.]+)\//.exec(output) ?? [];
  if (mean === undefined || Number(received) < PINGS * 0.95) throw new Error(`Pings got lost:\n${output}`);
  return Number(mean);
}

interface Against {
  name: string;
  measured: Measured[];
  targets: { tcp: number; ping?: number };
}

function rows(ours: Measured[], peers: Against[]): Row[] {
  const part = net.name;
  return peers.flatMap(({ name: peerName, measured, targets }) => [
    compareRates({
      part,
      name: "TCP, one way",
      unit: "MB/s",
      ours: ours.map(({ there }) => there / 1e6),
      peer: measured.map(({ there }) => there / 1e6),
      peerName,
      target: targets.tcp,
    }),
    compareRates({
      part,
      name: "TCP, the other way",
      unit: "MB/s",
      ours: ours.map(({ back }) => back / 1e6),
      peer: measured.map(({ back }) => back / 1e6),
      peerName,
      target: targets.tcp,
    }),
    compare({
      part,
      name: "ping, round trip",
      unit: "ms",
      ours: ours.map(({ roundTrip }) => roundTrip),
      peer: measured.map(({ roundTrip }) => roundTrip),
      peerName,
      ...(targets.ping !== undefined && { target: targets.ping }),
    }),
  ]);
}
