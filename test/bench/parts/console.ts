/** A 4 MiB `cat` to the terminal: Ringside's virtio console against v86's serial port and v86's own virtio console. */
import type { Cost } from "../guest/protocol.ts";
import { type GuestSession, withSessions } from "../guest/session.ts";
import { benchInitrd } from "../material.ts";
import type { Part, PartOptions } from "../part.ts";
import { compare, millions, processorSeconds, type Row, seconds } from "../result.ts";
import { inTurns } from "../turns.ts";

/** With its newline 64 bytes. */
const LINE = "The quick brown fox jumps over the lazy dog: 64 bytes of text.!";
const LINES = (4 * 2 ** 20) / 64;

/**
 * The guest's terminal layer turns each newline into two characters and hands over the line and these two one by one:
 * with lines of 64 bytes that is the work, without newlines it is 4 KiB at a time.
 */
const TEXTS = [
  {
    name: "lines of 64 bytes",
    make: `yes '${LINE}' | head -n ${LINES} >/tmp/lines`,
    path: "/tmp/lines",
    expected: `${LINE}\n`.repeat(LINES),
  },
  {
    name: "one long line",
    make: "tr '\\n' ' ' </tmp/lines >/tmp/line; echo >>/tmp/line",
    path: "/tmp/line",
    expected: `${`${LINE} `.repeat(LINES)}\n`,
  },
];

const WAYS = ["ours", "serial", "virtio"] as const;
type Way = (typeof WAYS)[number];

export const console_: Part = {
  name: "console",
  title: "4 MiB cat to the console",
  rounds: 3,
  run: (options) =>
    withSessions(2, async ([ours, v86]) => {
      await open(ours!, "ours", options);
      await open(v86!, "v86", options);
      const costs = TEXTS.map((): Record<Way, Cost[]> => ({ ours: [], serial: [], virtio: [] }));
      // Round 0 warms up and does not count.
      for (let round = 0; round <= options.rounds; round++) {
        for (const [index, { name, path, expected }] of TEXTS.entries()) {
          for (const way of WAYS) {
            options.progress(
              `console ${round === 0 ? "warm-up" : `${round}/${options.rounds}`}: ${name}, ${way}`,
            );
            const cost = await inTurns(way === "ours" ? ours! : v86!, () =>
              way === "virtio"
                ? v86!.stream(`cat ${path} >/dev/hvc0`, "virtio-console", expected)
                : (way === "ours" ? ours! : v86!).stream(`cat ${path}`, "console", expected),
            );
            if (round > 0) costs[index]![way].push(cost);
          }
        }
      }
      return TEXTS.flatMap(({ name }, index) => {
        const { ours: mine, serial, virtio } = costs[index]!;
        return [
          ...rows(name, "v86's serial port", mine, serial, 0.3),
          ...rows(name, "v86's virtio console", mine, virtio, 0.9),
        ];
      });
    }),
};

async function open(session: GuestSession, peer: "ours" | "v86", { progress }: PartOptions): Promise<void> {
  progress(`console: booting ${peer}`);
  await session.boot({ peer, initrd: await benchInitrd(), virtioConsole: true });
  await session.login();
  // A line that is typed has at most 4 KiB: the texts are made in the guest.
  for (const { make } of TEXTS) await session.output(make);
  await session.pause();
}

function rows(text: string, peerName: string, ours: Cost[], peer: Cost[], target: number): Row[] {
  const common = { part: console_.name, peerName };
  return [
    compare({
      ...common,
      name: `${text}, against ${peerName}`,
      unit: "s",
      ours: seconds(ours),
      peer: seconds(peer),
      target,
    }),
    compare({
      ...common,
      name: "· processor time",
      unit: "cpu s",
      ours: processorSeconds(ours),
      peer: processorSeconds(peer),
    }),
    compare({
      ...common,
      name: "· guest instructions",
      unit: "M",
      ours: millions(ours),
      peer: millions(peer),
    }),
  ];
}
