import type { PackedQueueView, QueueView, SplitQueueView } from "../../../inspect/api.ts";
import type { Mark, RingLayout } from "./layout.ts";

/** What is known of an area of a queue: where it is in memory, and what the two have written there. */
export interface LegendRow {
  title: string;
  address: bigint | undefined;
  /** How large it is, where nobody is anywhere in it. */
  about: string | undefined;
  marks: readonly Mark[];
  /** How the two keep each other from kicking and interrupting; in a few words, with what it means. */
  wishes: readonly { who: Mark["who"]; words: string; means: string }[];
}

/** NO_INTERRUPT in the available ring, NO_NOTIFY in the used ring (2.7.6, 2.7.8). */
const NONE = 1;

/** The areas of a queue, in the order of its rings. */
export function legendOf(view: QueueView, rings: readonly RingLayout[]): LegendRow[] {
  const rows = view.layout === "split" ? splitRows(view) : packedRows(view);
  return rows.map((row, at) => {
    const marks = rings[at]?.marks ?? [];
    return { ...row, marks, about: at === 0 && marks.length === 0 ? `${view.size} entries` : undefined };
  });
}

function splitRows({
  descriptorTable,
  available,
  used,
}: SplitQueueView): Omit<LegendRow, "marks" | "about">[] {
  return [
    { title: "Descriptor table", address: descriptorTable.address, wishes: [] },
    {
      title: "Available ring",
      address: available.address,
      wishes: [
        available.usedEvent === undefined
          ? flagWish("driver", (available.flags & NONE) !== 0, "interrupts")
          : eventWish("driver", "used_event", available.usedEvent, "an interrupt"),
      ],
    },
    {
      title: "Used ring",
      address: used.address,
      wishes: [
        used.availEvent === undefined
          ? flagWish("device", (used.flags & NONE) !== 0, "kicks")
          : eventWish("device", "avail_event", used.availEvent, "a kick"),
      ],
    },
  ];
}

function packedRows({
  ring,
  driverEvent,
  deviceEvent,
}: PackedQueueView): Omit<LegendRow, "marks" | "about">[] {
  return [
    { title: "Descriptor ring", address: ring.address, wishes: [] },
    {
      title: "AVAIL bits",
      address: driverEvent.address,
      wishes: [packedWish("driver", driverEvent, "interrupts")],
    },
    {
      title: "USED bits",
      address: deviceEvent.address,
      wishes: [packedWish("device", deviceEvent, "kicks")],
    },
  ];
}

function flagWish(who: Mark["who"], refuses: boolean, what: string): LegendRow["wishes"][number] {
  return { who, words: `${refuses ? "no " : ""}${what}`, means: wants(who, refuses ? `no ${what}` : what) };
}

function eventWish(who: Mark["who"], name: string, value: number, what: string) {
  return {
    who,
    words: `${what} at ${value} (${name})`,
    means: wants(who, `${what} when the other side passes index ${value} (2.7.10)`),
  };
}

/** 2.8.10: RING_EVENT_FLAGS_ENABLE, _DISABLE, _DESC. */
function packedWish(
  who: Mark["who"],
  { flags, offset, wrap }: PackedQueueView["driverEvent"],
  what: string,
): LegendRow["wishes"][number] {
  switch (flags & 3) {
    case 0:
      return { who, words: what, means: wants(who, what) };
    case 1:
      return { who, words: `no ${what}`, means: wants(who, `no ${what}`) };
    case 2:
      return {
        who,
        words: `${what} at ${offset}, wrap ${wrap ? 1 : 0}`,
        means: wants(who, `${what} only when descriptor ${offset} of that lap is passed (2.8.10)`),
      };
    default:
      return { who, words: "flags 3", means: "A value that the specification reserves (2.8.10)." };
  }
}

function wants(who: Mark["who"], what: string): string {
  return `The ${who} wants ${what}.`;
}
