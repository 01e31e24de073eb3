/** The inspector over a real guest: its devices, a kick and an interrupt, a request's bytes; by keyboard alone; its end. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Locator, Page } from "playwright-core";
import { Site, type WatchedPage, bootTimeout } from "./support.ts";

const LINK = "memory=96M&device=blk,id=home,store=memory,size=64M&device=net&device=rng";
/** Of the disk, in sectors: far from what is read at boot. */
const SECTOR = 80_000;

describe("the inspector", { timeout: 4 * bootTimeout }, () => {
  let site: Site;
  let watched: WatchedPage;
  let page: Page;
  let inspector: Locator;
  before(async () => {
    site = await Site.start();
    watched = await site.open(LINK, { viewport: { width: 1440, height: 900 } });
    page = watched.page;
    inspector = page.getByRole("complementary", { name: "Inspector" });
    await watched.reaches("running");
    await watched.shows("ringside: prompt");
  });
  after(() => site.dispose());

  const button = (name: string) => page.getByRole("button", { name, exact: true });
  const rows = (kind: string) => inspector.locator(`.line-row[data-event="${kind}"]`);
  const devices = () => inspector.locator(".device-side");
  const choose = async (device: string, queue = "0") => {
    await inspector.locator(".place-choice select").first().selectOption(device);
    await inspector.locator(".place-choice select").nth(1).selectOption(queue);
  };
  const disk = () => `dd if=/dev/vda of=/dev/null bs=512 skip=${SECTOR} count=1`;
  const focused = () =>
    page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      return element.getAttribute("aria-label") ?? element.textContent.trim();
    });

  it("is not loaded before it is opened", async () => {
    const names = await page.evaluate(() =>
      performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname),
    );
    assert.equal(await inspector.count(), 0);
    assert.ok(
      names.every((name) => !/inspector|inspect/.test(name)),
      names.join(" "),
    );
  });

  it("shows the machine's devices as their drivers have set them up", async () => {
    await button("Inspect").click();
    await inspector.getByRole("tab", { name: "Rings", selected: true }).waitFor();
    await devices().getByText("blk home").waitFor();
    assert.deepEqual(await devices().locator(".device-side-title").allInnerTexts(), [
      "console",
      "blk home",
      "net net0",
      "rng",
    ]);
    const status = devices().filter({ hasText: "blk home" }).locator('.status-step[data-set="true"]');
    await status.filter({ hasText: "DRIVER_OK" }).waitFor();
    assert.equal(await status.count(), 4);

    await inspector.getByRole("tab", { name: "Devices" }).click();
    const feature = inspector.locator(".feature-entry", { hasText: "VIRTIO_F_VERSION_1" });
    assert.match(await feature.innerText(), /negotiated/);
    const capacity = inspector.locator(".registers tr", { hasText: "capacity" }).first();
    assert.match(await capacity.innerText(), /0x0*20000$/); // 64 MiB in sectors
    await inspector.getByRole("tab", { name: "Rings" }).click();
  });

  it("a line that is typed is a kick and its answer an interrupt", async () => {
    await choose("console", "1");
    await inspector.getByText("Only console").click();
    await page.locator(".xterm-helper-textarea").focus();
    await page.keyboard.type("echo one two\n");
    const kick = rows("kick").filter({ hasText: "queue 1, transmitq" }).first();
    await kick.waitFor();
    await rows("chain").and(page.locator('[aria-label*="transmitq"]')).first().waitFor();
    await rows("interrupt").first().waitFor();
    assert.match(
      (await kick.getAttribute("aria-label"))!,
      /^From the guest: The driver kicks queue 1 \(transmitq.* of console/,
    );
    await watched.shows("one two");
    await inspector.getByText("Only console").click();
  });

  it("a request's crossings belong together, and its buffer opens as what it is", async () => {
    await choose("blk home");
    await inspector.getByText("Only blk home").click();
    await watched.exec(disk());
    const chain = rows("chain").filter({ hasText: String(SECTOR) });
    await chain.first().hover(); // from now on the list stands still
    await chain.first().click();
    await inspector.locator('.line-row[data-related="true"]').nth(2).waitFor();
    for (const kind of ["chain", "used", "interrupt"])
      assert.equal(await rows(kind).and(inspector.locator('[data-related="true"]')).count(), 1, kind);

    const buffers = inspector.locator(".buffer");
    assert.match(await buffers.first().innerText(), /16 B\s*device reads/);
    await buffers.first().click();
    const meaning = inspector.locator(".meaning");
    await meaning.getByText("Block request header").waitFor();
    assert.match(await meaning.innerText(), new RegExp(`sector\\s+${SECTOR}\\b`));
    // 80,000 is 0x13880.
    assert.match(await inspector.locator(".buffer-bytes").innerText(), /80 38 01 00 00 00 00 00/);

    // The data is in the guest's memory.
    await buffers.nth(1).click();
    await inspector.getByRole("button", { name: "Read memory now" }).click();
    await inspector.getByText(/as guest memory had them/).waitFor();
    await button("Follow").click();
    await inspector.getByText("Only blk home").click();
  });

  it("a receive queue's waiting chains are in its rings, and one of them is selected", async () => {
    await choose("net net0");
    const rings = inspector.locator(".rings-drawing");
    assert.match((await rings.getAttribute("aria-valuetext"))!, /Descriptor table, 256 entries: \d+ wait/);
    const chip = inspector.locator(".chain-chip").first();
    const head = (await chip.innerText()).split(",")[0]!.trim();
    await chip.click();
    await inspector.locator(".chain").getByText(`Chain ${head}`, { exact: false }).waitFor();
    assert.equal(await inspector.locator('.ring-run[data-part="selected"]').count(), 2);
    await inspector.locator(".buffer").first().click();
    await inspector.locator(".buffer-bytes").waitFor();
    await rings.focus();
    await page.keyboard.press("ArrowRight");
    assert.match((await rings.getAttribute("aria-valuetext"))!, /^Descriptor table, entry 1/);
  });

  it("nothing moves while thousands of events pass", async () => {
    await choose("blk home");
    await inspector.locator(".rings-drawing").waitFor();
    await inspector.locator(".story-step").first().waitFor();
    await page.mouse.move(10, 450);
    const moved = await page.evaluate(async () => {
      const found: string[] = [];
      interface Shift extends PerformanceEntry {
        sources: { node: Node | null }[];
      }
      const observer = new PerformanceObserver((list) => {
        for (const { sources } of list.getEntries() as Shift[])
          for (const { node } of sources) {
            const element = node instanceof Element ? node : node?.parentElement;
            if (element?.closest("#inspector")) found.push(element.className || element.tagName);
          }
      });
      observer.observe({ type: "layout-shift" });
      await window.ringside.exec(
        "dd if=/dev/vda of=/dev/null bs=4k count=3000; dd if=/dev/urandom of=/root/x bs=4k count=500; sync",
      );
      await new Promise((resolve) => setTimeout(resolve, 300));
      observer.disconnect();
      return found;
    });
    assert.deepEqual(moved, []);
  });

  it("stands still at a step, says so, and shows where it stands", async () => {
    await inspector.getByRole("tab", { name: "Rings" }).focus();
    await page.keyboard.press("p");
    await inspector.getByText("Stands still: you paused it.").waitFor();
    await watched.reaches("paused");
    // The machine is idle: what it does next is what its timer or the person makes it do.
    await page.keyboard.press("n");
    await page.locator(".xterm-helper-textarea").focus();
    await page.keyboard.type("\n");
    await inspector.getByText(/Stands still: the step ended at event \d+/).waitFor();
    await inspector.locator('.line-row[aria-pressed="true"]').waitFor();
    await page.waitForFunction(() =>
      [...document.querySelectorAll("#inspector > [role=status]")].some((said) => said.textContent !== ""),
    );
  });

  it("a disk that comes is there with its rings, and one that goes is said to be gone", async () => {
    await inspector.getByRole("button", { name: "Go on", exact: true }).click();
    await watched.reaches("running");
    await page.evaluate(() => window.ringside.attach("blk,id=late,store=memory,size=8M"));
    const late = devices().filter({ hasText: "blk late" });
    await late.locator('.status-step[data-set="true"]', { hasText: "DRIVER_OK" }).waitFor();
    await choose("blk late");
    const rings = inspector.locator(".rings-drawing");
    await rings.waitFor();
    await page.evaluate(() => window.ringside.detach("late"));
    await late.getByText("Detached").waitFor();
    await inspector.getByText("blk late was detached").waitFor();
    assert.equal(await rings.count(), 0);
    await choose("blk home");
    await rings.waitFor();
  });

  it("closing it lets a machine that stands still go on, and ends the inspection", async () => {
    await inspector.getByRole("button", { name: "Pause", exact: true }).click();
    await watched.reaches("paused");
    await button("Close the inspector").click();
    assert.equal(await inspector.count(), 0);
    assert.equal(await focused(), "Inspect");
    await watched.reaches("running");
    assert.equal(await watched.exec("echo on"), "on");
    // What happened before is not remembered.
    await button("Inspect").click();
    const count = await inspector.locator(".line-count").innerText();
    assert.match(count, /^(Nothing has crossed yet|\d{1,3} crossings)/);
    await button("Close the inspector").click();
  });

  it("opens, moves, is resized and closes by keyboard alone", async () => {
    await page.locator(".xterm-helper-textarea").focus();
    await page.keyboard.press("F6");
    for (let i = 0; i < 10 && (await focused()) !== "Inspect"; i++) await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await inspector.getByRole("tab", { name: "Rings" }).waitFor();
    await page.keyboard.press("F6");
    assert.equal(await focused(), "Rings");
    await page.keyboard.press("ArrowRight");
    assert.equal(await focused(), "Devices");
    await inspector.locator(".devices-view").waitFor();
    await page.keyboard.press("Shift+Tab");
    assert.equal(await focused(), "Size of the inspector");
    const width = async () => (await inspector.boundingBox())!.width;
    const before = await width();
    await page.keyboard.press("ArrowLeft");
    assert.ok((await width()) > before, "it is wider");
    await page.keyboard.press("ArrowRight");
    assert.equal(await width(), before);
    await page.keyboard.press("F6");
    assert.equal(
      await page.evaluate(() => document.activeElement?.classList.contains("xterm-helper-textarea")),
      true,
    );
    // Keys are the guest's there.
    await page.keyboard.press("p");
    assert.equal(await page.evaluate(() => window.ringside.state.name), "running");
    await page.keyboard.press("Control+u");
    await page.keyboard.press("F6");
    await page.keyboard.press("F6");
    for (let i = 0; i < 5 && (await focused()) !== "Close the inspector"; i++)
      await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.equal(await focused(), "Inspect");
  });

  it("a recording shows events and their bytes without a machine", async () => {
    await button("Inspect").click();
    await inspector.getByRole("tab", { name: "Rings" }).waitFor();
    await watched.exec(`echo 3 >/proc/sys/vm/drop_caches; ${disk()}`);
    await button("Recordings").click();
    const [download] = await Promise.all([page.waitForEvent("download"), button("Save recording").click()]);
    const path = await download.path();
    await button("Power off").click();
    await watched.reaches("halted");
    await inspector.locator(".recording-picker").setInputFiles(path);
    await inspector.getByText("This is the recording").waitFor();
    await inspector.getByText("This is a recording: what the rings held is not in it.").waitFor();
    await choose("blk home");
    await inspector.getByText("Only blk home").click();
    await rows("chain")
      .filter({ hasText: String(SECTOR) })
      .first()
      .click();
    await inspector.locator(".buffer").first().click();
    assert.match(await inspector.locator(".meaning").innerText(), new RegExp(`sector\\s+${SECTOR}\\b`));
    await button("Back to the machine").click();
    await button("Close the inspector").click();
    await watched.close();
  });
});

/** Disks of 8 MiB, by how they are plugged in. */
const DISKS = [
  { id: "mmio-packed", options: "transport=mmio,packed=on", layout: "packed" },
  { id: "mmio-legacy", options: "transport=mmio-legacy", layout: "split" },
  { id: "transitional", options: "transport=pci-transitional", layout: "split" },
  { id: "pci-packed", options: "packed=on", layout: "packed" },
] as const;

describe("the inspector, for each transport and ring", { timeout: 3 * bootTimeout }, () => {
  let site: Site;
  let watched: WatchedPage;
  let inspector: Locator;
  before(async () => {
    site = await Site.start();
    const disks = DISKS.map(({ id, options }) => `device=blk,id=${id},store=memory,size=8M,${options}`);
    watched = await site.open(`memory=96M&${disks.join("&")}`, { viewport: { width: 1440, height: 900 } });
    inspector = watched.page.getByRole("complementary", { name: "Inspector" });
    await watched.reaches("running");
    await watched.page.getByRole("button", { name: "Inspect", exact: true }).click();
    await inspector.getByRole("tab", { name: "Rings", selected: true }).waitFor();
  });
  after(() => site.dispose());

  for (const { id, options, layout } of DISKS)
    it(`${options}: status, rings, registers, and a request from descriptors to interrupt`, async () => {
      const transport = /transport=([\w-]+)/.exec(options)?.[1] ?? "pci";
      const name = `blk ${id}`;
      await inspector.locator(".place-choice select").first().selectOption(name);
      const device = inspector.locator(".device-side", { hasText: name });
      await device.locator('.status-step[data-set="true"]', { hasText: "DRIVER_OK" }).waitFor();
      await device.locator(".device-side-place", { hasText: transport }).waitFor();
      await watched.exec(
        `dd if=/dev/$(grep -lx ${id} /sys/block/vd*/serial | cut -d/ -f4) of=/dev/null bs=4k count=40`,
      );
      const middle = inspector.locator(".ring-middle");
      await middle.getByText(layout === "packed" ? /wrap avail [01]/ : /avail \d+/).waitFor();
      assert.match(await inspector.locator(".rings-legend").innerText(), /0x0[0-9a-f]{7}/);

      const story = inspector.locator(".story");
      await story.locator(".story-device", { hasText: name }).waitFor();
      // That of the file "serial" may be shown for a moment.
      await story.locator('[data-step="device"]', { hasText: /sectors? from sector \d+/ }).waitFor();
      const steps = await story.locator(".story-name").allInnerTexts();
      assert.deepEqual(steps, ["Descriptors", "Kick", "Device", "Used element", "Interrupt"]);
      assert.match(await story.locator('[data-step="descriptors"]').innerText(), /16 B\s+device reads/);
      assert.match(await story.locator('[data-step="used"]').innerText(), /id \d+, len \d+/);

      await device.getByText(/^Registers/).click();
      const registers = await device.locator(".registers").innerText();
      assert.match(
        registers,
        transport.startsWith("mmio") ? /MagicValue\s+0x0\s+0x74726976/ : /device_status/,
      );
      assert.match(registers, /config\.capacity/);
      await device.getByText(/^Features/).click();
      const features = device.locator('.feature-entry[data-negotiated="true"]');
      const negotiated = await features.allInnerTexts();
      const has = (feature: string) => negotiated.some((text) => text.includes(feature));
      assert.equal(has("VIRTIO_F_RING_PACKED"), layout === "packed");
      assert.equal(has("VIRTIO_F_VERSION_1"), transport !== "mmio-legacy");
    });
});
