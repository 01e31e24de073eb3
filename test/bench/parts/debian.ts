/** The debian image from a local server to its login prompt: our chunks against v86's own disk on demand. */
import type { Browser } from "playwright-core";
import { bootOurPage, bootPeerPage } from "../browser/boot.ts";
import { launchChromium } from "../browser/chromium.ts";
import { type RunningServer, serveOurPage } from "../browser/our-server.ts";
import { servePeerPage } from "../browser/peer-server.ts";
import { AT_PROMPT } from "../guest/marker.ts";
import { debianFiles } from "../material.ts";
import type { Part } from "../part.ts";
import { compare, type Row, single } from "../result.ts";

interface Boot {
  seconds: number;
  /** Bytes and requests of the disk, and bytes of everything. */
  disk: number;
  requests: number;
  all: number;
}

export const debian: Part = {
  name: "debian",
  title: "The debian image in Chromium: from opening the page to the login prompt",
  rounds: 3,
  async run({ rounds, progress }) {
    progress("debian: building");
    const ourServer = await serveOurPage();
    const peerServer = await servePeerPage(await peerPage());
    let browser: Browser | undefined;
    const ours: Boot[] = [];
    const v86: Boot[] = [];
    try {
      browser = await launchChromium();
      for (let round = 1; round <= rounds; round++) {
        progress(`debian ${round}/${rounds}: ours`);
        const chromium = browser;
        const boot = (): Promise<number> =>
          bootOurPage(chromium, `${ourServer.url}#image=debian`).then(({ total }) => total);
        ours.push(await measured(ourServer, "/images/debian/disk/", boot));
        progress(`debian ${round}/${rounds}: v86`);
        v86.push(await measured(peerServer, "/disk", () => bootPeerPage(chromium, peerServer.url)));
      }
    } finally {
      await browser?.close();
      ourServer.close();
      peerServer.close();
    }
    return rows(ours, v86, (await debianFiles()).storedSize);
  },
};

/** Plain v86 with the same kernel, initramfs and file system, as its documentation has it. */
export async function peerPage(): Promise<Parameters<typeof servePeerPage>[0]> {
  const { files, disk, size, parameters } = await debianFiles();
  const commandLine = `${parameters.replace("console=hvc0", "console=ttyS0")} ringside.root=/dev/sda`;
  return { files, disk, onDemandDisk: size, commandLine, until: AT_PROMPT };
}

async function measured(server: RunningServer, disk: string, boot: () => Promise<number>): Promise<Boot> {
  server.traffic.forget();
  const seconds = (await boot()) / 1000;
  const { bytes, requests } = server.traffic.of(disk);
  return { seconds, disk: bytes, requests, all: server.traffic.of("/").bytes };
}

function rows(ours: readonly Boot[], v86: readonly Boot[], whole: number): Row[] {
  const part = debian.name;
  const peerName = "v86, SeaBIOS, hda: { url, async: true }";
  const both = (pick: (boot: Boot) => number): { ours: number[]; peer: number[] } => ({
    ours: ours.map(pick),
    peer: v86.map(pick),
  });
  const MB = 1e6;
  return [
    compare({
      part,
      name: "login prompt",
      unit: "s",
      ...both(({ seconds }) => seconds),
      peerName,
      target: 0.5,
    }),
    compare({
      part,
      name: "bytes of the disk",
      unit: "MB",
      ...both(({ disk }) => disk / MB),
      peerName,
      target: 0.6,
    }),
    compare({ part, name: "· requests", unit: "", ...both(({ requests }) => requests), peerName }),
    compare({ part, name: "bytes of everything", unit: "MB", ...both(({ all }) => all / MB), peerName }),
    single(
      part,
      "disk bytes : whole packed image",
      "",
      ours.map(({ disk }) => disk / whole),
      1 / 6,
    ),
  ];
}
