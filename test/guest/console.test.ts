import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { GuestGoneError } from "../../src/node/index.ts";
import { boot, type Guest, until } from "./support.ts";

void describe("the console", () => {
  for (const transport of ["pci", "mmio"]) {
    void it(`follows the terminal's size, has named ports and lets the writer go first on ${transport}`, async () => {
      await using guest = await boot(`device=console,transport=${transport}`, {
        terminalSize: { columns: 91, rows: 33 },
      });
      await until(async () => (await guest.sh("stty -F /dev/hvc0 size")) === "33 91", "the size at start");
      guest.machine.resizeTerminal(132, 50);
      await until(async () => (await guest.sh("stty -F /dev/hvc0 size")) === "50 132", "the new size");
      assert.deepEqual((await guest.sh("cat /sys/class/virtio-ports/*/name")).split("\n").sort(), [
        "ringside.exec",
        "ringside.stderr",
        "ringside.stdout",
      ]);
      // The thread that Linux wakes for each piece of output runs after the writer.
      const niceness = "cut -d ' ' -f 19 /proc/$(pidof khvcd)/stat";
      await until(async () => (await guest.sh(niceness)) === "19", "the thread's priority");
    });
  }

  void it("loses no byte to a slow terminal", async () => {
    const hash = createHash("sha256");
    let bytes = 0;
    let recording = false;
    let pauses = 0;
    await using guest = await boot("", {
      terminal: {
        write: (data) => {
          if (!recording) return undefined;
          hash.update(data);
          bytes += data.length;
          if (++pauses % 64 !== 0) return undefined;
          return new Promise((resolve) => setTimeout(resolve, 5));
        },
      },
    });
    await guest.sh(
      "head -c 4194304 /dev/urandom >/tmp/noise; stty -F /dev/hvc0 raw -echo; dmesg -n 1; kill -STOP $(pidof -s sh); true",
    );
    const expected = (await guest.sh("sha256sum </tmp/noise")).slice(0, 64);
    recording = true;
    await guest.sh("cat /tmp/noise >/dev/hvc0");
    await until(() => bytes >= 4194304, "4 MiB at the terminal");
    assert.equal(bytes, 4194304);
    assert.equal(hash.digest("hex"), expected);
  });

  void it("takes megabytes typed at the terminal, in order", async () => {
    await using guest = await boot("");
    await guest.sh(
      "stty -F /dev/hvc0 raw -echo; (head -c 300000 /dev/hvc0 | sha256sum >/tmp/sum) & sleep 0.3",
    );
    const typed = Buffer.alloc(400_000, "The quick brown fox.\n");
    // The login shell reads too: stop it first, so that every byte goes to `head`.
    await guest.sh(
      "for p in $(pidof sh); do [ -e /proc/$p/fd/0 ] && case $(readlink /proc/$p/fd/0) in */hvc0) kill -STOP $p;; esac; done",
    );
    for (let at = 0; at < 300_000; at += 10_000) await guest.machine.type(typed.subarray(at, at + 10_000));
    const expected = createHash("sha256").update(typed.subarray(0, 300_000)).digest("hex");
    await until(
      async () => (await guest.sh("cat /tmp/sum")).startsWith(expected),
      "the checksum of what was typed",
    );
  });

  void it("comes back, with the agent, when its driver is loaded anew", async () => {
    await using guest = await boot("");
    // Whoever has the console or a port open keeps the driver: the device is taken from it first, and they let go.
    await guest.sh(`cat >/tmp/reload <<'EOF'
trap '' HUP TERM
sleep 0.3
cd /sys/bus/virtio/drivers/virtio_console && ls -d virtio* >unbind
cd / && until rmmod virtio_console 2>/tmp/why; do usleep 100000; done
modprobe virtio_console && echo loaded anew >/tmp/round
EOF`);
    const gone = guest.machine.exec("setsid sh /tmp/reload </dev/null >/dev/null 2>&1 & sleep 2");
    await assert.rejects(gone, GuestGoneError);
    await until(
      async () => (await guest.sh("cat /tmp/round || cat /tmp/why")) === "loaded anew",
      "the driver's return",
    );
    // The shell asks for the cursor's place before it reads: what is typed earlier may be thrown away by its start.
    await until(() => guest.screen().split("\x1b[6n").length > 2, "the second prompt");
    await guest.machine.type("echo typed >/tmp/round\n");
    await until(async () => (await guest.sh("cat /tmp/round")) === "typed", "the login shell's return");
    assert.equal(guest.machine.state.name, "running");
  });
});

void describe("commands in the guest", { concurrency: 1 }, () => {
  let guest: Guest;
  before(async () => (guest = await boot("")));
  after(() => guest[Symbol.asyncDispose]());

  void it("give status, stdout and stderr apart, whatever bytes they are", async () => {
    const { machine } = guest;
    assert.deepEqual(await machine.run("echo out; echo err >&2; exit 7"), {
      status: 7,
      stdout: "out\n",
      stderr: "err\n",
    });
    const killed = await machine.run("printf 'a\\nb'; kill -9 $$");
    assert.deepEqual([killed.status, killed.stdout], [137, "a\nb"]);
    const quoted = "printf '%s' \"it's \\\"quoted\\\"\"\necho; echo 'two\nlines'";
    assert.equal((await machine.run(quoted)).stdout, 'it\'s "quoted"\ntwo\nlines\n');
    assert.equal((await machine.run(`: ${"x".repeat(70_000)}; echo long`)).stdout, "long\n");
    assert.equal((await machine.run("not-a-command")).status, 127);
    assert.equal((await machine.run("sleep 100 & echo there")).stdout, "there\n");
    assert.equal((await machine.run("cat")).stdout, "", "stdin is empty");
  });

  void it("give megabytes in order, however slowly they are taken", async () => {
    const hash = createHash("sha256");
    let bytes = 0;
    const status = await guest.machine.exec("head -c 3000000 /dev/urandom | tee /tmp/noise", {
      stdout: {
        write: (data) => {
          hash.update(data);
          bytes += data.length;
          return bytes % 7 === 0 ? new Promise((resolve) => setTimeout(resolve, 3)) : undefined;
        },
      },
    });
    assert.equal(status, 0);
    assert.equal(bytes, 3000000);
    assert.equal((await guest.sh("sha256sum </tmp/noise")).slice(0, 64), hash.digest("hex"));
  });

  void it("run one after the other when asked for at once", async () => {
    const results = await Promise.all([1, 2, 3].map((i) => guest.machine.run(`sleep 0.${4 - i}; echo ${i}`)));
    assert.deepEqual(
      results.map(({ stdout }) => stdout),
      ["1\n", "2\n", "3\n"],
    );
  });
});
