/** `npm run screenshot`: makes docs/screenshot.png, the README's picture, from the real page with a running machine. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ensureImages } from "../images/ensure.ts";
import { streamProgress } from "../images/progress.ts";
import { Site } from "../test/browser/support.ts";

const commands = [
  "uname -srm",
  "ls -l /sys/bus/virtio/devices | wc -l",
  "dd if=/dev/vda of=/dev/null bs=4k count=2 iflag=direct",
];
const viewport = { width: 1600, height: 1000 };
const folder = join(import.meta.dirname, "../docs");

await ensureImages(["debian-busybox"], streamProgress(process.stderr, ""));
mkdirSync(folder, { recursive: true });
// The scale must be the browser's own as well: xterm.js asks for sizes in real pixels, which the emulated scale does not change.
const scale = 2;
const site = await Site.start({ args: [`--force-device-scale-factor=${scale}`] });
try {
  const link =
    "device=blk,id=home,store=idb,size=64M&device=blk,id=scratch,store=memory,size=16M,transport=mmio";
  const watched = await site.open(link, { colorScheme: "dark", deviceScaleFactor: scale, viewport });
  const { page } = watched;
  await watched.reaches("running");
  await watched.shows(/# ?$/);
  await page.getByRole("button", { name: "Inspect", exact: true }).click();
  await page.locator("#inspector .rings-drawing").waitFor();
  for (const command of ["clear", ...commands]) {
    await page.evaluate((text) => window.ringside.type(`${text}\n`), command);
    await page.waitForTimeout(1000); // the command has begun: the prompt that is looked for is the next one
    await watched.shows(/# ?$/);
  }
  await page.locator(".story-step").first().waitFor();
  await page.waitForTimeout(1000); // the terminal's last frame
  const path = join(folder, "screenshot.png");
  await page.screenshot({ path });
  console.log(path);
} finally {
  await site.dispose();
}
