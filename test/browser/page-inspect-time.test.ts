/** Time and numbers over a real guest: scrubbing, breakpoints, steps, slow motion, charts, what a command cost, recordings. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import type { Download, Locator, Page } from "playwright-core";
import { ensureTool } from "../tools/ensure.ts";
import { checkTraceEvents, type Row } from "../unit/trace-event-format.ts";
import { Site, type WatchedPage, bootTimeout } from "./support.ts";

const LINK = "memory=96M&device=blk,id=home,store=memory,size=64M&device=net&device=rng";
/** Of the disk, in sectors: far from what is read at boot. */
const SECTOR = 80_000;

describe("time and numbers in the inspector", { timeout: 4 * bootTimeout }, () => {
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
    await page.getByRole("button", { name: "Inspect", exact: true }).click();
    await view("Time");
  });
  after(() => site.dispose());

  const view = (name: string) => inspector.getByRole("tab", { name, exact: true }).click();
  const button = (name: string) => inspector.getByRole("button", { name, exact: true });
  const control = (name: string) => inspector.locator(".time-buttons").getByRole("button", { name });
  const why = (words: RegExp) => inspector.locator(".time-why").getByText(words).waitFor();
  const filter = (at: number) => inspector.locator(".time-filters select").nth(at);
  const detail = () => inspector.getByRole("region", { name: "Event", exact: true });
  const title = () => detail().locator(".time-detail-title").innerText();
  /** What is looked at follows what the machine stands still at. */
  const looksAt = (words: RegExp) => detail().locator(".time-detail-title").getByText(words).waitFor();
  const disk = (sector: number) => `dd if=/dev/vda of=/dev/null bs=512 skip=${sector} count=1 iflag=direct`;
  /** The number of the event that is looked at. */
  const selected = async (): Promise<number> =>
    Number(/event (\d+)/.exec(await detail().locator(".time-detail-place").innerText())![1]);
  /** Begins a command; the result is waited for later, when the guest can go on. */
  const begin = (command: string) => watched.exec(command);

  interface Place {
    device?: string;
    kind?: string;
    queue?: string;
    register?: string;
    sectors?: string;
    etherType?: string;
  }
  /** As a person sets it. */
  async function breakAt(place: Place): Promise<void> {
    const form = inspector.getByRole("form", { name: "A new breakpoint" });
    if ((await inspector.locator(".breakpoints").count()) === 0) await control("Breakpoints").click();
    await button("Add a breakpoint").click();
    if (place.device !== undefined) await form.locator("select").nth(0).selectOption(place.device);
    if (place.kind !== undefined) await form.locator("select").nth(1).selectOption(place.kind);
    for (const [label, value] of [
      ["Queue", place.queue],
      ["Register", place.register],
      ["Sectors", place.sectors],
      ["EtherType", place.etherType],
    ] as const)
      if (value !== undefined) await form.getByRole("textbox", { name: label }).fill(value);
    await form.getByRole("button", { name: "Set" }).click();
    await form.waitFor({ state: "detached" });
  }
  async function removeBreakpoints(): Promise<void> {
    const remove = inspector.getByRole("button", { name: /^Remove: / });
    for (let left = await remove.count(); left > 0; left--) await remove.first().click();
    await inspector.getByText("The machine stops nowhere yet.").waitFor();
  }
  async function goOn(): Promise<void> {
    await control("Go on").click();
    await watched.reaches("running");
  }

  it("scrubs to what was, and follows what is", async () => {
    await watched.exec(disk(SECTOR));
    await inspector.getByRole("radio", { name: "All" }).check();
    const track = inspector.getByRole("slider", { name: "Moment of the trace" });
    const { x, y, width, height } = (await track.boundingBox())!;
    await page.mouse.click(x + width * 0.3, y + height / 3);
    await detail().locator(".time-detail-place").waitFor();
    const at = await selected();
    await inspector.locator(`#event-${at}[aria-selected=true]`).waitFor();
    await track.focus();
    await page.keyboard.press("End");
    await page.waitForFunction(
      (seq) => !document.querySelector(".time-place")!.textContent.endsWith(`event ${seq}`),
      at,
    );
    assert.ok((await selected()) > at, "a later event");
    await button("Follow the newest").click();
    await inspector.locator(".time-place").getByText("following the newest").waitFor();
  });

  it("from an event to the others of its request, both ways; what it means, and what it carries", async () => {
    await watched.exec(disk(SECTOR + 8));
    await filter(0).selectOption("blk home");
    await filter(1).selectOption("chain");
    await inspector.locator(".time-row", { hasText: `${SECTOR + 8}` }).click();
    assert.match(await title(), /chain taken\s+blk home/);
    assert.match(
      await detail().locator(".time-detail-sentence").innerText(),
      /The device takes chain \d+ .*2\.7\.13/s,
    );
    await detail().locator(".buffer").first().click();
    assert.match(await detail().locator(".meaning").innerText(), new RegExp(`sector\\s+${SECTOR + 8}\\b`));
    const way: string[] = [];
    for (const name of [
      "Before, in this request",
      "After, in this request",
      "After, in this request",
      "After, in this request",
    ]) {
      const from = await selected();
      await button(name).click();
      await page.waitForFunction(
        (seq) => !document.querySelector(".time-detail-place")!.textContent.startsWith(`event ${seq} `),
        from,
      );
      way.push((await title()).split(/\s+blk/)[0]!.trim());
    }
    assert.deepEqual(way, ["kick", "chain taken", "chain given back", "interrupt"]);
    await filter(0).selectOption("");
    await filter(1).selectOption("");
    await button("Follow the newest").click();
  });

  it("stops at a request's sector; steps to its end and to its interrupt's delivery; loses nothing", async () => {
    await breakAt({ device: "blk home", sectors: `${SECTOR + 16}` });
    const read = begin(`${disk(SECTOR + 16)} && echo read`);
    await why(/the breakpoint on .*sector 80016/);
    await watched.reaches("paused");
    await looksAt(/chain taken\s+blk home/);
    const chain = await selected();
    await removeBreakpoints();
    await control("End of request").click();
    await why(/Stands still: the step ended/);
    await looksAt(/chain given back\s+blk home/);
    assert.ok((await selected()) > chain, "later than the chain");
    await control("To delivery").click();
    await looksAt(/taken by the CPU/);
    await goOn();
    assert.equal((await read).split("\n").at(-1), "read");
  });

  for (const { place, command, words, stops } of [
    {
      place: { device: "net net0", kind: "kick", queue: "1" },
      command: "ping -c1 -W60 10.77.0.1 | grep -c 'bytes from'",
      words: /kick, net net0, queue 1/,
      stops: /kick\s+net net0/,
    },
    {
      place: { device: "net net0", etherType: "IPv4" },
      command: "ping -c1 -W60 10.77.0.1 | grep -c 'bytes from'",
      words: /EtherType IPv4/,
      stops: /(chain|frame).*net net0/is,
    },
    {
      place: { device: "rng", register: "queue_notify" },
      command: "head -c 65 /dev/hwrng | wc -c",
      words: /register queue_notify/,
      stops: /register access\s+rng/,
    },
    {
      place: { kind: "reset", device: "rng" },
      command:
        "echo virtio4 >/sys/bus/virtio/drivers/virtio_rng/unbind 2>/dev/null || for d in /sys/bus/virtio/drivers/virtio_rng/virtio*; do echo ${d##*/} >/sys/bus/virtio/drivers/virtio_rng/unbind; done; echo gone",
      words: /reset, rng/,
      stops: /reset\s+rng/,
    },
  ]) {
    it(`stops at ${JSON.stringify(place)}, and goes on`, async () => {
      await breakAt(place);
      const done = begin(command);
      await why(words);
      await watched.reaches("paused");
      await looksAt(stops);
      await removeBreakpoints();
      await goOn();
      assert.match(await done, /^(1|65|gone)$/);
    });
  }

  it("steps from one crossing to the next", async () => {
    const read = begin("dd if=/dev/vda of=/dev/null bs=512 count=10000 iflag=direct && echo read");
    await control("Pause").click();
    await watched.reaches("paused");
    const numbers: number[] = [];
    for (let round = 0; round < 4; round++) {
      await control("Next crossing").click();
      await page.waitForFunction(
        (last) => {
          const words = document.querySelector(".time-why")!.textContent;
          return Number(/the step ended at event (\d+)/.exec(words)?.[1]) > last;
        },
        numbers.at(-1) ?? -1,
      );
      const words = await inspector.locator(".time-why").innerText();
      numbers.push(Number(/event (\d+)/.exec(words)![1]));
    }
    await detail()
      .getByText(`event ${numbers.at(-1)} at`)
      .waitFor();
    // The write to a doorbell and the kick that it is are one crossing, and two events.
    const ways = numbers.slice(1).map((number, index) => number - numbers[index]!);
    assert.ok(
      ways.every((way) => way === 1 || way === 2),
      numbers.join(" "),
    );
    await goOn();
    assert.equal((await read).split("\n").at(-1), "read");
  });

  it("slow motion waits after each crossing and goes on by itself", async () => {
    await inspector.getByLabel("Slow motion").selectOption("0.1 s");
    const began = performance.now();
    assert.equal((await watched.exec(`${disk(SECTOR + 32)} && echo read`)).split("\n").at(-1), "read");
    // The disk's kick, chain, used element and interrupt alone are four; the command comes by the console.
    assert.ok(performance.now() - began > 800, "each crossing is followed by 100 ms");
    await inspector.getByLabel("Slow motion").selectOption("off");
    assert.equal(await watched.exec("echo on"), "on");
  });

  it("counts requests, bytes, suppression and latency, and draws them", async () => {
    await view("Numbers");
    const row = inspector.locator("tbody[data-kind=blk] .numbers-queue").first();
    const requests = async () => Number((await row.locator("td").first().innerText()).replace(/\D/g, ""));
    const earlier = await requests();
    await watched.exec("dd if=/dev/vda of=/dev/null bs=4k count=500 iflag=direct");
    await page.waitForFunction(
      ([least]) => {
        const cell = document.querySelector("tbody[data-kind=blk] .numbers-queue td")!;
        return Number(cell.textContent.replace(/\D/g, "")) >= least!;
      },
      [earlier + 500],
    );
    await row.getByRole("button").click();
    const latency = inspector.getByRole("region", { name: /^Latency of blk home/ });
    await latency.waitFor();
    const counts = await latency.locator(".numbers-digest tbody tr td:nth-child(2)").allInnerTexts();
    for (const count of counts) assert.ok(Number(count.replace(/\D/g, "")) > 100, `${count} requests`);
    for (const chart of await inspector.locator(".numbers-view canvas").all())
      assert.ok((await chart.evaluate(inked)) > 20, "something is drawn");
    assert.match(
      await inspector.locator(".numbers-recorder").innerText(),
      /of at most 16 MiB: [\d,]+ events kept/,
    );
  });

  it("says what a command cost", async () => {
    await view("Account");
    const command = inspector.getByLabel("Command to run in the guest");
    await command.fill("dd if=/dev/vda of=/dev/null bs=64k count=16 iflag=direct; echo done");
    await page.keyboard.press("Enter");
    await inspector.locator(".account-output").getByText("done").waitFor();
    const cost = await inspector.locator(".account-table tr", { hasText: "blk home" }).innerText();
    const [, requests, , bytes, exits, kicks] = cost.split(/\t/);
    assert.equal(bytes, "1 MiB");
    for (const figure of [requests, exits, kicks]) assert.ok(Number(figure!.replace(/\D/g, "")) > 0, cost);
    await command.fill("false");
    await page.keyboard.press("Enter");
    await inspector.getByText(/false ended with status 1/).waitFor();
  });

  it("saves what was seen: opened again it is the same; for Perfetto; its packets for tshark", async () => {
    await watched.exec("ping -c2 -W60 10.77.0.1 >/dev/null");
    await view("Time");
    await button("Recordings").click();
    const save = async (name: string): Promise<Download> => {
      const [download] = await Promise.all([page.waitForEvent("download"), button(name).click()]);
      return download;
    };
    const perfetto = await save("Save for Perfetto");
    checkTraceEvents(JSON.parse(await readFile(await perfetto.path(), "utf8")) as Row[]);
    const { command, env } = await ensureTool("tshark");
    const frames = await save("Save frames (pcapng)");
    const options = ["-r", await frames.path(), "-Y", "icmp.type==8", "-T", "fields", "-e", "ip.dst"];
    const { stdout } = await promisify(execFile)(command, options, { env });
    assert.ok(stdout.split("\n").filter((line) => line === "10.77.0.1").length >= 2, stdout);

    const recording = await save("Save recording");
    await page.evaluate(() => window.ringside.powerOff());
    await watched.reaches("halted");
    await inspector.locator(".recording-picker").setInputFiles(await recording.path());
    await inspector.getByText("This is the recording").waitFor();
    await inspector.getByRole("radio", { name: "All" }).check();
    await filter(0).selectOption("blk home");
    await filter(1).selectOption("chain");
    await inspector.locator(".time-list").press("ArrowUp");
    assert.match(await title(), /chain taken\s+blk home/);
    await view("Numbers");
    await inspector.locator("tbody[data-kind=blk]").waitFor();
    await view("Account");
    await inspector.getByText("A recording runs no commands").waitFor();

    const noRecording = { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no recording") };
    await inspector.locator(".recording-picker").setInputFiles(noRecording);
    await inspector.locator(".recordings [role=alert]").getByText(/\w/).waitFor();
    await inspector.getByText("This is the recording").waitFor();
    await button("Back to the machine").click();
    await watched.close();
  });
});

/** Pixels of a canvas that are not empty. */
function inked(element: Element): number {
  const canvas = element as HTMLCanvasElement;
  const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 3; at < data.length; at += 4) if (data[at]! > 0) count++;
  return count;
}
