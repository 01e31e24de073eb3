/** Bytes as what they are: right where they are right, and as far as they go where they are not. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { arpPacket } from "../../src/net/arp.ts";
import { dhcpReply, DhcpOption, DhcpType } from "../../src/net/dhcp.ts";
import { dnsResponse, DnsCode, DnsType, parseQuery } from "../../src/net/dns.ts";
import { BROADCAST } from "../../src/net/ethernet.ts";
import { icmpPacket } from "../../src/net/icmp.ts";
import { Flag, HEADER } from "../../src/net/packet.ts";
import { tcpPacket } from "../../src/net/tcp.ts";
import { udpPacket } from "../../src/net/udp.ts";
import {
  type BufferToDecode,
  decodeBuffer,
  type DecodedLayer,
  decodeWirePacket,
} from "../../src/inspect/decode/buffer.ts";
import { packetSummary } from "../../src/inspect/decode/packet-summary.ts";
import { textOf } from "../../src/inspect/decode/text.ts";

const VERSION_1 = 1n << 32n;
const ROUTE = {
  sourceMac: Uint8Array.of(2, 0, 0, 0, 0, 1),
  destinationMac: Uint8Array.of(2, 0, 0, 0, 0, 2),
  source: Uint8Array.of(10, 77, 0, 2),
  destination: Uint8Array.of(10, 77, 0, 1),
};
const ROUTE6 = {
  ...ROUTE,
  source: Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
  destination: Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2),
};

function decode(kind: string, queue: string | number, bytes: Uint8Array, more: Partial<BufferToDecode> = {}) {
  return decodeBuffer({
    kind,
    queue,
    bytes,
    writable: false,
    negotiated: VERSION_1,
    offsetInChain: 0,
    ...more,
  });
}

/** `value (meaning)` of a field. */
function field(layers: readonly DecodedLayer[], title: string, name: string): string | undefined {
  const found = layers.find((layer) => layer.title === title)?.fields.find((entry) => entry.name === name);
  return found && (found.meaning === undefined ? found.value : `${found.value} (${found.meaning})`);
}

const titles = (layers: readonly DecodedLayer[]): string[] => layers.map(({ title }) => title);

function blockRequest(type: number, sector: bigint, rest: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(16 + rest.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setBigUint64(8, sector, true);
  bytes.set(rest, 16);
  return bytes;
}

describe("a block request as what it is", () => {
  it("has its header's fields with type, offset and section", () => {
    const [header, ...others] = decode("blk", "requestq", blockRequest(0, 2048n));
    assert.deepEqual(others, []);
    assert.deepEqual(header, {
      title: "Block request header",
      fields: [
        {
          name: "type",
          offset: 0,
          length: 4,
          value: "0",
          meaning: "VIRTIO_BLK_T_IN: read",
          section: "5.2.6",
        },
        { name: "reserved", offset: 4, length: 4, value: "0", section: "5.2.6" },
        {
          name: "sector",
          offset: 8,
          length: 8,
          value: "2048",
          meaning: "byte 1048576 of the disk",
          section: "5.2.6",
        },
      ],
    });
  });

  it("has the ranges of a discard, also in a buffer of their own", () => {
    const range = [8, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0];
    const whole = blockRequest(11, 0n, [...range, ...range]);
    assert.deepEqual(titles(decode("blk", 0, whole)), ["Block request header", "Range 1", "Range 2"]);
    const alone = decode("block", 0, whole.subarray(16), { offsetInChain: 16, request: whole });
    assert.deepEqual(titles(alone), ["Range 1", "Range 2"]);
    assert.equal(field(alone, "Range 2", "num_sectors"), "16 (8192 bytes)");
    assert.equal(field(alone, "Range 2", "flags"), "0x1 (unmap: the storage may be given back)");
    assert.equal(alone[1]!.fields[0]!.offset, 16);
  });

  it("has data, status and ID where they are", () => {
    const read = new Uint8Array(513).fill(7);
    read[512] = 1;
    const layers = decode("blk", 0, read, { writable: true });
    assert.deepEqual(titles(layers), ["Data read", "Block request status"]);
    assert.equal(field(layers, "Block request status", "status"), "0x01 (VIRTIO_BLK_S_IOERR: failed)");
    assert.equal(layers[1]!.fields[0]!.offset, 512);

    const last = { writable: true, offsetInChain: 512 };
    assert.deepEqual(titles(decode("blk", 0, Uint8Array.of(0), last)), ["Block request status"]);
    const part = decode("blk", 0, read.subarray(0, 64), { writable: true, total: 513 });
    assert.deepEqual(titles(part), ["Data read"]);

    const id = new Uint8Array(21);
    id.set(new TextEncoder().encode("root"));
    const answer = decode("blk", 0, id, { writable: true, request: blockRequest(8, 0n) });
    assert.equal(field(answer, "The disk's ID", "ID"), "root");
    assert.equal(field(answer, "Block request status", "status"), "0x00 (VIRTIO_BLK_S_OK: done)");
  });
});

describe("a packet as what it is", () => {
  const wire = decodeWirePacket;

  it("ARP, with its header by names", () => {
    const packet = arpPacket(BROADCAST, {
      operation: 1,
      senderMac: ROUTE.sourceMac,
      senderAddress: ROUTE.source,
      targetMac: new Uint8Array(6),
      targetAddress: ROUTE.destination,
    });
    const layers = decode("net", "transmitq1", packet);
    assert.deepEqual(titles(layers), ["virtio-net header", "Ethernet", "ARP"]);
    assert.equal(field(layers, "virtio-net header", "flags"), "0x00 (none)");
    assert.equal(
      field(layers, "virtio-net header", "gso_type"),
      "0 (GSO_NONE: a packet as it goes on the wire)",
    );
    assert.equal(field(layers, "Ethernet", "destination"), "ff:ff:ff:ff:ff:ff (everybody)");
    assert.equal(field(layers, "ARP", "target address"), "10.77.0.1");
    assert.equal(packetSummary(layers), "ARP request: who has 10.77.0.1? Tell 10.77.0.2");
    assert.deepEqual(titles(decode("net", "transmitq1", packet.subarray(HEADER), { offsetInChain: 12 })), [
      "Ethernet",
      "ARP",
    ]);
    const short = { negotiated: 0n };
    assert.deepEqual(titles(decode("net", 1, packet.subarray(2), short)), titles(layers));
  });

  it("behind VLAN tags", () => {
    const plain = icmpPacket(ROUTE, 8, 0, Uint8Array.of(0, 1, 0, 2, 9, 9));
    const tagged = new Uint8Array(plain.length + 4);
    tagged.set(plain.subarray(0, 24));
    tagged.set([0x81, 0x00, 0x60, 0x05], 24);
    tagged.set(plain.subarray(24), 28);
    const layers = wire(tagged);
    assert.equal(field(layers, "802.1Q", "tag"), "0x6005 (VLAN 5, priority 3)");
    assert.equal(field(layers, "ICMP", "sequence number"), "2");
    assert.equal(packetSummary(layers), "ICMP echo request from 10.77.0.2 to 10.77.0.1");
  });

  it("TCP to be cut into segments", () => {
    const segment = {
      sourcePort: 40000,
      destinationPort: 80,
      sequence: 5,
      acknowledgement: 6,
      flags: 0x18,
      window: 100,
      maximum: undefined,
      scale: undefined,
    };
    const packet = tcpPacket(ROUTE, segment, 3000, 1448);
    const layers = wire(packet);
    assert.equal(packet[0]! & Flag.NEEDS_CSUM, Flag.NEEDS_CSUM);
    assert.match(field(layers, "virtio-net header", "flags")!, /NEEDS_CSUM/);
    assert.match(field(layers, "virtio-net header", "gso_type")!, /GSO_TCPV4/);
    assert.equal(field(layers, "TCP", "data"), "3000 bytes");
    assert.match(field(layers, "IPv4", "header checksum")!, /right/);
    assert.equal(packetSummary(layers), "TCP PSH, ACK from 10.77.0.2:40000 to 10.77.0.1:80");
    const wrong = packet.slice();
    wrong[12 + 14 + 8] = 1;
    assert.match(field(wire(wrong), "IPv4", "header checksum")!, /wrong/);
  });

  it("neighbour discovery over IPv6", () => {
    const body = new Uint8Array(20);
    body.set(ROUTE6.destination, 4);
    const layers = wire(icmpPacket(ROUTE6, 135, 0, body, 255));
    assert.deepEqual(titles(layers), ["virtio-net header", "Ethernet", "IPv6", "ICMPv6"]);
    assert.equal(field(layers, "ICMPv6", "target"), "fe80::2");
    assert.equal(packetSummary(layers), "ICMPv6 neighbour solicitation from fe80::1 to fe80::2");
  });

  it("DHCP with its options", () => {
    const request = {
      type: DhcpType.DISCOVER,
      transaction: 0x1234,
      broadcast: true,
      clientAddress: new Uint8Array(4),
      relay: new Uint8Array(4),
      hardware: ROUTE.sourceMac,
      options: new Map<number, Uint8Array>(),
    };
    const payload = dhcpReply(request, DhcpType.OFFER, ROUTE.source, [
      [DhcpOption.LEASE_TIME, Uint8Array.of(0, 0, 14, 16)],
      [DhcpOption.DNS_SERVERS, Uint8Array.of(10, 77, 0, 1, 10, 77, 0, 3)],
      [DhcpOption.HOST_NAME, new TextEncoder().encode("vm")],
    ]);
    const layers = wire(udpPacket(ROUTE, { sourcePort: 67, destinationPort: 68, payload }));
    assert.equal(field(layers, "DHCP", "message type"), "2 (OFFER)");
    assert.equal(field(layers, "DHCP", "your address"), "10.77.0.2");
    assert.equal(field(layers, "DHCP", "lease time"), "3600 seconds");
    assert.equal(field(layers, "DHCP", "DNS servers"), "10.77.0.1, 10.77.0.3");
    assert.equal(field(layers, "DHCP", "host name"), "vm");
    assert.equal(packetSummary(layers), "DHCP OFFER from 10.77.0.2:67 to 10.77.0.1:68");
  });

  it("DNS: a question, and its answer with a compressed name", () => {
    const question = Uint8Array.of(
      0,
      7,
      1,
      0,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      0,
      2,
      118,
      109,
      3,
      108,
      97,
      110,
      0,
      0,
      1,
      0,
      1,
    );
    const asked = wire(udpPacket(ROUTE, { sourcePort: 5000, destinationPort: 53, payload: question }));
    assert.equal(field(asked, "DNS", "question"), "vm.lan");
    assert.equal(packetSummary(asked), "DNS query about vm.lan from 10.77.0.2:5000 to 10.77.0.1:53");
    const answers = [{ type: DnsType.A, ttl: 60, data: ROUTE.destination }];
    const response = { code: DnsCode.OK, authoritative: true, answers };
    const payload = dnsResponse(parseQuery(question)!, response, 512);
    const answered = wire(udpPacket(ROUTE, { sourcePort: 53, destinationPort: 5000, payload }));
    assert.equal(field(answered, "DNS", "name"), "vm.lan");
    assert.equal(field(answered, "DNS", "data"), "10.77.0.1");
    assert.match(packetSummary(answered)!, /^DNS answer about vm.lan/);
  });
});

describe("other queues' bytes as what they are", () => {
  it("commands of a control queue, and their answers", () => {
    const mode = decode("net", "controlq", Uint8Array.of(0, 0, 1));
    assert.equal(field(mode, "Control command", "class"), "0 (VIRTIO_NET_CTRL_RX)");
    assert.equal(field(mode, "Control command", "command"), "0 (PROMISC: receive everything)");
    assert.equal(field(mode, "Control command", "on"), "1 (on)");
    assert.equal(mode[0]!.fields[0]!.section, "5.1.6.5.1");
    const table = Uint8Array.of(1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 9, 0, 0, 0, 0);
    // Without its name: the third queue, when there is one pair.
    const ctrlVq = { negotiated: VERSION_1 | (1n << 17n) };
    assert.equal(field(decode("net", 2, table, ctrlVq), "Control command", "unicast 1"), "02:00:00:00:00:09");
    const lie = Uint8Array.of(1, 0, 255, 255, 255, 255, 2, 0);
    assert.equal(field(decode("net", "controlq", lie), "Control command", "unicast 1"), "cut short");
    const ack = decode("net", "controlq", Uint8Array.of(1), { writable: true });
    assert.equal(field(ack, "Control command's answer", "ack"), "0x01 (VIRTIO_NET_ERR)");
  });

  it("console text and messages", () => {
    const text = new TextEncoder().encode("\u001b[1mgrüß\r\n");
    assert.equal(
      field(decode("console", "transmitq(port0)", text), "Console bytes", "text"),
      "\\e[1mgrüß\\r\\n",
    );
    const resize = Uint8Array.of(0, 0, 0, 0, 5, 0, 0, 0, 132, 0, 50, 0);
    const message = decode("console", 2, resize);
    assert.match(field(message, "Console control message", "event")!, /RESIZE/);
    assert.equal(field(message, "Console control message", "cols"), "132");
    const name = Uint8Array.of(1, 0, 0, 0, 7, 0, 1, 0, 118, 109);
    assert.equal(field(decode("console", "control receiveq", name), "Console control message", "name"), "vm");
  });

  it("randomness, and what nobody knows", () => {
    assert.deepEqual(titles(decode("rng", 0, new Uint8Array(9), { writable: true })), ["Random bytes"]);
    assert.deepEqual(titles(decode("gpu", 0, new Uint8Array(9))), ["Bytes"]);
    assert.deepEqual(decode("blk", 0, new Uint8Array()), []);
  });

  it("text is text only where it is", () => {
    assert.equal(textOf(Uint8Array.of(0xff, 0xfe, 0, 1, 2)), "5 bytes, no text");
    assert.equal(textOf(new Uint8Array()), "");
    assert.equal(textOf(new Uint8Array(5000).fill(97)), `${"a".repeat(1024)}…`);
  });
});

describe("bytes that are cut short or lie", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 120 }),
    // Real packets with a few bytes changed, cut anywhere: they get further.
    fc
      .tuple(
        fc.constantFrom(
          arpPacket(BROADCAST, {
            operation: 1,
            senderMac: ROUTE.sourceMac,
            senderAddress: ROUTE.source,
            targetMac: ROUTE.sourceMac,
            targetAddress: ROUTE.source,
          }),
          udpPacket(ROUTE, { sourcePort: 53, destinationPort: 53, payload: new Uint8Array(60).fill(1) }),
          udpPacket(ROUTE6, { sourcePort: 68, destinationPort: 67, payload: new Uint8Array(300) }),
          icmpPacket(ROUTE6, 135, 0, new Uint8Array(20)),
        ),
        fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 6 }),
        fc.nat(400),
      )
      .map(([packet, changes, length]) => {
        const changed = packet.slice(0, length);
        for (const [at, value] of changes) if (at < changed.length) changed[at] = value;
        return changed;
      }),
  );

  it("decode as far as they go: fields in order, inside the bytes, and nothing throws", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("blk", "net", "console", "rng", "other"),
        fc.oneof(fc.constantFrom("controlq", "receiveq1", "transmitq1", "control receiveq"), fc.nat(9)),
        fc.boolean(),
        fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        fc.oneof(fc.constantFrom(0, 10, 12, 16), fc.nat(5000)),
        bytes,
        fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined }),
        fc.option(fc.nat(6000), { nil: undefined }),
        (kind, queue, writable, negotiated, offsetInChain, content, request, total) => {
          const layers = decodeBuffer({
            kind,
            queue,
            writable,
            negotiated,
            offsetInChain,
            bytes: content,
            request,
            total,
          });
          let end = 0;
          for (const { title, fields } of layers) {
            assert.ok(title.length > 0, "a title");
            for (const { name, offset, length, value } of fields) {
              assert.ok(offset >= end, `${name} of ${title} begins behind the one before it`);
              end = offset + length;
              assert.ok(end <= content.length, `${name} of ${title} lies in the bytes`);
              assert.equal(typeof value, "string");
            }
          }
          packetSummary(layers);
        },
      ),
      { numRuns: 600 },
    );
  });

  it("a packet cut anywhere begins as the whole one does", () => {
    const payload = new Uint8Array(20).fill(3);
    const packet = udpPacket(ROUTE, { sourcePort: 1, destinationPort: 2, payload });
    const whole = decodeWirePacket(packet);
    const flat = (layers: readonly DecodedLayer[]) =>
      layers.flatMap(({ title, fields }) => fields.map((entry) => ({ title, ...entry })));
    for (let length = 1; length < packet.length; length++) {
      const fields = flat(decodeWirePacket(packet.slice(0, length)));
      // The last is cut short, or shorter; a checksum of a part is not known.
      const last = fields.at(-1)!;
      assert.equal(last.offset + last.length, length);
      fields.slice(0, -1).forEach((entry, i) => {
        const { title, name, offset, value } = flat(whole)[i]!;
        assert.deepEqual([entry.title, entry.name, entry.offset, entry.value], [title, name, offset, value]);
      });
    }
  });
});
