import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { isPlain, HEADER } from "../../src/net/packet.ts";
import { settle } from "./driver/driver.ts";
import {
  CONTROL,
  CSUM,
  GUEST_ECN,
  GUEST_OFFLOADS,
  GUEST_TSO4,
  GUEST_TSO6,
  HOST_ECN,
  HOST_TSO4,
  HOST_TSO6,
  MRG_RXBUF,
  MTU,
  NetDriver,
  type NetDriverOptions,
  OWN,
} from "./driver/net-driver.ts";
import { EVERYTHING, SETTINGS, withoutFor } from "./driver/settings.ts";
import { frame, readTcp, tcp } from "./packets.ts";

const OTHER = [2, 0, 0, 0, 0, 0x99];
const bytes = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff);

/** 65,535 bytes of an IPv4 packet. */
const LARGE = tcp({ payload: bytes(65495), gsoSize: 1460 });
const large = (): Uint8Array => LARGE.slice();
/** A segment that takes many buffers. */
const SEGMENT = tcp({ payload: bytes(40000), gsoSize: 1448, ecn: true });
/** Lengths and digests: to explain how tens of thousands of bytes differ takes minutes. */
const digest = (bytes: Uint8Array): string =>
  `${bytes.length} ${createHash("sha1").update(bytes).digest("hex")}`;
const frames = (packets: readonly Uint8Array[]): string[] =>
  packets.map((packet) => digest(packet.subarray(HEADER)));

/** Without the control queue nothing is filtered. */
const unfiltered = (options: NetDriverOptions = {}): NetDriver =>
  new NetDriver({ ...options, without: (options.without ?? 0n) | CONTROL });

void describe("packets from the driver (5.1.6.2)", () => {
  for (const setting of SETTINGS) {
    for (const merged of [MRG_RXBUF, 0n]) {
      const name = `${setting.kind}, ${setting.layout}${merged ? ", MRG_RXBUF" : ""}`;
      void it(`frames of all lengths and whole segments reach the wire, and come in (${name})`, async () => {
        const without = withoutFor(setting, merged ? 0n : MRG_RXBUF);
        const net = unfiltered({ kind: setting.kind, without, device: EVERYTHING });
        const sent = [14, 60, 1514].map((length) => frame(OTHER, length));
        const segment = SEGMENT;
        for (const packet of [...sent, segment]) assert.equal(await net.transmit(packet), 0);
        assert.deepEqual(frames(net.wire.sent), frames([...sent, segment]));
        assert.deepEqual(net.wire.sent.slice(0, 3).map(isPlain), [true, true, true]);
        assert.deepEqual(
          [...net.wire.sent[3]!.subarray(0, 12)],
          [1, 0x81, 54, 0, 1448 & 255, 5, 34, 0, 16, 0, 0, 0],
        );

        net.post(merged ? 40 : 5, merged ? 1536 : 65562);
        for (const packet of [...sent, segment]) assert.equal(net.wire.port.receive(packet.slice()), true);
        const came = await net.received();
        assert.deepEqual(frames(came), frames([...sent, segment]));
        assert.deepEqual(
          came.map((packet) => [...packet.subarray(0, 10)]),
          [...sent.map(() => new Array<number>(10).fill(0)), [1, 0x81, 54, 0, 1448 & 255, 5, 34, 0, 16, 0]],
        );
        assert.deepEqual(net.broken, []);
        const { packetsIn, packetsOut, bytesIn, bytesOut } = net.device.counters;
        const all = 14 + 60 + 1514 + 40054;
        assert.deepEqual(
          { packetsIn, packetsOut, bytesIn, bytesOut },
          { packetsIn: 4, packetsOut: 4, bytesIn: all, bytesOut: all },
        );
      });
    }
  }

  void it("2.7.4.1: framing means nothing", async () => {
    const net = unfiltered();
    const packet = frame(OTHER, 300);
    for (const pieces of [[1, 1, 10, 14], [13], [312], [7, 7, 7, 7, 7, 7]])
      await net.transmit(packet, { pieces });
    assert.deepEqual(frames(net.wire.sent), frames(new Array<Uint8Array>(4).fill(packet)));
    assert.deepEqual(net.broken, []);
  });

  void it("5.1.6.2.2: flags that the device does not know are ignored, as is a checksum's place without NEEDS_CSUM", async () => {
    const net = unfiltered();
    const packet = frame(OTHER, 60);
    packet.set([0xfe, 0, 99, 99, 99, 99, 99, 99, 99, 99, 0, 0]);
    await net.transmit(packet);
    assert.ok(net.wire.sent[0]!.subarray(0, HEADER).every((byte) => byte === 0));
    assert.deepEqual(net.broken, ["5.1.6.2.1 flags"]);
  });

  const refused: [name: string, sentence: string, packet: Uint8Array, without?: bigint][] = [
    ["a header cut short", "5.1.6.2 frame", new Uint8Array(11)],
    ["a runt", "5.1.6.2 frame", frame(OTHER, 13)],
    ["a giant", "5.1.6.2 frame", frame(OTHER, 65558)],
    ["more than the MTU", "5.1.4.2 mtu", frame(OTHER, 1515)],
    ["more than the MTU behind a tag", "5.1.4.2 mtu", frame(OTHER, 1519, { vlan: 3 })],
    [
      "a checksum without CSUM",
      "5.1.6.2.1 csum",
      tcp({ partial: true }),
      CSUM | HOST_TSO4 | HOST_TSO6 | HOST_ECN,
    ],
    ["TSO over IPv4 without HOST_TSO4", "5.1.6.2.1 gso", tcp({ payload: bytes(99), gsoSize: 50 }), HOST_TSO4],
    [
      "TSO over IPv6 without HOST_TSO6",
      "5.1.6.2.1 gso",
      tcp({ version: 6, payload: bytes(99), gsoSize: 50 }),
      HOST_TSO6,
    ],
    ["ECN without HOST_ECN", "5.1.6.2.1 ecn", tcp({ payload: bytes(99), gsoSize: 50, ecn: true }), HOST_ECN],
    ["gso_size 0", "5.1.6.2.1 header", tcp({ payload: bytes(99), gsoSize: 0 })],
    ["gso_size over the frame", "5.1.6.2.1 header", tcp({ payload: bytes(99), gsoSize: 500 })],
    ["TSO of what is no TCP", "5.1.6.2.1 header", tcp({ payload: bytes(99), gsoSize: 50, protocol: 17 })],
  ];
  for (const [name, sentence, packet, without] of refused) {
    void it(`${name}: a violation, the buffer comes back, the frame is dropped, and the device goes on`, async () => {
      const net = unfiltered({ without: without ?? 0n });
      assert.equal(await net.transmit(packet), 0);
      assert.deepEqual(
        net.broken.filter((rule) => rule === sentence),
        [sentence],
      );
      assert.equal(net.device.counters.droppedMalformed, 1);
      await net.transmit(frame(OTHER));
      assert.deepEqual(frames(net.wire.sent), frames([frame(OTHER)]));
    });
  }

  void it("5.1.4.1: frames up to the MTU are forwarded, tags not counted; longer ones by a driver that knows no MTU", async () => {
    const net = unfiltered({ device: { mtu: 1280 } });
    const allowed = [frame(OTHER, 1294), frame(OTHER, 1298, { vlan: 3 })];
    for (const packet of allowed) await net.transmit(packet);
    assert.deepEqual(frames(net.wire.sent), frames(allowed));
    assert.deepEqual(net.broken, []);
    const old = unfiltered({ without: MTU });
    await old.transmit(frame(OTHER, 9000));
    assert.deepEqual(frames(old.wire.sent), frames([frame(OTHER, 9000)]));
  });

  void it("a wire without room: packets stay in the queue until it has some, and nothing is lost", async () => {
    const net = unfiltered();
    const open = net.wire.fill();
    const all = Promise.all([1, 2, 3].map((i) => net.transmit(frame(OTHER, 60 + i))));
    await settle();
    assert.equal(net.wire.sent.length, 1);
    await open();
    assert.deepEqual(await all, [0, 0, 0]);
    assert.deepEqual(frames(net.wire.sent), frames([61, 62, 63].map((length) => frame(OTHER, length))));
  });

  void it("a reset while the wire has no room: what was in the queue is gone, the next driver's packets go out", async () => {
    const net = unfiltered();
    const open = net.wire.fill();
    void net.transmit(frame(OTHER, 61));
    void net.transmit(frame(OTHER, 62));
    net.driver.start();
    await open();
    await net.transmit(frame(OTHER, 63));
    assert.deepEqual(frames(net.wire.sent), frames([frame(OTHER, 61), frame(OTHER, 63)]));
  });

  void it("without carrier frames are dropped and counted", async () => {
    const net = unfiltered();
    net.wire.port.setLink(false);
    assert.equal(await net.transmit(frame(OTHER)), 0);
    assert.equal(net.wire.sent.length, 0);
    assert.equal(net.device.counters.droppedNoCarrier, 1);
  });
});

void describe("packets from the wire (5.1.6.4)", () => {
  void it("5.1.6.4.1: num_buffers buffers, all but the last full, and no more than needed", async () => {
    const net = unfiltered();
    net.post(12, 100);
    const packet = frame(OWN_LIST, 388); // 400 bytes with the header: exactly four
    net.wire.port.receive(packet.slice());
    net.wire.port.receive(frame(OWN_LIST, 389));
    await settle();
    assert.deepEqual(
      net.used[0]!.map(({ length }) => length),
      [100, 100, 100, 100, 100, 100, 100, 100, 1],
    );
    assert.deepEqual(
      (await net.received()).map((came) => came[10]),
      [4, 5],
    );
  });

  void it("5.1.6.3.2: one buffer each without MRG_RXBUF, and num_buffers is 1", async () => {
    const net = unfiltered({ without: MRG_RXBUF });
    net.post(2, 2000);
    net.wire.port.receive(frame(OWN_LIST, 100));
    net.wire.port.receive(frame(OWN_LIST, 1514));
    const came = await net.received();
    assert.deepEqual(
      came.map((packet) => [packet.length, packet[10], packet[11]]),
      [
        [112, 1, 0],
        [1526, 1, 0],
      ],
    );
  });

  const version = (v: 4 | 6): Uint8Array =>
    tcp({ version: v, payload: bytes(5000), gsoSize: 1400, ecn: true });
  const kinds: [name: string, missing: bigint, whole: (4 | 6)[]][] = [
    ["nothing", 0n, [4, 6]],
    ["GUEST_ECN", GUEST_ECN, []],
    ["GUEST_TSO6", GUEST_TSO6, [4]],
    ["GUEST_TSO4", GUEST_TSO4, [6]],
    ["all of them", GUEST_OFFLOADS, []],
  ];
  for (const [name, missing, whole] of kinds) {
    for (const merged of [0n, MRG_RXBUF]) {
      void it(`what the driver cannot take is done for it: without ${name}${merged ? "" : ", nor MRG_RXBUF"}`, async () => {
        const net = unfiltered({ without: missing | (MRG_RXBUF ^ merged) });
        net.post(16, merged ? 1526 : 8000);
        for (const v of [4, 6] as const) {
          net.wire.port.receive(version(v));
          const came = await net.received();
          if (whole.includes(v)) {
            assert.deepEqual(frames(came), frames([version(v)]));
            assert.equal(came[0]![1], (v === 4 ? 1 : 4) | 0x80);
            assert.equal(came[0]![2], v === 4 ? 54 : 74, "hdr_len");
          } else {
            assert.deepEqual(new Set(came.map((packet) => packet[0]! * 256 + packet[1]!)), new Set([0]));
            assert.equal(
              digest(Buffer.concat(came.map((packet) => readTcp(packet).payload))),
              digest(bytes(5000)),
            );
          }
        }
        net.wire.port.receive(tcp({ partial: true, payload: bytes(99) }));
        const [last] = await net.received();
        assert.equal(last![0], missing === GUEST_OFFLOADS ? 0 : 1);
        if (missing === GUEST_OFFLOADS) readTcp(last!);
      });
    }
  }

  void it("5.1.6.4.1: DATA_VALID and num_buffers of a sender mean nothing to the driver", async () => {
    const net = unfiltered();
    net.post(1, 2000);
    const packet = frame(OWN_LIST);
    packet.set([2, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]);
    net.wire.port.receive(packet);
    assert.equal((await net.received())[0]![0], 0);
  });

  void it("5.1.6.4.1: DATA_VALID for checksums that were looked at and are right, with GUEST_CSUM switched on", async () => {
    const wrong = tcp({ payload: bytes(99) });
    wrong[wrong.length - 1]! ^= 1;
    const packets = [tcp({ payload: bytes(99) }), wrong, tcp({ partial: true }), frame(OWN_LIST)];
    for (const [without, flags] of [
      [0n, [2, 0, 1, 0]],
      [GUEST_OFFLOADS, [0, 0, 0, 0]],
    ] as const) {
      const net = unfiltered({ without });
      net.post(4, 2000);
      for (const packet of packets) net.wire.port.receive(packet.slice());
      assert.deepEqual(
        (await net.received()).map((packet) => packet[0]),
        flags,
      );
    }
    const net = new NetDriver();
    net.wire.port.receive(tcp({ payload: bytes(99) }));
    assert.equal(await net.command(5, 0, new Array<number>(8).fill(0)), 0);
    net.post(1, 2000);
    assert.equal((await net.received())[0]![0], 0, "switched off while it waited");
  });

  void it("a header that lies, a runt, a giant: dropped and counted", async () => {
    const net = unfiltered();
    net.post(1, 70000);
    for (const packet of [
      new Uint8Array(5),
      frame(OWN_LIST, 13),
      frame(OWN_LIST, 65558),
      tcp({ gsoSize: 0, payload: bytes(9) }),
    ]) {
      assert.equal(net.wire.port.receive(packet), true);
    }
    assert.deepEqual(await net.received(), []);
    assert.equal(net.device.counters.droppedMalformed, 4);
  });

  void it("5.1.4.1: nothing longer than the MTU, tags not counted, with VIRTIO_NET_F_MTU", async () => {
    const net = unfiltered();
    net.post(3, 2000);
    for (const packet of [
      frame(OWN_LIST, 1514),
      frame(OWN_LIST, 1515),
      frame(OWN_LIST, 1518, { vlan: 3 }),
      frame(OWN_LIST, 1519, { vlan: 3 }),
    ]) {
      net.wire.port.receive(packet);
    }
    assert.deepEqual(
      (await net.received()).map(({ length }) => length - HEADER),
      [1514, 1518],
    );
    assert.equal(net.device.counters.droppedTooLong, 2);
    const old = unfiltered({ without: MTU });
    old.post(1, 2000);
    old.wire.port.receive(frame(OWN_LIST, 1515));
    assert.equal((await old.received()).length, 1);
  });

  void it("a packet waits until there are enough buffers, and what comes after it keeps its place", async () => {
    const net = unfiltered();
    net.post(2, 1000);
    net.wire.port.receive(tcp({ payload: bytes(5000), gsoSize: 1400 }));
    net.wire.port.receive(frame(OWN_LIST));
    assert.deepEqual(await net.received(), []);
    net.post(2, 1000);
    assert.deepEqual(await net.received(), []);
    net.post(3, 1000);
    assert.deepEqual(
      (await net.received()).map(({ length }) => length),
      [5066, 72],
    );
    assert.deepEqual(net.broken, []);
  });

  void it("a segment that all the queue's buffers together could not hold comes in pieces; a frame is dropped", async () => {
    for (const without of [0n, MRG_RXBUF]) {
      const net = unfiltered({ queueSize: 4, without });
      net.post(4, 1500);
      net.wire.port.receive(frame(OWN_LIST, 1514));
      net.wire.port.receive(tcp({ payload: bytes(9000), gsoSize: 1000 }));
      const first = await net.received();
      net.post(4, 1500);
      const came = [...first.slice(without ? 0 : 1), ...(await net.received())];
      net.post(1, 1500);
      came.push(...(await net.received()));
      const payload = Buffer.concat(came.map((packet) => readTcp(packet).payload));
      assert.equal(digest(payload), digest(bytes(9000).subarray(0, payload.length)));
      assert.ok(payload.length >= 7000);
      assert.equal(net.device.counters.droppedTooLong, without ? 1 : 0);
    }
  });

  void it("5.1.6.3.1: a buffer without room for the header is a violation, and comes back empty", async () => {
    const net = unfiltered();
    net.post(1, 11);
    net.post(1, 200);
    net.wire.port.receive(frame(OWN_LIST));
    await settle();
    assert.deepEqual(
      net.used[0]!.map(({ length }) => length),
      [0, 72],
    );
    assert.deepEqual(net.broken, ["5.1.6.3.1 header"]);
  });

  void it("buffers that a reset of the queue took away are not written to", async () => {
    const net = unfiltered();
    net.post(2, 100);
    net.wire.port.receive(frame(OWN_LIST, 1500)); // the device takes both and waits for more
    const before = net.driver.memory.u8.slice();
    net.driver.transport.selectQueue(0);
    net.device.resetQueue(net.device.queues[0]!);
    net.wire.port.receive(frame(OWN_LIST));
    assert.deepEqual(net.driver.memory.changedSince(before), []);
    net.driver.rings[0] = net.driver.setUpRing(0, 8);
    net.used[0] = [];
    net.post(8, 400);
    assert.deepEqual(
      (await net.received()).map(({ length }) => length - HEADER),
      [1500],
    );
  });
});

void describe("a driver that gives no buffers", () => {
  void it("the wire is held back beyond a mark and goes on when there is room; nothing is lost", async () => {
    const net = unfiltered();
    let taken = 0;
    while (taken < 5000 && net.wire.port.receive(frame(OWN_LIST, 60 + (taken % 100)))) taken++;
    assert.ok(taken > 100 && taken < 2000, `${taken} packets`);
    assert.equal(net.wire.resumed, 0);
    const came: Uint8Array[] = [];
    for (let i = 0; i < 8 && came.length <= taken; i++) {
      net.post(128, 200);
      came.push(...(await net.received()));
    }
    assert.deepEqual(
      came.map(({ length }) => length - HEADER),
      Array.from({ length: taken + 1 }, (_, i) => 60 + (i % 100)),
    );
    assert.equal(net.wire.resumed, 1);
    assert.equal(net.device.counters.droppedFull, 0);
  });

  void it("a wire that goes on all the same fills a bounded queue; the rest is dropped and counted", async () => {
    const net = unfiltered();
    for (let i = 0; i < 200; i++) net.wire.port.receive(large());
    const { droppedFull } = net.device.counters;
    assert.ok(droppedFull > 60 && droppedFull < 90, `${droppedFull} dropped`);
    for (let i = 0; i < 10000; i++) net.wire.port.receive(frame(OWN_LIST, 60));
    assert.ok(net.device.counters.droppedFull > 9000 - 3000);
    net.post(200, 1526);
    assert.ok((await net.received()).length > 0);
  });

  void it("a wire that sends more out of `resume` itself is served, in order", async () => {
    const net = unfiltered();
    let next = 0;
    const feed = (): void => {
      while (next < 2000 && net.wire.port.receive(frame(OWN_LIST, 60 + (next++ % 100))));
    };
    net.wire.onResume = feed;
    feed();
    const came: Uint8Array[] = [];
    for (let i = 0; i < 12 && came.length < 2000; i++) {
      net.post(200, 200);
      came.push(...(await net.received()));
    }
    assert.deepEqual(
      came.map(({ length }) => length - HEADER),
      Array.from({ length: 2000 }, (_, i) => 60 + (i % 100)),
    );
  });

  void it("what the wire sends out of `resume` is delivered at once while there are buffers", async () => {
    const net = unfiltered();
    let sent = 0;
    const feed = (): void => {
      while (sent < 2000 && net.wire.port.receive(frame(OWN_LIST))) sent++;
    };
    net.wire.onResume = feed;
    feed();
    let came = 0;
    // So many at a time that the last ones outlast what waited: 512 packets, and the one that was too many.
    for (const count of [200, 180, 250]) {
      net.post(count, 200);
      came += (await net.received()).length;
    }
    assert.equal(came, 630);
  });

  void it("a reset forgets what waited, and the wire may go on", () => {
    const net = unfiltered();
    for (let i = 0; i < 5000 && net.wire.port.receive(frame(OWN_LIST)); i++);
    net.driver.transport.status = 0;
    assert.equal(net.wire.resumed, 1);
    assert.equal(net.wire.port.receive(frame(OWN_LIST)), true, "nobody is there: it is dropped");
    assert.ok(net.device.counters.droppedNotReady > 100);
  });

  void it("an answer that the wire gives inside `send` is there when the kick is over", async () => {
    const net = unfiltered();
    net.post(4, 200);
    net.wire.onSend = () => net.wire.port.receive(frame(OWN_LIST, 99));
    await net.transmit(frame(OTHER));
    assert.deepEqual(
      (await net.received()).map(({ length }) => length - HEADER),
      [99],
    );
  });
});

void describe("who looks on", () => {
  void it("the tap and the observer see each packet both ways, as the wire has it", async () => {
    const net = unfiltered();
    const seen: [string, number, number][] = [];
    const events: string[] = [];
    net.device.tap = (direction, packet) => seen.push([direction, packet.length - HEADER, packet[1]!]);
    const { observer } = net.device;
    net.device.observer = (event) => {
      observer?.(event);
      if (event.type === "frame") events.push(event.direction);
    };
    net.post(2, 70000);
    await net.transmit(frame(OTHER, 77));
    net.wire.port.receive(large());
    assert.deepEqual(seen, [
      ["out", 77, 0],
      ["in", 65549, 1],
    ]);
    assert.deepEqual(events, ["out", "in"]);
  });
});

const OWN_LIST = [...OWN];
