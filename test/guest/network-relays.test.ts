/** Three real guests on two relays that share their rooms over a real NATS server; one relay dies in the middle. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { ensureTool } from "../tools/ensure.ts";
import { freePort } from "../tools/free-port.ts";
import { startRelay, type RelayProcess } from "../tools/relay-process.ts";
import { boot, type Guest, until } from "./support.ts";

void describe("three guests on two relays", { concurrency: 1 }, () => {
  let nats: ChildProcess | undefined;
  let relays: RelayProcess[] = [];
  let guests: Guest[] = [];

  before(async () => {
    const port = await freePort();
    const { command, env } = await ensureTool("nats-server");
    nats = spawn(command, ["--addr", "127.0.0.1", "--port", String(port)], { env, stdio: "ignore" });
    await until(() => answers(port), "nats-server listens");
    const options = ["--nats", `nats://127.0.0.1:${port}`, "--log", "warn"];
    relays = await Promise.all([startRelay(options), startRelay(options)]);
    const [first, second] = relays.map(({ url }) => url);
    guests = await Promise.all([
      enter("one", `${first} ${second}`),
      enter("two", `${first} ${second}`),
      enter("three", `${second} ${first}`),
    ]);
  });
  after(async () => {
    await Promise.all(guests.map((guest) => guest[Symbol.asyncDispose]()));
    await Promise.all(relays.map((relay) => relay[Symbol.asyncDispose]()));
    if (nats?.exitCode === null) {
      const ended = once(nats, "exit");
      nats.kill();
      await ended;
    }
  });

  const enter = (name: string, relay: string): Promise<Guest> =>
    boot(`memory=96M&device=net,wire=room:lab,relay=${relay},name=${name}`);

  void it("are in one room: each sees and reaches the others", async () => {
    for (const guest of guests) {
      await until(
        () => namesIn(guest).join() === "one,three,two",
        `everybody is there: ${namesIn(guest).join()}`,
      );
    }
    const [one, two, three] = guests as [Guest, Guest, Guest];
    assert.match(await one.sh("ping -c2 three.ringside"), / 0% packet loss/);
    assert.match(await two.sh("ping -c2 one.ringside"), / 0% packet loss/);
    assert.match(await three.sh("ping -c2 two.ringside"), / 0% packet loss/);
  });

  void it("a connection between the relays goes on when one of them is killed", async () => {
    const [one, , three] = guests as [Guest, Guest, Guest];
    // nc tells the other end when its own input is over, and that one would end then.
    const arrived = three.sh("mkfifo /tmp/open; sleep 300 >/tmp/open & nc -l -p 9000 </tmp/open");
    const sent = one.sh(
      "sleep 1; i=0; while [ $i -lt 200 ]; do echo line $((i += 1)); usleep 50000; done | nc three.ringside 9000",
    );
    await new Promise((resolve) => setTimeout(resolve, 4000));
    await relays[0]!.kill();
    await sent;
    const lines = (await arrived).split("\n");
    assert.deepEqual(
      lines,
      Array.from({ length: 200 }, (_, index) => `line ${index + 1}`),
    );
    for (const { machine } of guests) {
      const { status } = machine.networks()[0]!;
      assert.equal(status.state, "up");
      assert.equal(new URL(status.relay!).port, String(relays[1]!.port));
    }
    await until(() => namesIn(three).join() === "one,three,two", "everybody is at the other relay");
  });
});

function namesIn({ machine }: Guest): string[] {
  return machine
    .networks()[0]!
    .status.members.map(({ name }) => name)
    .sort();
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
