/** Strict mode: a network device's queues as they must not be used. Each test names the sentence that has to be reported. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "./driver/driver.ts";
import { CONTROL, MRG_RXBUF, NetDriver } from "./driver/net-driver.ts";
import type { Segment } from "./driver/queue.ts";
import { frame } from "./packets.ts";

const OTHER = [2, 0, 0, 0, 0, 0x99];
const ANY_LAYOUT = 1n << 27n;

/** A driver that has put chains of these buffers (lengths; negative ones are writable) into a queue. */
async function putting(net: NetDriver, queue: number, lengths: readonly number[]): Promise<string[]> {
  const segments: Segment[] = lengths.map((length) => ({
    address: net.driver.memory.allocate(Math.abs(length)),
    length: Math.abs(length),
    writable: length < 0,
  }));
  void net.driver.request(queue, segments);
  await settle();
  return net.broken;
}

describe("strict mode: network queues (5.1.6)", () => {
  it("a readable buffer in a receive queue", async () => {
    assert.deepEqual(await putting(new NetDriver(), 0, [-1600]), []);
    assert.deepEqual(await putting(new NetDriver(), 0, [12, -1600]), ["5.1.6.3 receiveq"]);
  });

  it("a writable buffer in a transmit queue", async () => {
    assert.deepEqual(await putting(new NetDriver(), 1, [72]), []);
    assert.deepEqual(await putting(new NetDriver(), 1, [72, -1]), ["5.1.6.2 transmitq"]);
  });

  it("a receive buffer that is too small for the MTU, unless buffers are merged", async () => {
    assert.deepEqual(await putting(new NetDriver({ without: MRG_RXBUF }), 0, [-1526]), []);
    assert.deepEqual(await putting(new NetDriver(), 0, [-1525]), []);
    assert.deepEqual(await putting(new NetDriver({ without: MRG_RXBUF }), 0, [-1525]), ["5.1.4.2 receive"]);
  });

  it("num_buffers in a packet to transmit, which a legacy header may not even have", async () => {
    for (const [kind, without, broken] of [
      ["pci", 0n, ["5.1.6.2.1 buffers"]],
      ["pci", MRG_RXBUF, ["5.1.6.2.1 buffers"]],
      ["pci-legacy", MRG_RXBUF, []],
    ] as const) {
      const net = new NetDriver({ kind, without });
      const packet = frame(OTHER);
      await net.transmit(packet);
      assert.deepEqual(net.broken, []);
      packet[11] = 1;
      await net.transmit(packet);
      assert.deepEqual(net.broken, broken);
    }
  });

  it("other flags than NEEDS_CSUM", async () => {
    for (const flags of [2, 4, 0x80]) {
      const net = new NetDriver();
      const packet = frame(OTHER);
      packet[0] = flags;
      await net.transmit(packet);
      assert.deepEqual(net.broken, ["5.1.6.2.1 flags"]);
    }
  });

  it("5.1.6.6: headers and commands in other pieces on a legacy interface without ANY_LAYOUT", async () => {
    for (const kind of ["pci-legacy", "mmio-legacy"] as const) {
      const cases: [queue: number, lengths: number[], broken: string[]][] = [
        [1, [12, 60], []],
        [1, [72], ["5.1.6.6 header"]],
        [1, [11, 61], ["5.1.6.6 header"]],
        [0, [-12, -1600], []],
        [0, [-1612], ["5.1.6.6 header"]],
        [2, [2, 1, -1], []],
        [2, [3, -1], ["5.1.6.6 control"]],
        [2, [2, 1, -2], ["5.1.6.6 control"]],
      ];
      for (const [queue, lengths, broken] of cases) {
        assert.deepEqual(await putting(new NetDriver({ kind, without: ANY_LAYOUT }), queue, lengths), broken);
        assert.deepEqual(await putting(new NetDriver({ kind }), queue, lengths), []);
      }
    }
  });

  it("configuration fields of features that are not offered", () => {
    const net = new NetDriver({ without: CONTROL, device: { ctrlVq: false } });
    net.driver.transport.readConfig(10, 2); // mtu
    assert.deepEqual(net.broken, []);
    net.driver.transport.readConfig(8, 2); // max_virtqueue_pairs
    assert.deepEqual(net.broken, ["2.5.1 optional"]);
  });
});
