/** What stands between the console device and the person: serial output, the watch for panics, the agent's protocol. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AGENT_PORTS, GuestAgent, GuestGoneError } from "../../src/machine/agent.ts";
import { PanicWatch } from "../../src/machine/panic.ts";
import { SerialOutput } from "../../src/machine/serial.ts";
import { ConsoleDevice } from "../../src/virtio/console.ts";
import { ConsoleDriver, PORT_OPEN } from "./driver/console-driver.ts";
import { settle } from "./driver/driver.ts";

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

describe("serial output", () => {
  it("gathers the bytes of a turn, and holds the CPU while the terminal is behind", async () => {
    const holds: boolean[] = [];
    const pieces: string[] = [];
    let resolve: (() => void) | undefined;
    const serial = new SerialOutput(
      {
        write: (data) => {
          pieces.push(new TextDecoder().decode(data));
          return new Promise((ready) => (resolve = ready));
        },
      },
      (hold) => holds.push(hold),
    );
    for (const byte of bytes("hello")) serial.put(byte);
    await settle();
    assert.deepEqual(pieces, ["hello"]);
    for (let i = 0; i < 70_000; i++) serial.put(0x78);
    await settle();
    assert.deepEqual(holds, [true], "more than 64 KiB wait");
    resolve?.();
    await settle();
    assert.deepEqual(holds, [true, false]);
    assert.equal(pieces[1], "x".repeat(70_000), "nothing dropped");
  });

  it("goes on after a terminal that failed", async () => {
    const got: number[] = [];
    const serial = new SerialOutput(
      {
        write: (data) => {
          got.push(...data);
          return Promise.reject(new Error("on purpose"));
        },
      },
      () => undefined,
    );
    serial.put(1);
    await settle();
    serial.put(2);
    await settle();
    assert.deepEqual(got, [1, 2]);
  });
});

describe("the watch for kernel panics", () => {
  const watch = (...pieces: string[]): string[] => {
    const reasons: string[] = [];
    const panic = new PanicWatch((reason) => reasons.push(reason));
    for (const piece of pieces) panic.look(bytes(piece));
    return reasons;
  };
  const line = "[    1.234567] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n";

  it("tells the reason, also when the line comes in single bytes", () => {
    assert.deepEqual(watch(`boot\r\n${line}`), ["VFS: Unable to mount root fs"]);
    assert.deepEqual(watch(...Array.from(line)), ["VFS: Unable to mount root fs"]);
  });

  it("is not fooled by words in the middle of a line, and does not tell before the line is whole", () => {
    assert.deepEqual(watch(`echo '${line}'`), []);
    assert.deepEqual(watch("Kernel panic - not syncing: typed by a person\r\n"), []);
    assert.deepEqual(watch(line.slice(0, -2)), []);
  });
});

describe("the agent in the guest", () => {
  /** A console with the agent's ports, opened by a driver that plays the agent. */
  async function scene(): Promise<{ agent: GuestAgent; guest: ConsoleDriver; ready: () => number }> {
    const device = new ConsoleDevice([{ console: true }, ...AGENT_PORTS.map((name) => ({ name }))]);
    let ready = 0;
    const agent = new GuestAgent(device.ports.slice(1), () => ready++);
    const guest = new ConsoleDriver([], {}, device);
    await guest.handshake();
    await open(guest);
    return { agent, guest, ready: () => ready };
  }

  async function open(guest: ConsoleDriver): Promise<void> {
    for (const id of [1, 2, 3]) await guest.control(id, PORT_OPEN, 1);
    await greeted(guest);
  }

  async function greeted(guest: ConsoleDriver): Promise<void> {
    assert.match(new TextDecoder().decode(await guest.receive(1, 256)), /^\n*hello [0-9a-f]{8}\n$/);
  }

  const sink = (): { text: string; write(data: Uint8Array): undefined } => ({
    text: "",
    write(data) {
      this.text += new TextDecoder().decode(data);
    },
  });

  async function command(guest: ConsoleDriver): Promise<string> {
    let text = new TextDecoder().decode(await guest.receive(1, 256));
    const [header, tag, length] = /^(\w+) (\d+)\n/.exec(text) ?? [];
    assert(header && tag, text);
    const whole = Number(length) + `${tag}\n`.length;
    while (bytes(text.slice(header.length)).length < whole)
      text += new TextDecoder().decode(await guest.receive(1, 256));
    const body = bytes(text.slice(header.length));
    assert.equal(body.length, whole);
    assert.equal(new TextDecoder().decode(body.slice(Number(length))), `${tag}\n`);
    return new TextDecoder().decode(body.slice(0, Number(length)));
  }

  it("gets commands with their length in bytes; output and status come back", async () => {
    const { agent, guest, ready } = await scene();
    const [stdout, stderr] = [sink(), sink()];
    const status = agent.run("echo grüße", { stdout, stderr });
    assert.equal(ready(), 0, "waits for the agent");
    await guest.write(1, bytes("ready\n"));
    assert.equal(ready(), 1);
    assert.equal(await command(guest), "echo grüße");
    await guest.write(2, bytes("grüße\n"));
    await guest.write(3, bytes("careful\n"));
    await guest.write(1, bytes("exit 3\n"));
    assert.equal(await status, 3);
    assert.deepEqual([stdout.text, stderr.text], ["grüße\n", "careful\n"]);
  });

  it("refuses a command that is longer than Linux takes", async () => {
    const { agent } = await scene();
    await assert.rejects(agent.run("é".repeat(65536)), /^RangeError: The command has 131072 bytes/);
  });

  it("runs one command after the other", async () => {
    const { agent, guest } = await scene();
    await guest.write(1, bytes("ready\n"));
    const [first, second] = [agent.run("one"), agent.run("two")];
    assert.equal(await command(guest), "one");
    await guest.write(1, bytes("exit 0\n"));
    assert.equal(await first, 0);
    assert.equal(await command(guest), "two");
    await guest.write(1, bytes("ex"));
    await guest.write(1, bytes("it 255\n"));
    assert.equal(await second, 255);
  });

  it("an agent that goes away ends its command, and what was not read yet is not given to the next one", async () => {
    const { agent, guest } = await scene();
    await guest.write(1, bytes("ready\n"));
    const lost = assert.rejects(agent.run("never read"), GuestGoneError);
    await guest.control(1, PORT_OPEN, 0);
    await lost;
    await guest.control(1, PORT_OPEN, 1);
    await greeted(guest);
    await guest.write(1, bytes("ready\n"));
    const status = agent.run("read");
    assert.equal(await command(guest), "read");
    await guest.write(1, bytes("exit 0\n"));
    assert.equal(await status, 0);
  });

  it("a reset of the guest ends the command; one that waits is run by the next guest", async () => {
    const { agent, guest } = await scene();
    await guest.write(1, bytes("ready\n"));
    const lost = assert.rejects(agent.run("first"), GuestGoneError);
    const waiting = agent.run("second");
    guest.driver.start();
    await lost;
    guest.messages.length = 0;
    guest.listen();
    await guest.handshake();
    await open(guest);
    await guest.write(1, bytes("ready\n"));
    assert.equal(await command(guest), "second");
    await guest.write(1, bytes("exit 0\n"));
    assert.equal(await waiting, 0);
  });

  it("nonsense on its port does no harm", async () => {
    const { agent, guest } = await scene();
    await guest.write(1, bytes("exit 0\nexit\nexit 1234\n\n"));
    await guest.write(1, new Uint8Array(10_000).fill(0x41));
    await guest.write(1, bytes("\nready\n"));
    const status = agent.run("true");
    assert.equal(await command(guest), "true");
    await guest.write(1, bytes("exit 0\n"));
    assert.equal(await status, 0);
  });

  it("a wait that is given up rejects; the next command waits for the end of the old one", async () => {
    const { agent, guest } = await scene();
    await guest.write(1, bytes("ready\n"));
    const controller = new AbortController();
    const given = assert.rejects(agent.run("sleep 100", { signal: controller.signal }), {
      name: "AbortError",
    });
    const next = agent.run("next");
    assert.equal(await command(guest), "sleep 100");
    controller.abort();
    await given;
    await guest.write(1, bytes("exit 0\n"));
    assert.equal(await command(guest), "next");
    await guest.write(1, bytes("exit 7\n"));
    assert.equal(await next, 7);
    await assert.rejects(agent.run("never", { signal: controller.signal }), { name: "AbortError" });
  });
});
