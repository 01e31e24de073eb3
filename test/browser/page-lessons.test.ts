/** Each lesson as a learner has it: types, clicks, reads, and reaches its end, in a page with a real guest. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { BrowserContext, Page } from "playwright-core";
import { Site, WatchedPage, bootTimeout } from "./support.ts";

let site: Site;
before(async () => {
  site = await Site.start();
});
after(() => site.dispose());

/** The page at a lesson's link; what a machine needs to boot is waited for. */
async function openLesson(visitor: BrowserContext, query: string): Promise<WatchedPage> {
  const watched = await WatchedPage.in(visitor, site.origin);
  await watched.page.goto(`${site.origin}/${query}`);
  // The lessons are loaded before the page begins.
  await watched.page.waitForFunction(() => "ringside" in window);
  await watched.reaches("running");
  await atPrompt(watched);
  return watched;
}

/** The guest's shell waits for a line; the kernel may have said something at its prompt. */
async function atPrompt(watched: WatchedPage): Promise<void> {
  await watched.shows(/(^|\n)root@\S+:\S*#\s*(\[ *\d+\.\d+\] .*\s*)*$/);
}

/** As without a link: the inspector, its view of lessons, the lesson, its machine. */
async function chooseByHand(watched: WatchedPage, title: string): Promise<void> {
  const { page } = watched;
  await page.getByRole("button", { name: "Inspect", exact: true }).click();
  await page.getByRole("tab", { name: "Lessons" }).click();
  await page.locator(".lesson-entry").filter({ hasText: title }).click();
  await walkOf(page).getByRole("button", { name: "Start the lesson's machine" }).click();
  await walkOf(page).getByText("This step is for another machine").waitFor({ state: "detached" });
  await watched.reaches("running");
  await atPrompt(watched);
}

const walkOf = (page: Page) => page.locator(".lesson-walk");

/** The step that is on show, from 1. */
async function step(page: Page): Promise<number> {
  const words = await walkOf(page).locator(".lesson-count").innerText();
  return Number(words.split(" ")[1]);
}

/** Until whatever the step waits for was seen. */
async function seen(page: Page): Promise<void> {
  const walk = walkOf(page);
  try {
    await page.waitForFunction(
      () => {
        const waits = [...document.querySelectorAll(".lesson-walk .lesson-wait")];
        return waits.length > 0 && waits.every((wait) => wait.matches(".met, .before"));
      },
      undefined,
      { timeout: 120_000 },
    );
  } catch (error) {
    const screen = await page.evaluate(() => window.ringside.screen());
    const words = `${await walk.innerText()}\n\n${screen.slice(-1500)}`;
    throw new Error(`Not all that the step waits for was seen:\n${words}`, { cause: error });
  }
}

/** Goes on, by the button, to the step (from 1). */
async function next(page: Page, wanted: number): Promise<void> {
  await walkOf(page).getByRole("button", { name: "Next", exact: true }).click();
  await page.waitForFunction(
    (text) => document.querySelector(".lesson-walk .lesson-count")?.textContent.includes(text),
    `step ${wanted} of`,
  );
}

/** Clicks the button of a command, once the prompt is there. */
async function run(watched: WatchedPage, index = 0): Promise<void> {
  await atPrompt(watched);
  await walkOf(watched.page).getByRole("button", { name: "Type it" }).nth(index).click();
}

/** A key into the terminal, as a person presses it. */
async function press(page: Page, key: string): Promise<void> {
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.press(key);
}

async function ends(page: Page): Promise<void> {
  await walkOf(page).getByText("You have been through the whole lesson.").waitFor();
  await walkOf(page).getByRole("button", { name: "To the lessons" }).click();
}

// Two at a time: most of it is waiting for machines that boot.
describe("lessons", { concurrency: 2 }, () => {
  describe("on one machine", { timeout: 3 * bootTimeout, concurrency: 1 }, () => {
    let watched: WatchedPage;
    let page: Page;
    before(async () => {
      watched = await openLesson(await site.visitor(), "?lesson=driver");
      page = watched.page;
    });
    after(() => watched.close());

    it("a link to a lesson brings its machine, and leaves the address to that", async () => {
      assert.equal(await step(page), 1);
      const address = new URL(page.url());
      assert.equal(address.search, "");
      assert.match(address.hash, /device=rng,transport=pci/);
    });

    it("a link to a step can be had", async () => {
      await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await walkOf(page).getByRole("button", { name: "Copy link to this step" }).click();
      await walkOf(page).getByRole("button", { name: "Copied" }).waitFor();
      const link = await page.evaluate(() => navigator.clipboard.readText());
      assert.equal(link, `${site.origin}/?lesson=driver&step=1`);
    });

    it("a driver meets its device", async () => {
      await next(page, 2);
      await run(watched);
      await seen(page);
      await next(page, 3);
      await run(watched);
      await seen(page);
      await next(page, 4);
      await next(page, 5);
      await run(watched);
      await seen(page);
      await ends(page);
    });

    it("a key is pressed", async () => {
      await page.getByRole("button", { name: /^A key is pressed/ }).click();
      await next(page, 2);
      await press(page, "q");
      await seen(page);
      await next(page, 3);
      await press(page, "w");
      await seen(page);
      await next(page, 4);
      await press(page, "e");
      await seen(page);
      await next(page, 5);
      await press(page, "Control+u");
      await run(watched);
      await seen(page);
      await ends(page);
    });

    it("cat of a file", async () => {
      await page.getByRole("button", { name: /^cat of a file/ }).click();
      await run(watched);
      await seen(page);
      await next(page, 2);
      await run(watched);
      await seen(page);
      await next(page, 3);
      await run(watched);
      await seen(page);
      await next(page, 4);
      await next(page, 5);
      for (const index of [0, 1, 2]) await run(watched, index);
      await seen(page);
      await next(page, 6);
      await run(watched);
      await seen(page);
      await ends(page);
    });
  });

  describe("a ping from one tab to another", { timeout: 3 * bootTimeout }, () => {
    it("is seen on both sides", async () => {
      const visitor = await site.visitor();
      const one = await openLesson(visitor, "?lesson=ping");
      await next(one.page, 2);
      const opened = visitor.waitForEvent("page");
      await walkOf(one.page).getByRole("link", { name: "Open in another tab" }).click();
      const other = await opened;
      await other.waitForFunction(
        () => "ringside" in window && window.ringside.state.name === "running",
        undefined,
        {
          timeout: bootTimeout,
        },
      );
      assert.equal(await step(other), 5);
      await seen(one.page);
      await next(one.page, 3);
      await run(one);
      await seen(one.page);
      await next(one.page, 4);
      await run(one);
      await seen(one.page);
      await seen(other);
      await next(one.page, 5);
      // What the first tab sees of one more ping is the same the other way round.
      await atPrompt(one);
      await one.page.evaluate(() => window.ringside.type("ping -c 3 10.77.209.18\r"));
      await seen(one.page);
      assert.match(await walkOf(other).innerText(), /That was the last step; some were left out/);
      await ends(one.page);
      await other.close();
      await one.close();
    });
  });

  describe("two rings", { timeout: 4 * bootTimeout }, () => {
    it("and what suppression saves", async () => {
      const watched = await openLesson(await site.visitor(), "?lesson=rings");
      const { page } = watched;
      const pings = async () => {
        await run(watched);
        await seen(page);
      };
      const machine = async () => {
        const before = await page.evaluate(() => window.ringside.link);
        await walkOf(page).getByRole("button", { name: "Start this machine" }).click();
        await page.waitForFunction((link) => window.ringside.link !== link, before);
        await watched.reaches("running");
        await seen(page);
      };
      await next(page, 2);
      await pings();
      await next(page, 3);
      await machine();
      await next(page, 4);
      await pings();
      await next(page, 5);
      await machine();
      await next(page, 6);
      await pings();
      await ends(page);
      await watched.close();
    });
  });

  describe("a driver that breaks the rules", { timeout: 3 * bootTimeout }, () => {
    it("hears which", async () => {
      const watched = await WatchedPage.in(await site.visitor(), site.origin);
      const { page } = watched;
      await page.goto(`${site.origin}/?lesson=nothing`);
      await page.getByText('There is no lesson "nothing" here.').waitFor();
      await watched.reaches("running");
      await chooseByHand(watched, "A driver that breaks the rules");
      await run(watched);
      await seen(page);
      await next(page, 2);
      await run(watched);
      await seen(page);
      await next(page, 3);
      await run(watched, 0);
      await run(watched, 1);
      await seen(page);
      await next(page, 4);
      await run(watched);
      await seen(page);

      // A reload goes on at the step, with the steps before it done.
      page.once("dialog", (dialog) => void dialog.accept());
      await page.reload();
      await walkOf(page).waitFor();
      assert.equal(await step(page), 4);
      assert.equal(await page.locator(".lesson-dot.done").count(), 4);
      await watched.reaches("running");
      await next(page, 5);
      await run(watched);
      await seen(page);
      await ends(page);
      await watched.close();
    });
  });
});
