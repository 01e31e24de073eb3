/** Members and strangers that do a relay harm: what they get, and that others notice nothing. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { get } from "node:http";
import { connect, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { memoryBound, SHARE, STANDARD } from "../../server/relay/limits.ts";
import { LONGEST_BATCH, WINDOW } from "../../src/net/relay-protocol.ts";
import { BROADCAST, join, mac, packet, Peer, startRelay, type TestRelay, until } from "./relay-support.ts";

const PROTOCOL = 4400;

describe("what a member says wrongly", () => {
  let relay: TestRelay;
  before(async () => {
    relay = await startRelay();
  });
  after(() => relay[Symbol.asyncDispose]());

  const enter = async (): Promise<Peer> => {
    const peer = new Peer(`${relay.url}?room=wrong`, true);
    await once(peer.socket, "open");
    return peer;
  };

  const beginnings: [what: string, message: string | Buffer][] = [
    ["no JSON", "{"],
    ["JSON that is no object", "7"],
    ["null", "null"],
    ["an unknown type", '{"type":"hullo"}'],
    ["a hello without an address", '{"type":"hello"}'],
    ["a group's address", '{"type":"hello","mac":"01:00:00:00:00:01"}'],
    ["nobody's address", '{"type":"hello","mac":"00:00:00:00:00:00"}'],
    ["half an address", '{"type":"hello","mac":"02:00:00"}'],
    ["a name that is no text", '{"type":"hello","mac":"02:00:00:00:00:01","name":{}}'],
    ["a window that is too small", `{"type":"hello","mac":"02:00:00:00:00:01","window":${WINDOW.least - 1}}`],
    ["a window that is too large", `{"type":"hello","mac":"02:00:00:00:00:01","window":${WINDOW.most + 1}}`],
    ["a window of a half", `{"type":"hello","mac":"02:00:00:00:00:01","window":300000.5}`],
    ["negative credit", '{"type":"credit","bytes":-1}'],
    ["a long message", JSON.stringify({ type: "hello", mac: mac(1), name: "x".repeat(5000) })],
    ["packets before the hello", Buffer.alloc(0)],
  ];
  for (const [what, message] of beginnings) {
    it(`${what}: closed with a reason`, async () => {
      const peer = await enter();
      peer.socket.send(message);
      await until(() => peer.closed, "the close");
      assert.equal(peer.closed!.code, PROTOCOL);
      assert.match(peer.closed!.reason, /^[A-Z].*\.$/);
    });
  }

  const later: [what: string, message: string | Buffer][] = [
    ["a second hello", JSON.stringify({ type: "hello", mac: mac(2) })],
    ["a batch that ends in a length", Buffer.of(1, 0)],
    ["a packet longer than its batch", Buffer.of(9, 0, 0, 0, 1)],
    ["a packet of 4 GB", Buffer.of(255, 255, 255, 255, 1)],
  ];
  for (const [what, message] of later) {
    it(`${what}: closed with a reason`, async () => {
      const peer = await join(relay, "wrong", mac(1));
      peer.socket.send(message);
      await until(() => peer.closed, "the close");
      assert.equal(peer.closed!.code, PROTOCOL);
    });
  }

  it("a message that is too long: closed by its length alone", async () => {
    const peer = await join(relay, "wrong", mac(1));
    peer.socket.send(Buffer.alloc(LONGEST_BATCH + 1));
    await until(() => peer.closed, "the close");
    assert.equal(peer.closed!.code, 1009);
  });

  it("text of a plain member means nothing", async () => {
    const [plain, other] = [await join(relay, "text", undefined), await join(relay, "text", mac(1))];
    for (const text of ["", "hello", "{", '{"type":"credit","bytes":-1}']) plain.socket.send(text);
    plain.send(packet(mac(1), mac(2), 1));
    await until(() => other.packets.length === 1, "the packet after it");
  });

  it("a ping is answered", async () => {
    const peer = await join(relay, "ping", mac(1));
    peer.say({ type: "ping" });
    await until(() => peer.said.some(({ type }) => type === "pong"), "a pong");
  });

  it("names are shown without what could mislead, and cut", async () => {
    const peer = await join(relay, "names", mac(1), {
      name: "\u202eA\u0000\n\ud800B  \u{1f600}" + "x".repeat(100),
    });
    assert.equal(peer.welcome.members[0]!.name, `A B \u{1f600}${"x".repeat(35)}`);
  });

  it("bytes that are no WebSocket end that connection, and no other", async () => {
    const other = await join(relay, "noise", mac(1));
    const { port } = new URL(relay.http);
    const raw = connect(Number(port), "127.0.0.1");
    raw.on("error", () => undefined);
    raw.write(
      "GET /relay?room=noise HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    );
    await once(raw, "data");
    raw.write(Buffer.alloc(1000, 0xff));
    await once(raw, "close");
    assert.equal(other.closed, undefined);
  });
});

describe("members that are slow, many, or gone", () => {
  it("a member that does not read loses its own packets, and others get all of theirs", async () => {
    const queue = 512 << 10;
    await using relay = await startRelay({ limits: { queue } });
    const [sender, slow, plain, quick] = [
      await join(relay, "slow", mac(1)),
      await join(relay, "slow", mac(2), { window: WINDOW.least }),
      await join(relay, "slow", undefined),
      await join(relay, "slow", mac(4)),
    ];
    slow.gives = false;
    plain.vanish();
    const { counters, gauges } = relay.relay;
    assert.equal(gauges.queuedBytes, 0);
    let most = 0;
    const count = 5000;
    for (let sent = 0; sent < count; sent += 100) {
      sender.send(...Array.from({ length: 100 }, () => packet(BROADCAST, mac(1), 7, 1514)));
      await until(() => quick.packets.length === sent + 100, "the packets");
      most = Math.max(most, relay.relay.gauges.queuedBytes);
    }
    assert.equal(quick.packets.length, count);
    // Two queues that are full, and what the third one had for a moment.
    assert.ok(most > queue && most <= 3 * queue, `${most} bytes were held`);
    assert.ok(counters.dropped.queue > 0);
    assert.ok(slow.packets.length * 1530 <= WINDOW.least, "more than its window");
    const had = slow.packets.length;
    slow.gives = true;
    slow.say({ type: "credit", bytes: WINDOW.least });
    await until(() => slow.packets.length > had + 300, "what had waited for it");
    slow.socket.terminate();
    plain.socket.terminate();
    await until(() => relay.relay.gauges.queuedBytes === 0, "their queues to be given up");
  });

  it("all members together hold no more than the relay's bound, and each may have its share", async () => {
    const queues = 1 << 20;
    await using relay = await startRelay({ limits: { queues } });
    const sender = await join(relay, "many", mac(1));
    const slow = [];
    for (let i = 0; i < 8; i++) {
      const peer = await join(relay, "many", mac(10 + i), { window: WINDOW.least });
      peer.gives = false;
      slow.push(peer);
    }
    const { counters } = relay.relay;
    for (let sent = 0; sent < 20; sent++) {
      sender.send(...Array.from({ length: 100 }, () => packet(BROADCAST, mac(1), 7, 1514)));
      await until(() => counters.packetsIn === (sent + 1) * 100, "the relay to have read them");
      assert.ok(relay.relay.gauges.queuedBytes <= queues + 9 * SHARE, `${relay.relay.gauges.queuedBytes}`);
    }
    const late = await join(relay, "many", mac(99));
    sender.send(packet(mac(99), mac(1), 1));
    await until(() => late.packets.length === 1, "a packet of one that has nothing waiting");
  });

  it("a member that floods is read from more slowly, and nothing of it is lost", async () => {
    await using relay = await startRelay({ limits: { packetRate: 4000, rate: 2 ** 30 } });
    const [sender, other, third] = [
      await join(relay, "flood", mac(1)),
      await join(relay, "flood", mac(2)),
      await join(relay, "flood", mac(3)),
    ];
    for (let i = 0; i < 20; i++) sender.send(...Array.from({ length: 100 }, () => packet(mac(2), mac(1))));
    await until(() => relay.relay.counters.pauses > 0, "a pause");
    third.send(packet(mac(2), mac(3), 33));
    await until(() => other.numbers.includes(33), "a packet of somebody else");
    await until(() => other.packets.length === 2001, "all of the flood");
  });

  it("who says no hello, answers no ping, or sends nothing for too long is sent away", async () => {
    await using relay = await startRelay({ patience: { hello: 60, ping: 40 }, limits: { idle: 150 } });
    const silent = new Peer(`${relay.url}?room=gone`, true);
    const idle = await join(relay, "gone", mac(1));
    await until(() => silent.closed && idle.closed, "both to be closed");
    assert.deepEqual([silent.closed!.code, idle.closed!.code], [PROTOCOL, 4000]);
    const lost = await join(relay, "gone", undefined);
    lost.vanish();
    const { refused } = relay.relay.counters;
    await until(() => refused.silent === 2 || refused.idle === 2, "the lost one to be given up");
    await until(() => relay.relay.gauges.members === 0, "an empty room");
  });

  it("who is lost without a word has its address taken by who comes next, once it does not answer", async () => {
    await using relay = await startRelay({ patience: { probe: 50 } });
    const lost = await join(relay, "lost", mac(1));
    const witness = await join(relay, "lost", mac(2));
    lost.vanish();
    const again = await join(relay, "lost", mac(1));
    again.send(packet(mac(2), mac(1), 1));
    await until(() => relay.relay.counters.refused.silent === 1, "the lost one to be given up");
    again.send(packet(mac(2), mac(1), 2));
    await until(() => witness.numbers.includes(2), "a packet from there");
    assert.equal(relay.relay.counters.dropped.spoofed, 1);
  });

  it("a member that is there keeps its address, however often it is asked for", async () => {
    await using relay = await startRelay({ patience: { probe: 50 } });
    const there = await join(relay, "there", mac(1));
    const thief = await join(relay, "there", mac(1));
    for (let i = 0; i < 20; i++) {
      thief.send(packet(BROADCAST, mac(1), 1));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await until(() => relay.relay.counters.dropped.spoofed === 20, "all to be dropped");
    assert.equal(there.closed, undefined);
    assert.deepEqual(there.packets, []);
  });
});

describe("who comes too often, or as too many", () => {
  it("joins faster than may be are answered with 429, and members notice nothing", async () => {
    await using relay = await startRelay({ limits: { joinsPerSecond: 20 } });
    const [one, two] = [await join(relay, "storm", mac(1)), await join(relay, "storm", mac(2))];
    const statuses: (number | undefined)[] = [];
    const storm = Array.from({ length: 400 }, () => upgradeStatus(`${relay.http}/relay?room=storm`));
    storm.forEach((status) => void status.then((each) => statuses.push(each)));
    for (let i = 0; i < 10; i++) one.send(packet(mac(2), mac(1), i));
    await until(() => two.packets.length === 10, "packets during the storm");
    await Promise.all(storm);
    const refused = statuses.filter((status) => status === 429).length;
    // 60 at once and 20 a second, less the two above.
    assert.ok(refused >= 250 && refused < 400, `${refused} were refused`);
    assert.equal(relay.relay.counters.refused.rate, refused);
    assert.ok(relay.log.length < 300, "the log has a line for each");
  });

  it("rooms, members of a room, of an address and of all are limited", async () => {
    await using relay = await startRelay({
      limits: { rooms: 2, membersPerRoom: 2, membersPerAddress: 5, members: 5 },
    });
    const stay = [
      await join(relay, "a", mac(1)),
      await join(relay, "a", mac(2)),
      await join(relay, "b", mac(1)),
    ];
    const third = await join(relay, "a", mac(3));
    await until(() => third.closed, "the third one in a room");
    assert.equal(third.closed!.code, 4001);
    const room = new Peer(`${relay.url}?room=c`, true);
    await until(() => room.closed, "a third room");
    assert.equal(room.closed!.code, 4001);
    await until(() => relay.relay.gauges.connections === 3, "both to be gone");
    stay.push(await join(relay, "b", mac(2)));
    const waiting = new Peer(`${relay.url}?room=b`, true);
    await once(waiting.socket, "open");
    assert.equal(await upgradeStatus(`${relay.http}/relay?room=b`), 503);
    assert.ok(stay.every((peer) => peer.closed === undefined));
  });

  it("a name of 10 kB is a 400, other names that are none are told what is one", async () => {
    await using relay = await startRelay();
    assert.equal(await upgradeStatus(`${relay.http}/relay?room=${"x".repeat(10_000)}`), 400);
    for (const query of [
      "",
      "?room=",
      "?room=a/b",
      "?room=%00",
      `?room=${"x".repeat(65)}`,
      "?room=-a",
      "?roam=a",
      "?room=%",
    ]) {
      const peer = new Peer(relay.url + query, true);
      await until(() => peer.closed, "the close");
      assert.equal(peer.closed!.code, 4402, query);
    }
    assert.equal(relay.relay.gauges.rooms, 0);
  });

  it("half a handshake, and connections closed in the middle of anything, leave nothing behind", async () => {
    await using relay = await startRelay();
    const { port } = new URL(relay.http);
    const sockets: Socket[] = [];
    for (let i = 0; i < 20; i++) {
      const socket = connect(Number(port), "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write("GET /relay?room=half HTTP/1.1\r\nUpgrade: websocket\r\nConnec");
      sockets.push(socket);
    }
    const peers = [];
    for (let i = 0; i < 20; i++) {
      const peer = await join(relay, "half", i % 2 ? mac(i) : undefined);
      peer.send(packet(BROADCAST, mac(i)), packet(BROADCAST, mac(i)));
      peers.push(peer);
    }
    for (const peer of peers) peer.socket.terminate();
    for (const socket of sockets) socket.destroy();
    await until(() => relay.relay.gauges.connections === 0, "all to be gone");
    const { rooms, members, macs, queuedBytes } = relay.relay.gauges;
    assert.deepEqual(
      { rooms, members, macs, queuedBytes },
      { rooms: 0, members: 0, macs: 0, queuedBytes: 0 },
    );
  });

  it("has a bound that a small server can be given", () => {
    assert.ok(memoryBound(STANDARD) < 2 ** 31);
    assert.ok(memoryBound({ ...STANDARD, members: 64, queues: 32 << 20 }) < 128 << 20);
  });
});

/** Of an upgrade by HTTP: 101 when it is granted. */
function upgradeStatus(url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    };
    get(url, { headers, agent: false })
      .on("response", (response) => {
        response.resume();
        resolve(response.statusCode);
      })
      .on("upgrade", (_, socket) => {
        socket.destroy();
        resolve(101);
      })
      .on("error", reject);
  });
}
