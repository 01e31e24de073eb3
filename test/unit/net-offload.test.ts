import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  checksumHolds,
  completeChecksum,
  headerLength,
  packetFault,
  segment,
  toPlain,
} from "../../src/net/offload.ts";
import { HEADER, isPlain, LONGEST_FRAME, packetOf } from "../../src/net/packet.ts";
import { naiveSum, readTcp, tcp, type TcpOptions } from "./packets.ts";

const bytes = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) + seed) & 0xff);

const segments: fc.Arbitrary<TcpOptions & { gsoSize: number; payload: Uint8Array }> = fc
  .record({
    version: fc.constantFrom(4 as const, 6 as const),
    payload: fc.integer({ min: 0, max: 9000 }).map((length) => bytes(length)),
    vlans: fc.array(fc.integer({ min: 0, max: 4095 }), { maxLength: 2 }),
    flags: fc.integer({ min: 0, max: 255 }),
    sequence: fc.integer({ min: 0, max: 0xffffffff }),
    identification: fc.integer({ min: 0, max: 0xffff }),
    ipOptions: fc.constantFrom(0, 8, 16),
    tcpOptions: fc.constantFrom(0, 4, 12, 40),
    gsoSize: fc.constantFrom(8, 9, 100, 536, 1448, 1460, 4000),
    ecn: fc.boolean(),
  })
  .filter(({ payload, gsoSize }) => payload.length >= gsoSize);

void describe("what a packet's header leaves to be done", () => {
  void it("TCP segments: each as a host would send it, and together what was to be sent", () => {
    fc.assert(
      fc.property(segments, (options) => {
        const packet = tcp(options);
        assert.equal(packetFault(packet), undefined);
        const plain = segment(packet);
        assert.equal(plain.length, Math.ceil(options.payload.length / options.gsoSize));
        const read = plain.map(readTcp); // looks at checksums and lengths
        assert.deepEqual(Buffer.concat(read.map(({ payload }) => payload)), Buffer.from(options.payload));
        read.forEach(({ sequence, flags, identification, payload }, i) => {
          const [first, last] = [i === 0, i === read.length - 1];
          assert.ok(isPlain(plain[i]!) && plain[i]!.subarray(0, HEADER).every((byte) => byte === 0));
          assert.equal(sequence, (options.sequence! + i * options.gsoSize) >>> 0);
          if (options.version === 4) assert.equal(identification, (options.identification! + i) & 0xffff);
          assert.equal(flags, options.flags! & ~(last ? 0 : 0x09) & ~(first ? 0 : 0x80));
          assert.ok(last ? payload.length <= options.gsoSize : payload.length === options.gsoSize);
        });
      }),
      { numRuns: 60 },
    );
  });

  void it("everything else in the headers is the same in each", () => {
    const packet = tcp({ payload: bytes(100), gsoSize: 40, vlans: [5, 6], ipOptions: 8, tcpOptions: 12 });
    const ip = HEADER + 22;
    const own = [ip + 2, ip + 3, ip + 4, ip + 5, ip + 10, ip + 11].concat(
      [4, 5, 6, 7, 16, 17].map((i) => ip + 28 + i),
    );
    for (const { headers } of segment(packet).map(readTcp)) {
      assert.equal(headers.length, HEADER + headerLength(packet));
      for (let i = HEADER; i < headers.length; i++) {
        if (!own.includes(i)) assert.equal(headers[i], packet[i], `byte ${i}`);
      }
    }
  });

  void it("a checksum that is not there yet is completed, wherever the frame lies in memory", () => {
    fc.assert(
      fc.property(segments, fc.integer({ min: 0, max: 7 }), (options, shift) => {
        const made = tcp({ ...options, gsoSize: undefined, partial: true });
        const room = new Uint8Array(made.length + shift);
        room.set(made, shift);
        const packet = room.subarray(shift);
        assert.equal(packetFault(packet), undefined);
        assert.deepEqual(toPlain(packet), [packet]);
        readTcp(packet);
        assert.ok(packet.subarray(0, HEADER).every((byte) => byte === 0));
      }),
      { numRuns: 60 },
    );
  });

  void it("RFC 768: a checksum that comes out as 0 is sent as 0xffff", () => {
    // 0xffff + what makes it 0xffff again: a sum of all ones, whose complement is 0.
    const packet = packetOf(Uint8Array.of(...new Array<number>(14).fill(1), 0x12, 0x34, 0xed, 0xcb, 0, 0));
    packet.set([1, 0, 0, 0, 0, 0, 14, 0, 4, 0]);
    assert.equal(packetFault(packet), undefined);
    completeChecksum(packet);
    assert.deepEqual([...packet.subarray(-2)], [0xff, 0xff]);
    assert.equal(naiveSum([...packet.subarray(HEADER + 14)]), 0xffff);
  });

  void it("64 KiB: a segment as large as IPv4 allows", () => {
    const packet = tcp({ payload: bytes(65495), gsoSize: 1460 });
    const plain = segment(packet);
    assert.equal(plain.length, 45);
    assert.deepEqual(Buffer.concat(plain.map((piece) => readTcp(piece).payload)), Buffer.from(bytes(65495)));
  });

  void it("a right checksum is seen to be right, and none that any other byte of it would make", () => {
    fc.assert(
      fc.property(segments, fc.nat(), fc.integer({ min: 1, max: 255 }), (options, where, change) => {
        const simple = { ...options, ipOptions: options.version === 4 ? options.ipOptions! : 0 };
        const packet = tcp({ ...simple, gsoSize: undefined });
        assert.equal(checksumHolds(packet), true);
        const from =
          HEADER + 14 + 4 * options.vlans!.length + (options.version === 4 ? 20 + simple.ipOptions : 40);
        const at = from + (where % (packet.length - from));
        packet[at]! ^= change;
        // 0 and 0xffff are one number to it.
        if (naiveSum([...packet.subarray(at & ~1, (at & ~1) + 2)]) % 0xffff !== 0)
          assert.equal(checksumHolds(packet), false);
      }),
      { numRuns: 60 },
    );
    const udp = (checksum: number, length = 20): Uint8Array => {
      const packet = tcp({ protocol: 17 });
      packet.set([0, length, 0, 0], HEADER + 38);
      packet.fill(0, HEADER + 50);
      const view = new DataView(packet.buffer);
      view.setUint16(HEADER + 40, checksum);
      return packet;
    };
    const right = udp(0);
    right.set([1, 0, 0, 0, 0, 0, 34, 0, 6, 0]);
    const bare = naiveSum([10, 77, 1, 2, 10, 77, 9, 8, 0, 17, 0, 20, ...right.subarray(HEADER + 34)]);
    assert.equal(checksumHolds(udp(~bare & 0xffff)), true);
    assert.equal(checksumHolds(udp(0)), false, "there is none");
    assert.equal(checksumHolds(udp(~(bare + 1) & 0xffff, 21)), false, "its length is another");
    for (const packet of [tcp({ protocol: 1 }), packetOf(new Uint8Array(14)), packetOf(new Uint8Array(60))]) {
      assert.equal(checksumHolds(packet), false);
    }
  });

  void it("what is plain stays as it is", () => {
    const packet = tcp({ payload: bytes(33) });
    assert.deepEqual(toPlain(packet.slice()), [packet]);
  });
});

void describe("headers that do not go with their frame", () => {
  const good = (): Uint8Array => tcp({ payload: bytes(3000), gsoSize: 1000 });
  const changed = (change: (packet: Uint8Array, view: DataView) => void): Uint8Array => {
    const packet = good();
    change(packet, new DataView(packet.buffer));
    return packet;
  };
  const changedPartial = (start: number): Uint8Array => {
    const packet = tcp({ payload: bytes(10), partial: true });
    packet[6] = start;
    return packet;
  };
  const cases: [name: string, packet: Uint8Array, fault: RegExp][] = [
    ["no header", new Uint8Array(11), /a frame of 0 bytes/],
    ["a runt", new Uint8Array(HEADER + 13), /a frame of 13 bytes/],
    ["a giant", new Uint8Array(HEADER + LONGEST_FRAME + 1), /65558 bytes/],
    ["gso_size 0", changed((_, view) => view.setUint16(4, 0, true)), /gso_size 0/],
    ["gso_size 7", changed((_, view) => view.setUint16(4, 7, true)), /gso_size 7/],
    ["gso_size over the frame", changed((_, view) => view.setUint16(4, 3055, true)), /gso_size 3055/],
    ["no NEEDS_CSUM", changed((packet) => (packet[0] = 0)), /without NEEDS_CSUM/],
    ["UFO", changed((packet) => (packet[1] = 3)), /gso_type 3/],
    ["USO", changed((packet) => (packet[1] = 5)), /gso_type 5/],
    ["ECN alone", changed((packet) => (packet[1] = 0x80)), /gso_type 128/],
    ["TCPv6 for IPv4", changed((packet) => (packet[1] = 4)), /TCP over IPv6/],
    ["UDP for TCP", changed((packet) => (packet[35] = 17)), /TCP over IPv4/],
    ["a fragment", changed((packet) => (packet[33] = 1)), /TCP over IPv4/],
    ["an IPv4 header of 16 bytes", changed((packet) => (packet[26] = 0x44)), /TCP over IPv4/],
    ["a TCP header of 16 bytes", changed((packet) => (packet[58] = 0x40)), /TCP over IPv4/],
    ["a checksum elsewhere", changed((_, view) => view.setUint16(6, 33, true)), /a checksum at 33/],
    ["a checksum at another field", changed((_, view) => view.setUint16(8, 14, true)), /34 \+ 14/],
    ["a checksum behind the end", changed((_, view) => view.setUint16(6, 3038, true)), /at 3038 \+ 16/],
    ["a checksum behind a frame that is not segmented", changedPartial(53), /at 53 \+ 16/],
    ["a checksum in the Ethernet header", changed((_, view) => view.setUint16(6, 13, true)), /at 13/],
    [
      "a routing header",
      tcp({ version: 6, ipOptions: 8, payload: bytes(99), gsoSize: 50 }).map((byte, i) =>
        i === 32 ? 43 : byte,
      ),
      /TCP over IPv6/,
    ],
    [
      "headers cut short",
      tcp({ payload: bytes(9), gsoSize: 9 }).subarray(0, HEADER + 53),
      /TCP over IPv4|a checksum/,
    ],
  ];
  for (const [name, packet, fault] of cases) {
    void it(name, () => assert.match(packetFault(packet) ?? "none", fault));
  }

  void it("no header at all is wrong in the one that the others were made of", () => {
    assert.equal(packetFault(good()), undefined);
  });

  void it("whatever the bytes are, nothing throws or loops, and what is let through stays within bounds", () => {
    const header = fc.tuple(
      fc.constantFrom(0, 1, 3),
      fc.constantFrom(0, 1, 4, 0x81, 0x84, 3, 5, 0x80),
      fc.constantFrom(0, 8, 20, 0xffff),
      fc.integer({ min: 0, max: 80 }),
      fc.constantFrom(0, 6, 16, 0xffff),
    );
    const templates = fc.constantFrom<TcpOptions>(
      { version: 4, payload: bytes(90), gsoSize: 20 },
      { version: 6, payload: bytes(90), gsoSize: 20, ipOptions: 8 },
      { version: 4, payload: bytes(90), gsoSize: 20, vlans: [1, 2] },
    );
    const damage = fc.array(
      fc.tuple(fc.integer({ min: HEADER, max: 110 }), fc.integer({ min: 0, max: 255 })),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(
        templates,
        fc.option(header),
        damage,
        fc.integer({ min: 0, max: 200 }),
        (options, fields, changes, cut) => {
          const packet = tcp(options).slice(0, Math.max(cut, HEADER));
          const view = new DataView(packet.buffer);
          if (fields) {
            [packet[0], packet[1]] = fields;
            view.setUint16(4, fields[2], true);
            view.setUint16(6, fields[3], true);
            view.setUint16(8, fields[4], true);
          }
          for (const [at, value] of changes) if (at < packet.length) packet[at] = value;
          checksumHolds(packet);
          if (packetFault(packet) !== undefined) return;
          const plain = toPlain(packet);
          assert.ok(
            plain.length <= 12 && plain.every((piece) => isPlain(piece) && packetFault(piece) === undefined),
          );
        },
      ),
      { numRuns: 600 },
    );
  });
});
