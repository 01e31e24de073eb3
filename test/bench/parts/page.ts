/** In Chromium: the built page as `npm start` serves it, against plain v86 in a module worker on a small page. */
import type { Browser } from "playwright-core";
import { launchChromium } from "../browser/chromium.ts";
import { servePeerPage } from "../browser/peer-server.ts";
import { serveOurPage } from "../browser/our-server.ts";
import { bootOurPage, bootPeerPage } from "../browser/boot.ts";
import type { Part } from "../part.ts";
import { compare, single } from "../result.ts";

export const page: Part = {
  name: "page",
  title: "In Chromium, from opening the page, served from localhost",
  rounds: 3,
  async run({ rounds, progress }) {
    progress("page: building");
    const ourServer = await serveOurPage();
    const peerServer = await servePeerPage();
    let browser: Browser | undefined;
    const ours: Awaited<ReturnType<typeof bootOurPage>>[] = [];
    const v86: number[] = [];
    try {
      browser = await launchChromium();
      for (let round = 1; round <= rounds; round++) {
        progress(`page ${round}/${rounds}: ours`);
        ours.push(await bootOurPage(browser, ourServer.url));
        progress(`page ${round}/${rounds}: v86`);
        v86.push(await bootPeerPage(browser, peerServer.url));
      }
    } finally {
      await browser?.close();
      ourServer.close();
      peerServer.close();
    }
    const part = page.name;
    const inSeconds = (pick: (timings: (typeof ours)[number]) => number): number[] =>
      ours.map((timings) => pick(timings) / 1000);
    return [
      compare({
        part,
        name: "boot to /init",
        unit: "s",
        ours: inSeconds(({ page, download, instantiate, kernel }) => page + download + instantiate + kernel),
        peer: v86.map((milliseconds) => milliseconds / 1000),
        peerName: "v86, SeaBIOS, bzImage",
        target: 0.5,
      }),
      single(
        part,
        "page open to shell prompt",
        "s",
        inSeconds(({ total }) => total),
      ),
      single(
        part,
        "· page",
        "s",
        inSeconds(({ page }) => page),
      ),
      single(
        part,
        "· download",
        "s",
        inSeconds(({ download }) => download),
      ),
      single(
        part,
        "· instantiate",
        "s",
        inSeconds(({ instantiate }) => instantiate),
      ),
      single(
        part,
        "· kernel",
        "s",
        inSeconds(({ kernel }) => kernel),
      ),
      single(
        part,
        "· drivers",
        "s",
        inSeconds(({ drivers }) => drivers),
      ),
      single(
        part,
        "· prompt",
        "s",
        inSeconds(({ prompt }) => prompt),
      ),
    ];
  },
};
