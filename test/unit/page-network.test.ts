/** The network in the page: its words, its links, and how steady it is shown. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it, mock } from "node:test";
import { formatConfig, parseConfig } from "../../src/config/grammar.ts";
import { invitation, newRoomName, plugOf, rewired } from "../../src/page/network/links.ts";
import { LONG, type Overall, SHORT, SteadyNetwork } from "../../src/page/network/steady.ts";
import { guestAddresses, roster, stateReason, stateWords, wireWords } from "../../src/page/network/words.ts";
import type { Member, NetworkStatus, WireStatus } from "../../src/worker/protocol.ts";

const member = (id: string, since: number, more: Partial<Member> = {}): Member => ({
  id,
  name: id,
  macs: [],
  addresses: [],
  since,
  plain: false,
  ...more,
});

const status = (more: Partial<WireStatus> = {}): WireStatus => ({
  state: "up",
  since: 0,
  reason: undefined,
  retryAt: undefined,
  relay: undefined,
  self: undefined,
  members: [],
  lease: undefined,
  counters: { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, dropped: 0, losses: 0 },
  ...more,
});

describe("a network in words", () => {
  it("says what it is plugged into", () => {
    const words = (wire: string, relay?: string) => wireWords(wire, relay, "ringside.example");
    assert.equal(words("gateway"), "Gateway in this page");
    assert.equal(words("none"), "Not plugged in");
    assert.equal(words("tabs:lab"), "Tabs “lab” of this browser");
    assert.equal(words("room:blue"), "Room “blue” at this page's relay");
    assert.equal(words("room:blue", "wss://ringside.example/relay"), "Room “blue” at this page's relay");
    assert.equal(words("room:blue", "ws://relay.example:8086/relay"), "Room “blue” at relay.example:8086");
  });

  it("says how that is, why, and when it tries again", () => {
    const lost = status({ state: "connecting", reason: "The relay does not answer.", retryAt: 14_200 });
    assert.equal(stateWords("room:blue", lost), "Connecting");
    assert.equal(stateReason(lost, 10_000), "The relay does not answer. It tries again in 5 s.");
    assert.equal(stateReason(lost, 14_300), "The relay does not answer. It tries again now.");
    assert.equal(stateReason(status({ state: "connecting" }), 0), "");
    const refused = status({ state: "down", reason: "The room has another secret." });
    assert.equal(stateWords("room:blue", refused), "Down");
    assert.equal(stateReason(refused, 0), "The room has another secret.");
    assert.equal(stateReason(status({ reason: "Old." }), 0), "");
    assert.equal(stateWords("none", status({ state: "down" })), "No cable");
  });

  it("knows the guest's address from the gateway, else from the room", () => {
    const members = [member("b", 2), member("a", 3, { addresses: ["10.77.4.4", "fe80::1"] }), member("c", 1)];
    assert.deepEqual(guestAddresses(status({ self: "a", members })), ["10.77.4.4", "fe80::1"]);
    const lease = { address: "10.77.9.9", hostname: undefined };
    assert.deepEqual(guestAddresses(status({ self: "a", members, lease })), ["10.77.9.9"]);
    assert.deepEqual(guestAddresses(status()), []);
    const inOrder = roster(status({ self: "a", members })).map(({ id }) => id);
    assert.deepEqual(inOrder, ["a", "c", "b"]);
  });
});

describe("links to other wires", () => {
  const nic = "mac=02:00:00:00:00:01,relay=wss://a.example/relay,secret=hush%2C%20hush,name=mine";
  const machine = parseConfig(`memory=96M&device=net,wire=room:blue,${nic},mtu=9000&device=blk,id=home`);

  it("an invitation has the room and not what is this machine's alone, nor the secret unless asked", () => {
    assert.equal(
      formatConfig(invitation(machine, "net0", false)),
      formatConfig(
        parseConfig(
          "memory=96M&device=net,wire=room:blue,relay=wss://a.example/relay,mtu=9000&device=blk,id=home",
        ),
      ),
    );
    const [device] = invitation(machine, "net0", true).devices.filter(({ device }) => device === "net");
    assert.equal((device as { secret?: string }).secret, "hush, hush");
  });

  it("another wire leaves the rest of the machine as it is", () => {
    const moved = rewired(machine, "net0", { wire: "tabs:lab", relay: "wss://b.example/", secret: "x" });
    assert.equal(
      formatConfig(moved),
      formatConfig(
        parseConfig(
          "memory=96M&device=net,wire=tabs:lab,mac=02:00:00:00:00:01,name=mine,mtu=9000&device=blk,id=home",
        ),
      ),
    );
    assert.deepEqual(plugOf(machine, "net0"), {
      wire: "room:blue",
      relay: "wss://a.example/relay",
      secret: "hush, hush",
    });
    const back = rewired(moved, "net0", plugOf(machine, "net0"));
    assert.equal(formatConfig(back), formatConfig(machine));
  });

  it("a machine without a network device gets one", () => {
    const without = parseConfig("device=none&device=rng");
    const moved = rewired(without, "net0", { wire: "room:blue", relay: "", secret: "" });
    assert.equal(
      formatConfig(moved),
      formatConfig(parseConfig("device=none&device=rng&device=net,wire=room:blue")),
    );
  });

  it("what makes no wire is refused as the grammar refuses it", () => {
    for (const plug of [
      { wire: "room:", relay: "", secret: "" },
      { wire: "room:a b", relay: "", secret: "" },
      { wire: "room:x&device=blk", relay: "", secret: "" },
      { wire: "room:x", relay: "http://relay.example", secret: "" },
      { wire: "room:x", relay: "", secret: "x".repeat(257) },
    ]) {
      assert.throws(() => rewired(machine, "net0", plug), { name: "ConfigError" });
    }
  });

  it("invents names of rooms that are names, and others each time", () => {
    const names = new Set(Array.from({ length: 100 }, newRoomName));
    assert.equal(names.size, 100);
    for (const name of names) assert.equal(parseConfig(`device=net,wire=room:${name}`).devices.length, 3);
  });
});

describe("how steady a network is shown", () => {
  let told: string[];
  let shown: Overall[];
  let steady: SteadyNetwork;
  beforeEach(() => {
    mock.timers.enable({ apis: ["setTimeout", "Date"] });
    [told, shown] = [[], []];
    steady = new SteadyNetwork({
      onOverall: (overall) => shown.push(overall),
      onLost: ({ id }) => told.push(`${id} lost`),
      onBack: ({ id }) => told.push(`${id} back`),
    });
  });
  afterEach(() => mock.timers.reset());

  const network = (state: WireStatus["state"], id = "net0", wire = "room:blue"): NetworkStatus =>
    ({ id, wire, status: status({ state }) }) as NetworkStatus;

  it("a short loss is not shown", () => {
    steady.see([network("up")]);
    steady.see([network("connecting")]);
    mock.timers.tick(SHORT - 1);
    steady.see([network("up")]);
    mock.timers.tick(LONG * 2);
    assert.deepEqual([shown, told], [["up"], []]);
  });

  it("a loss is shown, a long one told once, its end told once", () => {
    steady.see([network("up")]);
    steady.see([network("connecting")]);
    mock.timers.tick(SHORT);
    assert.deepEqual([shown, told], [["up", "lost"], []]);
    // It tries again and again, with other reasons.
    for (let i = 0; i < 30; i++) {
      mock.timers.tick(1000);
      steady.see([network("connecting")]);
    }
    assert.deepEqual([shown, told], [["up", "lost"], ["net0 lost"]]);
    steady.see([network("up")]);
    steady.see([network("up")]);
    assert.deepEqual(
      [shown, told],
      [
        ["up", "lost", "up"],
        ["net0 lost", "net0 back"],
      ],
    );
  });

  it("one that never was up connects, and is told of when that takes long", () => {
    steady.see([network("connecting")]);
    mock.timers.tick(LONG - 1);
    assert.deepEqual([shown, told], [["connecting"], []]);
    mock.timers.tick(1);
    assert.deepEqual([shown, told], [["connecting"], ["net0 lost"]]);
  });

  it("what is down for good is told at once; a machine that goes takes it back", () => {
    steady.see([network("up")]);
    steady.see([network("down")]);
    assert.deepEqual([shown, told], [["up", "down"], ["net0 lost"]]);
    steady.see([]);
    assert.deepEqual(
      [shown, told],
      [
        ["up", "down", "unplugged"],
        ["net0 lost", "net0 back"],
      ],
    );
    mock.timers.tick(LONG * 2);
    assert.equal(told.length, 2);
  });

  it("of several the worst is shown, and those without a cable not at all", () => {
    steady.see([network("up"), network("down", "net1", "none")]);
    assert.deepEqual(shown, ["up"]);
    steady.see([network("up"), network("connecting", "net2", "room:red")]);
    assert.deepEqual(shown, ["up", "connecting"]);
    assert.deepEqual(told, []);
  });
});
