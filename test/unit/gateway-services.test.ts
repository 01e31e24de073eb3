import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  GATEWAY,
  GATEWAY6,
  GATEWAY_LINK_LOCAL,
  GATEWAY_MAC,
  guestAddress,
  GUESTS,
} from "../../src/backends/net/gateway/addresses.ts";
import { NamePool, POOL } from "../../src/backends/net/gateway/dns/pool.ts";
import { addressText, parseAddress } from "../../src/net/address.ts";
import { ArpOperation, arpPacket, parseArp } from "../../src/net/arp.ts";
import { get16, get32, set16, set32 } from "../../src/net/bytes.ts";
import { DhcpOption, DhcpType } from "../../src/net/dhcp.ts";
import { encodeName } from "../../src/net/dns.ts";
import { BROADCAST, destinationOf } from "../../src/net/ethernet.ts";
import { icmpPacket } from "../../src/net/icmp.ts";
import { ipPacket, type Route } from "../../src/net/ip.ts";
import { linkLocal, solicitedNode } from "../../src/net/neighbour.ts";
import { HEADER } from "../../src/net/packet.ts";
import { parseUdp, udpPacket } from "../../src/net/udp.ts";
import { GUEST, GUEST6, ipOf, MAC, otherPacket, settle, TestGuest, TestPeer } from "./gateway-guest.ts";

const ZERO = Uint8Array.of(0, 0, 0, 0);
const OWN = guestAddress(MAC, 0);
const OUTSIDE = parseAddress("8.8.8.8")!;

describe("the gateway's ARP", () => {
  const ask = (target: Uint8Array): Uint8Array =>
    arpPacket(BROADCAST, {
      operation: ArpOperation.REQUEST,
      senderMac: MAC,
      senderAddress: GUEST,
      targetMac: new Uint8Array(6),
      targetAddress: target,
    });

  it("answers for itself and lets others answer for themselves", () => {
    const guest = new TestGuest();
    const [packet] = guest.ask(ask(GATEWAY));
    const reply = parseArp(packet!)!;
    assert.equal(reply.operation, ArpOperation.REPLY);
    assert.deepEqual(reply.senderMac, GATEWAY_MAC);
    assert.deepEqual(reply.targetMac, MAC);
    assert.deepEqual(destinationOf(packet!), MAC);
    assert.deepEqual(guest.ask(ask(OWN), false), []);
  });

  it("leaves tagged frames and frames for others alone", () => {
    const guest = new TestGuest();
    const tagged = ask(GATEWAY);
    set16(tagged, HEADER + 12, 0x8100);
    guest.ask(tagged, false);
    const other = ipPacket(guest.route({ destinationMac: Uint8Array.of(2, 0, 0, 0, 0, 9) }), 17, 20);
    guest.ask(other, false);
  });
});

/** A client's message. */
function dhcp(
  type: number,
  options: [number, Uint8Array][] = [],
  fields: { client?: Uint8Array; broadcast?: boolean } = {},
): Uint8Array {
  const bytes = new Uint8Array(300);
  bytes.set([1, 1, 6]);
  set32(bytes, 4, 0xabcd1234);
  if (fields.broadcast) bytes[10] = 0x80;
  bytes.set(fields.client ?? ZERO, 12);
  bytes.set(MAC, 28);
  bytes.set([0x63, 0x82, 0x53, 0x63, 53, 1, type], 236);
  let at = 243;
  for (const [code, data] of options) {
    bytes.set([code, data.length, ...data], at);
    at += 2 + data.length;
  }
  bytes[at] = 255;
  return bytes;
}

/** What the server says to it, and to whom. */
function offer(guest: TestGuest, payload: Uint8Array, route: Route = guest.broadcast()) {
  const [packet] = guest.ask(udpPacket(route, { sourcePort: 68, destinationPort: 67, payload }));
  if (!packet) return undefined;
  const ip = ipOf(packet);
  const udp = parseUdp(packet, ip, false);
  assert.ok(typeof udp !== "string");
  assert.equal(udp.destinationPort, 68);
  assert.equal(get32(udp.payload, 4), 0xabcd1234);
  const options = new Map<number, Uint8Array>();
  for (let at = 240; udp.payload[at] !== 255; at += 2 + udp.payload[at + 1]!)
    options.set(udp.payload[at]!, udp.payload.subarray(at + 2, at + 2 + udp.payload[at + 1]!));
  return {
    type: options.get(53)![0]!,
    address: addressText(udp.payload.subarray(16, 20)),
    to: addressText(ip.destination),
    mac: destinationOf(packet),
    options,
  };
}

describe("the gateway's DHCP", () => {
  const text = (value: string) => new TextEncoder().encode(value);
  const chosen: [number, Uint8Array][] = [
    [DhcpOption.SERVER, GATEWAY],
    [DhcpOption.REQUESTED_ADDRESS, OWN],
    [DhcpOption.HOST_NAME, text("Blue.Box")],
  ];

  it("offers and leases the address of this MAC address, with all that a guest needs", () => {
    const guest = new TestGuest({ mtu: 1400 });
    const first = offer(guest, dhcp(DhcpType.DISCOVER))!;
    assert.equal(first.type, DhcpType.OFFER);
    assert.equal(first.address, addressText(OWN));
    assert.equal(first.to, addressText(OWN));
    assert.deepEqual(first.mac, MAC);
    const second = offer(guest, dhcp(DhcpType.REQUEST, [...chosen, [DhcpOption.CLIENT, text("me")]]))!;
    assert.equal(second.type, DhcpType.ACK);
    const { options } = second;
    assert.equal(addressText(options.get(1)!), "255.255.0.0");
    for (const code of [3, 6, 54]) assert.equal(addressText(options.get(code)!), "10.77.0.1");
    assert.equal(get16(options.get(26)!, 0), 1400);
    assert.equal(get32(options.get(51)!, 0), 86400);
    assert.deepEqual(options.get(15), text("ringside"));
    assert.deepEqual(options.get(12), text("blue-box"));
    assert.deepEqual(options.get(61), text("me"));
    assert.deepEqual(guest.leases, [{ address: addressText(OWN), hostname: "blue-box" }]);
  });

  it("broadcasts to who asks for that, and answers a renewal where it came from", () => {
    const guest = new TestGuest();
    const loud = offer(guest, dhcp(DhcpType.DISCOVER, [], { broadcast: true }))!;
    assert.equal(loud.to, "255.255.255.255");
    assert.deepEqual(loud.mac, BROADCAST);
    const renewal = offer(guest, dhcp(DhcpType.REQUEST, [], { client: OWN }), guest.route({ source: OWN }))!;
    assert.deepEqual([renewal.type, renewal.to], [DhcpType.ACK, addressText(OWN)]);
  });

  it("knows an address after a restart, and refuses a foreign one", () => {
    const guest = new TestGuest();
    const reboot = (address: Uint8Array) =>
      offer(guest, dhcp(DhcpType.REQUEST, [[DhcpOption.REQUESTED_ADDRESS, address]]))!;
    assert.equal(reboot(OWN).type, DhcpType.ACK);
    const refused = reboot(parseAddress("192.168.1.7")!);
    assert.deepEqual(
      [refused.type, refused.to, refused.address],
      [DhcpType.NAK, "255.255.255.255", "0.0.0.0"],
    );
    assert.equal(offer(guest, dhcp(DhcpType.REQUEST, [[DhcpOption.SERVER, OUTSIDE]])), undefined);
  });

  it("moves on when an address is somebody else's: declined, in the roster, or seen in the room", () => {
    const second = addressText(guestAddress(MAC, 1));
    const declined = new TestGuest();
    offer(declined, dhcp(DhcpType.REQUEST, chosen));
    offer(declined, dhcp(DhcpType.DECLINE, [[DhcpOption.REQUESTED_ADDRESS, OWN]]));
    assert.equal(offer(declined, dhcp(DhcpType.DISCOVER))!.address, second);
    assert.equal(declined.leases.at(-1), undefined);

    const roster = new TestGuest();
    roster.names = [{ name: "other", address: addressText(OWN) }];
    assert.equal(offer(roster, dhcp(DhcpType.DISCOVER))!.address, second);
    // Its own entry, which comes later, changes nothing.
    roster.names.push({ name: "me", address: second });
    assert.equal(offer(roster, dhcp(DhcpType.DISCOVER))!.address, second);
    roster.gateway.reset();
    assert.equal(offer(roster, dhcp(DhcpType.DISCOVER))!.address, second);

    const seen = new TestGuest();
    const other = {
      operation: 2,
      senderMac: GATEWAY_MAC.slice(),
      senderAddress: OWN,
      targetMac: MAC,
      targetAddress: GUEST,
    };
    seen.gateway.observe(arpPacket(MAC, other));
    assert.equal(offer(seen, dhcp(DhcpType.DISCOVER))!.address, second);
  });

  it("informs, and forgets what is released", () => {
    const guest = new TestGuest();
    offer(guest, dhcp(DhcpType.REQUEST, chosen));
    const informed = offer(guest, dhcp(DhcpType.INFORM, [], { client: GUEST }), guest.route())!;
    assert.deepEqual(
      [informed.type, informed.address, informed.options.has(51)],
      [DhcpType.ACK, "0.0.0.0", false],
    );
    offer(guest, dhcp(DhcpType.RELEASE, [], { client: OWN }), guest.route({ source: OWN }));
    assert.equal(guest.leases.at(-1), undefined);
  });

  it("names a guest that brings no name", () => {
    const guest = new TestGuest({ name: `Åke's ${"very ".repeat(100)}own` });
    const { options } = offer(guest, dhcp(DhcpType.DISCOVER))!;
    assert.match(Buffer.from(options.get(12)!).toString(), /^ke-s-(very-){11}ver$/);
  });

  it("has different addresses for guests, none of them special", () => {
    const seen = new Set<string>();
    for (let attempt = 0; attempt < GUESTS; attempt += 1) {
      const address = guestAddress(MAC, attempt);
      assert.ok(address[2]! >= 1 && address[2]! <= 254 && address[3]! >= 1 && address[3]! <= 254);
      seen.add(addressText(address));
    }
    assert.equal(seen.size, GUESTS);
  });
});

/** A question, with EDNS of this size and version. */
function query(name: string, type = 1, edns?: { size?: number; version?: number }): Uint8Array {
  const opt = edns ? [0, 0, 41, ...u16(edns.size ?? 4096), 0, edns.version ?? 0, 0, 0, 0, 0] : [];
  return Uint8Array.from([
    ...u16(77),
    1,
    0,
    ...u16(1),
    0,
    0,
    0,
    0,
    ...u16(edns ? 1 : 0),
    ...encodeName(name),
    ...u16(type),
    0,
    1,
    ...opt,
  ]);
}
const u16 = (value: number) => [value >> 8, value & 255];

describe("the gateway's DNS", () => {
  function resolve(guest: TestGuest, payload: Uint8Array, destination = GATEWAY) {
    const source = destination.length === 4 ? GUEST : GUEST6;
    const { udp } = guest.askUdp({ sourcePort: 999, destinationPort: 53, payload }, { destination, source });
    assert.equal(get16(udp.payload, 0), 77);
    const answers = get16(udp.payload, 6);
    return {
      code: udp.payload[3]! & 15,
      answers,
      truncated: (udp.payload[2]! & 2) !== 0,
      bytes: udp.payload,
    };
  }
  const lastAddress = (bytes: Uint8Array, length = 4, opt = 0) =>
    addressText(bytes.subarray(bytes.length - length - opt, bytes.length - opt));

  it("knows the gateway, the room's members and its guest, forwards and back", () => {
    const guest = new TestGuest();
    guest.names = [
      { name: "Blue Lab", address: "10.77.3.4" },
      { name: "six", address: "fd00:77::6" },
    ];
    offer(
      guest,
      dhcp(DhcpType.REQUEST, [
        [DhcpOption.REQUESTED_ADDRESS, OWN],
        [12, Uint8Array.of(109, 101)],
      ]),
    );
    assert.equal(lastAddress(resolve(guest, query("gateway.ringside")).bytes), "10.77.0.1");
    assert.equal(lastAddress(resolve(guest, query("GATEWAY.Ringside", 28)).bytes, 16), "fd00:77::1");
    assert.equal(lastAddress(resolve(guest, query("blue-lab.ringside")).bytes), "10.77.3.4");
    assert.equal(lastAddress(resolve(guest, query("six.ringside", 28), GATEWAY6).bytes, 16), "fd00:77::6");
    assert.equal(lastAddress(resolve(guest, query("me.ringside")).bytes), addressText(OWN));
    assert.deepEqual(
      [resolve(guest, query("six.ringside")).code, resolve(guest, query("six.ringside")).answers],
      [0, 0],
    );
    assert.equal(resolve(guest, query("nobody.ringside")).code, 3);
    const back = resolve(guest, query("4.3.77.10.in-addr.arpa", 12));
    assert.ok(Buffer.from(back.bytes).includes("\bblue-lab\bringside\0"));
    const six = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.7.0.0.0.0.d.f.ip6.arpa";
    assert.ok(Buffer.from(resolve(guest, query(six, 12)).bytes).includes("\x07gateway\bringside\0"));
  });

  it("has addresses for names outside only with a way out", () => {
    const closed = new TestGuest();
    assert.equal(resolve(closed, query("deb.debian.org")).code, 3);
    const open = new TestGuest({ http: true, fetch });
    const first = resolve(open, query("deb.debian.org", 1, {}));
    assert.equal(lastAddress(first.bytes, 4, 11), "198.18.0.1");
    assert.equal(lastAddress(resolve(open, query("DEB.debian.org")).bytes), "198.18.0.1");
    assert.equal(lastAddress(resolve(open, query("other.example")).bytes), "198.18.0.2");
    const none = resolve(open, query("deb.debian.org", 28));
    assert.deepEqual([none.code, none.answers], [0, 0]);
    for (const name of ["localhost", "printer", "printer.local", "x.invalid", "a b.example"])
      assert.equal(resolve(open, query(name)).code, 3, name);
    assert.ok(
      Buffer.from(resolve(open, query("2.0.18.198.in-addr.arpa", 12)).bytes).includes("\x05other\x07example"),
    );
  });

  it("says what it does not do, and cuts what is too long for UDP", async () => {
    const guest = new TestGuest();
    const opcode = query("gateway.ringside");
    opcode[2] = 0x28;
    assert.equal(resolve(guest, opcode).code, 4);
    const chaos = query("gateway.ringside");
    chaos[chaos.length - 1] = 3;
    assert.equal(resolve(guest, chaos).code, 5);
    assert.equal(resolve(guest, query("gateway.ringside").subarray(0, 20)).code, 1);
    const version = resolve(guest, query("gateway.ringside", 1, { version: 1 }));
    assert.deepEqual([version.code, version.bytes.at(-6)], [0, 1]);
    guest.names = Array.from({ length: 40 }, (_, i) => ({ name: "many", address: `10.77.8.${i}` }));
    assert.equal(resolve(guest, query("many.ringside")).truncated, true);
    assert.equal(resolve(guest, query("many.ringside", 1, {})).truncated, false);

    const peer = new TestPeer(guest, 53);
    const long = query("many.ringside");
    peer.connect();
    peer.send(Uint8Array.from([...u16(long.length), ...long, ...u16(long.length), ...long]));
    peer.end();
    await peer.until(() => peer.ended);
    const answers = Buffer.concat(peer.received);
    assert.equal(answers.length, 2 * (2 + answers.readUInt16BE(0)));
    assert.equal(answers.readUInt16BE(2 + 6), 32);
  });

  it("is not led in circles by compressed names", () => {
    const guest = new TestGuest();
    const head = [...u16(77), 1, 0, ...u16(1), 0, 0, 0, 0, 0, 0];
    // Onto itself; forwards; and a name that leads to its own label again and again.
    for (const name of [[0xc0, 12], [0xc0, 20], [1, 97, 0xc0, 12], [63], [0x80, 1]])
      assert.equal(resolve(guest, Uint8Array.from([...head, ...name, 0, 1, 0, 1])).code, 1);
    const response = query("gateway.ringside");
    response[2] = 0x80;
    guest.ask(udpPacket(guest.route(), { sourcePort: 999, destinationPort: 53, payload: response }));
    assert.equal(guest.gateway.drops.malformed, 1);
  });

  it("lets go of the names unused for longest", () => {
    const pool = new NamePool();
    const first = pool.addressFor("first.example");
    for (let i = 0; i < POOL - 1; i++) pool.addressFor(`n${i}.example`);
    assert.equal(pool.nameOf(first), "first.example");
    pool.addressFor("one.more");
    assert.equal(pool.nameOf(first), "first.example");
    assert.equal(pool.nameOf(parseAddress("198.18.0.2")!), undefined);
  });
});

describe("the gateway's ICMP", () => {
  const body = (length: number) => Uint8Array.from({ length: 4 + length }, (_, i) => i);

  /** What comes back as one message: put together again if it came in pieces. */
  function echo(guest: TestGuest, route: Route, type: number, length: number) {
    const message = icmpPacket(route, type, 0, body(length));
    const pieces: Uint8Array[] = [];
    const start = 26 + (route.source.length === 4 ? 20 : 40);
    const size = 1440;
    if (length < size) pieces.push(message);
    else
      for (let offset = 0; start + offset < message.length; offset += size) {
        const part = message.subarray(start + offset, start + offset + size);
        const fragment = { identification: 5, offset, more: start + offset + size < message.length };
        const packet = ipPacket(route, message[start] === 8 ? 1 : 58, part.length, { fragment });
        packet.set(part, packet.length - part.length);
        pieces.push(packet);
      }
    guest.inbox = [];
    for (const piece of pieces.reverse()) assert.equal(guest.gateway.handle(piece), true);
    return guest.inbox.splice(0).map((packet) => {
      const ip = ipOf(packet);
      return { ip, data: packet.subarray(ip.payload, ip.end), length: packet.length };
    });
  }

  it("answers echoes of any size, over IPv4 and IPv6", () => {
    const guest = new TestGuest();
    for (const [route, ask, reply] of [
      [guest.route(), 8, 0],
      [guest.route({ source: GUEST6, destination: GATEWAY6 }), 128, 129],
      [guest.route({ source: linkLocal(MAC), destination: GATEWAY_LINK_LOCAL }), 128, 129],
    ] as const)
      for (const length of [0, 56, 5000, 60_000]) {
        const answers = echo(guest, route, ask, length);
        const whole = Buffer.concat(answers.map(({ data }) => data));
        assert.equal(whole[0], reply);
        assert.deepEqual(new Uint8Array(whole.subarray(4)), body(length));
        for (const answer of answers) assert.ok(answer.length <= 26 + 1500);
        if (length < 1000) assert.equal(answers.length, 1);
      }
    assert.deepEqual(Object.values(guest.gateway.drops), [0, 0, 0, 0, 0]);
  });

  it("gives up pieces that overlap, and keeps no more than a few datagrams", async () => {
    const guest = new TestGuest();
    const piece = (identification: number, offset: number, more: boolean, length = 16) =>
      guest.gateway.handle(
        ipPacket(guest.route(), 1, length, { fragment: { identification, offset, more } }),
      );
    piece(1, 0, true);
    piece(1, 8, true);
    assert.equal(guest.gateway.drops.fragments, 1);
    piece(2, 65528, true);
    piece(2, 0, true, 12);
    assert.equal(guest.gateway.drops.fragments, 3);
    for (let i = 0; i < 5000; i++) piece(100 + i, 8 * (i % 100), true);
    assert.deepEqual(guest.inbox, []);
    await settle();
  });

  it("says what is not there, from where, and about which packet", () => {
    const guest = new TestGuest();
    const udp = (destination: Uint8Array, destinationPort: number) =>
      udpPacket(guest.route({ destination, source: destination.length === 4 ? GUEST : GUEST6 }), {
        sourcePort: 1,
        destinationPort,
        payload: new Uint8Array(800),
      });
    const error = (packet: Uint8Array) => {
      const [answer] = guest.ask(packet);
      const ip = ipOf(answer!);
      const quoted = answer!.subarray(ip.payload + 8, ip.end);
      assert.deepEqual(quoted, packet.subarray(26, 26 + quoted.length));
      return [addressText(ip.source), answer![ip.payload], answer![ip.payload + 1]];
    };
    assert.deepEqual(error(udp(GATEWAY, 7)), ["10.77.0.1", 3, 3]);
    assert.deepEqual(error(udp(OUTSIDE, 7)), ["10.77.0.1", 3, 13]);
    assert.deepEqual(error(udp(GATEWAY6, 7)), ["fd00:77::1", 1, 4]);
    assert.deepEqual(error(udp(parseAddress("2001:db8::1")!, 7)), ["fd00:77::1", 1, 1]);
    assert.deepEqual(error(otherPacket(guest.route(), 47)), ["10.77.0.1", 3, 2]);
    assert.deepEqual(error(icmpPacket(guest.route({ destination: OUTSIDE }), 8, 0, body(8))), [
      "10.77.0.1",
      3,
      13,
    ]);
    const far = ipPacket(guest.route({ destination: OUTSIDE }), 17, 30, { hopLimit: 1 });
    assert.deepEqual(error(far), ["10.77.0.1", 11, 0]);
    // No error about an error, nor to nobody.
    assert.deepEqual(guest.ask(icmpPacket(guest.route({ destination: OUTSIDE }), 3, 1, body(30))), []);
    assert.deepEqual(guest.ask(otherPacket(guest.route({ source: parseAddress("224.0.0.5")! }), 47)), []);
  });

  it("finds neighbours and routers, also for who has no address yet", () => {
    const guest = new TestGuest();
    const group = (destination: Uint8Array, source: Uint8Array): Route =>
      guest.route({
        destinationMac: Uint8Array.of(0x33, 0x33, ...destination.subarray(12)),
        source,
        destination,
      });
    const solicit = (target: Uint8Array, source: Uint8Array, hops = 255) =>
      icmpPacket(
        group(solicitedNode(target), source),
        135,
        0,
        Uint8Array.from([0, 0, 0, 0, ...target]),
        hops,
      );
    for (const target of [GATEWAY6, GATEWAY_LINK_LOCAL]) {
      const [answer] = guest.ask(solicit(target, linkLocal(MAC)));
      const ip = ipOf(answer!);
      assert.deepEqual([answer![ip.payload], ip.hopLimit, answer![ip.payload + 4]], [136, 255, 0xe0]);
      assert.deepEqual(answer!.subarray(ip.payload + 8, ip.payload + 24), target);
      assert.deepEqual(answer!.subarray(ip.end - 6, ip.end), GATEWAY_MAC);
    }
    const [taken] = guest.ask(solicit(GATEWAY6, new Uint8Array(16)));
    assert.equal(addressText(ipOf(taken!).destination), "ff02::1");
    assert.deepEqual(guest.ask(solicit(GUEST6, linkLocal(MAC)), false), []);
    assert.deepEqual(guest.ask(solicit(GATEWAY6, linkLocal(MAC), 64), false), []);

    const [router] = guest.ask(
      icmpPacket(group(parseAddress("ff02::2")!, linkLocal(MAC)), 133, 0, new Uint8Array(4), 255),
    );
    const ip = ipOf(router!);
    assert.equal(addressText(ip.source), "fe80::5055:aff:fe4d:1");
    assert.deepEqual([router![ip.payload], get16(router!, ip.payload + 6)], [134, 0]);
    assert.ok(Buffer.from(router!).includes(Buffer.from([3, 4, 64, 0xc0])));
  });

  it("drops what is broken, and counts it", () => {
    const guest = new TestGuest();
    const wrong = udpPacket(guest.route(), {
      sourcePort: 1,
      destinationPort: 53,
      payload: query("gateway.ringside"),
    });
    wrong[wrong.length - 1]! ^= 1;
    guest.ask(wrong);
    const header = otherPacket(guest.route(), 17);
    header[26 + 8]! ^= 1;
    guest.ask(header);
    const short = otherPacket(guest.route(), 17, 4);
    guest.ask(short);
    guest.ask(new Uint8Array(20));
    assert.deepEqual(guest.gateway.drops, {
      malformed: 2,
      checksum: 2,
      fragments: 0,
      source: 0,
      protocol: 0,
    });
  });
});

describe("addresses as text", () => {
  it("read and write as RFC 5952 has it", () => {
    for (const text of [
      "10.0.0.255",
      "::",
      "::1",
      "fe80::5055:aff:fe4d:1",
      "1:2:3:4:5:6:7:8",
      "1:0:0:2::3",
      "2001:db8::",
    ])
      assert.equal(addressText(parseAddress(text)!), text);
    assert.equal(addressText(parseAddress("0:0:0:0:0:ffff:1.2.3.4")!), "::ffff:102:304");
    for (const text of [
      "",
      "1.2.3",
      "1.2.3.256",
      "1.2.3.04",
      ":",
      ":::",
      "1::2::3",
      "12345::",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "g::",
      "1.2.3.4::",
    ])
      if (text !== "1.2.3.4::") assert.equal(parseAddress(text), undefined, text);
  });
});
