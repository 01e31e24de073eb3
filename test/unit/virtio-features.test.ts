import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BlockDevice } from "../../src/virtio/block.ts";
import { ConsoleDevice } from "../../src/virtio/console.ts";
import type { DeviceOptions, VirtioDevice } from "../../src/virtio/device.ts";
import { EntropyDevice } from "../../src/virtio/entropy.ts";
import { NetDevice } from "../../src/virtio/net.ts";
import { BlockDriver, UNSUPP } from "./driver/block-driver.ts";
import { ACKNOWLEDGE, DRIVER } from "./driver/driver.ts";
import { FakeMemory } from "./driver/memory.ts";
import { OWN as OWN_MAC, TestWire } from "./driver/net-driver.ts";
import { SlowDisk, ThinDisk } from "./driver/slow-disk.ts";
import { KINDS, plug } from "./driver/transport.ts";

type DeviceKind = "block" | "console" | "entropy" | "network";

const make: Record<DeviceKind, (options: DeviceOptions) => VirtioDevice> = {
  block: (options) => new BlockDevice({ id: "d", backend: new SlowDisk(8192), ...options }),
  console: (options) => new ConsoleDevice([{ console: true }, { name: "a" }], options),
  entropy: (options) => new EntropyDevice(() => undefined, options),
  network: (options) => new NetDevice({ backend: new TestWire(), mac: OWN_MAC, ...options }),
};
const DEVICES = Object.keys(make) as DeviceKind[];

/** Feature bits of each type of device that ours have (5.1.3, 5.2.3, 5.3.3, 5.4.3): of a network device all but UFO and MQ (for
 * more than one pair of queues) up to CTRL_MAC_ADDR, and SPEED_DUPLEX; SIZE_MAX, SEG_MAX, BLK_SIZE, FLUSH, TOPOLOGY,
 * CONFIG_WCE, WRITE_ZEROES; SIZE, MULTIPORT, EMERG_WRITE. What a disk has besides is in virtio-block-features.test.ts. */
const OWN: Record<DeviceKind, number[]> = {
  block: [1, 2, 6, 9, 10, 11, 14],
  console: [0, 1, 2],
  entropy: [],
  network: [0, 1, 2, 3, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21, 23, 63],
};

/** The common bits, by the option that switches each (2.7, 2.8, 6); VERSION_1 has none. */
const COMMON: [option: keyof DeviceOptions, bit: number, standard: boolean][] = [
  ["indirect", 28, true],
  ["eventIdx", 29, true],
  ["packed", 34, false],
  ["inOrder", 35, false],
  ["notificationData", 38, false],
  ["notifConfigData", 39, false],
  ["ringReset", 40, true],
];
const VERSION_1 = 32;
const NOTIF_CONFIG_DATA = 39;

const ALL_ON = Object.fromEntries(COMMON.map(([option]) => [option, true])) as DeviceOptions;
const ALL_OFF = Object.fromEntries(COMMON.map(([option]) => [option, false])) as DeviceOptions;

function bits(features: bigint): number[] {
  return Array.from({ length: 128 }, (_, bit) => bit).filter((bit) => (features >> BigInt(bit)) & 1n);
}

function offered(device: VirtioDevice, kind: (typeof KINDS)[number]): number[] {
  return bits(plug(device, kind, new FakeMemory()).deviceFeatures());
}

describe("what devices offer", () => {
  for (const name of DEVICES) {
    it(`2.2.2: ${name} offers what it supports on each transport, and nothing else`, () => {
      for (const kind of ["pci", "mmio"] as const) {
        // 4.1 has a register for VIRTIO_F_NOTIF_CONFIG_DATA, 4.2 has none.
        const here = (list: number[]): number[] =>
          list.filter((bit) => bit !== NOTIF_CONFIG_DATA || kind === "pci");
        const expect = (options: DeviceOptions, common: number[]): void => {
          const wanted = [...OWN[name], VERSION_1, ...here(common)].sort((a, b) => a - b);
          assert.deepEqual(offered(make[name](options), kind), wanted, `${kind} ${JSON.stringify(options)}`);
        };
        expect(
          {},
          COMMON.flatMap(([, bit, standard]) => (standard ? [bit] : [])),
        );
        expect(ALL_OFF, []);
        expect(
          ALL_ON,
          COMMON.map(([, bit]) => bit),
        );
        for (const [option, bit] of COMMON) {
          expect({ ...ALL_OFF, [option]: true }, [bit]);
          expect(
            { ...ALL_ON, [option]: false },
            COMMON.map(([, other]) => other).filter((other) => other !== bit),
          );
        }
      }
    });
  }

  it("2.2.2: what is offered is complete: no bit needs one that is missing", () => {
    /** 5.2.3, 5.2.5.2, 5.2.6.1: a block device's bits that mean something only together with another. */
    const needs: [bit: number, needed: number][] = [
      [11, 9], // CONFIG_WCE: FLUSH
    ];
    for (const options of [{}, ALL_ON, ALL_OFF]) {
      for (const name of DEVICES) {
        const set = offered(make[name](options), "pci");
        assert.ok(
          set.includes(VERSION_1),
          "every bit from 24 on needs it, and so does every feature of 1.0 and later",
        );
        if (name === "block") {
          for (const [bit, needed] of needs) assert.ok(!set.includes(bit) || set.includes(needed));
        }
      }
    }
  });

  it("2.12, 2.13: no device offers administration virtqueues or SR-IOV", () => {
    for (const name of DEVICES) {
      for (const kind of KINDS) {
        for (const options of [{}, ALL_ON]) {
          const set = offered(make[name](options), kind);
          assert.ok(!set.includes(41), "ADMIN_VQ");
          assert.ok(!set.includes(37), "SR_IOV");
        }
      }
    }
  });
});

describe("configuration fields", () => {
  it("2.5.2: fields of offered features can be read before FEATURES_OK", () => {
    for (const kind of KINDS) {
      for (const status of [0, ACKNOWLEDGE, ACKNOWLEDGE | DRIVER]) {
        const disk = plug(make.block({}), kind, new FakeMemory());
        disk.status = status;
        assert.equal(disk.readConfig(0, 4), 16, "capacity");
        assert.equal(disk.readConfig(12, 4), 254, "seg_max: SEG_MAX");
        assert.equal(disk.readConfig(20, 4), 512, "blk_size: BLK_SIZE");
        const terminal = plug(make.console({}), kind, new FakeMemory());
        terminal.status = status;
        assert.deepEqual(
          [terminal.readConfig(0, 2), terminal.readConfig(2, 2)],
          [80, 25],
          "cols, rows: SIZE",
        );
        assert.equal(terminal.readConfig(4, 4), 2, "max_nr_ports: MULTIPORT");
      }
    }
  });

  it("5.2.5.2: what the block device's configuration space does not use reads as 0", () => {
    for (const kind of KINDS) {
      const disk = plug(make.block(ALL_ON), kind, new FakeMemory());
      // unused0, num_queues, discard; unused1, secure erase, zones.
      for (const [from, to] of [
        [33, 48],
        [57, 96],
      ] as const) {
        for (let offset = from; offset < to; offset++)
          assert.equal(disk.readConfig(offset, 1), 0, `offset ${offset}`);
      }
    }
  });
});

describe("requests of features that are not offered", () => {
  it("5.2.6.2: discard, erase, write zeroes, lifetime and zone requests are UNSUPP", async () => {
    const disk = new ThinDisk(8192);
    disk.bytes.fill(0x5a);
    const block = new BlockDriver(disk, { device: { discard: false, writeZeroes: false } });
    // GET_LIFETIME, DISCARD, WRITE_ZEROES, SECURE_ERASE; ZONE_APPEND, REPORT, OPEN, CLOSE, FINISH, RESET, RESET_ALL; SCSI.
    for (const type of [10, 11, 13, 14, 15, 16, 18, 20, 22, 24, 26, 2, 3]) {
      for (const flags of [0, 1, 2, 0x80000000]) {
        const range = new DataView(new ArrayBuffer(16));
        range.setBigUint64(0, 2n, true);
        range.setUint32(8, 4, true);
        range.setUint32(12, flags, true);
        const answer = await block.request(type, 0, new Uint8Array(range.buffer), 0);
        assert.equal(answer.status, UNSUPP, `type ${type}, flags ${flags}`);
      }
    }
    assert.ok(disk.bytes.every((byte) => byte === 0x5a));
    assert.deepEqual(disk.calls, []);
  });
});
