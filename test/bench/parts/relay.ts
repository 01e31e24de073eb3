/** The relay alone: many rooms whose members pass frames around, by our protocol and by websockproxy's. */
import type { LoadRequest, LoadResult } from "../network/relay-load.ts";
import { putLoad } from "../network/relay-load-process.ts";
import { startRelay } from "../../tools/relay-process.ts";
import type { Part } from "../part.ts";
import { compare, compareRates, type Row } from "../result.ts";

const ROOMS = 100;
const MEMBERS = 4;
const FRAMES = [64, 1514];
/** Frames on their way for each member: many, for the rate; one, for the delay. */
const DEPTHS = { rate: 16, delay: 1 };
const DURATION = 3000;

interface Measured {
  frame: number;
  rate: number[];
  p99: number[];
  plainRate: number[];
  plainP99: number[];
}

export const relay: Part = {
  name: "relay",
  title: `The relay: ${ROOMS} rooms of ${MEMBERS}; our protocol, and websockproxy's (a frame a message) with the same clients`,
  rounds: 3,
  async run({ rounds, progress }) {
    const relay = await startRelay([
      ...["--log", "warn"],
      ...[
        "--most-members-per-address",
        String(ROOMS * MEMBERS),
        "--joins-per-second",
        String(ROOMS * MEMBERS),
      ],
      ...["--most-rate", "unlimited"],
    ]);
    const measured: Measured[] = FRAMES.map((frame) => ({
      frame,
      rate: [],
      p99: [],
      plainRate: [],
      plainP99: [],
    }));
    const put = (protocol: LoadRequest["protocol"], frame: number, depth: number): Promise<LoadResult> =>
      putLoad({
        relay: relay.url,
        protocol,
        rooms: ROOMS,
        members: MEMBERS,
        frame,
        depth,
        duration: DURATION,
      });
    try {
      for (let round = 1; round <= rounds; round++) {
        for (const each of measured) {
          progress(`relay ${round}/${rounds}: ${each.frame} bytes`);
          each.rate.push((await put("extended", each.frame, DEPTHS.rate)).rate);
          each.p99.push((await put("extended", each.frame, DEPTHS.delay)).p99);
          each.plainRate.push((await put("plain", each.frame, DEPTHS.rate)).rate);
          each.plainP99.push((await put("plain", each.frame, DEPTHS.delay)).p99);
        }
      }
    } finally {
      await relay.stop();
    }
    return measured.flatMap(rows);
  },
};

function rows({ frame, rate, p99, plainRate, plainP99 }: Measured): Row[] {
  const part = relay.name;
  const peerName = "websockproxy's protocol";
  return [
    compareRates({
      part,
      name: `frames of ${frame} bytes`,
      unit: "/s",
      ours: rate,
      peer: plainRate,
      peerName,
    }),
    compare({ part, name: "· p99 of the delay", unit: "ms", ours: p99, peer: plainP99, peerName }),
  ];
}
