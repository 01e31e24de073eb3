import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Front } from "../../src/backends/net/front.ts";
import { GATEWAY_MAC } from "../../src/backends/net/gateway/addresses.ts";
import { leads, Relays } from "../../src/backends/net/relays.ts";
import { BACKOFF, Backoff } from "../../src/backends/net/backoff.ts";
import { Tabs } from "../../src/backends/net/tabs.ts";
import { noWireCounters, type SharedWire, type WireStatus } from "../../src/backends/net/wire.ts";
import { ArpOperation, arpPacket } from "../../src/net/arp.ts";
import { HEADER } from "../../src/net/packet.ts";
import type { NetPort } from "../../src/virtio/net-backend.ts";
import { tcp } from "./packets.ts";
import { frame, TestPort, until } from "./wire-support.ts";

let channels = 0;

function enter(channel: string, last: number): { tabs: Tabs; port: TestPort } & AsyncDisposable {
  const tabs = new Tabs({ channel, name: `tab${last}` });
  const port = new TestPort(last);
  tabs.connect(port);
  return { tabs, port, [Symbol.asyncDispose]: () => tabs.dispose() };
}

const names = ({ status }: Tabs) => status.members.map(({ name }) => name).sort();

void describe("tabs", { concurrency: true }, () => {
  void it("see each other come and go, with their addresses", async () => {
    const channel = `test${channels++}`;
    await using one = enter(channel, 1);
    const two = enter(channel, 2);
    await until(() => names(one.tabs).length === 2 && names(two.tabs).length === 2, "both see both");
    assert.deepEqual(names(one.tabs), ["tab1", "tab2"]);
    const address = Uint8Array.of(10, 77, 3, 4);
    const { mac } = two.port;
    void two.tabs.send(
      arpPacket(one.port.mac, {
        operation: ArpOperation.REPLY,
        senderMac: mac,
        senderAddress: address,
        targetMac: one.port.mac,
        targetAddress: address,
      }),
    );
    const seen = () => one.tabs.status.members.find(({ name }) => name === "tab2")?.addresses;
    await until(() => seen()?.[0] === "10.77.3.4", "its address");
    await two.tabs.dispose();
    await until(() => names(one.tabs).length === 1, "it is gone");
  });

  void it("packets arrive whole, with their headers; those of one turn together; other channels hear nothing", async () => {
    const channel = `test${channels++}`;
    await using one = enter(channel, 1);
    await using two = enter(channel, 2);
    await using stranger = enter(`test${channels++}`, 3);
    await until(() => names(one.tabs).length === 2, "they know each other");
    const sent = [frame(2, 1), tcp({ payload: new Uint8Array(60_000), gsoSize: 1448 })];
    for (const packet of sent) assert.equal(one.tabs.send(packet.slice()), undefined);
    await until(() => two.port.packets.length === 2, "both");
    assert.deepEqual(two.port.packets, sent);
    assert.equal(stranger.port.packets.length, 0);
  });

  void it("what is for one of them is not looked at by the others", async () => {
    const channel = `test${channels++}`;
    await using one = enter(channel, 1);
    await using two = enter(channel, 2);
    await using three = enter(channel, 3);
    await until(() => names(one.tabs).length === 3 && names(two.tabs).length === 3, "all are here");
    void two.tabs.send(frame(1, 2)); // unknown: to all
    await until(() => one.port.packets.length === 1 && three.port.packets.length === 1, "to all");
    void one.tabs.send(frame(2, 1));
    await until(() => two.port.packets.length === 1, "to the one");
    assert.equal(three.port.packets.length, 1);
  });

  void it("hold a guest back while another has no room", async () => {
    const channel = `test${channels++}`;
    await using one = enter(channel, 1);
    await using two = enter(channel, 2);
    await until(() => names(one.tabs).length === 2, "they know each other");
    two.port.hasRoom = false;
    let waiting: Promise<void> | undefined;
    for (let sent = 0; !waiting && sent < 200; sent++) {
      waiting = one.tabs.send(frame(2, 1, 65_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(waiting, "it never asked to wait");
    two.port.hasRoom = true;
    await until(() => two.port.packets.length > 60, "all that is under way");
    two.tabs.resume();
    await waiting;
  });

  void it("anything may be said on the channel", async () => {
    const channel = `test${channels++}`;
    await using one = enter(channel, 1);
    const anybody = new BroadcastChannel(`ringside.net.${channel}`);
    const batch = new Uint8Array(20).fill(255);
    for (const message of [
      null,
      7,
      "here",
      {},
      { type: "here" },
      { type: "here", member: { id: 7 } },
      { type: "packets", id: "x", batch },
      { type: "packets", id: "x", batch: new Uint8Array(300_000) },
      { type: "packets", id: "x", batch: [1, 2] },
      { type: "taken", id: "x", to: one.tabs.status.self, bytes: -1 },
      { type: "gone", id: one.tabs.status.self },
    ]) {
      anybody.postMessage(message);
    }
    for (let i = 0; i < 200; i++) {
      anybody.postMessage({ type: "here", member: { id: `m${i}`, name: "m", macs: [], addresses: [] } });
    }
    await until(() => one.tabs.status.members.length === 65, "as many as there may be");
    anybody.close();
    assert.equal(one.port.packets.length, 0);
  });
});

/** A wire that a test moves. */
class TestWire implements SharedWire {
  onStatus: ((status: WireStatus) => void) | undefined;
  hasUplink = false;
  readonly sent: Uint8Array[] = [];
  port: NetPort | undefined;
  status: WireStatus = {
    state: "connecting",
    since: 0,
    reason: undefined,
    retryAt: undefined,
    relay: undefined,
    self: undefined,
    members: [],
    lease: undefined,
    counters: noWireCounters(),
  };

  connect(port: NetPort): void {
    this.port = port;
  }

  send(packet: Uint8Array): undefined {
    this.sent.push(packet);
  }

  resume(): void {
    // Nothing to do.
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }

  become(change: Partial<WireStatus>): void {
    this.status = { ...this.status, ...change };
    this.onStatus?.(this.status);
  }
}

/** An ARP request of the guest for its gateway. */
function question(from: TestPort): Uint8Array {
  return arpPacket(new Uint8Array(6).fill(255), {
    operation: ArpOperation.REQUEST,
    senderMac: from.mac,
    senderAddress: Uint8Array.of(10, 77, 1, 1),
    targetMac: new Uint8Array(6),
    targetAddress: Uint8Array.of(10, 77, 0, 1),
  });
}

void describe("a gateway in front of a wire", () => {
  void it("answers for itself, passes on the rest, and refuses what pretends to come from it", async () => {
    const wire = new TestWire();
    const front = new Front(wire, { mtu: 1500, http: false });
    const port = new TestPort();
    front.connect(port);
    wire.become({ state: "up" });
    wire.port!.setLink(true);
    assert.deepEqual(port.calls, [true]);
    void front.send(question(port));
    assert.equal(port.packets.length, 1);
    assert.equal(wire.sent.length, 0);
    void front.send(frame(2, 1));
    assert.deepEqual(wire.sent, [frame(2, 1)]);
    wire.port!.receive(frame(1, 2));
    const forged = frame(1, 2);
    forged.set(GATEWAY_MAC, HEADER + 6);
    wire.port!.receive(forged);
    assert.deepEqual(port.packets.slice(1), [frame(1, 2)]);
    assert.equal(front.status.counters.dropped, 1);
    await front.dispose();
  });

  void it("is not there while the room has an uplink", async () => {
    const wire = new TestWire();
    const front = new Front(wire, { mtu: 1500, http: false });
    const port = new TestPort();
    front.connect(port);
    wire.hasUplink = true;
    wire.become({ state: "up" });
    void front.send(question(port));
    assert.equal(port.packets.length, 0);
    assert.equal(wire.sent.length, 1);
    wire.hasUplink = false;
    wire.become({ state: "up" });
    void front.send(question(port));
    assert.equal(port.packets.length, 1);
    await front.dispose();
  });
});

void describe("which relay is next", () => {
  void it("is one after the other, then those that were named; none that refused", () => {
    const relays = new Relays(["wss://a.example/relay", "wss://b.example/relay"]);
    relays.learn(["wss://c.example/relay", "wss://b.example/relay", "nonsense"]);
    const seen = [relays.current];
    for (let i = 0; i < 3; i++) {
      assert.ok(relays.next());
      seen.push(relays.current);
    }
    assert.deepEqual(
      seen.map((url) => new URL(url).hostname[0]),
      ["a", "b", "c", "a"],
    );
    for (let i = 0; i < 3; i++) {
      relays.refuse();
      assert.equal(relays.next(), i < 2);
    }
    relays.forgive();
    assert.ok(relays.next());
  });

  void it("a relay of the internet leads to no door in our own network, and not out of TLS", () => {
    const secure = "wss://relay.example/relay";
    for (const to of [
      "wss://127.0.0.1/",
      "wss://localhost/",
      "wss://192.168.1.1/",
      "wss://[::1]/",
      "wss://[::ffff:10.0.0.1]/",
      "wss://printer/",
      "wss://0x7f.1/",
      "ws://other.example/",
      "http://other.example/",
      "",
    ]) {
      assert.equal(leads(secure, to), false, to);
    }
    assert.ok(leads(secure, "wss://other.example/"));
    assert.ok(leads("ws://127.0.0.1:8086/relay", "ws://127.0.0.1:8087/relay"));
  });

  void it("waits grow to their bound, once for each round, and are not all the same", () => {
    for (const random of [0, 0.999]) {
      const backoff = new Backoff(() => random);
      const waits = Array.from({ length: 40 }, () => backoff.next(2));
      assert.equal(waits[0], waits[1]);
      assert.ok(waits[2]! > waits[1]!);
      assert.ok(
        waits[0]! >= BACKOFF.least / 2 && waits.at(-1)! <= BACKOFF.most && waits.at(-1)! >= BACKOFF.most / 2,
      );
      backoff.reset();
      assert.equal(backoff.next(2), waits[0]);
    }
  });
});
