import type { Frames, InspectedPage, Sight, Watched } from "../browser/inspected-page.ts";
import type { PartOptions } from "../part.ts";
import { type Row, single } from "../result.ts";
import { sampleOf } from "../statistics.ts";
import { PART, readsFor } from "./workloads.ts";

/** Milliseconds from frame to frame, in the mean: 50 frames a second. */
const TARGET = 1000 / 50;
/** What the guest must do for that to count. */
const EVENTS = 20_000;
/** Seconds of each look. */
const SECONDS = 6;
const SIGHTS = ["closed", "Rings", "Devices", "Time", "Numbers"] as const satisfies Sight[];

interface Look {
  watched: Watched;
  /** A second, by the recorder's own figures. */
  events: number;
}

/** The page's frames while the guest reads 4 KiB at a time, in turns over what is in sight. */
export async function watchFrames(page: InspectedPage, { rounds, progress }: PartOptions): Promise<Row[]> {
  const looks = Object.fromEntries(SIGHTS.map((sight) => [sight, [] as Look[]])) as Record<Sight, Look[]>;
  for (let round = 1; round <= rounds; round++) {
    for (const sight of SIGHTS) {
      progress(`inspector, frames ${round}/${rounds}: ${sight}`);
      looks[sight].push(await lookAt(page, sight));
    }
  }
  return SIGHTS.flatMap((sight) => rowsOf(sight, looks[sight]));
}

async function lookAt(page: InspectedPage, sight: Sight): Promise<Look> {
  const command = readsFor(SECONDS);
  if (sight === "closed") {
    await page.look(sight);
    return { watched: await page.watch(command), events: 0 };
  }
  const before = await page.recorder();
  await page.look(sight);
  const watched = await page.watch(command);
  const after = await page.recorder();
  return { watched, events: (after.events - before.events) / watched.seconds };
}

function rowsOf(sight: Sight, looks: readonly Look[]): Row[] {
  const of = (pick: (frames: Frames) => number): number[] => looks.map(({ watched }) => pick(watched.frames));
  const isOpen = sight !== "closed";
  const events = looks.map((look) => look.events);
  const frames = single(
    PART,
    isOpen ? "· from frame to frame" : "· from frame to frame, nothing recorded",
    "ms",
    of(({ mean }) => mean),
    isOpen ? TARGET : undefined,
  );
  return [
    single(
      PART,
      `frames with ${isOpen ? `the view ${sight}` : "no inspector"}`,
      "/s",
      of(({ rate }) => rate),
    ),
    // A page that is not asked for enough has not shown it.
    isOpen ? { ...frames, met: frames.met! && sampleOf(events).median >= EVENTS } : frames,
    single(
      PART,
      "· the longest",
      "ms",
      of(({ worst }) => worst),
    ),
    ...(isOpen ? [single(PART, "· events meanwhile", "/s", events)] : []),
  ];
}
