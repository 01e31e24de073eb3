/** The debian image: a login and its tools, the user and the clock, a power cut and an orderly end, a disk that is not there. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { ensureImages } from "../../images/ensure.ts";
import { streamProgress } from "../../images/progress.ts";
import { boot, temporaryFolder, until, within } from "./support.ts";

/** Each with an output that only the program itself has. */
const TOOLS: readonly (readonly [string, RegExp])[] = [
  ["less --version", /^less \d/],
  ["vim.tiny --version", /^VIM - Vi IMproved/],
  ["nano --version", /GNU nano/],
  ["ps -e | grep -c khvcd", /^1$/],
  ["ip -brief address show lo", /^lo\s+UNKNOWN\s+127\.0\.0\.1/],
  ["ping -c 1 127.0.0.1", /1 received/],
  ["lspci -nn -d 1af4:", /Virtio 1\.0 block device \[1af4:1042\]/],
  ["python3 -c 'print(6 * 7)'", /^42$/],
  ["strace -c true 2>&1", /execve/],
  ["mount | grep ' / '", /^\/dev\/vda on \/ type ext4 \(rw,noatime/],
  ["modprobe overlay && lsmod", /overlay/],
  ["iperf3 --version", /^iperf 3/],
  ["fio --name=a --filename=/root/f --size=1M --rw=randread --runtime=1 --time_based", /READ: bw=/],
  ["tmux new-session -d 'sleep 9' && tmux ls && tmux kill-server", /1 windows/],
  ["curl -sS http://127.0.0.1:9/ 2>&1; echo $?", /Failed to connect[^]*\n7$/],
  ["dpkg --audit; apt-get check 2>&1; dpkg-query --show bash", /^[^]*bash\t5\.2/],
  ["find /usr/share/doc/git /usr/share/man -type f", /^\/usr\/share\/doc\/git\/copyright$/],
];

/** As the ordinary user, who has a home. */
const AS_USER = [
  "cd",
  'test "$(id -un)" = user && test "$(sudo id -u)" = 0',
  `printf '#include <stdio.h>\\nint main(void) { puts("hello"); return 0; }\\n' >hello.c`,
  "cc -o by-hand hello.c && ./by-hand",
  "make hello && ./hello",
  "git init -q repository && cd repository && git config user.name u && git config user.email u@example",
  "echo a >a && git add a && git commit -q -m 'a first one' && git log --format=%s",
];

void describe("the debian image", () => {
  before(() => ensureImages(["debian"], streamProgress(process.stderr, "")));

  void it("has a shell, a user and the tools", async () => {
    await using guest = await boot("image=debian", { terminalSize: { columns: 100, rows: 30 } });
    const { machine, screen, sh } = guest;
    await until(() => /user@ringside.*\$ $/.test(screen()), "a prompt");
    assert.equal(screen().split("ringside: prompt").length - 1, 1);
    assert.match(screen(), /Debian 12\.\d+ with Linux 6\.1/);

    for (const [command, expected] of TOOLS) assert.match(await sh(command), expected, command);
    const output = await sh(
      `setpriv --reuid=1000 --regid=1000 --init-groups env HOME=/home/user sh -ec '${AS_USER.join("\n").replaceAll("'", `'\\''`)}'`,
    );
    assert.deepEqual(
      output.split("\n").filter((line) => !line.startsWith("cc ")),
      ["hello", "hello", "a first one"],
    );
    assert.equal(await sh("hostname; cat /etc/hostname"), "ringside\nringside");
    const seconds = Number(await sh("date +%s"));
    assert.ok(Math.abs(seconds - Date.now() / 1000) < 60, `the guest's clock is at ${seconds}`);

    // What a login shell of bash completes, and how large it takes the terminal to be.
    await machine.type("git checko\t--help >/dev/null; tty; stty size\r");
    await until(() => screen().includes("git checkout --help"), "completion of a subcommand of git");
    await until(() => /\/dev\/hvc0\r?\n30 100/.test(screen()), "the terminal's size");
    machine.resizeTerminal(80, 24);
    await until(async () => (await sh("stty -F /dev/hvc0 size")) === "24 80", "the terminal's new size");

    await machine.type("sudo poweroff\r");
    await within(machine.when("halted"), "the end of the machine");
    assert.match(screen(), /The system is going down/);
    assert.deepEqual(guest.messages, []);
  });

  void it("checks its file system after a power cut, and not after an orderly end", async () => {
    const path = join(temporaryFolder(), "overlay");
    const config = `image=debian&device=blk,id=debian,base=debian,store=file,path=${path}`;
    {
      await using guest = await boot(config);
      await guest.sh("for i in $(seq 200); do echo $i >/home/user/$i; done; sync; touch /home/user/lost");
    }
    assert.ok(existsSync(path));
    {
      await using guest = await boot(config);
      assert.match(await guest.sh("dmesg"), /ringside: checking \/dev\/vda/);
      assert.match(await guest.sh("cat /run/fsck"), /recovering journal[^]*clean/);
      assert.equal(await guest.sh("cat /home/user/[0-9]* | wc -l"), "200");
      assert.match(await guest.sh("dumpe2fs -h /dev/vda 2>/dev/null"), /Filesystem state: +clean\n/);
      await guest.machine.powerOff();
    }
    {
      await using guest = await boot(config);
      assert.doesNotMatch(await guest.sh("dmesg"), /ringside: checking|recovery|EXT4-fs error/);
      // Nothing but the kernel's journal is written on a mounted file system that nobody writes to.
      assert.match(await guest.sh("mount -o remount,ro / && e2fsck -fn /dev/vda"), /Pass 5/);
    }
  });

  void it("says which disk is missing", async () => {
    await using guest = await boot("image=debian&append=ringside.root=elsewhere");
    await until(() => guest.screen().includes('There is no disk "elsewhere"'), "the message");
    await until(() => guest.screen().includes("/ # "), "a shell");
    await guest.machine.type("ls /sys/block; poweroff -f\r");
    await within(guest.machine.when("halted"), "the end of the machine");
    assert.match(guest.screen(), /\nvda/);
  });
});
