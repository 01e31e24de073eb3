import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { GATEWAY, GATEWAY6, GATEWAY_MAC } from "../../src/backends/net/gateway/addresses.ts";
import { CONNECTIONS } from "../../src/backends/net/gateway/tcp/stack.ts";
import { parseAddress } from "../../src/net/address.ts";
import { BROADCAST, newPacket } from "../../src/net/ethernet.ts";
import { icmpPacket } from "../../src/net/icmp.ts";
import { ipPacket, type Route } from "../../src/net/ip.ts";
import { packetFault } from "../../src/net/offload.ts";
import { parseTcp, type SegmentHeader, TcpFlag, tcpPacket } from "../../src/net/tcp.ts";
import { udpPacket } from "../../src/net/udp.ts";
import { GUEST, GUEST6, ipOf, MAC, settle, TestGuest, TestPeer } from "./gateway-guest.ts";

const guest = () =>
  new TestGuest({ http: true, fetch: () => Promise.resolve(new Response("x".repeat(5000))) });
const POOL = parseAddress("198.18.0.1")!;

const route = fc
  .tuple(
    fc.constantFrom(GATEWAY_MAC, BROADCAST),
    fc.constantFrom(GATEWAY, POOL, GATEWAY6, parseAddress("ff02::2")!),
  )
  .map(([destinationMac, destination]): Route => ({
    sourceMac: MAC,
    destinationMac,
    source: destination.length === 4 ? GUEST : GUEST6,
    destination,
  }));
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const bytes = fc.uint8Array({ maxLength: 400 });

/** Packets that are right on the outside. */
const packet = fc.oneof(
  fc
    .tuple(route, fc.constantFrom(67, 53, 7), bytes)
    .map(([to, destinationPort, payload]) => udpPacket(to, { sourcePort: 68, destinationPort, payload })),
  fc
    .tuple(route, fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 1 }), bytes)
    .map(([to, type, code, body]) => icmpPacket(to, type, code, new Uint8Array([...body, 0, 0, 0, 0]), 255)),
  fc
    .tuple(
      route,
      fc.constantFrom(80, 53, 3128, 9),
      fc.integer({ min: 1, max: 3 }),
      u32,
      u32,
      fc.integer({ min: 0, max: 63 }),
      u16,
      fc.integer({ min: 0, max: 900 }),
    )
    .map(([to, destinationPort, sourcePort, sequence, acknowledgement, flags, window, length]) =>
      tcpPacket(
        to,
        {
          sourcePort,
          destinationPort,
          sequence: sequence % 3000,
          acknowledgement,
          flags,
          window,
          maximum: flags & 2 ? window : undefined,
          scale: flags & 2 ? window % 256 : undefined,
        },
        length,
        1460,
      ),
    ),
  fc
    .tuple(route, u16, fc.nat(600), fc.boolean(), bytes)
    .map(([to, identification, offset, more, payload]) => {
      const one = ipPacket(to, 1, payload.length, {
        fragment: { identification: identification % 4, offset: offset * 8, more },
      });
      one.set(payload, one.length - payload.length);
      return one;
    }),
  fc
    .tuple(fc.constantFrom(GATEWAY_MAC, BROADCAST), fc.constantFrom(0x800, 0x806, 0x86dd, 0x8100, 9), bytes)
    .map(([to, type, payload]) => {
      const one = newPacket(to, MAC, type, payload.length);
      one.set(payload, one.length - payload.length);
      return one;
    }),
);

describe("a hostile guest", () => {
  it("gets no exception and no packet that is wrong out of the gateway, whatever it sends", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(
            packet,
            fc.oneof(fc.constant([]), fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 3 })),
            fc.option(fc.nat(120), { freq: 1 }),
          ),
          { maxLength: 40, size: "max" },
        ),
        async (steps) => {
          const one = guest();
          for (const [original, changes, cut] of steps) {
            const changed = original.slice(0, cut === null ? original.length : 12 + cut);
            // The device looks at the offload header: nothing else reaches a wire.
            for (const [at, value] of changes) if (at >= 12 && at < changed.length) changed[at] = value;
            if (packetFault(changed) !== undefined) continue;
            one.gateway.handle(changed);
            assert.ok(one.inbox.length <= 16);
            for (const answer of one.inbox.splice(0)) assert.equal(packetFault(answer), undefined);
          }
          one.clock.next();
          await settle(1);
          assert.ok(one.gateway.connections <= CONNECTIONS);
          one.gateway.dispose();
          await settle(1);
          assert.equal(one.clock.pending, 0);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("gets sense out of a connection, however it goes on after the handshake", async () => {
    const delta = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -70_000, max: 400_000 }), u32);
    const step = fc.record({
      sequence: delta,
      acknowledgement: delta,
      flags: fc.oneof(fc.constant(TcpFlag.ACK), fc.integer({ min: 0, max: 63 })),
      window: fc.oneof(fc.constantFrom(0, 1, 0xffff), u16),
      length: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3000 })),
      wait: fc.constantFrom("no", "turn", "timer"),
    });
    const request = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a.b\r\n\r\n");
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
        const one = guest();
        const to = one.route({ destination: POOL });
        const none = { maximum: undefined, scale: undefined };
        const ports = { sourcePort: 9, destinationPort: 80 };
        const send = (header: Omit<SegmentHeader, keyof typeof ports>, data: Uint8Array): void => {
          const packet = tcpPacket(to, { ...ports, ...header }, data.length, 1460);
          packet.set(data, packet.length - data.length);
          one.gateway.handle(packet);
        };
        send(
          { sequence: 99, acknowledgement: 0, flags: TcpFlag.SYN, window: 5000, maximum: 500, scale: 2 },
          new Uint8Array(0),
        );
        const opened = parseTcp(one.inbox[0]!, ipOf(one.inbox[0]!), true);
        assert.ok(typeof opened !== "string");
        const ours = opened.sequence + 1;
        send({ sequence: 100, acknowledgement: ours, flags: TcpFlag.ACK, window: 5000, ...none }, request);
        assert.equal(one.gateway.connections, 1);
        for (const { sequence, acknowledgement, length, wait, ...rest } of steps) {
          one.inbox = [];
          const data = new Uint8Array(length);
          const header = {
            ...rest,
            ...none,
            sequence: 100 + request.length + sequence,
            acknowledgement: ours + acknowledgement,
          };
          send(header, data);
          if (wait === "timer") one.clock.next();
          if (wait !== "no") await settle(1);
          assert.ok(one.inbox.length <= 20, `${one.inbox.length} packets`);
          for (const answer of one.inbox) assert.equal(packetFault(answer), undefined);
        }
        // Whatever it was, with nobody there any more it ends.
        for (let i = 0; i < 100 && one.clock.next(); i++) await settle(1);
        assert.equal(one.gateway.connections, 0);
        assert.equal(one.clock.pending, 0);
      }),
      { numRuns: 40 },
    );
  });

  it("gets an answer to any request that it writes, or an end", async () => {
    const word = fc.constantFrom(
      "GET",
      "POST",
      "/",
      "http://a.b/",
      "HTTP/1.1",
      "HTTP/1.0",
      " ",
      "\r\n",
      "\n",
      ":",
      "Host",
      "host: a.b",
      "\r\n\r\n",
      "Content-Length: 5",
      "Transfer-Encoding: chunked",
      "5",
      "0",
      "gateway.ringside",
      "\0",
      "é",
      "Expect: 100-continue",
      "Connection: keep-alive",
      "198.18.0.1",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 30, size: "max" }), async (words) => {
        const one = guest();
        const peer = new TestPeer(one, 80, { to: POOL });
        peer.connect();
        peer.send(words.join(""));
        peer.end();
        await peer.until(() => peer.ended || peer.state === "reset", 400);
        assert.match(peer.text, /^(HTTP\/1\.1 [1-5]\d\d [\w ]+\r\n[^]*)?$/);
        one.gateway.dispose();
      }),
      { numRuns: 100 },
    );
  });
});
