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
const TEXT = `${LINE}\n`.repeat(LINES);

export const console_: Part = {
  name: "console",
  title: "4 MiB cat to the console",
  rounds: 3,
  run: (options) =>
    withSessions(2, async ([ours, v86]) => {
      await open(ours!, "ours", options);
      await open(v86!, "v86", options);
      const ways = {
        ours: () => ours!.stream("cat /tmp/text", "console", TEXT),
        serial: () => v86!.stream("cat /tmp/text", "console", TEXT),
        virtio: () => v86!.stream("cat /tmp/text >/dev/hvc0", "virtio-console", TEXT),
      };
      const costs: Record<keyof typeof ways, Cost[]> = { ours: [], serial: [], virtio: [] };
      for (let round = 0; round <= options.rounds; round++) {
        for (const way of ["ours", "serial", "virtio"] as const) {
          options.progress(`console ${round === 0 ? "warm-up" : `${round}/${options.rounds}`}: ${way}`);
          const cost = await inTurns(way === "ours" ? ours! : v86!, ways[way]);
          if (round > 0) costs[way].push(cost);
        }
      }
      return [
        ...rows("v86's serial port", costs.ours, costs.serial, 0.3),
        ...rows("v86's virtio console", costs.ours, costs.virtio, 0.9),
      ];
    }),
};

async function open(session: GuestSession, peer: "ours" | "v86", { progress }: PartOptions): Promise<void> {
  progress(`console: booting ${peer}`);
  await session.boot({ peer, initrd: await benchInitrd(), virtioConsole: true });
  await session.login();
  // A shell's read takes lines up to 4 KiB: the text is made in the guest.
  await session.output(`yes '${LINE}' | head -n ${LINES} >/tmp/text`);
  await session.pause();
}

function rows(peerName: string, ours: Cost[], peer: Cost[], target: number): Row[] {
  const common = { part: console_.name, peerName };
  return [
    compare({
      ...common,
      name: `against ${peerName}`,
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
