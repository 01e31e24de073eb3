import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { GATEWAY } from "../../src/backends/net/gateway/addresses.ts";
import { RECEIVE_BUFFER, SEND_BUFFER } from "../../src/backends/net/gateway/tcp/connection.ts";
import { ByteQueue } from "../../src/backends/net/gateway/tcp/byte-queue.ts";
import { CONNECTIONS } from "../../src/backends/net/gateway/tcp/stack.ts";
import { parseAddress } from "../../src/net/address.ts";
import { parseTcp, TcpFlag, tcpPacket, type SegmentHeader } from "../../src/net/tcp.ts";
import { ipOf, settle, TestGuest, TestPeer, type Weather } from "./gateway-guest.ts";

const OUTSIDE = parseAddress("198.18.0.1")!;
const DATA = randomBytes(400_000);

/** Packets are lost, doubled and overtaken, the same ones in each run. */
function storm(seed: number): Weather {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const dice = state >>> 24;
    return { copies: dice < 20 ? 0 : dice < 40 ? 2 : 1, late: dice >= 230 };
  };
}

/** A guest whose requests are all answered with DATA, and what they said is kept. */
function guest(answer: BodyInit = DATA): { guest: TestGuest; bodies: Uint8Array[] } {
  const bodies: Uint8Array[] = [];
  const fetch_ = async (_: string, init: RequestInit) => {
    if (init.body) bodies.push(new Uint8Array(await new Response(init.body).arrayBuffer()));
    return new Response(answer);
  };
  return { guest: new TestGuest({ http: true, fetch: fetch_ as typeof fetch }), bodies };
}

const GET = "GET / HTTP/1.0\r\nHost: web.example\r\n\r\n";
const post = (length: number) => `POST / HTTP/1.0\r\nHost: web.example\r\nContent-Length: ${length}\r\n\r\n`;

function bodyOf(peer: TestPeer): Uint8Array {
  const all = Buffer.concat(peer.received);
  return all.subarray(all.indexOf("\r\n\r\n") + 4);
}

/** A segment from the guest by hand, and what comes back at once. */
function say(one: TestGuest, fields: Partial<SegmentHeader>, to = OUTSIDE): SegmentHeader[] {
  const header = {
    sourcePort: 5000,
    destinationPort: 80,
    sequence: 0,
    acknowledgement: 0,
    flags: TcpFlag.SYN,
    window: 1000,
    maximum: undefined,
    scale: undefined,
    ...fields,
  };
  return one.ask(tcpPacket(one.route({ destination: to }), header, 0, 1460)).map((packet) => {
    const segment = parseTcp(packet, ipOf(packet), true);
    assert.ok(typeof segment !== "string");
    return segment;
  });
}

describe("the gateway's TCP", () => {
  for (const seed of [1, 2, 3])
    it(`delivers in any weather, both ways (${seed})`, async () => {
      const { guest: one, bodies } = guest();
      const peer = new TestPeer(one, 80, { to: OUTSIDE });
      peer.weather = storm(seed);
      peer.offload = seed !== 2;
      peer.connect();
      peer.send(post(200_000));
      peer.send(DATA.subarray(0, 200_000));
      await peer.until(() => peer.ended);
      assert.ok(bodies[0] && Buffer.compare(bodies[0], DATA.subarray(0, 200_000)) === 0);
      assert.ok(Buffer.compare(bodyOf(peer), DATA) === 0);
      peer.weather = () => ({ copies: 1, late: false });
      peer.end();
      await peer.until(() => one.gateway.connections === 0);
      assert.equal(one.clock.pending, 0);
    });

  it("waits for a closed window, and asks whether it is still closed", async () => {
    const { guest: one } = guest();
    const peer = new TestPeer(one, 80, { to: OUTSIDE });
    peer.buffer = 64 * 1024;
    peer.hold();
    peer.connect();
    peer.send(GET);
    await peer.until(() => peer.receivedBytes >= 60 * 1024);
    const { receivedBytes, packets } = peer;
    for (let i = 0; i < 5; i++) {
      one.clock.next();
      await settle();
    }
    assert.ok(peer.receivedBytes <= receivedBytes + 5, "nothing but probes of one byte");
    assert.ok(peer.packets > packets, "there were probes");
    // The word that there is room again is lost: the next probe finds out.
    peer.weather = () => ({ copies: 0, late: false });
    peer.read();
    peer.weather = () => ({ copies: 1, late: false });
    while (!peer.ended) {
      const before: number = peer.receivedBytes;
      one.clock.next();
      await settle();
      if (peer.receivedBytes > before) peer.read();
    }
    assert.ok(Buffer.compare(bodyOf(peer), DATA) === 0);
  });

  it("stops reading what the guest does not take", async () => {
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulled += 65536;
          controller.enqueue(new Uint8Array(65536));
        },
      },
      { highWaterMark: 0 },
    );
    const { guest: one } = guest(endless);
    const peer = new TestPeer(one, 80, { to: OUTSIDE });
    peer.hold();
    peer.buffer = 100_000;
    peer.connect();
    peer.send(GET);
    await peer.until(() => peer.receivedBytes > 90_000);
    await settle(30);
    assert.ok(pulled <= SEND_BUFFER + 4 * 65536, `${pulled} bytes were read`);
    one.gateway.dispose();
  });

  it("holds back while the driver has no room, and others go on in their turn", async () => {
    const { guest: one } = guest();
    const peer = new TestPeer(one, 80, { to: OUTSIDE });
    peer.connect();
    peer.send(GET);
    one.ready = false;
    await settle(20);
    assert.ok(peer.receivedBytes < 70_000, `${peer.receivedBytes} bytes`);
    for (let i = 0; i < 20; i++) one.clock.next(5000);
    assert.ok(one.gateway.connections > 0, "a guest that takes nothing is not given up");
    one.ready = true;
    one.gateway.resume();
    await peer.until(() => peer.ended);
    assert.ok(Buffer.compare(bodyOf(peer), DATA) === 0);
  });

  it("does not take more than its window from a guest, whatever the sizes", async () => {
    const never = new Promise<Response>(() => undefined);
    const one = new TestGuest({
      http: true,
      fetch: () => never,
    });
    const peer = new TestPeer(one, 80, { to: OUTSIDE });
    peer.connect();
    peer.send("GET / HTTP/1.1\r\nHost: web.example\r\n\r\n");
    peer.send(new Uint8Array(4 * RECEIVE_BUFFER));
    await settle(20);
    // The window, and the packet that the request's end was in.
    const taken = 4 * RECEIVE_BUFFER - peer.unsent;
    assert.ok(taken >= RECEIVE_BUFFER && taken <= RECEIVE_BUFFER + 65536, `${taken} bytes`);
    peer.reset();
    await settle();
    assert.equal(one.gateway.connections, 0);
  });

  it("gives up a guest that says nothing any more, and one that never opened", async () => {
    const { guest: one } = guest();
    const peer = new TestPeer(one, 80, { to: OUTSIDE });
    peer.connect();
    peer.send(GET);
    await peer.until(() => peer.receivedBytes > 0);
    peer.weather = () => ({ copies: 0, late: false });
    peer.state = "reset";
    say(one, { sourcePort: 7 });
    for (let i = 0; i < 200 && one.clock.next(); i++) await settle(1);
    assert.equal(one.gateway.connections, 0);
    assert.equal(one.clock.pending, 0);
  });

  it("answers what belongs to no connection with a reset, and a reset with nothing", () => {
    const { guest: one } = guest();
    const [reset] = say(one, { flags: TcpFlag.ACK, sequence: 9, acknowledgement: 77 });
    assert.equal(reset!.flags, TcpFlag.RST);
    assert.equal(reset!.sequence, 77);
    const [refused] = say(one, { destinationPort: 22, sequence: 41 }, GATEWAY);
    assert.equal(refused!.flags, TcpFlag.RST | TcpFlag.ACK);
    assert.equal(refused!.acknowledgement, 42);
    assert.deepEqual(say(one, { flags: TcpFlag.RST }), []);
    assert.deepEqual(say(one, { flags: TcpFlag.RST | TcpFlag.ACK }, GATEWAY), []);
  });

  it("believes a reset or a SYN only where it fits (RFC 5961)", async () => {
    const { guest: one } = guest();
    const [opened] = say(one, { sequence: 100 });
    assert.equal(opened!.flags, TcpFlag.SYN | TcpFlag.ACK);
    const ours = opened!.sequence + 1;
    say(one, { flags: TcpFlag.ACK, sequence: 101, acknowledgement: ours });
    assert.equal(one.gateway.connections, 1);
    const challenge = say(one, { flags: TcpFlag.RST, sequence: 150 });
    assert.equal(challenge[0]!.flags, TcpFlag.ACK);
    assert.deepEqual(say(one, { flags: TcpFlag.RST, sequence: 99 }), []);
    assert.equal(say(one, { flags: TcpFlag.SYN, sequence: 4000 })[0]!.flags, TcpFlag.ACK);
    assert.equal(one.gateway.connections, 1);
    assert.deepEqual(say(one, { flags: TcpFlag.RST, sequence: 101 }), []);
    assert.equal(one.gateway.connections, 0);
    await settle();
  });

  it("has no more connections than its bound: those that never opened go first", async () => {
    const { guest: one } = guest();
    for (let i = 0; i < CONNECTIONS + 50; i++) say(one, { sourcePort: 1000 + i });
    assert.equal(one.gateway.connections, CONNECTIONS);
    one.gateway.reset();
    for (let i = 0; i < CONNECTIONS + 1; i++) {
      const [opened] = say(one, { sourcePort: 1000 + i, sequence: 5 });
      if (i === CONNECTIONS) assert.equal(opened!.flags, TcpFlag.RST | TcpFlag.ACK);
      else
        say(one, {
          sourcePort: 1000 + i,
          flags: TcpFlag.ACK,
          sequence: 6,
          acknowledgement: opened!.sequence + 1,
        });
    }
    assert.equal(one.gateway.connections, CONNECTIONS);
    one.gateway.dispose();
    await settle();
    assert.equal(one.gateway.connections, 0);
    assert.equal(one.clock.pending, 0);
  });

  it("keeps to the guest's segment size, and cuts no packet into more than 64", async () => {
    for (const maximum of [100, 536, 1460, 9000]) {
      const { guest: one } = guest();
      const peer = new TestPeer(one, 80, { to: OUTSIDE });
      peer.connect({ maximum });
      peer.send(GET);
      const sizes: number[] = [];
      const { listener } = one;
      one.listener = (packet) => {
        sizes.push(new DataView(packet.buffer, packet.byteOffset).getUint16(4, true));
        assert.ok(packet.length < 64 * 100 + 100 || maximum > 100);
        listener!(packet);
      };
      await peer.until(() => peer.receivedBytes > 300_000);
      assert.deepEqual([...new Set(sizes)].filter(Boolean), [Math.min(maximum, 1460)]);
      one.gateway.dispose();
    }
  });

  it("sends data without a window scale, too", async () => {
    const { guest: one } = guest();
    const peer = new TestPeer(one, 80, { to: OUTSIDE });
    peer.connect({ scale: undefined as unknown as number });
    peer.send(post(300_000));
    peer.send(DATA.subarray(0, 300_000));
    await peer.until(() => peer.receivedBytes > 400);
    one.gateway.dispose();
  });
});

describe("bytes waiting", () => {
  it("come out as they went in, in pieces that do not cost more than they hold", () => {
    const queue = new ByteQueue();
    const expected: number[] = [];
    for (let i = 0; i < 3000; i++) {
      const piece = Uint8Array.from({ length: i % 7 }, (_, k) => i + k);
      expected.push(...piece);
      queue.append(piece);
      if (i % 500 === 0) {
        const large = new Uint8Array(5000).fill(i);
        expected.push(...large);
        queue.append(large);
      }
      if (i % 11 === 0 && queue.length > 10) {
        queue.discard(10);
        expected.splice(0, 10);
      }
    }
    assert.equal(queue.length, expected.length);
    const copy = new Uint8Array(1000);
    queue.copy(4321, copy);
    assert.deepEqual([...copy], expected.map((value) => value & 255).slice(4321, 5321));
    const taken: number[] = [];
    for (let piece; (piece = queue.take());) taken.push(...piece);
    assert.deepEqual(
      taken,
      expected.map((value) => value & 255),
    );
    assert.equal(queue.length, 0);
  });

  it("keep no large array for a small part of it", () => {
    const queue = new ByteQueue();
    queue.append(new Uint8Array(65536).subarray(0, 5000));
    assert.equal(queue.take()!.buffer.byteLength, 5000);
  });
});
