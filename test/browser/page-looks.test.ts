/** The page in windows from 360 px to 4K, light and dark: nothing is cut off; pictures for people in test/output. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
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

/** Controls and words that are not wholly in the window, and a page that is wider than the window. */
function cutOff(): string[] {
  const found: string[] = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth)
    found.push(`the page is ${root.scrollWidth} px wide, the window ${innerWidth}`);
  const scope = document.querySelector("dialog[open]") ?? document.body;
  for (const element of scope.querySelectorAll(
    "button, a:not(.skip-link), input, select, .state-words, .device-panel",
  )) {
    const box = element.getBoundingClientRect();
    if (box.width === 0) continue;
    if (box.left < -0.5 || box.right > innerWidth + 0.5) {
      found.push(`${element.className} from ${box.left} to ${box.right}`);
    }
  }
  return found;
}

/** Texts with a contrast below 4.5 to 1 (WCAG 2, 1.4.3), against the nearest ground that is painted. */
function lowContrast(): string[] {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true })!;
  const colour = (text: string) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data] as [number, number, number, number];
  };
  const luminance = (rgb: number[]) => {
    const [r, g, b] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    }) as [number, number, number];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found: string[] = [];
  for (const element of document.body.querySelectorAll<HTMLElement>(
    "p, h1, h2, button, a, kbd, code, mark, span",
  )) {
    const text = [...element.childNodes].some(
      (node) => node.nodeType === 3 && node.textContent!.trim() !== "",
    );
    const style = getComputedStyle(element);
    const disabled = element.closest(":disabled") !== null;
    if (!text || disabled || style.visibility === "hidden" || element.closest(".xterm")) continue;
    let ground: [number, number, number, number] = [0, 0, 0, 0];
    for (let at: HTMLElement | null = element; at && ground[3] < 255; at = at.parentElement) {
      ground = colour(getComputedStyle(at).backgroundColor);
    }
    const [light, dark] = [luminance(colour(style.color).slice(0, 3)), luminance(ground.slice(0, 3))].sort(
      (a, b) => b - a,
    );
    const contrast = (light! + 0.05) / (dark! + 0.05);
    if (contrast < 4.5) found.push(`“${element.innerText}”: ${contrast.toFixed(2)}`);
  }
  return found;
}
