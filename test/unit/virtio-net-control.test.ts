import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "./driver/driver.ts";
import {
  CONTROL,
  CTRL_GUEST_OFFLOADS,
  CTRL_MAC_ADDR,
  CTRL_RX,
  CTRL_RX_EXTRA,
  CTRL_VLAN,
  GUEST_ANNOUNCE,
  GUEST_ECN,
  GUEST_TSO4,
  GUEST_TSO6,
  MQ,
  NetDriver,
  type NetDriverOptions,
  OWN,
} from "./driver/net-driver.ts";
import { EVERYTHING, SETTINGS, withoutFor } from "./driver/settings.ts";
import { frame, tcp } from "./packets.ts";

const OK = 0;
const ERR = 1;
const RX = 0;
const MAC = 1;
const VLAN = 2;
const ANNOUNCE = 3;
const PAIRS = 4;
const OFFLOADS = 5;

const MINE = [...OWN];
const OTHER = [2, 0, 0, 0, 0, 0x99];
const GROUP = [0x33, 0x33, 0, 0, 0, 1];
const GROUP2 = [0x01, 0, 0x5e, 0, 0, 0xfb];
const ALL = [255, 255, 255, 255, 255, 255];

const le = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) & 255);
const table = (unicast: number[][], multicast: number[][]): number[] =>
  [unicast, multicast].flatMap((list) => [...le(list.length, 4), ...list.flat()]);

function started(options: NetDriverOptions = {}): NetDriver {
  const net = new NetDriver(options);
  net.post(60, 1600);
  return net;
}

/** Which of these packets get through. */
async function passed(net: NetDriver, packets: Record<string, Uint8Array>): Promise<string[]> {
  const names: string[] = [];
  for (const [name, packet] of Object.entries(packets)) {
    net.wire.port.receive(packet.slice());
    if ((await net.received()).length > 0) names.push(name);
  }
  return names;
}

const addressed = {
  mine: frame(MINE),
  other: frame(OTHER),
  group: frame(GROUP),
  group2: frame(GROUP2),
  all: frame(ALL),
};

describe("receive filtering (5.1.6.5.1, 5.1.6.5.2)", () => {
  const modes: [name: string, commands: [number, number][], passes: string[]][] = [
    ["nothing said", [], ["mine", "all"]],
    ["PROMISC", [[0, 1]], ["mine", "other", "group", "group2", "all"]],
    [
      "PROMISC and off again",
      [
        [0, 1],
        [0, 0],
      ],
      ["mine", "all"],
    ],
    [
      "PROMISC beats the others",
      [
        [3, 1],
        [4, 1],
        [5, 1],
        [0, 1],
      ],
      ["mine", "other", "group", "group2", "all"],
    ],
    ["ALLMULTI", [[1, 1]], ["mine", "group", "group2", "all"]],
    ["ALLUNI", [[2, 1]], ["mine", "other", "all"]],
    [
      "NOMULTI beats ALLMULTI, and is not about broadcasts",
      [
        [1, 1],
        [3, 1],
      ],
      ["mine", "all"],
    ],
    [
      "NOUNI beats ALLUNI",
      [
        [2, 1],
        [4, 1],
      ],
      ["all"],
    ],
    [
      "NOBCAST beats ALLMULTI",
      [
        [1, 1],
        [5, 1],
      ],
      ["mine", "group", "group2"],
    ],
    [
      "NOBCAST and off again",
      [
        [5, 1],
        [5, 0],
      ],
      ["mine", "all"],
    ],
  ];
  for (const [name, commands, passes] of modes) {
    it(name, async () => {
      const net = started();
      for (const [command, on] of commands) assert.equal(await net.command(RX, command, [on]), OK);
      assert.deepEqual(await passed(net, addressed), passes);
      assert.equal(net.device.counters.droppedFiltered, 5 - passes.length);
      assert.deepEqual(net.broken, []);
    });
  }

  it("the table of addresses is what comes in besides, until the next one, or a reset", async () => {
    const net = started();
    assert.equal(await net.command(MAC, 0, table([OTHER], [GROUP])), OK);
    assert.deepEqual(await passed(net, addressed), ["mine", "other", "group", "all"]);
    assert.equal(await net.command(MAC, 0, table([], [GROUP2])), OK);
    assert.deepEqual(await passed(net, addressed), ["mine", "group2", "all"]);
    net.driver.start();
    net.used[0] = [];
    net.post(10, 1600);
    assert.deepEqual(await passed(net, addressed), ["mine", "all"]);
  });

  it("of a longer table than the device keeps, everything of its kind comes in", async () => {
    const many = Array.from({ length: 257 }, (_, i) => [0x33, 0x33, 9, 9, i >> 8, i & 255]);
    const net = started();
    assert.equal(await net.command(MAC, 0, table([], many.slice(1))), OK);
    assert.deepEqual(await passed(net, addressed), ["mine", "all"]);
    assert.equal(await net.command(MAC, 0, table([], many)), OK);
    assert.deepEqual(await passed(net, addressed), ["mine", "group", "group2", "all"]);
  });

  it("without CTRL_RX nothing is filtered: such a driver could not ask for more", async () => {
    const net = started({ without: CONTROL });
    assert.deepEqual(await passed(net, addressed), ["mine", "other", "group", "group2", "all"]);
  });

  it("MAC_ADDR_SET: the filter's address and `mac`, until a reset", async () => {
    const net = started();
    assert.equal(await net.command(MAC, 1, OTHER), OK);
    assert.deepEqual(net.mac, OTHER);
    assert.deepEqual([...net.device.mac], OTHER);
    assert.deepEqual(await passed(net, addressed), ["other", "all"]);
    net.driver.transport.status = 0;
    assert.deepEqual([...net.device.mac], MINE);
    assert.deepEqual(net.mac, MINE);
  });

  for (const kind of ["pci-legacy", "mmio-legacy"] as const) {
    it(`5.1.4.3: on a legacy interface \`mac\` can be written (${kind})`, async () => {
      const net = started({ kind });
      OTHER.forEach((byte, i) => net.driver.transport.writeConfig(i, 1, byte));
      assert.deepEqual([...net.device.mac], OTHER);
      assert.deepEqual(await passed(net, addressed), ["other", "all"]);
      assert.deepEqual(net.broken, []);
    });
  }

  it("5.1.4.2: elsewhere it cannot", () => {
    const net = started();
    net.driver.transport.writeConfig(0, 1, 0x42);
    assert.deepEqual(net.mac, MINE);
    assert.deepEqual(net.broken, ["2.5.1 readOnly"]);
  });
});

describe("VLAN filtering (5.1.6.5.3)", () => {
  const tagged = {
    none: frame(MINE),
    one: frame(MINE, 64, { vlan: 1 }),
    priority: frame(MINE, 64, { vlan: 0x7001 }),
    last: frame(MINE, 64, { vlan: 4095 }),
  };

  it("only tags of the table come in", async () => {
    const net = started();
    assert.deepEqual(await passed(net, tagged), ["none"]);
    assert.equal(await net.command(VLAN, 0, le(1, 2)), OK);
    assert.deepEqual(await passed(net, tagged), ["none", "one", "priority"]);
    assert.equal(await net.command(VLAN, 0, le(4095, 2)), OK);
    assert.equal(await net.command(VLAN, 1, le(1, 2)), OK);
    assert.deepEqual(await passed(net, tagged), ["none", "last"]);
    assert.equal(await net.command(RX, 0, [1]), OK);
    assert.deepEqual(await passed(net, tagged), ["none", "one", "priority", "last"]);
  });

  it("all of them without CTRL_VLAN", async () => {
    const net = started({ without: CTRL_VLAN });
    assert.deepEqual(await passed(net, tagged), ["none", "one", "priority", "last"]);
  });
});

describe("the link (5.1.4, 5.1.6.5.4)", () => {
  for (const setting of SETTINGS) {
    it(`carrier comes and goes with an interrupt (${setting.kind}, ${setting.layout})`, () => {
      const net = started({ kind: setting.kind, without: withoutFor(setting, 0n), device: EVERYTHING });
      assert.equal(net.status, 1);
      net.wire.port.setLink(false);
      assert.deepEqual([net.status, net.driver.configChanges, net.device.linkUp], [0, 1, false]);
      net.wire.port.setLink(false);
      net.wire.port.setLink(true);
      assert.deepEqual([net.status, net.driver.configChanges, net.device.linkUp], [1, 2, true]);
    });
  }

  it("ANNOUNCE is set with an interrupt, once until it is confirmed, and cleared by ANNOUNCE_ACK or a reset", async () => {
    const net = started();
    net.wire.port.announce();
    net.wire.port.announce();
    assert.deepEqual([net.status, net.driver.configChanges], [3, 1]);
    net.wire.port.setLink(false);
    assert.equal(net.status, 2);
    assert.equal(await net.command(ANNOUNCE, 0), OK);
    assert.deepEqual([net.status, net.driver.configChanges], [0, 2]);
    net.wire.port.announce();
    net.driver.transport.status = 0;
    assert.equal(net.status, 0);
    const old = started({ without: GUEST_ANNOUNCE });
    old.wire.port.announce();
    assert.deepEqual([old.status, old.driver.configChanges], [1, 0]);
  });
});

describe("several pairs of queues (5.1.6.5.6)", () => {
  const flow = (port: number, back = false): Uint8Array =>
    tcp({
      ports: back ? [80, port] : [port, 80],
      destination: back ? MINE : OTHER,
      payload: new Uint8Array(9),
      // The same two addresses either way.
      version: 4,
    });

  function many(options: NetDriverOptions = {}): NetDriver {
    const net = new NetDriver({ ...options, device: { queues: 4, ...options.device } });
    for (let pair = 0; pair < net.pairs; pair++) net.post(40, 1600, pair);
    return net;
  }

  it("only the first pair is used until VQ_PAIRS_SET, and again after a reset", async () => {
    const net = many();
    for (let port = 1; port < 30; port++) net.wire.port.receive(flow(port, true));
    assert.equal((await net.received(0)).length, 29);
    assert.equal(await net.command(PAIRS, 0, le(4, 2)), OK);
    for (let port = 1; port < 30; port++) net.wire.port.receive(flow(port, true));
    const counts = await Promise.all([0, 1, 2, 3].map(async (pair) => (await net.received(pair)).length));
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      29,
    );
    assert.ok(
      counts.every((count) => count > 0),
      counts.join(),
    );
    assert.deepEqual(net.broken, []);
    net.driver.start();
    net.used.length = 0;
    for (let pair = 0; pair < 4; pair++) net.post(40, 1600, pair);
    for (let port = 1; port < 30; port++) net.wire.port.receive(flow(port, true));
    assert.equal((await net.received(0)).length, 29);
  });

  it("replies come to the pair that the flow was last sent on", async () => {
    const net = many();
    assert.equal(await net.command(PAIRS, 0, le(4, 2)), OK);
    for (const pair of [0, 1, 2, 3, 1]) {
      await net.transmit(flow(1000), { pair });
      await net.transmit(flow(1001), { pair: 3 - pair });
      net.wire.port.receive(flow(1000, true));
      net.wire.port.receive(flow(1001, true));
      assert.equal((await net.received(pair)).length, 1);
      assert.equal((await net.received(3 - pair)).length, 1);
    }
  });

  it("with fewer pairs what waited for the others goes to the first, and nothing to the others any more", async () => {
    const net = new NetDriver({ device: { queues: 2 } });
    assert.equal(await net.command(PAIRS, 0, le(2, 2)), OK);
    await net.transmit(flow(1000), { pair: 1 });
    net.wire.port.receive(flow(1000, true));
    assert.equal(await net.command(PAIRS, 0, le(1, 2)), OK);
    net.post(4, 1600, 0);
    net.post(4, 1600, 1);
    net.wire.port.receive(flow(1000, true));
    assert.deepEqual([(await net.received(0)).length, (await net.received(1)).length], [2, 0]);
  });

  it("5.1.6.5.6.2: a queue that is being reset is passed over; when all are, packets are dropped", async () => {
    const net = many({ device: { queues: 2 } });
    assert.equal(await net.command(PAIRS, 0, le(2, 2)), OK);
    await net.transmit(flow(1000), { pair: 1 });
    net.device.resetQueue(net.device.queues[2]!);
    net.wire.port.receive(flow(1000, true));
    assert.equal((await net.received(0)).length, 1);
    net.device.resetQueue(net.device.queues[0]!);
    assert.equal(net.wire.port.receive(flow(1000, true)), true);
    assert.equal(net.device.counters.droppedNotReady, 1);
  });

  it("5.1.6.5.6.1: a packet in a pair that is not in use is a violation, and dropped", async () => {
    const net = many();
    assert.equal(await net.transmit(flow(1), { pair: 1 }), 0);
    assert.deepEqual(net.broken, ["5.1.6.5.6.1 pairs"]);
    assert.equal(net.wire.sent.length, 0);
  });

  it("5.1.6.5.6.1: 0 pairs, more than there are, or such that are not set up: refused", async () => {
    const net = many();
    for (const pairs of [0, 5, 0xffff]) assert.equal(await net.command(PAIRS, 0, le(pairs, 2)), ERR);
    net.device.resetQueue(net.device.queues[3]!);
    assert.equal(await net.command(PAIRS, 0, le(2, 2)), ERR);
    assert.deepEqual(net.broken, [
      "5.1.6.5.6.1 count",
      "5.1.6.5.6.1 count",
      "5.1.6.5.6.1 count",
      "5.1.6.5.6.1 configured",
    ]);
  });

  it("5.1.2: without MQ there is one pair, and the control queue is number 2", async () => {
    const net = new NetDriver({ without: MQ, device: { queues: 3 } });
    assert.equal(net.controlQueue, 2);
    assert.equal(await net.command(RX, 0, [1]), OK);
    assert.deepEqual(net.broken, []);
  });

  it("without the control queue the queue in its place does nothing, whatever is in it", async () => {
    const net = new NetDriver({ without: CONTROL });
    void net.driver.request(2, [{ address: 0x1000, length: 3 }]);
    await settle();
    assert.equal(net.device.queues[2]!.counters.chains, 0);
  });
});

describe("offloads (5.1.6.5.8)", () => {
  const [CSUM_BIT, TSO4_BIT, ALL_BITS] = [2, 0x80, 0x382];

  it("what is switched off is done by the device, and after a reset everything is on again", async () => {
    const net = started();
    const type = async (): Promise<number[]> => {
      net.wire.port.receive(
        tcp({ destination: MINE, payload: new Uint8Array(2000), gsoSize: 1400, partial: true }),
      );
      return (await net.received()).map((packet) => packet[0]! * 16 + packet[1]!);
    };
    assert.deepEqual(await type(), [17]);
    assert.equal(await net.command(OFFLOADS, 0, le(CSUM_BIT, 8)), OK);
    assert.deepEqual(await type(), [0, 0]);
    assert.equal(await net.command(OFFLOADS, 0, le(TSO4_BIT, 8)), OK, "segments without checksums: none");
    assert.deepEqual(await type(), [0, 0]);
    assert.equal(await net.command(OFFLOADS, 0, le(ALL_BITS, 8)), OK);
    assert.deepEqual(await type(), [17]);
    assert.equal(await net.command(OFFLOADS, 0, le(0, 8)), OK);
    net.driver.start();
    net.used[0] = [];
    net.post(10, 1600);
    assert.deepEqual(await type(), [17]);
    assert.deepEqual(net.broken, []);
  });

  it("none that were not negotiated", async () => {
    const net = started({ without: GUEST_TSO4 | GUEST_TSO6 | GUEST_ECN });
    assert.equal(await net.command(OFFLOADS, 0, le(TSO4_BIT | CSUM_BIT, 8)), ERR);
    assert.equal(await net.command(OFFLOADS, 0, [0, 0, 0, 0, 0, 0, 0, 0x80]), ERR);
    assert.deepEqual(net.broken, ["5.1.6.5.8.2 negotiated", "5.1.6.5.8.2 negotiated"]);
  });
});

describe("commands as they must not be (5.1.6.5)", () => {
  const wrong: [name: string, sentence: string, command: [number, number, number[]], without?: bigint][] = [
    ["an unknown class", "5.1.6.5 command", [6, 0, []]],
    ["an unknown receive mode", "5.1.6.5 command", [RX, 6, [1]]],
    ["an unknown command of MAC", "5.1.6.5 command", [MAC, 2, MINE]],
    ["an unknown command of VLAN", "5.1.6.5 command", [VLAN, 2, [1, 0]]],
    ["an unknown command of ANNOUNCE", "5.1.6.5 command", [ANNOUNCE, 1, []]],
    ["RSS", "5.1.6.5 command", [PAIRS, 1, [0, 0]]],
    ["an unknown command of OFFLOADS", "5.1.6.5 command", [OFFLOADS, 1, le(0, 8)]],
    ["a mode cut short", "5.1.6.5 command", [RX, 0, []]],
    ["an address cut short", "5.1.6.5 command", [MAC, 1, [2, 0, 0, 0, 0]]],
    ["a table without its second list", "5.1.6.5 command", [MAC, 0, le(0, 4)]],
    ["a table with too few addresses", "5.1.6.5 command", [MAC, 0, [...le(2, 4), ...OTHER]]],
    [
      "a second list with too few addresses",
      "5.1.6.5 command",
      [MAC, 0, [...le(0, 4), ...le(2, 4), ...GROUP]],
    ],
    ["a second list of 2^32 - 1 addresses", "5.1.6.5 command", [MAC, 0, [...le(0, 4), ...le(0xffffffff, 4)]]],
    ["a table with 2^32 - 1 addresses", "5.1.6.5 command", [MAC, 0, [...le(0xffffffff, 4), ...OTHER]]],
    ["a VLAN cut short", "5.1.6.5 command", [VLAN, 0, [1]]],
    ["pairs cut short", "5.1.6.5 command", [PAIRS, 0, [1]]],
    ["offloads cut short", "5.1.6.5 command", [OFFLOADS, 0, le(0, 7)]],
    ["a mode of 2", "5.1.6.5.1 value", [RX, 0, [2]]],
    ["VLAN 4096", "5.1.6.5.3 id", [VLAN, 0, le(4096, 2)]],
    ["a group address as its own", "5.1.6.5.2.2 table", [MAC, 1, GROUP]],
    ["a multicast address among the others", "5.1.6.5.2.2 table", [MAC, 0, table([GROUP], [])]],
    ["a unicast address among multicast ones", "5.1.6.5.2.2 table", [MAC, 0, table([], [OTHER])]],
    ["PROMISC without CTRL_RX", "5.1.6.5.1.2 negotiated", [RX, 0, [1]], CTRL_RX],
    ["ALLUNI without CTRL_RX_EXTRA", "5.1.6.5.1.2 negotiated", [RX, 2, [1]], CTRL_RX_EXTRA],
    ["a table without CTRL_RX", "5.1.6.5.2.2 negotiated", [MAC, 0, table([], [])], CTRL_RX],
    ["an address without CTRL_MAC_ADDR", "5.1.6.5.2.2 negotiated", [MAC, 1, OTHER], CTRL_MAC_ADDR],
    ["a VLAN without CTRL_VLAN", "5.1.6.5.3 negotiated", [VLAN, 0, [1, 0]], CTRL_VLAN],
    ["ANNOUNCE_ACK without GUEST_ANNOUNCE", "5.1.6.5.4 negotiated", [ANNOUNCE, 0, []], GUEST_ANNOUNCE],
    ["pairs without MQ", "5.1.6.5.6 negotiated", [PAIRS, 0, [1, 0]], MQ],
    ["offloads without their feature", "5.1.6.5.8 negotiated", [OFFLOADS, 0, le(0, 8)], CTRL_GUEST_OFFLOADS],
  ];
  for (const [name, sentence, [group, command, data], without] of wrong) {
    it(`${name}: an error, and nothing changes`, async () => {
      const net = started({ without: without ?? 0n, device: { queues: 2 } });
      assert.equal(await net.command(group, command, data), ERR);
      assert.deepEqual(net.broken, [sentence]);
      if (without === undefined) assert.deepEqual(await passed(net, addressed), ["mine", "all"]);
      assert.deepEqual(net.mac, MINE);
    });
  }

  it("without room for the ack, without class and command, with nothing at all", async () => {
    const net = started();
    const address = net.driver.memory.put(Uint8Array.of(RX, 0, 1));
    assert.equal(await net.driver.request(2, [{ address, length: 3 }]), 0);
    assert.equal(
      await net.driver.request(2, [
        { address, length: 1 },
        { address: 0x8000, length: 1, writable: true },
      ]),
      1,
    );
    assert.equal(await net.driver.request(2, [{ address: 0x8000, length: 1, writable: true }]), 1);
    assert.deepEqual(net.broken, ["5.1.6.5 command", "5.1.6.5 command", "5.1.6.5 command"]);
    assert.deepEqual(
      await passed(net, { other: frame(OTHER) }),
      ["other"],
      "the command itself was all right",
    );
  });

  it("2.7.4.1: framing means nothing", async () => {
    const net = started();
    const address = net.driver.memory.put(Uint8Array.of(MAC, 0, ...table([OTHER], []), 0xee));
    const length = 2 + 14;
    const bytes = Array.from({ length }, (_, i) => ({ address: address + i, length: 1 }));
    assert.equal(
      await net.driver.request(2, [...bytes, { address: address + length, length: 1, writable: true }]),
      1,
    );
    assert.equal(net.driver.memory.u8[address + length], OK);
    assert.deepEqual(await passed(net, addressed), ["mine", "other", "all"]);
  });
});
