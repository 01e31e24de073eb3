import type { InspectedPage, Sight } from "../browser/inspected-page.ts";
import type { PartOptions } from "../part.ts";
import { compareRates, type Row } from "../result.ts";
import type { BytesServer } from "./bytes-server.ts";
import { download, FILL, LARGE, PART, SMALL } from "./workloads.ts";

/** With the inspector open the guest keeps 0.8 of its throughput; of the time that is 1.25. */
const TARGET = 1 / 0.8;

/** Closed first: what the others are compared with. */
const SIGHTS = ["closed", "Rings", "Time"] as const satisfies Sight[];

/** The guest's disk and network, by what is in sight meanwhile, in turns. */
export async function compareThroughput(
  page: InspectedPage,
  web: BytesServer,
  { rounds, progress }: PartOptions,
): Promise<Row[]> {
  await page.exec(FILL);
  const rows: Row[] = [];
  for (const { name, command, amount, unit } of [SMALL, LARGE, download(web)]) {
    const rates = Object.fromEntries(SIGHTS.map((sight) => [sight, [] as number[]])) as Rates;
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) {
      for (const sight of SIGHTS) {
        progress(`inspector, ${name} ${round}/${rounds}: ${sight}`);
        await page.look(sight);
        const seconds = await page.time(command);
        if (round > 0) rates[sight].push(amount / seconds);
      }
    }
    const against = { unit, peer: rates.closed, peerName: "closed", target: TARGET };
    for (const sight of SIGHTS.slice(1)) {
      rows.push(
        compareRates({
          part: PART,
          name: `${name}: open on ${sight} : closed`,
          ours: rates[sight],
          ...against,
        }),
      );
    }
  }
  return rows;
}

type Rates = Record<(typeof SIGHTS)[number], number[]>;
