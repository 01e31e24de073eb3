/** Between a member and its passt: frames on a stream, and the host's numbers in place of the guest's. */
import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HEADER, packetOf } from "../../src/net/packet.ts";
import { FrameStream, QUEUE } from "../../server/relay/uplink/frame-stream.ts";
import { NumberPool } from "../../server/relay/uplink/number-pool.ts";
import { MOST_FLOWS, MOST_REMOTES, Translation } from "../../server/relay/uplink/translation.ts";

/** What passt's end of the socket got, and a way to speak. */
class Peer extends Duplex {
  readonly writes: Buffer[] = [];
  held: (() => void)[] | undefined;
  override _read(): void {
    // It speaks when a test says so.
  }
  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.writes.push(chunk);
    if (this.held) this.held.push(done);
    else done();
  }
}

function framed(...frames: Uint8Array[]): Buffer {
  return Buffer.concat(
    frames.flatMap((frame) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(frame.length);
      return [length, frame];
    }),
  );
}

function open(): { peer: Peer; stream: FrameStream; got: Uint8Array[]; faults: string[] } {
  const peer = new Peer();
  const got: Uint8Array[] = [];
  const faults: string[] = [];
  const stream = new FrameStream(peer, {
    packet: (packet) => got.push(packet),
    fault: (reason) => faults.push(reason),
  });
  return { peer, stream, got, faults };
}

void describe("frames on passt's socket", () => {
  void it("come out as they went in, however the stream is cut", async () => {
    const frames = fc.array(fc.uint8Array({ minLength: 14, maxLength: 200 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        frames,
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }),
        async (frames, cuts) => {
          const { peer, stream, got } = open();
          const bytes = framed(...frames);
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const size = cuts[i % cuts.length]!;
            peer.push(bytes.subarray(at, at + size));
            at += size;
          }
          await turn();
          await turn();
          assert.deepEqual(
            got.map((packet) => Buffer.from(packet.subarray(HEADER))),
            frames.map((frame) => Buffer.from(frame)),
          );
          assert.ok(got.every((packet) => packet.subarray(0, HEADER).every((byte) => byte === 0)));
          stream.dispose();
        },
      ),
      { numRuns: 30 },
    );
  });

  for (const length of [0, 13, 65_558, 0xffffffff]) {
    void it(`a length of ${length} is a fault, told once`, async () => {
      const { peer, got, faults } = open();
      const bytes = Buffer.alloc(100);
      bytes.writeUInt32BE(length);
      peer.push(bytes);
      await turn();
      await turn();
      assert.deepEqual(got, []);
      assert.equal(faults.length, 1);
    });
  }

  void it("are written one at a time, whole, with their length", async () => {
    const { peer, stream } = open();
    const frames = [60, 1514, 14].map((length) => new Uint8Array(length).fill(length));
    for (const frame of frames) assert.ok(stream.send(packetOf(frame)));
    await turn();
    assert.deepEqual(
      peer.writes,
      frames.map((frame) => framed(frame)),
    );
  });

  void it("wait for a slow passt up to a bound, and go on in order", async () => {
    const { peer, stream } = open();
    peer.held = [];
    let sent = 0;
    while (stream.send(packetOf(new Uint8Array(1500).fill(sent % 256)))) sent++;
    assert.ok(sent >= QUEUE / 1504 - 1 && sent <= QUEUE / 1504 + 2, `${sent} frames`);
    const waiting = peer.held;
    peer.held = undefined;
    for (const done of waiting) done();
    for (let i = 0; i < 3 * sent && peer.writes.length < sent; i++) await turn();
    assert.deepEqual(
      peer.writes.map((frame) => frame[4]),
      Array.from({ length: sent }, (_, i) => i % 256),
    );
  });
});

void describe("the host's numbers for a guest's", () => {
  let now = 0;
  const makePool = (last = 59_999, occupied = new Set<number>()): NumberPool =>
    new NumberPool({ first: 40_000, last, occupied: () => occupied, now: () => now });
  const make = (pool: NumberPool, once = true): Translation =>
    new Translation({ pool, now: () => now, idle: 125_000, briefIdle: 20_000, closes: 180_000, once });

  void it("are each one member's, lead back, and only from where was sent to", () => {
    const pool = makePool();
    const [one, two] = [make(pool), make(pool)];
    const [first, second] = [one.outward(5000, "a", false)!, two.outward(5000, "a", false)!];
    assert.notEqual(first, second);
    assert.equal(one.inward(first, "a"), 5000);
    assert.equal(one.inward(first, "b"), undefined);
    assert.equal(one.inward(second, "a"), undefined);
    assert.equal(one.outward(5000, "b", false), first, "one port is the same to all");
    assert.equal(one.inward(first, "b"), 5000);
  });

  void it("are none that a program of the host has", () => {
    const pool = makePool(
      40_009,
      new Set([40_000, 40_001, 40_002, 40_003, 40_004, 40_005, 40_006, 40_007, 40_008]),
    );
    assert.equal(make(pool).outward(1, "a", false), 40_009);
    assert.equal(make(pool).outward(1, "a", false), undefined);
  });

  void it("that passt has closed are not used again in the same process, and fresh ones are", () => {
    now = 0;
    const translation = make(makePool());
    const first = translation.outward(1, "a", true)!;
    now = 30_000;
    assert.equal(translation.outward(2, "a", true), first, "its socket is still open");
    assert.equal(translation.inward(first, "a"), 2);
    now += 300_000;
    for (let port = 3; port < 200; port++) assert.notEqual(translation.outward(port, "a", true), first);
  });

  void it("a quiet flow keeps its number for two minutes", () => {
    now = 0;
    const translation = make(makePool());
    const first = translation.outward(1, "a", false);
    now = 119_000;
    translation.outward(2, "a", false);
    assert.equal(translation.outward(1, "a", false), first);
  });

  void it("run out one by one, the oldest first, and come back when passt ends", () => {
    now = 0;
    const pool = makePool(40_000 + MOST_FLOWS - 1);
    const translation = make(pool);
    const numbers = Array.from({ length: MOST_FLOWS + 10 }, (_, port) => {
      now += 1;
      return translation.outward(port, "a", false);
    });
    assert.ok(numbers.slice(0, 200).every((number) => number !== undefined));
    assert.equal(translation.inward(numbers[0]!, "a") === 0, false);
    translation.dispose();
    assert.notEqual(make(pool).outward(1, "a", false), undefined);
  });

  void it("remember a bounded number of remotes", () => {
    const translation = make(makePool());
    const outer = translation.outward(1, "0", false)!;
    for (let i = 1; i <= MOST_REMOTES; i++) translation.outward(1, String(i), false);
    assert.equal(translation.inward(outer, "0"), undefined);
    assert.equal(translation.inward(outer, String(MOST_REMOTES)), 1);
  });

  void it("whatever happens, two members never have the same number", () => {
    const step = fc.record({
      member: fc.nat(2),
      port: fc.nat(40),
      wait: fc.nat(60_000),
      end: fc.integer({ min: 0, max: 30 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        now = 0;
        const pool = makePool(40_199);
        const members = [make(pool), make(pool), make(pool)];
        const owner = new Map<number, number>();
        for (const { member, port, wait, end } of steps) {
          now += wait;
          if (end === 0) {
            members[member]!.dispose();
            members[member] = make(pool);
            for (const [number, whose] of owner) if (whose === member) owner.delete(number);
          }
          const number = members[member]!.outward(port, "a", false);
          if (number === undefined) continue;
          const other = owner.get(number);
          if (other !== undefined && other !== member)
            assert.equal(members[other]!.inward(number, "a"), undefined);
          owner.set(number, member);
          assert.equal(members[member]!.inward(number, "a"), port);
        }
      }),
      { numRuns: 50 },
    );
  });
});
