/** Who may enter a room, who is told what of whom, how a relay ends, and what it tells its operator. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { Log } from "../../server/relay/log.ts";
import { Counters, metricsText } from "../../server/relay/metrics.ts";
import { isSameHost } from "../../server/relay/origin.ts";
import { rosterMessage } from "../../server/relay/roster.ts";
import { arpPacket } from "../../src/net/arp.ts";
import { LONGEST_CONTROL, type Member } from "../../src/net/relay-protocol.ts";
import { WebSocket } from "ws";
import {
  BROADCAST,
  join,
  mac,
  macBytes,
  packet,
  Peer,
  startRelay,
  type TestRelay,
  until,
} from "./relay-support.ts";

describe("secrets", () => {
  let relay: TestRelay;
  before(async () => {
    relay = await startRelay({ doors: { secrets: new Map([["locked", "open sesame & more"]]) } });
  });
  after(() => relay[Symbol.asyncDispose]());

  it("let in who knows them, and nobody else", async () => {
    const inside = await join(relay, "locked", mac(1), { secret: "open sesame & more" });
    assert.equal(inside.welcome.members.length, 1);
    for (const secret of [undefined, "", "open", "open sesame & more "]) {
      const peer = new Peer(
        `${relay.url}?room=locked${secret === undefined ? "" : `&secret=${encodeURIComponent(secret)}`}`,
        true,
      );
      await until(() => peer.closed, "the close");
      assert.equal(peer.closed!.code, 4401);
    }
    assert.equal(relay.relay.gauges.members, 1);
  });

  it("are not ignored by a room that has none", async () => {
    const peer = new Peer(`${relay.url}?room=open&secret=x`, false);
    await until(() => peer.closed, "the close");
    assert.equal(peer.closed!.code, 4401);
    assert.match(peer.closed!.reason, /--secret/);
  });

  it("are in no line of the log", () => {
    assert.ok(relay.log.length > 0);
    assert.doesNotMatch(relay.log.join(""), /sesame/);
  });
});

describe("origins", () => {
  it("the relay's own host, those that were named, and programs may use it", async () => {
    await using relay = await startRelay({ doors: { origins: ["https://example.org"] } });
    const own = relay.http;
    for (const origin of [undefined, own, "https://example.org"]) {
      const peer = await join(relay, "a", mac(1), { options: { ...(origin !== undefined && { origin }) } });
      assert.equal(peer.closed, undefined, origin);
      peer.socket.terminate();
    }
    for (const origin of [
      "https://example.org.evil.example",
      "http://example.org",
      "null",
      "http://localhost:1",
    ]) {
      const peer = new Peer(`${relay.url}?room=a`, true, { origin });
      await until(() => peer.closed, "the close");
      assert.equal(peer.closed!.code, 4403, origin);
    }
  });

  it("a name that was made to lead to this computer is not this computer", () => {
    assert.equal(isSameHost("http://localhost:8086", "localhost:8086", "127.0.0.1", false), true);
    assert.equal(isSameHost("http://[::1]:8086", "[::1]:8086", "::1", false), true);
    assert.equal(isSameHost("http://evil.example:8086", "evil.example:8086", "127.0.0.1", false), false);
    assert.equal(
      isSameHost("http://evil.example:8086", "evil.example:8086", "::ffff:127.0.0.1", false),
      false,
    );
    assert.equal(isSameHost("https://rooms.example", "rooms.example", "127.0.0.1", true), true);
    assert.equal(isSameHost("https://rooms.example", "rooms.example:443", "192.0.2.1", false), true);
    assert.equal(isSameHost("https://rooms.example", "other.example", "192.0.2.1", false), false);
  });
});

describe("the roster", () => {
  it("says who came, went, and has which addresses", async () => {
    await using relay = await startRelay();
    const one = await join(relay, "roster", mac(1), { name: "one" });
    assert.deepEqual(
      one.welcome.members.map(({ name, macs, addresses, plain }) => ({ name, macs, addresses, plain })),
      [{ name: "one", macs: [mac(1)], addresses: [], plain: false }],
    );
    assert.equal(one.welcome.members[0]!.id, one.welcome.id);
    const two = await join(relay, "roster", undefined);
    await until(() => one.members.length === 2, "the plain member");
    const bytes = Uint8Array.from(macBytes(mac(2)));
    two.send(
      arpPacket(Uint8Array.from(macBytes(BROADCAST)), {
        operation: 1,
        senderMac: bytes,
        senderAddress: Uint8Array.of(10, 77, 3, 4),
        targetMac: new Uint8Array(6),
        targetAddress: Uint8Array.of(10, 77, 0, 1),
      }),
      neighbourPacket(mac(2), 0xfd),
      // Asks whether somebody has an address: it does not have it yet.
      neighbourPacket(mac(2), 0),
    );
    await until(() => one.members.some(({ addresses }) => addresses.length === 2), "its addresses");
    const entry = one.members.find(({ plain }) => plain)!;
    assert.deepEqual(entry.macs, [mac(2)]);
    assert.deepEqual(entry.addresses, ["10.77.3.4", "fd00::9"]);
    two.socket.close();
    await until(() => one.members.length === 1, "its leaving");
  });

  it("becomes one message where much happens at once", async () => {
    await using relay = await startRelay();
    const one = await join(relay, "busy", mac(1));
    const before = one.said.length;
    await Promise.all(Array.from({ length: 20 }, () => join(relay, "busy", undefined)));
    await until(() => one.members.length === 21, "all of them");
    assert.ok(one.said.length - before <= 10, `${one.said.length - before} messages`);
  });

  it("fits its message whatever members have", () => {
    const members = Array.from({ length: 256 }, (_, i): Member => ({
      id: `${i}`.padStart(12, "0"),
      name: "\u{1f600}".repeat(40),
      macs: Array.from({ length: 17 }, (_, j) => mac(j)),
      addresses: Array.from({ length: 8 }, () => "fd00:1111:2222:3333:4444:5555:6666:7777"),
      since: Date.now(),
      plain: false,
    }));
    const text = rosterMessage({ type: "members", members });
    assert.ok(Buffer.byteLength(text) <= LONGEST_CONTROL);
    assert.equal((JSON.parse(text) as { members: Member[] }).members.length, 256);
  });
});

describe("the end", () => {
  it("members are told and closed, others are not let in, who does not answer is cut", async () => {
    const relay = await startRelay({ patience: { close: 150 } });
    const [extended, plain, stuck] = [
      await join(relay, "end", mac(1)),
      await join(relay, "end", undefined),
      await join(relay, "end", mac(3)),
    ];
    stuck.vanish();
    const [health] = await Promise.all([fetch(`${relay.http}/health`)]);
    assert.equal(health.status, 200);
    const closed = relay.relay.close();
    assert.equal((await fetch(`${relay.http}/health`)).status, 503);
    const late = new WebSocket(`${relay.url}?room=end`);
    const [error] = (await once(late, "error")) as [Error];
    assert.match(error.message, /503/);
    await closed;
    await until(() => extended.closed && plain.closed, "the closes");
    assert.deepEqual([extended.closed!.code, plain.closed!.code], [1001, 1001]);
    assert.ok(extended.said.some(({ type }) => type === "leaving"));
    assert.equal(relay.relay.gauges.members, 0);
    await relay[Symbol.asyncDispose]();
  });
});

describe("what an operator sees", () => {
  it("health and metrics, which Prometheus can read and in which nobody is named", async () => {
    await using relay = await startRelay();
    const [one, two] = [await join(relay, "private-name", mac(1)), await join(relay, "private-name", mac(2))];
    one.send(packet(mac(2), mac(1), 1, 100));
    await until(() => two.packets.length === 1, "the packet");
    const health: unknown = await (await fetch(`${relay.http}/health`)).json();
    assert.deepEqual(health, { status: "ok", rooms: 1, members: 2 });
    const response = await fetch(`${relay.http}/metrics`);
    assert.match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    assert.doesNotMatch(text, /private-name/);
    const values = parseMetrics(text);
    for (const [name, value] of Object.entries({
      rooms: 1,
      members: 2,
      mac_addresses: 2,
      joins_total: 2,
      received_packets_total: 1,
      received_bytes_total: 100,
      sent_packets_total: 1,
      'dropped_packets_total{reason="spoofed"}': 0,
    })) {
      assert.equal(values.get(`ringside_relay_${name}`), value, name);
    }
  });

  it("metrics of shared rooms", () => {
    const gauges = {
      rooms: 0,
      members: 0,
      connections: 0,
      macs: 0,
      queuedBytes: 0,
      shared: { connected: true, relays: 2 },
    };
    assert.equal(parseMetrics(metricsText(new Counters(), gauges)).get("ringside_relay_other_relays"), 2);
  });

  it("a log of whole lines at the level asked for, without end only in number", () => {
    const lines: string[] = [];
    const log = new Log({ level: "info", format: "json", write: (line) => lines.push(line) });
    log.debug("Not this.");
    log.info("This.", { room: "a\nb", other: undefined });
    const { time, ...rest } = JSON.parse(lines[0]!) as Record<string, unknown>;
    assert.ok(!Number.isNaN(Date.parse(String(time))));
    assert.deepEqual(rest, { level: "info", text: "This.", room: "a\nb" });
    for (let i = 0; i < 1000; i++) log.warn("Again.");
    assert.ok(lines.length < 250, `${lines.length} lines`);
    assert.ok(lines.every((line) => line.indexOf("\n") === line.length - 1));
    const plain: string[] = [];
    new Log({ level: "debug", format: "plain", write: (line) => plain.push(line) }).debug("A", {
      name: "x\u001b\n",
    });
    assert.match(plain[0]!, /^\S+ debug A name="x\\u001b\\n"\n$/);
  });
});

/** Samples by name and labels; throws at what is not the text format. */
function parseMetrics(text: string): Map<string, number> {
  const values = new Map<string, number>();
  const types = new Map<string, string>();
  assert.ok(text.endsWith("\n"));
  for (const line of text.trimEnd().split("\n")) {
    const [, type, kind] = /^# TYPE (\S+) (counter|gauge)$/.exec(line) ?? [];
    if (type) types.set(type, kind!);
    else if (!line.startsWith("# HELP ")) {
      const [, name, labels = "", value] = /^([a-z_]+)(\{[a-z_]+="[a-z_]+"\})? (\d+(?:\.\d+)?)$/.exec(line)!;
      assert.ok(types.has(name!), `${name!} has no type`);
      assert.equal(types.get(name!) === "counter", name!.endsWith("_total"));
      values.set(name! + labels, Number(value));
    }
  }
  return values;
}

/** A neighbour solicitation from fd00::9, or from nobody when `first` is 0. */
function neighbourPacket(from: string, first: number): Uint8Array {
  const bytes = packet("33:33:ff:00:00:01", from, 0, 86);
  bytes.set([0x86, 0xdd, 0x60], 12 + 12);
  bytes.set([0, 32, 58, 255], 12 + 14 + 4);
  if (first) {
    bytes[12 + 14 + 8] = first;
    bytes[12 + 14 + 23] = 9;
  }
  bytes[12 + 14 + 40] = 135;
  return bytes;
}
