/** A room of the relay as an Ethernet switch: who gets what. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { MacTable } from "../../server/relay/switch.ts";
import { AGEING } from "../../server/relay/limits.ts";
import { tcpPacket } from "../../src/net/tcp.ts";
import { packetFault } from "../../src/net/offload.ts";
import { Field, Gso, HEADER } from "../../src/net/packet.ts";
import {
  BROADCAST,
  join,
  mac,
  macBytes,
  packet,
  type Peer,
  startRelay,
  type TestRelay,
  until,
} from "./relay-support.ts";

describe("a room", () => {
  let relay: TestRelay;
  let room = 0;
  before(async () => {
    relay = await startRelay();
  });
  after(() => relay[Symbol.asyncDispose]());

  /** In a room of their own; the addresses are 1, 2, 3 …, and undefined is a plain member. */
  const enter = async (...macs: (string | undefined)[]): Promise<Peer[]> => {
    room++;
    const peers = [];
    for (const each of macs) peers.push(await join(relay, `room-${room}`, each));
    return peers;
  };
  const dropped = (reason: keyof typeof relay.relay.counters.dropped) => relay.relay.counters.dropped[reason];

  it("floods what is for all or for nobody known, and gives the rest to whom it is for", async () => {
    const [one, two, three] = (await enter(mac(1), mac(2), mac(3))) as [Peer, Peer, Peer];
    one.send(
      packet(BROADCAST, mac(1), 10),
      packet(mac(2), mac(1), 11),
      packet("33:33:00:00:00:01", mac(1), 12),
    );
    one.send(packet(mac(9), mac(1), 13), packet(mac(1), mac(1), 14), packet(mac(3), mac(1), 15));
    await until(() => three.packets.length >= 4 && two.packets.length >= 4, "what was flooded");
    assert.deepEqual(two.numbers, [10, 11, 12, 13]);
    assert.deepEqual(three.numbers, [10, 12, 13, 15]);
    assert.deepEqual(one.packets, []);
  });

  it("keeps rooms apart", async () => {
    const [one, two] = (await enter(mac(1), mac(2))) as [Peer, Peer];
    const [other] = (await enter(mac(2))) as [Peer];
    one.send(packet(mac(2), mac(1), 1), packet(BROADCAST, mac(1), 2));
    await until(() => two.packets.length === 2, "both packets");
    other.say({ type: "credit", bytes: 1 });
    assert.deepEqual(other.packets, []);
  });

  it("knows a hello's address at once, and learns others, of plain members, too", async () => {
    const [one, two, plain, witness] = (await enter(mac(1), mac(2), undefined, mac(4))) as [
      Peer,
      Peer,
      Peer,
      Peer,
    ];
    one.send(packet(mac(2), mac(1), 1));
    plain.send(packet(mac(1), mac(3), 2));
    await until(() => two.packets.length === 1 && one.packets.length === 1, "unicasts");
    one.send(packet(mac(3), mac(1), 3));
    two.send(packet(mac(1), mac(22), 4));
    await until(
      () => plain.packets.length === 1 && one.packets.length === 2,
      "what goes to addresses just learned",
    );
    one.send(packet(mac(22), mac(1), 5), packet(BROADCAST, mac(1), 6));
    await until(() => witness.packets.length === 1, "the broadcast");
    assert.deepEqual(two.numbers, [1, 5, 6]);
    assert.deepEqual(witness.numbers, [6]);
  });

  it("refuses an address that another member has, a group's, nobody's, and more than 16", async () => {
    const [one, two, three] = (await enter(mac(1), mac(2), mac(3))) as [Peer, Peer, Peer];
    const before = { spoofed: dropped("spoofed"), source: dropped("source") };
    two.send(
      packet(mac(3), mac(1), 1),
      packet(mac(3), "03:00:00:00:00:01", 2),
      packet(mac(3), "00:00:00:00:00:00", 3),
    );
    // It has one already.
    two.send(...Array.from({ length: 17 }, (_, i) => packet(mac(3), mac(100 + i), 100 + i)));
    two.send(packet(mac(3), mac(2), 99));
    await until(() => three.numbers.includes(99), "the last packet");
    assert.deepEqual(three.numbers, [...Array.from({ length: 15 }, (_, i) => 100 + i), 99]);
    assert.equal(dropped("spoofed") - before.spoofed, 1);
    assert.equal(dropped("source") - before.source, 4);
    one.send(packet(mac(3), mac(1), 50));
    await until(() => three.numbers.includes(50), "a packet of the one whose address it is");
  });

  it("gives an address free when its member has gone, or is found to be gone when another wants it", async () => {
    const [one, two, witness] = (await enter(mac(1), mac(2), mac(3))) as [Peer, Peer, Peer];
    one.socket.close();
    await until(() => witness.members.length === 2, "its leaving");
    two.send(packet(mac(3), mac(1), 1));
    await until(() => witness.numbers.includes(1), "a packet from the address");
  });

  it("drops runts and giants", async () => {
    const [one, plain] = (await enter(mac(1), undefined)) as [Peer, Peer];
    const before = { runt: dropped("runt"), giant: dropped("giant") };
    plain.socket.send(Buffer.alloc(0));
    plain.socket.send(Buffer.alloc(13));
    plain.send(
      packet(mac(1), mac(5), 1, 1523),
      packet(mac(1), mac(5), 2, 1522),
      packet(mac(1), mac(5), 3, 14),
    );
    plain.send(packet(mac(1), mac(5), 4));
    await until(() => one.numbers.includes(4), "the last packet");
    assert.deepEqual(
      one.packets.map(({ length }) => length - HEADER),
      [1522, 14, 60],
    );
    assert.equal(dropped("runt") - before.runt, 2);
    assert.equal(dropped("giant") - before.giant, 1);
    one.send(new Uint8Array(0), new Uint8Array(HEADER + 13), packet(BROADCAST, mac(1), 5, 1523));
    one.send(packet(BROADCAST, mac(1), 6));
    await until(() => plain.numbers.includes(6), "a packet after them");
    assert.equal(dropped("runt") - before.runt, 4);
    assert.equal(dropped("giant") - before.giant, 2);
  });

  const segment = (length: number, size: number, to = 2): Uint8Array =>
    tcpPacket(
      {
        sourceMac: Uint8Array.from(macBytes(mac(1))),
        destinationMac: Uint8Array.from(macBytes(mac(to))),
        source: Uint8Array.of(10, 77, 0, 5),
        destination: Uint8Array.of(10, 77, 0, 6),
      },
      {
        sourcePort: 1,
        destinationPort: 2,
        sequence: 7,
        acknowledgement: 8,
        flags: 16,
        window: 99,
        maximum: undefined,
        scale: undefined,
      },
      length,
      size,
    );

  it("passes a segment of 60 kB on whole, and cuts it for a plain member", async () => {
    const [one, two, plain] = (await enter(mac(1), mac(2), undefined)) as [Peer, Peer, Peer];
    plain.send(packet(mac(1), mac(3)));
    await until(() => one.packets.length === 1, "the plain member's packet");
    const large = segment(60_000, 1448);
    one.send(large, segment(60_000, 1448, 3));
    await until(() => two.packets.length === 1 && plain.packets.length === 42, "all of it");
    assert.deepEqual(two.packets[0], large);
    assert.equal(packetFault(two.packets[0]), undefined);
    assert.ok(plain.packets.every(({ length }) => length <= HEADER + 14 + 20 + 20 + 1448));
    assert.equal(
      plain.packets.reduce((sum, { length }) => sum + length - HEADER - 54, 0),
      60_000,
    );
    // Their TCP checksums are there: together with the pseudo-header all words add up to nothing.
    const frame = plain.packets[41]!.subarray(HEADER);
    let sum = 6 + frame.length - 34;
    for (let at = 26; at < frame.length; at += 2) sum += (frame[at]! << 8) | (frame[at + 1] ?? 0);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    assert.equal(sum, 0xffff);
  });

  it("refuses segments whose header lies", async () => {
    const [one, two] = (await enter(mac(1), mac(2))) as [Peer, Peer];
    const before = { offload: dropped("offload"), giant: dropped("giant") };
    const change = (field: number, ...bytes: number[]) => {
      const bad = segment(20_000, 1448);
      bad.set(bytes, field);
      return bad;
    };
    one.send(
      change(Field.gsoSize, 0, 0),
      change(Field.flags, 0),
      change(Field.checksumStart, 0xff, 0xff),
      change(Field.checksumOffset, 0xff, 0x7f),
      change(Field.gsoType, Gso.TCPV6),
      change(Field.gsoType, 77),
      change(HEADER + 14, 0x4f),
    );
    one.send(change(Field.gsoSize, 0xff, 0x0f), packet(mac(2), mac(1), 9));
    await until(() => two.packets.length > 0, "the packet after them");
    assert.deepEqual(two.numbers, [9]);
    assert.equal(dropped("offload") - before.offload, 7);
    assert.equal(dropped("giant") - before.giant, 1);
  });

  it("removes what a header has no business to say: nobody here has looked at a checksum", async () => {
    const [one, two] = (await enter(mac(1), mac(2))) as [Peer, Peer];
    const lying = packet(mac(2), mac(1), 1);
    lying.set([2, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]);
    one.send(lying);
    await until(() => two.packets.length === 1, "the packet");
    assert.deepEqual([...two.packets[0]!.subarray(0, HEADER)], new Array(HEADER).fill(0));
  });

  it("sends what came in one turn as one message", async () => {
    const [one, two] = (await enter(mac(1), mac(2))) as [Peer, Peer];
    one.send(...Array.from({ length: 100 }, (_, i) => packet(mac(2), mac(1), i)));
    await until(() => two.packets.length === 100, "all packets");
    assert.equal(two.messages, 1);
    assert.deepEqual(
      two.numbers,
      Array.from({ length: 100 }, (_, i) => i),
    );
  });
});

describe("the table of a switch", () => {
  it("forgets after five minutes what nobody uses, but not what is kept", () => {
    const table = new MacTable<string>();
    table.learn(1, "a", 0);
    table.learn(2, "a", 0);
    table.assign(3, "b", 0, true);
    assert.equal(table.learn(1, "b", AGEING), "taken");
    assert.equal(table.learn(1, "a", AGEING), "known");
    assert.deepEqual([...table.age(AGEING + 1)], ["a"]);
    assert.deepEqual(
      [...table.entries()],
      [
        [1, "a"],
        [3, "b"],
      ],
    );
    assert.equal(table.learn(1, "b", 2 * AGEING + 1), "new");
    assert.equal(table.learn(3, "a", 9 * AGEING), "taken");
    table.removePort("b");
    assert.equal(table.size, 0);
  });

  it("counts a port's addresses over their coming and going", () => {
    const table = new MacTable<string>();
    for (let mac = 1; mac <= 3; mac++) assert.equal(table.learn(mac, "a", 0, 3), "new");
    assert.equal(table.learn(4, "a", 0, 3), "full");
    table.age(2 * AGEING);
    assert.equal(table.learn(4, "a", 2 * AGEING, 3), "new");
    table.assign(4, "b", 2 * AGEING);
    for (let mac = 11; mac <= 13; mac++) assert.equal(table.learn(mac, "a", 0, 3), "new");
  });
});
