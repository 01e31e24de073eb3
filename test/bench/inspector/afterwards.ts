import type { InspectedPage } from "../browser/inspected-page.ts";
import type { PartOptions } from "../part.ts";
import { compareRates, type Row } from "../result.ts";
import { withinNoise } from "../statistics.ts";
import { PART, SMALL } from "./workloads.ts";

/** Two pages whose inspector was never opened, and one where it was, and is closed again. */
export interface Pages {
  never: InspectedPage;
  again: InspectedPage;
  opened: InspectedPage;
}

/** What is left of an inspector that was closed: nothing, or no more than two pages differ by that never had one. */
export async function compareAfterwards(pages: Pages, { rounds, progress }: PartOptions): Promise<Row[]> {
  const { opened } = pages;
  progress("inspector: open for a while");
  await opened.look("Rings");
  await opened.time(SMALL.command);
  await opened.look("closed");
  const rates: Record<keyof Pages, number[]> = { never: [], again: [], opened: [] };
  const all = Object.entries(pages) as [keyof Pages, InspectedPage][];
  for (const [, page] of all) await page.pause();
  for (let round = 0; round <= rounds; round++) {
    for (const [name, page] of all) {
      progress(`inspector, afterwards ${round}/${rounds}: ${name}`);
      await page.resume();
      const seconds = await page.time(SMALL.command);
      await page.pause();
      if (round > 0) rates[name].push(SMALL.amount / seconds);
    }
  }
  const { never, again } = rates;
  const against = { part: PART, unit: SMALL.unit, peer: never, peerName: "never opened" };
  const after = compareRates({ ...against, name: `closed again : never opened`, ours: rates.opened });
  return [
    compareRates({ ...against, name: `${SMALL.name}, never opened, in two pages (the noise)`, ours: again }),
    { ...after, met: withinNoise(after.ratio!, again, never) },
  ];
}
