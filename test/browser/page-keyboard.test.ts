/** Everything from the keyboard alone: into the terminal and out of it, the list, the editor, the dialogs. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Site, type WatchedPage, bootTimeout } from "./support.ts";

describe("a failure, from the keyboard", () => {
  it("the first way on has the focus, the others follow", async () => {
    const site = await Site.start();
    try {
      const { page } = await site.open("memroy=96M");
      const link = () => page.evaluate(() => document.activeElement?.textContent);
      await page.waitForFunction(() => document.activeElement?.tagName === "A");
      assert.equal(await link(), "Try “memory”");
      await page.keyboard.press("Tab");
      assert.equal(await link(), "The default machine");
      await page.keyboard.press("Enter");
      await page.waitForFunction(() => window.ringside.config !== undefined);
      assert.equal(new URL(page.url()).hash, "");
    } finally {
      await site.dispose();
    }
  });
});

describe("from the keyboard alone", { timeout: 3 * bootTimeout }, () => {
  let site: Site;
  let watched: WatchedPage;

  before(async () => {
    site = await Site.start();
    watched = await site.open("device=console&device=rng&device=none");
    await watched.reaches("booting");
  });
  after(() => site.dispose());

  const focused = () =>
    watched.page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      return element.getAttribute("aria-label") ?? element.textContent.trim();
    });
  const inTerminal = () =>
    watched.page.evaluate(() => document.activeElement?.classList.contains("xterm-helper-textarea"));

  it("begins in the terminal; Tab is the guest's; F6 leads out and back", async () => {
    const { page } = watched;
    assert.equal(await inTerminal(), true);
    await page.keyboard.press("Tab");
    assert.equal(await inTerminal(), true);
    await page.keyboard.press("F6");
    assert.equal(await focused(), "Devices");
    await page.keyboard.press("F6");
    assert.equal(await inTerminal(), true);
  });

  it("Tab visits every control once, in the order in which they stand, and each shows the focus", async () => {
    const { page } = watched;
    await page.keyboard.press("F6");
    await page.keyboard.press("Shift+Tab");
    assert.equal(await focused(), "To the terminal");
    const visited: string[] = [];
    // With one image there is no choice.
    const choice = (await page.getByRole("button", { name: "Guests" }).count()) > 0;
    for (let i = 0; i < (choice ? 11 : 10); i++) {
      await page.keyboard.press("Tab");
      visited.push(await focused());
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
      assert.notEqual(outline, "none", visited.at(-1));
    }
    assert.deepEqual(visited, [
      "Devices",
      "Configure",
      "Disks",
      "Network",
      ...(choice ? ["Guests"] : []),
      "Inspect",
      "Pause",
      "Reset",
      "Power off",
      "Find in the terminal",
      "Dark theme",
    ]);
    const places = await page.evaluate(() =>
      [...document.querySelectorAll("#controls button")].map((button) => button.getBoundingClientRect().left),
    );
    assert.deepEqual(
      places,
      [...places].sort((a, b) => a - b),
    );
  });

  it("the theme is switched with Enter, and remembered", async () => {
    const { page } = watched;
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.documentElement.dataset["theme"]), "dark");
    assert.equal(await focused(), "Light theme");
    assert.equal(await page.evaluate(() => localStorage.getItem("ringside.theme")), "dark");
  });

  it("the skip link leads to the terminal, and the address stays", async () => {
    const { page } = watched;
    const address = page.url();
    await page.evaluate(() => document.querySelector<HTMLElement>(".skip-link")!.focus());
    await page.keyboard.press("Enter");
    assert.equal(await inTerminal(), true);
    assert.equal(page.url(), address);
  });

  it("the list of devices opens with Enter, closes with Escape, and gives the focus back", async () => {
    const { page } = watched;
    await page.keyboard.press("F6");
    await page.keyboard.press("Enter");
    await page.locator(".device-panel .device").first().waitFor();
    assert.equal(await page.getByRole("button", { name: "Devices" }).getAttribute("aria-expanded"), "true");
    await page.keyboard.press("Escape");
    await page.locator(".device-panel").first().waitFor({ state: "hidden" });
    assert.equal(await focused(), "Devices");
  });

  it("the editor: a mistake is marked and explained, a machine is made, the address follows", async () => {
    const { page } = watched;
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Configure the machine" });
    await dialog.waitFor();
    const restart = dialog.getByRole("button", { name: "Restart with this machine" });

    await page.keyboard.press("Tab"); // image, memory
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("64G");
    assert.equal(await dialog.getByLabel("memory").getAttribute("aria-invalid"), "true");
    assert.match(await dialog.getByRole("status").innerText(), /64M to 2G/);
    assert.equal(await restart.isDisabled(), true);
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("96M");
    assert.equal(await dialog.getByLabel("memory").getAttribute("aria-invalid"), "false");

    await dialog.getByRole("button", { name: "Add blk" }).focus();
    await page.keyboard.press("Enter");
    const disk = dialog.getByRole("group", { name: /blk disk0/ });
    await disk.getByLabel("store").focus();
    await page.keyboard.type("memory");
    await disk.getByLabel("size", { exact: true }).focus();
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("100");
    assert.match(await dialog.getByRole("status").innerText(), /512/);
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("8M");
    await disk.getByLabel("transport").focus();
    await page.keyboard.press("m"); // the first that begins so, as in every list
    assert.match(
      await dialog.getByRole("status").innerText(),
      /#memory=96M&.*device=blk,.*size=8M,transport=mmio/,
    );
    // Enter in a field starts the machine, as in every form.
    await disk.getByLabel("size", { exact: true }).focus();
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "detached" });

    await page.waitForFunction(() => window.ringside.config?.memory === 96 * 1024 ** 2);
    const config = await page.evaluate(() => window.ringside.config);
    const added = config?.devices.find((device) => device.device === "blk");
    assert(added);
    const { id, store, size, transport, eventIdx, packed } = added;
    assert.deepEqual(
      { id, store, size, transport, eventIdx, packed },
      { id: "disk0", store: "memory", size: 8 * 1024 ** 2, transport: "mmio", eventIdx: true, packed: false },
    );
    assert.equal(page.url(), await page.evaluate(() => window.ringside.link));
  });

  it("opening the new address gives that machine", async () => {
    const url = new URL(watched.page.url());
    const other = await site.open(url.hash.slice(1));
    await other.reaches("running");
    assert.deepEqual(
      await other.page.evaluate(() => window.ringside.config),
      await watched.page.evaluate(() => window.ringside.config),
    );
    assert.equal(await other.exec("cat /sys/block/vda/size"), String((8 * 1024 ** 2) / 512));
    await other.close();
  });

  it("the way back asks, and Escape keeps the running machine", async () => {
    const { page } = watched;
    await watched.reaches("running");
    const address = page.url();
    await page.goBack();
    await page.getByRole("dialog", { name: "Start the machine of this link?" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert.equal(page.url(), address);
    assert.equal(await watched.exec("echo still here"), "still here");
    await watched.close();
  });
});
