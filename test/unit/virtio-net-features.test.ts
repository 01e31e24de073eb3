import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { NetDevice } from "../../src/virtio/net.ts";
import { ACKNOWLEDGE, DRIVER, FEATURES_OK, VERSION_1 } from "./driver/driver.ts";
import { FakeMemory } from "./driver/memory.ts";
import * as bits from "./driver/net-driver.ts";
import { frame } from "./packets.ts";
import { sentences } from "./driver/strict.ts";
import { plug } from "./driver/transport.ts";

/** 5.1.3.1: of each feature the others of which it needs at least one. */
const NEEDS: readonly [feature: bigint, oneOf: bigint][] = [
  [bits.GUEST_TSO4, bits.GUEST_CSUM],
  [bits.GUEST_TSO6, bits.GUEST_CSUM],
  [bits.GUEST_ECN, bits.GUEST_TSO4 | bits.GUEST_TSO6],
  [bits.HOST_TSO4, bits.CSUM],
  [bits.HOST_TSO6, bits.CSUM],
  [bits.HOST_ECN, bits.HOST_TSO4 | bits.HOST_TSO6],
  [bits.CTRL_RX, bits.CTRL_VQ],
  [bits.CTRL_VLAN, bits.CTRL_VQ],
  [bits.GUEST_ANNOUNCE, bits.CTRL_VQ],
  [bits.MQ, bits.CTRL_VQ],
  [bits.CTRL_MAC_ADDR, bits.CTRL_VQ],
];
const SWITCHES = {
  ctrlVq: bits.CTRL_VQ,
  mrgRxbuf: bits.MRG_RXBUF,
  csum: bits.CSUM,
  guestCsum: bits.GUEST_CSUM,
  hostTso4: bits.HOST_TSO4,
  hostTso6: bits.HOST_TSO6,
  guestTso4: bits.GUEST_TSO4,
  guestTso6: bits.GUEST_TSO6,
  guestAnnounce: bits.GUEST_ANNOUNCE,
};

describe("features of a network device (5.1.3)", () => {
  it("2.2.2, 5.1.3.1: whatever is switched off, no feature is offered without the one that it needs", () => {
    const switches = fc.record(Object.fromEntries(Object.keys(SWITCHES).map((name) => [name, fc.boolean()])));
    fc.assert(
      fc.property(switches, fc.integer({ min: 1, max: 3 }), (given, queues) => {
        const { offered } = new NetDevice({ backend: new bits.TestWire(), mac: bits.OWN, queues, ...given });
        for (const [feature, oneOf] of NEEDS) if (offered & feature) assert.ok(offered & oneOf);
        for (const [name, feature] of Object.entries(SWITCHES))
          if (!given[name]) assert.equal(offered & feature, 0n);
        if (!given.ctrlVq) assert.equal(offered & bits.CONTROL, 0n, "5.1.4.1: CTRL_RX_EXTRA, too");
        assert.equal((offered & bits.MQ) !== 0n, queues > 1 && given.ctrlVq);
      }),
      { numRuns: 200 },
    );
  });

  for (const kind of ["pci", "mmio"] as const) {
    it(`2.2.2, 5.1.3.1: a feature without the one that it needs is refused, and with it taken (${kind})`, () => {
      for (const [feature, oneOf] of NEEDS) {
        const device = new NetDevice({ backend: new bits.TestWire(), mac: bits.OWN, queues: 2 });
        const seen = sentences(device);
        const transport = plug(device, kind, new FakeMemory());
        const accept = (features: bigint): number => {
          transport.status = 0;
          transport.status = ACKNOWLEDGE;
          transport.status = ACKNOWLEDGE | DRIVER;
          transport.acceptFeatures(features);
          transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
          return transport.status & FEATURES_OK;
        };
        assert.equal(accept(VERSION_1 | feature), 0);
        assert.deepEqual(seen, ["2.2.1 requires"]);
        assert.match(device.lastViolation!.what, /the driver accepted [A-Z0-9_]+ without [A-Z0-9_]+/);
        const all = NEEDS.filter(([other]) => oneOf & other).reduce((set, [, more]) => set | more, oneOf);
        assert.equal(accept(VERSION_1 | feature | all), FEATURES_OK);
        assert.equal(seen.length, 1);
      }
    });
  }

  it("3.1.2: nobody can refuse a legacy driver: the device leaves such a feature aside", () => {
    const device = new NetDevice({ backend: new bits.TestWire(), mac: bits.OWN });
    const seen = sentences(device);
    const transport = plug(device, "pci-legacy", new FakeMemory());
    transport.status = ACKNOWLEDGE | DRIVER;
    transport.acceptFeatures(bits.GUEST_ECN | bits.GUEST_TSO4 | bits.STATUS);
    assert.equal(device.negotiated, bits.STATUS);
    assert.deepEqual(seen, ["2.2.1 requires", "2.2.1 requires"]);
  });
});

describe("configuration of a network device (5.1.4)", () => {
  it("MAC address, status, pairs, MTU, speed and duplex are where they belong", () => {
    const net = new bits.NetDriver({ device: { mtu: 9000, speed: 100_000, queues: 3 } });
    const read = (offset: number, width: number): number => net.driver.transport.readConfig(offset, width);
    assert.deepEqual(net.mac, [...bits.OWN]);
    assert.deepEqual(
      [read(6, 2), read(8, 2), read(10, 2), read(12, 4), read(16, 1)],
      [1, 3, 9000, 100_000, 1],
    );
    assert.deepEqual(net.broken, []);
  });

  for (const kind of ["pci-legacy", "mmio-legacy"] as const) {
    it(`5.1.4.3, 5.1.6.1, 5.1.6.5: all is little-endian on a legacy interface, as the guest is (${kind})`, async () => {
      const net = new bits.NetDriver({ kind, device: { mtu: 0x1234, queues: 2 } });
      const read = (offset: number): number => net.driver.transport.readConfig(offset, 1);
      assert.deepEqual([6, 7, 8, 9, 10, 11].map(read), [1, 0, 2, 0, 0x34, 0x12]);
      assert.equal(await net.command(4, 0, [2, 0]), 0, "virtqueue_pairs");
      assert.equal(await net.command(2, 0, [0x34, 0x02]), 0, "a VLAN");
      assert.equal(await net.command(1, 0, [1, 0, 0, 0, 2, 0, 0, 0, 0, 7, 0, 0, 0, 0]), 0, "a table");
      assert.equal(await net.command(5, 0, [2, 0, 0, 0, 0, 0, 0, 0]), 0, "offloads");
      net.post(4, 1600);
      net.wire.port.receive(frame([2, 0, 0, 0, 0, 7], 64, { vlan: 0x234 }));
      net.wire.port.receive(frame([2, 0, 0, 0, 0, 8], 64, { vlan: 0x234 }));
      assert.equal((await net.received()).length, 1);
      assert.deepEqual(net.broken, []);
    });
  }

  it("5.1.4.1: mtu does not change, whatever happens", async () => {
    const net = new bits.NetDriver({ device: { mtu: 1400 } });
    const mtu = (): number => net.driver.transport.readConfig(10, 2);
    net.wire.port.setLink(false);
    net.wire.port.announce();
    await net.command(1, 1, [2, 3, 4, 5, 6, 7]);
    assert.equal(mtu(), 1400);
    net.driver.start();
    assert.equal(mtu(), 1400);
  });
});
