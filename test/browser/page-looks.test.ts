/** The page in windows from 360 px to 4K, light and dark: nothing is cut off; pictures for people in test/output. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { cutOff, lowContrast } from "./looks.ts";
import { Site, bootTimeout, output } from "./support.ts";

const link = "device=blk,id=home,store=memory,size=64M";
const sizes = [
  { name: "360", width: 360, height: 640 },
  { name: "768", width: 768, height: 1024 },
  { name: "1280", width: 1280, height: 800 },
  { name: "4k", width: 3840, height: 2160 },
] as const;

describe("how the page looks", { timeout: 4 * bootTimeout }, () => {
  let site: Site;
  before(async () => {
    mkdirSync(output, { recursive: true });
    site = await Site.start();
  });
  after(() => site.dispose());

  for (const colorScheme of ["light", "dark"] as const) {
    it(`${colorScheme}, at every size`, async () => {
      const watched = await site.open(link, { colorScheme });
      const { page } = watched;
      assert.equal(await page.evaluate(() => document.documentElement.dataset["theme"]), colorScheme);
      // The software that stands in for a graphics card here would take the processor from the guest.
      assert.equal(await page.locator(".terminal-place").getAttribute("data-renderer"), "dom");
      await watched.reaches("running");
      await watched.shows("ringside: prompt");
      for (const { name, width, height } of sizes) {
        await page.setViewportSize({ width, height });
        await page.waitForTimeout(500); // the terminal fits itself in the next frames
        const picture = (part: string) => join(output, `page-${name}-${colorScheme}-${part}.png`);
        await page.screenshot({ path: picture("terminal") });
        assert.deepEqual(await page.evaluate(cutOff), [], name);
        const columns = Number((await watched.exec("stty size < /dev/hvc0")).split(" ")[1]);
        assert(columns >= 35, `${columns} columns in ${width} px`);

        await page.getByRole("button", { name: "Devices" }).click();
        await page.locator(".device").first().waitFor();
        await page.screenshot({ path: picture("devices") });
        assert.deepEqual(await page.evaluate(cutOff), [], `${name}, devices`);
        await page.keyboard.press("Escape");

        await page.getByRole("button", { name: "Network" }).click();
        await page.locator(".network").getByText("Connected").waitFor();
        await page.getByRole("button", { name: "Join a room" }).click();
        await page.screenshot({ path: picture("network") });
        assert.deepEqual(await page.evaluate(cutOff), [], `${name}, network`);
        assert.deepEqual(await page.evaluate(lowContrast), [], `${name}, network`);
        await page.keyboard.press("Escape"); // the form
        await page.keyboard.press("Escape");

        await page.getByRole("button", { name: "Configure" }).click();
        await page.screenshot({ path: picture("configure") });
        assert.deepEqual(await page.evaluate(cutOff), [], `${name}, configure`);
        await page.keyboard.press("Escape");
      }
      await watched.close();
    });

    it(`${colorScheme}: words stand out from their ground`, async () => {
      const watched = await site.open("memory=64G", { colorScheme });
      await watched.page.getByRole("alert").waitFor();
      assert.deepEqual(await watched.page.evaluate(lowContrast), []);
      await watched.page.screenshot({ path: join(output, `page-bad-link-${colorScheme}.png`) });
      await watched.close();
    });
  }

  it("keeps still for those who ask for it", async () => {
    const watched = await site.open("image=nowhere&device=rng", { reducedMotion: "reduce" });
    await watched.page.getByRole("alert").waitFor();
    const moving = await watched.page.evaluate(() => document.getAnimations().length);
    assert.equal(moving, 0);
    await watched.close();
  });
});
