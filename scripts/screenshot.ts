/** `npm run screenshot`: makes docs/screenshot.png, the README's picture, from the real page with a running machine. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { imageNames } from "../images/catalogue.ts";
import { ensureImages } from "../images/ensure.ts";
import { streamProgress } from "../images/progress.ts";
import { Site } from "../test/browser/support.ts";

const commands = [
  "uname -srm; cat /sys/class/dmi/id/product_name",
  "for d in /sys/bus/virtio/devices/*; do readlink -f $d; done",
  "grep virtio /proc/interrupts",
];
const viewport = { width: 1280, height: 800 };
const folder = join(import.meta.dirname, "../docs");

await ensureImages([...imageNames], streamProgress(process.stderr, ""));
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
  for (const command of ["clear", ...commands]) {
    await page.evaluate((text) => window.ringside.type(`${text}\n`), command);
    await page.waitForTimeout(1000); // the command has begun: the prompt that is looked for is the next one
    await watched.shows(/# ?$/);
  }
  await page.getByRole("button", { name: "Devices" }).click();
  await page.locator(".device").first().waitFor();
  await page.waitForTimeout(1000); // the terminal's last frame
  const path = join(folder, "screenshot.png");
  await page.screenshot({ path });
  console.log(path);
} finally {
  await site.dispose();
}
