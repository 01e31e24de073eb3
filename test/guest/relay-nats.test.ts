/** Relays that share their rooms over a real nats-server, which comes and goes; one of them in a process that is killed. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { after, afterEach, before, describe, it } from "node:test";
import { NatsSharing } from "../../server/relay/nats/sharing.ts";
import { ensureTool } from "../tools/ensure.ts";
import { freePort } from "../tools/free-port.ts";
import { startRelay as startProcess } from "../tools/relay-process.ts";
import {
  BROADCAST,
  join,
  mac,
  packet,
  type Peer,
  startRelay,
  type TestRelay,
  type TestRelayOptions,
  until,
} from "../unit/relay-support.ts";

describe("relays that share their rooms", { concurrency: 1 }, () => {
  let port: number;
  let nats: ChildProcess;
  const relays: TestRelay[] = [];
  let room = 0;

  const startNats = async (): Promise<void> => {
    const { command, env } = await ensureTool("nats-server");
    nats = spawn(command, ["--addr", "127.0.0.1", "--port", String(port)], { env, stdio: "ignore" });
    while (!(await answers(port))) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const stopNats = async (): Promise<void> => {
    const ended = once(nats, "exit");
    nats.kill("SIGKILL");
    await ended;
  };

  before(async () => {
    port = await freePort();
    await startNats();
  });
  after(stopNats);
  afterEach(async () => {
    for (const relay of relays.splice(0)) await relay[Symbol.asyncDispose]();
  });

  const start = async (url?: string, more: TestRelayOptions = {}): Promise<TestRelay> => {
    const relay = await startRelay({
      shareOver: (parts) => new NatsSharing({ server: `nats://127.0.0.1:${port}`, url, ...parts }),
      ...more,
    });
    relays.push(relay);
    return relay;
  };
  /** So many relays that know each other, and a member of one room at each. */
  const together = async (count: number): Promise<{ relays: TestRelay[]; peers: Peer[]; name: string }> => {
    const started: TestRelay[] = [];
    for (let i = 0; i < count; i++) started.push(await start(`wss://relay-${i}.example/relay`));
    await until(
      () => started.every((each) => sharedBy(each).relays === count - 1),
      "the relays to know each other",
    );
    const name = `shared.room-${room++}`;
    const peers: Peer[] = [];
    for (const [i, relay] of started.entries())
      peers.push(await join(relay, name, mac(i + 1), { name: `peer ${i}` }));
    await until(
      () => peers.every(({ members }) => members.length === count),
      "the members to see each other",
    );
    return { relays: started, peers, name };
  };

  it("a room is one room: who is there, what is for all, what is for one", async () => {
    const { relays, peers } = await together(3);
    const [one, two, three] = peers as [Peer, Peer, Peer];
    assert.deepEqual(one.members.map(({ name }) => name).sort(), ["peer 0", "peer 1", "peer 2"]);
    const { others } = one.said.findLast((message) => message.type === "members")!;
    assert.deepEqual(others!.sort(), ["wss://relay-1.example/relay", "wss://relay-2.example/relay"]);
    one.send(
      packet(BROADCAST, mac(1), 1),
      packet(mac(2), mac(1), 2),
      packet(mac(3), mac(1), 3),
      packet(mac(77), mac(1), 4),
    );
    two.send(packet(mac(3), mac(2), 5));
    await until(() => two.packets.length === 3 && three.packets.length === 4, "the packets");
    assert.deepEqual(
      two.numbers,
      [1, 4, 2].sort((a, b) => two.numbers.indexOf(a) - two.numbers.indexOf(b)),
    );
    assert.deepEqual([...three.numbers].sort(), [1, 3, 4, 5]);
    assert.deepEqual(one.packets, []);
    // A unicast crossed once, not to whom it was not for.
    assert.equal(relays[2]!.relay.counters.dropped.relays, 0);
    assert.equal(relays[1]!.relay.counters.relaysPacketsIn, 3);
  });

  it("rooms with other names, and relays that have nobody in it, get nothing", async () => {
    const { relays, peers, name } = await together(2);
    const third = await start();
    const elsewhere = await join(third, `${name}x`, mac(3));
    peers[0]!.send(packet(BROADCAST, mac(1), 1));
    await until(() => peers[1]!.packets.length === 1, "the packet");
    assert.equal(third.relay.counters.relaysPacketsIn, 0);
    assert.equal(elsewhere.welcome.members.length, 1);
    assert.equal(relays[0]!.relay.gauges.members, 1);
  });

  it("an address is one member's at all relays", async () => {
    const { relays, peers } = await together(2);
    const [one, two] = peers as [Peer, Peer];
    two.send(packet(mac(2), mac(1), 1), packet(BROADCAST, mac(1), 2), packet(mac(1), mac(2), 3));
    await until(() => one.packets.length === 1, "the packet that is right");
    assert.deepEqual(one.numbers, [3]);
    assert.equal(relays[1]!.relay.counters.dropped.spoofed, 2);
  });

  it("who goes to another relay is found there at once, also when nobody noticed its going", async () => {
    const { relays, peers, name } = await together(2);
    const [one, two] = peers as [Peer, Peer];
    one.socket.terminate();
    const again = await join(relays[1]!, name, mac(1), { name: "peer 0" });
    await until(
      () => two.members.length === 2 && !two.members.some(({ id }) => id === one.welcome.id),
      "its leaving",
    );
    again.send(packet(mac(2), mac(1), 1));
    two.send(packet(mac(1), mac(2), 2));
    await until(() => two.numbers.includes(1) && again.numbers.includes(2), "packets both ways");

    const third = await start(undefined, { patience: { probe: 200 } });
    const far = await join(third, name, mac(3));
    await until(() => two.members.length === 3, "a third one");
    far.vanish();
    const back = await join(relays[0]!, name, mac(3));
    await until(() => third.relay.counters.refused.silent === 1, "the relay to find that it does not answer");
    await until(
      () => back.members.some(({ id, macs }) => id === back.welcome.id && macs.includes(mac(3))),
      "its address",
    );
    two.send(packet(mac(3), mac(2), 3));
    await until(() => back.numbers.includes(3), "a packet for it");
  });

  it("a relay that is killed is forgotten: at once where its members come back, soon everywhere", async () => {
    const { relays, peers, name } = await together(2);
    const [one, two] = peers as [Peer, Peer];
    const killed = await startProcess(["--log", "silent", "--nats", `nats://127.0.0.1:${port}`]);
    const third = await join(killed, name, mac(3));
    await until(() => one.members.length === 3 && two.members.length === 3, "a third one");
    await killed.kill();
    await until(() => third.closed, "its connection to end");
    const again = await join(relays[0]!, name, mac(3));
    await until(
      () => one.members.some(({ id, macs }) => id === again.welcome.id && macs.length === 1),
      "its address",
    );
    again.send(packet(mac(2), mac(3), 1));
    await until(
      () => two.packets.length === 1 || relays[1]!.relay.counters.dropped.spoofed > 0,
      "a packet from it",
    );
    await until(
      () => two.members.length === 3 && two.members.some(({ id }) => id === again.welcome.id),
      "one relay less",
    );
    two.send(packet(mac(3), mac(2), 2));
    await until(() => again.numbers.includes(2), "a packet for it");
    await until(
      () => relays.every((each) => sharedBy(each).relays === 1),
      "both to have forgotten the relay",
    );
  });

  it("a relay that ends says so", async () => {
    const { relays, peers } = await together(2);
    await relays[0]!.relay.close();
    await until(() => peers[1]!.members.length === 1, "an empty room");
    assert.equal(sharedBy(relays[1]!).relays, 0);
  });

  it("NATS goes: rooms go on at each relay, which is degraded; it comes back: rooms are whole again", async () => {
    const { relays, peers, name } = await together(2);
    const [one, two] = peers as [Peer, Peer];
    await stopNats();
    await until(() => relays.every((each) => !sharedBy(each).connected), "both to notice");
    const health = await fetch(`${relays[0]!.http}/health`);
    assert.equal(health.status, 200);
    assert.equal(((await health.json()) as { status: string }).status, "degraded");
    const near = await join(relays[0]!, name, mac(9));
    near.send(packet(mac(1), mac(9), 1), packet(mac(2), mac(9), 2), packet(BROADCAST, mac(9), 3));
    await until(() => one.packets.length === 2, "packets within the relay");
    await until(() => one.members.length === 2, "the others to be forgotten");
    await startNats();
    await until(() => one.members.length === 3 && two.members.length === 3, "the room to be whole");
    near.send(packet(mac(2), mac(9), 4));
    two.send(packet(mac(9), mac(2), 5));
    await until(() => two.numbers.includes(4) && near.numbers.includes(5), "packets between the relays");
  });

  it("begins without NATS, and shares when it is there", async () => {
    await stopNats();
    const [a, b] = [await start(), await start()];
    const one = await join(a, "late", mac(1));
    const two = await join(b, "late", mac(2));
    assert.equal(one.welcome.members.length + two.welcome.members.length, 2);
    await startNats();
    await until(() => one.members.length === 2 && two.members.length === 2, "one room");
    one.send(packet(mac(2), mac(1), 1));
    await until(() => two.packets.length === 1, "a packet");
  });

  it("an address that two members took while the relays were apart is whose came first", async () => {
    await stopNats();
    const [a, b] = [await start(), await start()];
    const first = await join(a, "apart", mac(1));
    await new Promise((resolve) => setTimeout(resolve, 5));
    const second = await join(b, "apart", mac(1));
    await startNats();
    await until(() => first.members.length === 2 && second.members.length === 2, "one room");
    const owners = (peer: Peer) =>
      peer.members.filter(({ macs }) => macs.includes(mac(1))).map(({ id }) => id);
    await until(
      () => owners(first).join() === first.welcome.id && owners(second).join() === first.welcome.id,
      "both to agree",
    );
  });
});

function sharedBy({ relay }: TestRelay): { connected: boolean; relays: number } {
  return relay.gauges.shared!;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => resolve(false));
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}
