/** What the inspector costs the guest and the page, in Chromium: each of its views against none, in turns. */
import { launchChromium } from "../browser/chromium.ts";
import { InspectedPage } from "../browser/inspected-page.ts";
import { serveOurPage } from "../browser/our-server.ts";
import { compareAfterwards } from "../inspector/afterwards.ts";
import { serveBytes } from "../inspector/bytes-server.ts";
import { watchFrames } from "../inspector/frames.ts";
import { compareThroughput } from "../inspector/throughput.ts";
import { PART } from "../inspector/workloads.ts";
import type { Part } from "../part.ts";
import type { Row } from "../result.ts";

const LINK = "#memory=96M&device=blk,id=disk,store=memory,size=64M&device=net";

export const inspector: Part = {
  name: PART,
  title: "The inspector in Chromium: a view on show against none",
  rounds: 5,
  async run(options) {
    options.progress("inspector: building");
    const server = await serveOurPage();
    const web = await serveBytes();
    const browser = await launchChromium();
    const rows: Row[] = [];
    const open = (work: (page: InspectedPage) => Promise<unknown>) =>
      InspectedPage.in(browser, `${server.url}${LINK}`, work);
    try {
      await open(async (page) => {
        rows.push(...(await compareThroughput(page, web, options)));
        rows.push(...(await watchFrames(page, options)));
      });
      await open((never) =>
        open((again) =>
          open(async (opened) => {
            rows.push(...(await compareAfterwards({ never, again, opened }, options)));
          }),
        ),
      );
    } finally {
      await browser.close();
      server.close();
      web.close();
    }
    return rows;
  },
};
