/** A person opens the page: the kernel boots, they type, look at the devices, search, and press the buttons. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Site, type WatchedPage, bootTimeout } from "./support.ts";

const link =
  "memory=128M&device=blk,id=scratch,store=memory,size=16M&device=blk,id=other,store=memory,size=8M,transport=mmio";

describe("the page boots Debian's kernel", { timeout: 5 * bootTimeout }, () => {
  let site: Site;
  let watched: WatchedPage;

  before(async () => {
    site = await Site.start({ optimizing: true });
    const visitor = await site.visitor();
    // Here WebGL is done in software, which the page would rather not use.
    await visitor.addInitScript(`{
      const { prototype } = WebGL2RenderingContext;
      const real = prototype.getParameter;
      const unmaskedRenderer = 0x9246;
      prototype.getParameter = function (name) {
        return name === unmaskedRenderer ? "A graphics card" : real.call(this, name);
      };
    }`);
    watched = await site.openFor(visitor, link);
  });
  after(() => site.dispose());

  it("shows each download and the states on the way to running", async () => {
    const { page } = watched;
    const words: string[] = [];
    await page.exposeFunction("note", (text: string) => words.push(text));
    await page.evaluate(() => {
      const line = document.querySelector(".state-words")!;
      const note = () => (window as unknown as { note(text: string): void }).note(line.textContent);
      note();
      new MutationObserver(note).observe(line, { characterData: true, childList: true, subtree: true });
    });
    await watched.reaches("running");
    const inOrder = words.filter((word, index) => word !== words[index - 1]);
    assert.deepEqual(inOrder.slice(-2), ["Booting", "Running"], words.join());
    assert.match(await watched.exec("uname -sm"), /^Linux i686$/);
  });

  it("runs within the policy, asks nobody but its server, and is isolated", async () => {
    const { page } = watched;
    watched.isClean();
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    const [worker] = page.workers();
    assert(worker, "the machine has a worker");
    // The policy holds in the worker too, where the machine and its JIT run.
    const evaluated = await worker.evaluate(
      () =>
        new Promise((resolve) => {
          // Later: for the length of this call the developer tools' protocol lifts the policy.
          setTimeout(() => {
            try {
              resolve((0, eval)("'evaluated'"));
            } catch (error) {
              resolve((error as Error).name);
            }
          });
        }),
    );
    assert.equal(evaluated, "EvalError");
    // The page itself reaches nobody else; what the guest reaches is the worker's business.
    const violated = await page.evaluate(
      () =>
        new Promise((resolve) => {
          document.addEventListener(
            "securitypolicyviolation",
            ({ effectiveDirective, blockedURI }) => resolve(`${effectiveDirective} ${blockedURI}`),
            { once: true },
          );
          setTimeout(() => void fetch("https://example.org/").catch(() => undefined));
        }),
    );
    assert.equal(violated, "connect-src https://example.org/");
    watched.problems.length = 0; // these two
  });

  it("has both virtio transports at work", async () => {
    const paths = await watched.exec("for d in /sys/bus/virtio/devices/*; do readlink -f $d; done");
    assert.match(paths, /\/devices\/pci0000:00\/.*\/virtio\d/);
    assert.match(paths, /\/devices\/platform\/LNRO0005:\d+\/virtio\d/);
  });

  it("takes what is typed", async () => {
    const { page } = watched;
    await watched.shows(/[#$]$/);
    await page.locator(".xterm-helper-textarea").focus();
    await page.keyboard.type("echo typed-$((6 * 7))\n");
    await watched.shows("typed-42");
  });

  it("drops nothing of a long paste", async () => {
    const { page } = watched;
    await page.keyboard.type("stty -echo; cat > /tmp/pasted; stty echo\n");
    // Lines, as the guest's terminal takes at most 4095 characters of one.
    const lines = Array.from({ length: 3000 }, (_, index) => `line ${index} of what was pasted`);
    const text = lines.join("\n") + "\n";
    await page.evaluate((pasted) => window.ringside.type(pasted), text);
    await page.evaluate(() => window.ringside.type("\x04"));
    await page.evaluate(() => window.ringside.type("echo pasted: $(wc -c < /tmp/pasted)\n"));
    await watched.shows(`pasted: ${text.length}`);
  });

  it("drops nothing of what the guest prints at full speed", async () => {
    const { page } = watched;
    await page.keyboard.type("clear; seq 1 20000; echo all-$((1 + 1))-printed\n");
    await watched.shows("all-2-printed");
    const screen = await watched.screen();
    const last = screen
      .split("\n")
      .filter((line) => /^\d+$/.test(line))
      .slice(-5000);
    assert.deepEqual(
      last,
      Array.from({ length: 5000 }, (_, index) => String(15001 + index)),
    );
  });

  it("tells the guest the window's size", async () => {
    const { page } = watched;
    const size = () => watched.exec("stty size < /dev/hvc0");
    const first = await size();
    assert.match(first, /^\d+ \d+$/);
    await page.setViewportSize({ width: 900, height: 500 });
    let now = first;
    const deadline = performance.now() + bootTimeout;
    while (now === first && performance.now() < deadline) now = await size();
    const [rows, columns] = now.split(" ").map(Number) as [number, number];
    const [firstRows, firstColumns] = first.split(" ").map(Number) as [number, number];
    assert(rows < firstRows && columns < firstColumns, `${first} became ${now}`);
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  it("returns a command's status and both of its streams", async () => {
    const result = await watched.page.evaluate(() => window.ringside.exec("echo out; echo grün >&2; exit 7"));
    assert.deepEqual(result, { status: 7, stdout: "out\n", stderr: "grün\n" });
  });

  it("stops a command that prints without end", async () => {
    const failure = await watched.page.evaluate(() =>
      window.ringside
        .exec("yes | head -c 18000000")
        .then(JSON.stringify, (error: unknown) => (error as Error).message),
    );
    assert.match(failure, /printed more than 16 MiB/);
    assert.equal(await watched.exec("echo still here"), "still here");
  });

  it("lists what runs on which transport, live", async () => {
    const { page } = watched;
    await page.getByRole("button", { name: "Devices" }).click();
    const panel = page.locator(".device-panel").first();
    const disk = panel.locator(".device", { hasText: "scratch" });
    await disk.getByText("ready", { exact: true }).waitFor();
    assert.match(
      await disk.innerText(),
      /blk[\s\S]*scratch[\s\S]*pci 00:0\d\.0[\s\S]*requestq[\s\S]*VERSION_1/,
    );
    assert.match(await panel.locator(".device", { hasText: "other" }).innerText(), /mmio 0xfea0/);
    await watched.exec("rmmod virtio_blk");
    await disk.getByText("not there yet").waitFor();
    await watched.exec("modprobe virtio_blk");
    await disk.getByText("ready", { exact: true }).waitFor();
    await page.keyboard.press("Escape");
    await panel.waitFor({ state: "hidden" });
  });

  it("finds text in the terminal", async () => {
    const { page } = watched;
    await page.locator(".xterm-helper-textarea").focus();
    await page.keyboard.type("clear; echo needle; echo hay; echo needle\n");
    await watched.shows(/^needle\nhay\nneedle$/m);
    await page.keyboard.press("Control+Shift+F");
    await page.keyboard.type("needle");
    await page.getByText(/^\d+ of \d+$/).waitFor();
    await page.keyboard.press("Escape");
    assert.equal(await page.evaluate(() => document.activeElement?.className), "xterm-helper-textarea");
  });

  it("copies for programs in the guest, and pastes; the guest cannot read the clipboard", async () => {
    const { page } = watched;
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.locator(".xterm-helper-textarea").focus();
    const copied = Buffer.from("from the guest").toString("base64");
    await page.keyboard.type(`printf '\\033]52;c;${copied}\\007'\n`);
    const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
    const deadline = performance.now() + 120_000;
    while ((await clipboard()) !== "from the guest") assert(performance.now() < deadline, await clipboard());

    await page.evaluate(() => navigator.clipboard.writeText("echo pasted-$((40 + 2))"));
    await page.keyboard.press("Control+Shift+V");
    await watched.shows("echo pasted-$((40 + 2))");
    await page.keyboard.press("Enter");
    await watched.shows("pasted-42");

    await page.evaluate(() => navigator.clipboard.writeText("a secret"));
    await page.keyboard.type(
      "stty raw -echo; printf '\\033]52;c;?\\007'; dd bs=1 count=7 2>/dev/null | hexdump -C; stty sane\n",
    );
    // The answer to OSC 52's question is empty: ESC ] 5 2 ; c ; and nothing of the secret.
    await watched.shows(/1b 5d 35 32 3b 63 3b/);
    await page.waitForTimeout(300);
    await page.keyboard.press("Control+C");
    assert.doesNotMatch(await watched.screen(), /YSBzZWNyZXQ/);
  });

  it("draws without the graphics card when that goes away, within the policy", async () => {
    const { page } = watched;
    const place = page.locator(".terminal-place");
    assert.equal(await place.getAttribute("data-renderer"), "webgl");
    await page.evaluate(() => {
      for (const canvas of document.querySelectorAll("canvas")) {
        canvas.getContext("webgl2")?.getExtension("WEBGL_lose_context")?.loseContext();
      }
    });
    await page.locator('.terminal-place[data-renderer="dom"]').waitFor();
    // True colour is what that renderer writes style attributes for.
    await watched.exec("printf '\\033[38;2;1;200;3mtrue-colour\\033[0m\\n' > /dev/hvc0");
    const span = page.locator(".xterm-rows span", { hasText: "true-colour" });
    await span.waitFor();
    assert.match(await span.evaluate((element) => getComputedStyle(element).color), /^rgb\(/);
    watched.isClean();
  });

  it("measures the boot's parts", async () => {
    const timings = await watched.page.evaluate(() => window.ringside.timings);
    const { page, download, instantiate, kernel, drivers, prompt, total } = timings;
    for (const [name, time] of Object.entries(timings)) {
      assert(typeof time === "number" && time >= 0, `${name} is ${time}`);
    }
    const sum = page! + download! + instantiate! + kernel! + drivers! + prompt!;
    assert(Math.abs(sum - total!) < 1, `${sum} of ${total}`);
    const marks = await watched.page.evaluate(() => performance.getEntriesByName("ringside:prompt").length);
    assert.equal(marks, 1);
  });

  it("pauses and goes on", async () => {
    const { page } = watched;
    await page.getByRole("button", { name: "Pause" }).click();
    await watched.reaches("paused");
    const instructions = () => page.evaluate(async () => (await window.ringside.counters())!.instructions);
    const before = await instructions();
    await page.waitForTimeout(300);
    assert.equal(await instructions(), before);
    await page
      .getByRole("group", { name: "Machine", exact: true })
      .getByRole("button", { name: "Resume" })
      .click();
    await watched.reaches("running");
    assert.equal(await watched.exec("echo awake"), "awake");
  });

  it("resets: the same machine boots again", async () => {
    const { page } = watched;
    await watched.exec("touch /tmp/gone");
    await page.getByRole("button", { name: "Reset" }).click();
    await watched.reaches("booting");
    await watched.reaches("running");
    assert.equal(await watched.exec("ls /tmp/gone 2>&1 || true"), "ls: /tmp/gone: No such file or directory");
  });

  it("powers off through the guest, keeps its last words, and powers on again with the same disks", async () => {
    const { page } = watched;
    await watched.exec("echo kept | dd of=/dev/disk/by-id/none 2>/dev/null; true");
    const disk = await watched.exec("grep -l scratch /sys/block/*/serial | cut -d/ -f4");
    await watched.exec(
      `umount /dev/${disk} 2>/dev/null; echo kept-in-memory | dd of=/dev/${disk} conv=fsync 2>&1`,
    );
    await page.getByRole("button", { name: "Power off" }).click();
    await watched.reaches("halted");
    await page.getByText("The guest powered off.").waitFor();
    assert.match(await watched.screen(), /reboot: Power down|Requesting system poweroff/);
    await assert.rejects(
      page.evaluate(() => window.ringside.exec("true")),
      /takes no commands: it is halted/,
    );
    // What is typed at a machine that is off goes nowhere, and holds nothing up.
    await page.evaluate(() => window.ringside.type("echo from-before\n"));
    await page
      .getByRole("group", { name: "Machine", exact: true })
      .getByRole("button", { name: "Power on" })
      .click();
    await watched.reaches("running");
    assert.equal(await watched.exec(`dd if=/dev/${disk} bs=14 count=1 2>/dev/null`), "kept-in-memory");
    await watched.close();
  });
});
