/**
 * `npm run reliability -- --store file|idb --kills N`: kills the machine at random moments while its guest writes and syncs, and
 * looks each time whether all that was synced is there. Ends with 1 at the first loss, and leaves the disks for a look.
 */
import { setPriority } from "node:os";
import { parseArgs } from "node:util";
import { ensureImages } from "../../images/ensure.ts";
import { streamProgress } from "../../images/progress.ts";
import { openFileLab } from "./file-lab.ts";
import { openIdbLab } from "./idb-lab.ts";
import { type Figures, runKills } from "./run.ts";
import type { Lab } from "./victim.ts";

const LABS: Record<string, () => Promise<Lab>> = { file: openFileLab, idb: openIdbLab };

const { values } = parseArgs({
  options: { store: { type: "string", default: "file" }, kills: { type: "string", default: "100" } },
});
const openLab = LABS[values.store];
const kills = Number(values.kills);
if (!openLab || !Number.isSafeInteger(kills) || kills < 1) {
  console.error("usage: npm run reliability -- --store file|idb --kills N");
  process.exit(2);
}

// Others want to use this computer meanwhile; guests and browsers inherit it.
setPriority(10);
await ensureImages(["debian-busybox"], streamProgress(process.stderr, ""));
const started = performance.now();
const lab = await openLab();
try {
  const figures = await runKills(lab, kills, report);
  console.log(`No loss. store=${values.store}: ${text(figures)}.`);
  await lab.dispose();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.error(`The disks are in ${lab.folder}.`);
  process.exit(1);
}

function report(round: number, figures: Figures): void {
  if (round % 10 === 0 || round === kills) console.log(text(figures));
}

function text({ kills, early, logged, verified }: Figures): string {
  const minutes = ((performance.now() - started) / 60_000).toFixed(1);
  return `${kills} kills (${early} while disks were checked), ${logged} blocks synced, read back ${verified} times, ${minutes} minutes`;
}
