/** The network as a person has it in the page: at once, between tabs, in a room over the real relay. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import type { Download, Locator } from "playwright-core";
import { ensureTool } from "../tools/ensure.ts";
import { startRelay } from "../tools/relay-process.ts";
import { Site, type WatchedPage, bootTimeout } from "./support.ts";

const run = promisify(execFile);

let site: Site;
before(async () => {
  site = await Site.start();
});
after(() => site.dispose());

/** The panel of a page's network, opened. */
async function panelOf({ page }: WatchedPage): Promise<Locator> {
  await page.getByRole("button", { name: "Network" }).click();
  const panel = page.locator(".network-panel");
  await panel.locator(".network").first().waitFor();
  return panel;
}

/** The guest's address, once it has one. */
async function addressOf({ page }: WatchedPage): Promise<string> {
  return page.evaluate(async () => {
    for (;;) {
      const address = (await window.ringside.networks())[0]?.status.lease?.address;
      if (address !== undefined) return address;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
}

describe("the default machine's network", { timeout: 2 * bootTimeout }, () => {
  let watched: WatchedPage;
  let web: Server;

  before(async () => {
    web = createServer((request, response) => {
      response.setHeader("Access-Control-Allow-Origin", "*");
      response.end(`${request.method} ${request.url}`);
    });
    web.listen(0, "127.0.0.1");
    await once(web, "listening");
    watched = await site.open();
    await watched.reaches("running");
  });
  after(() => web.close());

  it("is there at once: an address, and a gateway that answers", async () => {
    const { page } = watched;
    const address = await addressOf(watched);
    assert.match(address, /^10\.77\.\d+\.\d+$/);
    assert.match(await watched.exec("ip -4 addr show dev eth0"), new RegExp(`inet ${address}/16`));
    await page.getByRole("button", { name: "Network connected" }).waitFor();
    const panel = await panelOf(watched);
    await panel.getByText("Gateway in this page").waitFor();
    await panel.getByText("Connected", { exact: true }).waitFor();
    await panel.getByText(address, { exact: true }).waitFor();

    // Figures change while they are looked at; nothing else moves.
    const figure = panel.locator(".network-counters .counter").nth(1);
    const before = await figure.innerText();
    const place = await panel.getByRole("button", { name: "Join a room" }).boundingBox();
    assert.match(
      await watched.exec("ping -c 20 -i 0.01 10.77.0.1 || ping -c 3 10.77.0.1"),
      / 0% packet loss/,
    );
    await page.waitForFunction(
      ([before]) =>
        document.querySelectorAll<HTMLElement>(".network-counters .counter")[1]!.innerText !== before,
      [before],
    );
    assert.deepEqual(await panel.getByRole("button", { name: "Join a room" }).boundingBox(), place);
  });

  it("a capture is a file for Wireshark", async () => {
    const { page } = watched;
    const panel = page.locator(".network-panel");
    await panel.getByRole("button", { name: "Capture packets" }).click();
    await panel.getByRole("button", { name: "Stop the capture" }).waitFor();
    await watched.exec("ping -c 3 -s 777 10.77.0.1");
    await panel.getByRole("button", { name: "Stop the capture" }).click();
    const saved = page.waitForEvent("download");
    await panel.getByRole("button", { name: "Save as pcapng" }).click();
    const file = await saved;
    assert.match(file.suggestedFilename(), /^net0-.*\.pcapng$/);
    const pings = await dissect(file, "icmp && data.len == 777", ["icmp.type", "ip.src", "ip.dst"]);
    const address = await addressOf(watched);
    const there = ["8", address, "10.77.0.1"].join("\t");
    const back = ["0", "10.77.0.1", address].join("\t");
    assert.deepEqual(pings, [there, back, there, back, there, back]);
    assert.deepEqual(
      await dissect(file, "_ws.malformed || _ws.expert.severity >= error", ["frame.number"]),
      [],
    );
  });

  it("scripts have it, too", async () => {
    const { networks, size, head } = await watched.page.evaluate(async () => {
      const capture = await window.ringside.capture("net0");
      await window.ringside.exec("ping -c 1 10.77.0.1");
      const file = await capture.stop();
      const head = new Uint32Array(await file.slice(0, 4).arrayBuffer())[0];
      return { networks: await window.ringside.networks(), size: file.size, head };
    });
    assert.deepEqual(
      networks.map(({ id, wire, linkUp, status }) => [id, wire, linkUp, status.state]),
      [["net0", "gateway", true, "up"]],
    );
    assert.equal(head, 0x0a0d0d0a); // pcapng's section header
    assert.ok(size > 200);
  });

  it("fetches over HTTP from whoever lets the page", async () => {
    const { port } = web.address() as AddressInfo;
    const wget = `http_proxy=http://10.77.0.1:3128 wget -qO- http://localhost:${port}/some/where`;
    assert.equal(await watched.exec(wget), "GET /some/where");
    watched.strangers.length = 0; // that was it
    await watched.page.keyboard.press("Escape");
    await watched.close();
  });
});

describe("two tabs of one browser", { timeout: 2 * bootTimeout }, () => {
  it("reach and see each other", async () => {
    const visitor = await site.visitor();
    const open = (name: string) =>
      site.openFor(visitor, `memory=96M&device=net,wire=tabs:lab,name=${name}&device=rng`);
    const tabs = [await open("one"), await open("two")] as const;
    const [one, two] = tabs;
    await Promise.all(tabs.map((tab) => tab.reaches("running")));
    const [address, other] = await Promise.all(tabs.map(addressOf));
    assert.notEqual(address, other);
    assert.match(await one.exec(`ping -c 3 ${other!}`), / 0% packet loss/);
    assert.match(await two.exec("ping -c 1 one.ringside"), new RegExp(`${address!}.* 0% packet loss`, "s"));

    const panel = await panelOf(one);
    await panel.getByText("Tabs “lab” of this browser").waitFor();
    const members = panel.locator(".member");
    assert.match(await members.nth(0).innerText(), /^one\s+this machine/);
    assert.match(await members.nth(1).innerText(), /^two\s/);
    await members.nth(1).getByText(other!, { exact: true }).waitFor();

    // It has no time to say so.
    await two.page.close();
    await panel.getByText("Nobody else is here").waitFor({ timeout: 20_000 });
    await one.close();
  });
});

describe("a room", { timeout: 2 * bootTimeout }, () => {
  it("is lost and comes back: the guest's carrier, and what the page says", async (context) => {
    const options = ["--origin", site.origin, "--secret", "blue=hush", "--log", "error"];
    const relay = await startRelay(options);
    context.after(() => relay.kill());
    const watched = await site.open(
      `memory=96M&device=rng&device=net,wire=room:blue,relay=${relay.url},secret=hush`,
    );
    const { page } = watched;
    await watched.reaches("running");
    const address = await addressOf(watched);
    const panel = await panelOf(watched);
    await panel.getByText(`Room “blue” at 127.0.0.1:${relay.port}`).waitFor();
    await panel.getByText("Connected", { exact: true }).waitFor();
    const carrier = "cat /sys/class/net/eth0/carrier";
    assert.equal(await watched.exec(carrier), "1");

    await relay.kill();
    await panel.getByText("Connecting", { exact: true }).waitFor();
    await panel.getByText(/It tries again (in \d+ s|now)\./).waitFor();
    assert.equal(await watched.exec(carrier), "0");
    await page.getByRole("button", { name: "Network connection lost" }).waitFor();
    const again = await startRelay([...options, "--port", String(relay.port)]);
    context.after(() => again.kill());
    await panel.getByText("Connected", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Network connected" }).waitFor();
    assert.equal(await watched.exec(carrier), "1");
    assert.equal(await addressOf(watched), address);

    // A link for a friend, without the secret unless it is asked for.
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    const copied = async () => {
      await panel.getByRole("button", { name: /^(Copy a link to this room|Copied)$/ }).click();
      return page.evaluate(() => navigator.clipboard.readText());
    };
    assert.doesNotMatch(await copied(), /hush/);
    await panel.getByLabel("with the room's secret").check();
    assert.match(await copied(), /wire=room:blue,.*secret=hush/);

    // Elsewhere: what is a mistake is said, and the page asks before it gives up the machine that runs.
    await panel.getByRole("button", { name: "Plug in elsewhere" }).click();
    const form = panel.getByRole("form", { name: "Plug net0 in elsewhere" });
    await form.getByLabel("Name").fill("no room");
    await form.getByText(/^Expected: .*room:NAME/).waitFor();
    assert.equal(await form.getByRole("button", { name: "Restart there" }).isDisabled(), true);
    await form.getByLabel("Plugged into").selectOption("tabs");
    await form.getByLabel("Name").fill("lab");
    await form.getByRole("button", { name: "Restart there" }).click();
    const question = page.getByRole("dialog", { name: "Start the machine of this link?" });
    await question.getByText(/device=net,wire=tabs:lab/).waitFor();
    await question.getByRole("button", { name: "Keep the running machine" }).click();
    assert.equal(await watched.exec(carrier), "1");
    await watched.page.close();
    assert.deepEqual(watched.problems, []);
  });
});

/** What tshark reads in a capture: these fields of each packet that passes the filter. */
async function dissect(file: Download, filter: string, fields: readonly string[]): Promise<string[]> {
  const { command, env } = await ensureTool("tshark");
  const wanted = fields.flatMap((field) => ["-e", field]);
  const { stdout } = await run(command, ["-r", await file.path(), "-Y", filter, "-T", "fields", ...wanted], {
    env,
  });
  return stdout.split("\n").filter((line) => line !== "");
}
