import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Connection } from "../../src/backends/net/connection.ts";
import { OUTBOX } from "../../src/backends/net/outbox.ts";
import type { OpenSocket, SocketEvents } from "../../src/backends/net/socket.ts";
import { HEADER } from "../../src/net/packet.ts";
import {
  CloseCode,
  decodeBatch,
  encodeBatch,
  LONGEST_CONTROL,
  SUBPROTOCOL,
  WINDOW,
} from "../../src/net/relay-protocol.ts";
import { tcp } from "./packets.ts";
import { type Connected, enter, frame, isUp, scriptedRelay, until } from "./wire-support.ts";

const welcomedAnd =
  (then: (connection: Connected) => void) =>
  (connection: Connected): void => {
    connection.welcome();
    then(connection);
  };

void describe("a room", { concurrency: true }, () => {
  void it("says hello, is up with the welcome, and shows who is there", async () => {
    const members = [
      {
        id: "me",
        name: "one",
        macs: ["02:00:00:00:00:01"],
        addresses: ["10.77.1.2"],
        since: 5,
        plain: false,
      },
    ];
    await using relay = await scriptedRelay((connection) =>
      connection.socket.once("message", () => connection.welcome({ members })),
    );
    await using entered = enter([relay.url], { name: "one", secret: "a b&c" });
    const { room, port } = entered;
    assert.equal(room.status.state, "connecting");
    await isUp(room);
    const [connection] = relay.connections as [Connected];
    assert.equal(connection.url, "/relay?room=lab&secret=a+b%26c");
    assert.deepEqual(connection.texts, [
      { type: "hello", name: "one", mac: "02:00:00:00:00:01", window: WINDOW.standard },
    ]);
    assert.deepEqual(port.calls, [true]);
    assert.equal(room.status.self, "me");
    assert.deepEqual(room.status.members, members);
    assert.equal(room.status.relay, relay.url);
  });

  void it("packets of one turn leave as one batch, and those of a batch come one by one", async () => {
    await using relay = await scriptedRelay((connection) => connection.welcome());
    await using entered = enter([relay.url]);
    const { room, port } = entered;
    await isUp(room);
    const sent = [frame(2, 1), frame(3, 1, 1514), tcp({ payload: new Uint8Array(9000), gsoSize: 1448 })];
    for (const packet of sent) assert.equal(room.send(packet), undefined);
    const [connection] = relay.connections as [Connected];
    await until(() => connection.binaries.length > 0, "a batch");
    assert.equal(connection.binaries.length, 1);
    assert.deepEqual(decodeBatch(new Uint8Array(connection.binaries[0]!)), sent);
    connection.socket.send(encodeBatch([...sent, new Uint8Array(5)]));
    await until(() => room.status.counters.dropped === 1, "the bad one");
    assert.deepEqual(port.packets, sent);
    const { packetsIn, packetsOut, bytesIn, bytesOut } = room.status.counters;
    assert.deepEqual([packetsIn, packetsOut, bytesIn - bytesOut], [3, 3, 0]);
  });

  void it("gives credit for what was dealt with, and none while the device is full", async () => {
    await using relay = await scriptedRelay((connection) => connection.welcome());
    await using entered = enter([relay.url]);
    const { room, port } = entered;
    await isUp(room);
    const [connection] = relay.connections as [Connected];
    const credits = () => connection.texts.filter(({ type }) => type === "credit").map(({ bytes }) => bytes);
    const batch = encodeBatch(Array.from({ length: 50 }, () => frame(1, 2, 1500)));
    connection.socket.send(batch);
    await until(() => credits().length === 1, "credit");
    port.hasRoom = false;
    connection.socket.send(batch);
    await until(() => port.packets.length === 100, "the second batch");
    port.hasRoom = true;
    connection.say({ type: "members", members: [] });
    assert.deepEqual(credits(), [batch.length]);
    room.resume();
    await until(() => credits().length === 2, "credit for what was held");
    assert.deepEqual(credits(), [batch.length, batch.length]);
  });

  void it("keeps no batch for one small packet in it", async () => {
    await using relay = await scriptedRelay((connection) => connection.welcome());
    await using entered = enter([relay.url]);
    const { room, port } = entered;
    await isUp(room);
    relay.connections[0]!.socket.send(encodeBatch([frame(1, 2), frame(1, 2, 30_000)]));
    await until(() => port.packets.length === 2, "both");
    assert.equal(port.packets[0]!.buffer.byteLength, port.packets[0]!.length);
  });

  const broken: Record<string, (connection: Connected) => void> = {
    "no JSON": ({ socket }) => socket.send("hello?"),
    null: ({ socket }) => socket.send("null"),
    "a long text": ({ socket }) => socket.send(" ".repeat(LONGEST_CONTROL + 1)),
    "packets before the welcome": ({ socket }) => socket.send(encodeBatch([frame(1, 2)])),
    "a welcome without a frame": (connection) => connection.welcome({ frame: "big" }),
    "a welcome without members": (connection) => connection.welcome({ members: { length: 7 } }),
    "two welcomes": welcomedAnd((connection) => connection.welcome()),
    "no batch": welcomedAnd(({ socket }) => socket.send(new Uint8Array(3))),
    "a length beyond the batch": welcomedAnd(({ socket }) =>
      socket.send(Uint8Array.of(255, 255, 255, 255, 0)),
    ),
    "a message too long": welcomedAnd(({ socket }) => socket.send(new Uint8Array(300_000))),
    "a flood of texts": (connection) => {
      connection.welcome();
      for (let i = 0; i < 1000; i++) connection.say({ type: "members", members: [] });
    },
    "a close in the middle": ({ socket }) => socket.terminate(),
  };
  for (const [name, script] of Object.entries(broken)) {
    void it(`ends the connection to a relay that sends ${name}, says why, and tries again`, async () => {
      await using relay = await scriptedRelay(script);
      await using entered = enter([relay.url]);
      const { room, port } = entered;
      await until(() => room.status.retryAt !== undefined, "it waits to try again");
      assert.equal(room.status.state, "connecting");
      assert.match(room.status.reason!, /^(The|A) .*relay at 127\.0\.0\.1:\d+ .*\.$/);
      assert.ok(port.calls.at(-1) !== true);
      await until(() => relay.connections.length > 1, "another attempt");
    });
  }

  void it("ends the connection to a relay that sends more than its window", async () => {
    await using relay = await scriptedRelay((connection) => connection.welcome());
    await using entered = enter([relay.url]);
    const { room, port } = entered;
    await isUp(room);
    port.hasRoom = false;
    const batch = encodeBatch(Array.from({ length: 3 }, () => frame(1, 2, 65_000)));
    for (let bytes = 0; bytes <= WINDOW.standard; bytes += batch.length)
      relay.connections[0]!.socket.send(batch);
    await until(() => room.status.state === "connecting", "the end");
    assert.match(room.status.reason!, /does not keep to the protocol/);
    assert.ok(room.status.counters.bytesIn <= WINDOW.standard);
  });

  void it("takes from a roster only what makes sense", async () => {
    const one = {
      id: "a",
      name: "one\u202e\n",
      macs: ["02:00:00:00:00:01", "x", 7],
      addresses: ["1.2.3.4", "<b>"],
      since: "now",
    };
    const members = [null, 7, {}, { id: "b" }, one, one, { ...one, id: "c".repeat(1000) }];
    await using relay = await scriptedRelay((connection) =>
      connection.welcome({ members, others: [7, "x", null] }),
    );
    await using entered = enter([relay.url]);
    await isUp(entered.room);
    assert.deepEqual(entered.room.status.members, [
      { id: "a", name: "one", macs: ["02:00:00:00:00:01"], addresses: ["1.2.3.4"], since: 0, plain: false },
    ]);
    relay.connections[0]!.say({
      type: "members",
      members: Array.from({ length: 1000 }, (_, i) => ({ id: `${i}`, name: "" })),
    });
    await until(() => entered.room.status.members.length === 256, "so many and no more");
  });

  void it("a refusal ends the attempts for a minute, or for good, with the relay's words", async () => {
    for (const [code, again] of [
      [CloseCode.secret, true],
      [CloseCode.protocol, false],
    ] as const) {
      await using relay = await scriptedRelay(({ socket }) =>
        socket.close(code, "The room has another secret."),
      );
      await using entered = enter([relay.url]);
      await until(() => entered.room.status.state === "down", "it gives up");
      const { reason, retryAt } = entered.room.status;
      assert.match(reason!, /The room has another secret\./);
      assert.equal(retryAt !== undefined && retryAt > Date.now() + 30_000, again);
    }
  });

  void it("goes on to the next relay when one refuses or is not there", async () => {
    await using refusing = await scriptedRelay(({ socket }) => socket.close(CloseCode.full, "Full."));
    await using good = await scriptedRelay((connection) => connection.welcome());
    await using entered = enter([refusing.url, "ws://127.0.0.1:1/relay", good.url]);
    await isUp(entered.room);
    assert.equal(entered.room.status.relay, good.url);
    assert.equal(refusing.connections.length, 1);
  });

  void it("comes back when the relay does: the guest's carrier too, and it announces itself", async () => {
    const relay = await scriptedRelay((connection) => connection.welcome());
    await using entered = enter([relay.url]);
    const { room, port } = entered;
    await isUp(room);
    await relay[Symbol.asyncDispose]();
    await until(() => room.status.state === "connecting", "the loss");
    assert.equal(room.send(frame(2, 1)), undefined);
    await using again = await scriptedRelay((connection) => connection.welcome(), { port: relay.port });
    await isUp(room);
    assert.deepEqual(port.calls, [true, false, true, "announce"]);
    assert.equal(room.status.counters.losses, 1);
    assert.equal(room.status.counters.dropped, 1);
    assert.equal(again.connections.length, 1);
  });

  void it("goes to another relay that the one that leaves has named", async () => {
    await using other = await scriptedRelay((connection) => connection.welcome());
    await using relay = await scriptedRelay((connection) => {
      connection.welcome({ others: [other.url] });
      connection.say({ type: "leaving" });
    });
    await using entered = enter([relay.url]);
    await until(() => entered.room.status.relay === other.url && entered.room.status.state === "up", "there");
  });

  void it("holds the guest back while the relay does not read, and drops beyond its bound", async () => {
    await using relay = await scriptedRelay((connection) => {
      connection.welcome({ frame: 70_000 });
      connection.socket.pause();
    });
    await using entered = enter([relay.url]);
    const { room } = entered;
    await isUp(room);
    let waiting: Promise<void> | undefined;
    for (let sent = 0; !waiting && sent < 2000; sent++) {
      waiting = room.send(frame(2, 1, 65_000));
      if (sent % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(waiting, "it never asked to wait");
    // Somebody who does not wait.
    for (let bytes = 0; bytes < 2 * OUTBOX.most; bytes += 65_000) void room.send(frame(2, 1, 65_000));
    assert.ok(room.status.counters.dropped > 0);
    relay.connections[0]!.socket.resume();
    await waiting;
    assert.equal(room.send(frame(2, 1)), undefined);
  });

  void it("whoever waits goes on when the connection ends", async () => {
    await using relay = await scriptedRelay((connection) => {
      connection.welcome({ frame: 70_000 });
      connection.socket.pause();
    });
    await using entered = enter([relay.url]);
    await isUp(entered.room);
    let waiting: Promise<void> | undefined;
    while (!waiting) {
      waiting = entered.room.send(frame(2, 1, 65_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    relay.connections[0]!.socket.terminate();
    await waiting;
  });
});

void describe("a relay that has gone silent", () => {
  /** A socket that a test moves, and a clock that it turns. */
  function silent(t: TestContext, extended: boolean) {
    t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
    t.mock.method(performance, "now", () => Date.now());
    const sent: unknown[] = [];
    let events: SocketEvents | undefined;
    const nothing = () => undefined;
    const connection = {
      pings: 0,
      ends: [] as string[],
      sent,
      hear: (text: string) => events!.onText(text),
    };
    const open: OpenSocket = (_url, _protocols, given) => {
      events = given;
      const send = (message: unknown) => void sent.push(message);
      const ping = (): void => {
        connection.pings++;
      };
      return {
        send,
        waiting: 0,
        whenDrained: nothing,
        pause: nothing,
        resume: nothing,
        ping,
        close: nothing,
      };
    };
    new Connection({
      url: "ws://relay.example/relay",
      extended,
      open,
      hello: () => ({ name: undefined, mac: "02:00:00:00:00:01" }),
      events: {
        onUp: nothing,
        onMembers: nothing,
        onLeaving: nothing,
        onPacket: () => true,
        onBadPacket: nothing,
        onEnd: ({ reason }) => connection.ends.push(reason),
      },
    });
    return { connection, opened: (protocol: string) => events!.onOpen(protocol) };
  }

  void it("is asked for a sign of life, and then given up", (t) => {
    const { connection, opened } = silent(t, true);
    opened(SUBPROTOCOL);
    connection.hear('{"type":"welcome","id":"a","frame":1522,"others":[],"uplink":false,"members":[]}');
    t.mock.timers.tick(20_000);
    assert.equal(connection.sent.at(-1), '{"type":"ping"}');
    connection.hear('{"type":"pong"}');
    t.mock.timers.tick(14_000);
    assert.equal(connection.sent.length, 2);
    t.mock.timers.tick(10_000);
    assert.equal(connection.sent.length, 3);
    assert.deepEqual(connection.ends, []);
    t.mock.timers.tick(15_000);
    assert.deepEqual(connection.ends, ["The relay at relay.example has gone silent."]);
  });

  void it("is pinged where it speaks plain frames", (t) => {
    const { connection, opened } = silent(t, false);
    opened("");
    t.mock.timers.tick(20_000);
    assert.equal(connection.pings, 1);
    t.mock.timers.tick(15_000);
    assert.deepEqual(connection.ends, ["The relay at relay.example has gone silent."]);
  });

  void it("is not waited for when it says no welcome", (t) => {
    const { connection, opened } = silent(t, true);
    opened(SUBPROTOCOL);
    t.mock.timers.tick(10_000);
    assert.deepEqual(connection.ends, ["The relay at relay.example does not answer."]);
  });
});

void describe("a room of a relay that speaks plain frames", { concurrency: true }, () => {
  void it("cuts what is too long, completes checksums, and gives each frame a message", async () => {
    await using relay = await scriptedRelay(() => undefined, { plain: true });
    await using entered = enter([relay.url]);
    const { room, port } = entered;
    await isUp(room);
    assert.deepEqual(room.status.members, []);
    void room.send(frame(2, 1));
    void room.send(tcp({ payload: new Uint8Array(4000), gsoSize: 1448 }));
    // The first one was for the extended protocol.
    const connection = relay.connections.at(-1)!;
    await until(() => connection.binaries.length === 4, "the frames");
    assert.deepEqual(
      connection.binaries.map(({ length }) => length),
      [60, 1502, 1502, 1158],
    );
    connection.socket.send(frame(1, 2, 200).subarray(HEADER));
    connection.socket.send(new Uint8Array(3));
    connection.socket.send("text means nothing");
    await until(() => room.status.counters.dropped === 1, "the runt");
    assert.deepEqual(port.packets, [frame(1, 2, 200)]);
    assert.equal(room.status.state, "up");
  });

  void it("stops reading while the device is full", async () => {
    await using relay = await scriptedRelay(() => undefined, { plain: true });
    await using entered = enter([relay.url]);
    const { room, port } = entered;
    await isUp(room);
    port.hasRoom = false;
    const { socket } = relay.connections.at(-1)!;
    const bytes = frame(1, 2, 1514).subarray(HEADER);
    const count = 20_000;
    for (let i = 0; i < count; i++) socket.send(bytes);
    await until(() => port.packets.length > 0, "the first");
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(port.packets.length < count / 10, `${port.packets.length} came all the same`);
    port.hasRoom = true;
    room.resume();
    await until(() => port.packets.length === count, "the rest");
  });
});
