/** The inspector's views, both themes, from a phone to 4K: nothing is cut off, words stand out; pictures for people in test/output. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Locator, Page } from "playwright-core";
import { cutOff, lowContrast } from "./looks.ts";
import { Site, type WatchedPage, bootTimeout, output } from "./support.ts";

const LINK =
  "memory=96M&device=blk,id=home,size=64M&device=blk,id=data,store=memory,size=16M,packed=on&device=net&device=rng";
const DESK = { name: "1440", width: 1440, height: 900 };
const PHONE = { name: "360", width: 360, height: 740 };
const OTHERS = [
  { name: "768", width: 768, height: 1024 },
  { name: "1280", width: 1280, height: 800 },
  { name: "4k", width: 3840, height: 2160 },
];
type Size = typeof DESK;
/** In the person's terminal: something goes on at every device. */
const WORK =
  "dd if=/dev/vda of=/dev/null bs=4k count=200; dd if=/dev/vdb of=/dev/null bs=4k count=50; " +
  "head -c 64 /dev/hwrng >/dev/null; ping -c 1 -W 1 10.77.0.1 >/dev/null; true";

describe("how the inspector looks", { timeout: 6 * bootTimeout }, () => {
  let site: Site;
  let watched: WatchedPage;
  let page: Page;
  let inspector: Locator;

  before(async () => {
    mkdirSync(output, { recursive: true });
    site = await Site.start();
    watched = await site.open(LINK, { viewport: DESK, colorScheme: "light" });
    page = watched.page;
    inspector = page.getByRole("complementary", { name: "Inspector" });
    await watched.reaches("running");
    await watched.shows("ringside: prompt");
    await page.getByRole("button", { name: "Inspect", exact: true }).click();
    await inspector.getByRole("tab", { name: "Rings" }).waitFor();
    await watched.exec(WORK);
    // A notice that the storage may go has nothing to do with the inspector.
    for (const close of await page.locator(".notices button").all()) await close.click();
  });
  after(() => site.dispose());

  const view = (name: string) => inspector.getByRole("tab", { name }).click();
  const choose = (device: string, queue = "0") =>
    inspector
      .locator(".place-choice select")
      .first()
      .selectOption(device)
      .then(() => inspector.locator(".place-choice select").nth(1).selectOption(queue));

  /** What is on show, at every size and in both themes. */
  async function pictures(name: string, sizes: readonly Size[] = [DESK, PHONE]): Promise<void> {
    const problems: string[] = [];
    for (const { name: size, width, height } of sizes) {
      await page.setViewportSize({ width, height });
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        await page.waitForFunction(
          (theme) => document.documentElement.dataset["theme"] === theme,
          colorScheme,
        );
        await settled(page);
        await page.screenshot({ path: join(output, `inspect-${name}-${size}-${colorScheme}.png`) });
        for (const look of [cutOff, lowContrast])
          for (const problem of await page.evaluate(look))
            problems.push(`${size}, ${colorScheme}: ${problem}`);
      }
    }
    await page.setViewportSize(DESK);
    assert.deepEqual(problems, []);
  }

  it("Rings: a split queue that works", async () => {
    await choose("blk home");
    await inspector.locator(".story-step").first().waitFor();
    await pictures("rings", [DESK, PHONE, ...OTHERS]);
  });

  it("Rings: a request, its chain, a buffer opened", async () => {
    await watched.exec("dd if=/dev/vda of=/dev/null bs=512 skip=80000 count=1");
    await inspector.getByText("Only blk home").click();
    await inspector.locator('.line-row[data-event="chain"]', { hasText: "80000" }).first().click();
    await inspector.locator(".buffer").first().click();
    await inspector.getByText("Block request header").waitFor();
    await pictures("rings-request", [DESK, PHONE, ...OTHERS]);
    await inspector.getByRole("button", { name: "Follow", exact: true }).click();
    await inspector.getByText("Only blk home").click();
  });

  it("Rings: a packed queue, a receive queue, a queue that is not there", async () => {
    await choose("blk data");
    await inspector.getByText("wrap avail").waitFor();
    await pictures("rings-packed");
    await choose("net net0");
    await inspector.locator(".chain-chip").first().click();
    await inspector.locator(".buffer").first().waitFor();
    await pictures("rings-receive");
    await choose("rng");
    await pictures("rings-rng");
  });

  for (const name of ["Devices", "Time", "Numbers", "Account", "Lessons"])
    it(name, async () => {
      await view(name);
      if (name === "Devices") await inspector.locator(".place-choice select").selectOption("blk home");
      await watched.exec(WORK);
      await pictures(name.toLowerCase(), [DESK, PHONE, ...OTHERS]);
    });

  it("on a phone the terminal is above the rings, and of use", async () => {
    await view("Rings");
    await page.setViewportSize(PHONE);
    const terminal = (await page.locator(".terminal-place").boundingBox())!;
    const below = (await inspector.boundingBox())!;
    assert.ok(terminal.y + terminal.height <= below.y, "one is above the other");
    assert.ok(below.y + below.height <= PHONE.height + 0.5, "both are in the window");
    let [rows, columns] = [0, Infinity];
    const size = async () => (await watched.exec("stty size < /dev/hvc0")).split(" ").map(Number);
    // The guest hears of a new size some frames later.
    for (let turn = 0; turn < 60 && columns > 60; turn++) {
      [rows, columns] = (await size()) as [number, number];
      await page.waitForTimeout(500);
    }
    assert.ok(columns >= 30 && columns <= 60, `${columns} columns`);
    assert.ok(rows >= 6, `${rows} rows`);
    for (const part of ["story", "line-rows", "device-sides"]) {
      await inspector.locator(`.${part}`).evaluate((element) => element.scrollIntoView());
      await page.screenshot({ path: join(output, `inspect-phone-${part}.png`) });
      assert.equal(await page.evaluate(() => scrollY), 0);
    }
    await page.locator(".xterm-helper-textarea").focus();
    await page.keyboard.type("echo a$((6 * 7))b\n");
    await watched.shows("a42b");
    await page.setViewportSize(DESK);
  });

  it("crossings move in their direction, and not for those who ask for stillness", async () => {
    await view("Rings");
    await choose("console", "1");
    await page.evaluate(() => {
      const started: string[] = [];
      document.addEventListener("animationstart", ({ target }) => {
        if (target instanceof Element && target.closest("#inspector")) started.push(target.className);
      });
      Object.assign(window, { started });
    });
    const started = () => page.evaluate(() => (window as unknown as { started: string[] }).started.splice(0));
    const type = async (text: string) => {
      await page.locator(".xterm-helper-textarea").focus();
      await page.keyboard.type(`echo ${text}$((40 + 2))\n`);
      await watched.shows(`${text}42`);
    };
    await page.emulateMedia({ reducedMotion: "no-preference" });
    await type("m");
    await page.waitForFunction(() => (window as unknown as { started: string[] }).started.length > 0);
    await page.emulateMedia({ reducedMotion: "reduce" });
    await settled(page);
    await started();
    const before = await inspector.locator(".line-count").innerText();
    await type("s");
    await page.waitForFunction(
      (text) => document.querySelector("#inspector .line-count")?.textContent !== text,
      before,
    );
    await settled(page);
    assert.deepEqual(await started(), []);
    await page.emulateMedia({ reducedMotion: "no-preference" });
  });

  it("stopped at a breakpoint", async () => {
    await view("Rings");
    await inspector.getByRole("button", { name: /^Breakpoints/ }).click();
    await inspector.getByRole("button", { name: "Add a breakpoint" }).click();
    const form = inspector.getByRole("form", { name: "A new breakpoint" });
    await form.locator("select").first().selectOption("blk home");
    await form.locator("select").nth(1).selectOption("chain");
    await pictures("breakpoint-form");
    await form.getByRole("button", { name: "Set", exact: true }).click();
    await inspector.locator(".breakpoint").waitFor();
    await page.locator(".xterm-helper-textarea").focus();
    await page.keyboard.type("dd if=/dev/vda of=/dev/null bs=512 skip=90000 count=1\n");
    await watched.reaches("paused");
    await inspector.locator('.line-row[aria-pressed="true"]').waitFor();
    await pictures("stopped", [DESK, PHONE, ...OTHERS]);
    await inspector.getByRole("button", { name: /^Breakpoints/ }).click();
    await pictures("stopped-rings");
    await view("Time");
    await inspector.locator(".time-detail-title").waitFor();
    await pictures("stopped-time");
    await view("Rings");
    await inspector.getByRole("button", { name: /^Breakpoints/ }).click();
    await inspector.getByRole("button", { name: /^Remove:/ }).click();
    await inspector.getByRole("button", { name: /^Breakpoints/ }).click();
    await inspector.getByRole("button", { name: /^Go on/ }).click();
    await watched.reaches("running");
  });

  it("a recording", async () => {
    await view("Rings");
    await page.getByRole("button", { name: "Recordings", exact: true }).click();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Save recording", exact: true }).click(),
    ]);
    await inspector.locator(".recording-picker").setInputFiles(await download.path());
    await inspector.getByText("This is the recording").waitFor();
    await choose("blk home");
    await inspector.locator(".story-step").first().waitFor();
    await pictures("recording");
    for (const name of ["Devices", "Time", "Account"]) {
      await view(name);
      await pictures(`recording-${name.toLowerCase()}`);
    }
    await watched.close();
  });
});

/** Until the page has been drawn as it is now: motion that has an end is over. */
async function settled(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    await frame();
    await frame();
    const ending = document
      .getAnimations()
      .filter((animation) => animation.effect?.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(ending.map(({ finished }) => finished));
    await frame();
  });
}
