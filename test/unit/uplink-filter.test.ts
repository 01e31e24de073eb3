/** What a member may send out of a room: the ranges, the rules of the host, and every packet's judgement. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseAddress } from "../../src/net/address.ts";
import { arpPacket } from "../../src/net/arp.ts";
import { BROADCAST } from "../../src/net/ethernet.ts";
import {
  GATEWAY,
  GATEWAY6,
  GATEWAY_LINK_LOCAL,
  GATEWAY_MAC,
  guestAddress,
} from "../../src/net/guest-network.ts";
import { icmpPacket } from "../../src/net/icmp.ts";
import { IP_AT, ipPacket, Protocol, type Route } from "../../src/net/ip.ts";
import { HEADER } from "../../src/net/packet.ts";
import { udpPacket } from "../../src/net/udp.ts";
import { judge, type Guest } from "../../server/relay/uplink/filter.ts";
import { uplinkSettings } from "../../server/relay/uplink/options.ts";
import { parseRule, Reach, type Range } from "../../server/relay/uplink/ranges.ts";

const address = (text: string): Uint8Array => parseAddress(text)!;
const mac = Uint8Array.of(2, 0, 0x5e, 0x10, 0, 1);
const guest: Guest = { mac, address: guestAddress(mac, 0), dns: address("9.9.9.9") };
const own: Range[] = [
  { base: address("198.51.100.0"), bits: 24 },
  { base: address("2001:db8:1::"), bits: 64 },
];
const reach = (...rules: string[]): Reach =>
  new Reach(
    rules.map(parseRule),
    () => 0,
    () => own,
  );
const PUBLIC = address("203.0.113.10");

void describe("where a guest may go", () => {
  const refused = [
    "0.0.0.0 0.1.2.3 10.0.0.1 10.77.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.0.1 169.254.169.254",
    "168.63.129.16 172.16.0.1 172.31.255.255 192.0.0.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255",
    "224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 198.51.100.1 198.51.100.254",
    ":: ::1 ::127.0.0.1 ::ffff:8.8.8.8 ::ffff:127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::127.0.0.1 64:ff9b:1::8.8.8.8 100::1",
    "2001::1 2002:a00:1::1 2002:808:808::1 3fff::1 fc00::1 fd00::1 fd00:77::1 fe80::1 fec0::1 ff02::1 5f00::1 2001:db8:1::5",
  ].flatMap((line) => line.split(" "));
  const allowed = [
    "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 169.253.0.1 172.15.255.255",
    "172.32.0.1 192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1 223.255.255.255 198.51.101.1",
    "2600::1 2a00::1 2001:4860::8888 2001:db8:2::5 64:ff9b::8.8.8.8",
  ].flatMap((line) => line.split(" "));
  for (const each of refused)
    void it(`not to ${each}`, () => assert.equal(reach().allows(address(each), 80), false));
  for (const each of allowed)
    void it(`to ${each}`, () => assert.equal(reach().allows(address(each), 80), true));

  void it("a rule opens its addresses, its port and nothing else", () => {
    const some = reach("192.168.1.10/32:80", "10.1.0.0/16", "[fd00:1::/64]:443", "fd00:2::5", "198.51.100.7");
    const cases: [string, number | undefined, boolean][] = [
      ["192.168.1.10", 80, true],
      ["192.168.1.10", 81, false],
      ["192.168.1.10", undefined, false],
      ["192.168.1.11", 80, false],
      ["10.1.2.3", undefined, true],
      ["10.2.0.1", 80, false],
      ["fd00:1::9", 443, true],
      ["fd00:1::9", 80, false],
      ["fd00:2::5", 22, true],
      ["fd00:2::6", 22, false],
      ["198.51.100.7", 22, true],
      ["64:ff9b::10.1.2.3", 80, true],
    ];
    for (const [to, port, expected] of cases)
      assert.equal(some.allows(address(to), port), expected, `${to} ${port}`);
  });

  void it("even with a rule for everything not to this computer, to groups or to other guests", () => {
    const all = reach("0.0.0.0/0", "::/0");
    for (const each of [
      "127.0.0.1",
      "0.0.0.0",
      "224.0.0.1",
      "255.255.255.255",
      "10.77.3.4",
      "::1",
      "::ffff:10.0.0.1",
      "ff02::1",
    ]) {
      assert.equal(all.allows(address(each), 80), false, each);
    }
    assert.equal(all.allows(address("192.168.1.1"), 80), true);
  });

  void it("an address of a range is judged like its range, wherever in it", () => {
    const ranges = [
      ["10.0.0.0", 8],
      ["172.16.0.0", 12],
      ["192.168.0.0", 16],
      ["100.64.0.0", 10],
      ["198.18.0.0", 15],
      ["fc00::", 7],
      ["fe80::", 10],
    ] as const;
    fc.assert(
      fc.property(
        fc.constantFrom(...ranges),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        ([base, bits], random) => {
          const inside = address(base).map((byte, i) => {
            const mask =
              bits >= (i + 1) * 8 ? 0xff : bits <= i * 8 ? 0 : (0xff << ((i + 1) * 8 - bits)) & 0xff;
            return (byte & mask) | (random[i]! & ~mask);
          });
          assert.equal(reach().allows(inside, 80), false);
        },
      ),
    );
  });

  void it("the host's own networks are looked up again, now and then", () => {
    let now = 0;
    let networks: Range[] = [];
    const changing = new Reach(
      [],
      () => now,
      () => networks,
    );
    assert.equal(changing.allows(PUBLIC, 80), true);
    networks = [{ base: PUBLIC, bits: 32 }];
    now += 60_000;
    assert.equal(changing.allows(PUBLIC, 80), false);
  });

  for (const text of [
    "",
    "host",
    "10.0.0.1/33",
    "10.0.0.1:0",
    "10.0.0.1:65536",
    "10.0.0.1:x",
    "[fd00::1",
    "fd00::/129",
    "127.0.0.1",
    "10.77.1.1",
    "::1",
    "224.0.0.0/4",
    "1.2.3.4/8/9",
  ]) {
    void it(`the rule "${text}" is refused with a sentence`, () =>
      assert.throws(() => parseRule(text), /\.$/));
  }
});

void describe("what a guest may send", () => {
  const route = (
    destination: Uint8Array,
    source = destination.length === 4 ? guest.address : address("fd00:77::5"),
  ): Route => ({
    sourceMac: mac,
    destinationMac: GATEWAY_MAC,
    source,
    destination,
  });
  const udp = (to: Uint8Array, port: number, source?: Uint8Array, fromPort = 5000): Uint8Array =>
    udpPacket(route(to, source), { sourcePort: fromPort, destinationPort: port, payload: new Uint8Array(4) });
  const tcp = (to: Uint8Array): Uint8Array => ipPacket(route(to), Protocol.TCP, 20);
  const told = (packet: Uint8Array): string => {
    const judgement = judge(packet, guest, reach("192.168.1.10/32:80"));
    return judgement.verdict === "drop" ? judgement.reason : judgement.verdict;
  };
  const PRIVATE = address("192.168.1.10");

  const cases: [string, Uint8Array, string][] = [
    ["TCP to the internet", tcp(PUBLIC), "pass"],
    ["UDP to the internet", udp(PUBLIC, 53), "translate"],
    ["an echo request", icmpPacket(route(PUBLIC), 8, 0, new Uint8Array(8)), "translate"],
    ["an echo request of the gateway", icmpPacket(route(GATEWAY), 8, 0, new Uint8Array(8)), "echo"],
    ["an echo reply", icmpPacket(route(PUBLIC), 0, 0, new Uint8Array(8)), "protocol"],
    ["an ICMP error", icmpPacket(route(PUBLIC), 3, 3, new Uint8Array(8)), "protocol"],
    ["a question to the gateway's DNS", udp(GATEWAY, 53), "dns"],
    ["UDP to another port of the gateway", udp(GATEWAY, 54), "private"],
    ["TCP to the gateway", tcp(GATEWAY), "private"],
    ["DHCP by broadcast from nobody", udp(address("255.255.255.255"), 67, address("0.0.0.0")), "dhcp"],
    ["DHCP to the gateway", udp(GATEWAY, 67), "dhcp"],
    ["DHCP elsewhere", udp(PUBLIC, 67), "private"],
    ["from nobody to the internet", udp(PUBLIC, 53, address("0.0.0.0")), "foreign"],
    ["from another guest's address", udp(PUBLIC, 53, address("10.77.9.9")), "foreign"],
    ["UDP to a private address", udp(PRIVATE, 53), "private"],
    ["UDP to the port that is allowed there", udp(PRIVATE, 80), "translate"],
    [
      "an echo request to an address with one port allowed",
      icmpPacket(route(PRIVATE), 8, 0, new Uint8Array(8)),
      "private",
    ],
    ["SCTP", ipPacket(route(PUBLIC), 132, 20), "protocol"],
    ["TCP over IPv6", tcp(address("2600::1")), "pass"],
    ["IPv6 to a private address", tcp(address("fd12::1")), "private"],
    ["IPv6 from an address of another network", udp(address("2600::1"), 53, address("2600::2")), "foreign"],
    [
      "IPv6 to the internet from a link-local address",
      udp(address("2600::1"), 53, address("fe80::1")),
      "foreign",
    ],
    [
      "a ping of the gateway's link-local address",
      icmpPacket(route(GATEWAY_LINK_LOCAL, address("fe80::5")), 128, 0, new Uint8Array(8)),
      "echo",
    ],
    [
      "a ping of another link-local address",
      icmpPacket(route(address("fe80::9"), address("fe80::5")), 128, 0, new Uint8Array(8)),
      "foreign",
    ],
    ["TCP to the gateway over IPv6", tcp(GATEWAY6), "private"],
    [
      "a router solicitation",
      icmpPacket(route(address("ff02::2"), address("fe80::5")), 133, 0, new Uint8Array(4), 255),
      "pass",
    ],
    ["DHCPv6", udp(address("ff02::1:2"), 547, address("fe80::5")), "pass"],
    ["a multicast", udp(address("224.0.0.251"), 5353), "private"],
  ];
  for (const [what, packet, expected] of cases) void it(what, () => assert.equal(told(packet), expected));

  const arp = (targetAddress: Uint8Array, senderAddress = guest.address): Uint8Array =>
    arpPacket(BROADCAST, {
      operation: 1,
      senderMac: mac,
      senderAddress,
      targetMac: new Uint8Array(6),
      targetAddress,
    });
  void it("ARP for the gateway, with its own address", () => {
    assert.equal(told(arp(GATEWAY)), "pass");
    assert.equal(told(arp(address("10.77.9.9"))), "protocol");
    assert.equal(told(arp(GATEWAY, address("10.77.9.9"))), "foreign");
  });

  const changed = (packet: Uint8Array, change: (copy: Uint8Array) => void): Uint8Array => {
    const copy = packet.slice();
    change(copy);
    return copy;
  };
  void it("not from another MAC address, not with a tag, not cut short", () => {
    assert.equal(told(changed(tcp(PUBLIC), (copy) => (copy[HEADER + 11] = 9))), "foreign");
    assert.equal(told(changed(tcp(PUBLIC), (copy) => copy.set([0x81, 0], HEADER + 12))), "protocol");
    for (let length = 0; length < IP_AT + 40; length++) {
      assert.ok(!["pass", "translate"].includes(told(tcp(PUBLIC).subarray(0, length))), `${length} bytes`);
    }
  });

  void it("no fragments, the first and small ones among them", () => {
    for (const fragment of [
      { offset: 0, more: true },
      { offset: 8, more: true },
      { offset: 1480, more: false },
    ]) {
      for (const to of [PUBLIC, address("2600::1")]) {
        const packet = ipPacket(route(to), Protocol.UDP, 16, {
          fragment: { identification: 7, ...fragment },
        });
        assert.ok(["fragment", "protocol"].includes(told(packet)));
      }
    }
  });

  void it("no IPv6 extension headers: who reads them otherwise would see another port", () => {
    const packet = ipPacket(route(address("2600::1")), 0, 28);
    packet[IP_AT + 40] = Protocol.UDP;
    assert.equal(told(packet), "protocol");
  });

  void it("random bytes are judged, and what goes out is TCP, UDP, an echo or ARP from the guest's address", () => {
    const kinds = [tcp(PUBLIC), udp(PUBLIC, 53), arp(GATEWAY), tcp(address("2600::1")), udp(GATEWAY, 67)];
    const change = fc.tuple(fc.nat(80), fc.nat(255));
    fc.assert(
      fc.property(
        fc.constantFrom(...kinds),
        fc.array(change, { maxLength: 4 }),
        fc.nat(120),
        (kind, changes, length) => {
          const packet = changed(kind, (copy) => {
            for (const [at, value] of changes) if (HEADER + at < copy.length) copy[HEADER + at] = value;
          }).subarray(0, Math.max(0, length));
          const judgement = judge(packet, guest, reach());
          if (judgement.verdict !== "pass" && judgement.verdict !== "translate") return;
          assert.deepEqual(packet.subarray(HEADER + 6, HEADER + 12), mac);
          const { ip } = judgement;
          if (ip?.version === 4) assert.deepEqual(ip.source, guest.address);
        },
      ),
      { numRuns: 300 },
    );
  });
});

void describe("options of a way out", () => {
  void it("none without a room, and no other option then", () => {
    assert.equal(uplinkSettings({}, {}), undefined);
    assert.throws(() => uplinkSettings({ "uplink-most": "3" }, {}), /--uplink ROOM\.$/);
  });
  void it("are read", () => {
    const settings = uplinkSettings(
      { uplink: ["a", "b"], "uplink-allow": ["10.1.1.1:80"], "uplink-dns": "9.9.9.9", "uplink-most": "3" },
      {},
    )!;
    assert.deepEqual([...settings.rooms], ["a", "b"]);
    assert.equal(settings.allow[0]!.port, 80);
    assert.equal(settings.dns, "9.9.9.9");
    assert.equal(settings.most, 3);
  });
  for (const wrong of [
    { uplink: ["a b"] },
    { "uplink-most": "0" },
    { "uplink-most": "x" },
    { "uplink-dns": "name" },
    { "uplink-allow": ["x"] },
  ]) {
    void it(`${JSON.stringify(wrong)} is refused`, () =>
      assert.throws(() => uplinkSettings({ uplink: ["a"], ...wrong }, {}), /\.$/));
  }
});
