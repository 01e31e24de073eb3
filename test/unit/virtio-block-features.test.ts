import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryDisk } from "../../src/backends/disk/memory.ts";
import { BlockDevice, type BlockOptions } from "../../src/virtio/block.ts";
import { BlockDriver, IOERR, OK } from "./driver/block-driver.ts";
import { Driver } from "./driver/driver.ts";
import { FakeMemory } from "./driver/memory.ts";
import { SlowDisk, ThinDisk } from "./driver/slow-disk.ts";
import { KINDS, plug } from "./driver/transport.ts";

const bit = (number: number): bigint => 1n << BigInt(number);
/** 5.2.3: bits that depend on options or on what is behind the disk. */
const [RO, CONFIG_WCE, MQ, DISCARD, WRITE_ZEROES, LIFETIME, SECURE_ERASE] = [5, 11, 12, 13, 14, 15, 16].map(
  bit,
) as [bigint, bigint, bigint, bigint, bigint, bigint, bigint];

function offered(options: BlockOptions): bigint {
  return plug(new BlockDevice(options), "pci", new FakeMemory()).deviceFeatures();
}

describe("what a disk offers", () => {
  const varying = RO | CONFIG_WCE | MQ | DISCARD | WRITE_ZEROES | LIFETIME | SECURE_ERASE;
  const thin = new ThinDisk(8192);
  const plain = new SlowDisk(8192);
  const cases: [what: string, options: Partial<BlockOptions>, expected: bigint][] = [
    ["that can give back storage", { backend: thin }, CONFIG_WCE | DISCARD | WRITE_ZEROES],
    ["that cannot", { backend: plain }, CONFIG_WCE | WRITE_ZEROES],
    [
      "that cannot, though asked to",
      { backend: plain, discard: true, secureErase: true },
      CONFIG_WCE | WRITE_ZEROES,
    ],
    ["with everything", { backend: thin, secureErase: true, queues: 3 }, varying & ~RO & ~LIFETIME],
    ["with nothing", { backend: thin, discard: false, writeZeroes: false, configWce: false, queues: 1 }, 0n],
    ["that is read-only", { backend: new ThinDisk(8192, true), secureErase: true }, RO | CONFIG_WCE],
    [
      "in memory",
      { backend: new MemoryDisk(8192), secureErase: true },
      CONFIG_WCE | DISCARD | WRITE_ZEROES | SECURE_ERASE,
    ],
  ];
  for (const [what, options, expected] of cases) {
    it(`5.2.3, 5.2.6.2: a disk ${what}`, () => {
      assert.equal(offered({ id: "d", backend: plain, ...options }) & varying, expected);
    });
  }

  it("5.2.5.2: FLUSH is offered whenever CONFIG_WCE is, and LIFETIME never", () => {
    for (const configWce of [true, false]) {
      for (const backend of [thin, plain, new MemoryDisk(8192), new SlowDisk(8192, true)]) {
        const set = offered({ id: "d", backend, configWce });
        assert.equal(set & CONFIG_WCE, configWce ? CONFIG_WCE : 0n);
        assert.equal(set & bit(9), bit(9));
        assert.equal(set & LIFETIME, 0n);
      }
    }
  });
});

describe("limits of a disk in its configuration space", () => {
  for (const kind of KINDS) {
    it(`5.2.4: limits of discard, write zeroes and secure erase (${kind})`, () => {
      const device = new BlockDevice({ id: "d", backend: new ThinDisk(8192), secureErase: true });
      const { transport } = Driver.start(device, { kind });
      assert.equal(transport.readConfig(36, 4), 2 ** 21, "max_discard_sectors: 1 GiB");
      assert.equal(transport.readConfig(40, 4), 32, "max_discard_seg");
      assert.equal(transport.readConfig(44, 4), 8, "discard_sector_alignment: the disk's unit");
      assert.equal(transport.readConfig(48, 4), 2 ** 17, "max_write_zeroes_sectors: 64 MiB");
      assert.equal(transport.readConfig(52, 4), 1, "max_write_zeroes_seg");
      assert.equal(transport.readConfig(56, 1), 1, "write_zeroes_may_unmap");
      assert.equal(transport.readConfig(60, 4), 2 ** 17, "max_secure_erase_sectors");
      assert.equal(transport.readConfig(64, 4), 1, "max_secure_erase_seg");
      assert.equal(transport.readConfig(68, 4), 1, "secure_erase_sector_alignment");
    });
  }

  it("5.2.6.2: write_zeroes_may_unmap is 0 where write zeroes gives nothing back", () => {
    const { transport } = Driver.start(new BlockDevice({ id: "d", backend: new SlowDisk(8192) }));
    assert.equal(transport.readConfig(48, 4), 2 ** 17);
    assert.equal(transport.readConfig(56, 1), 0);
  });

  it("5.2.4: the block size, with a physical block of at least 4 KiB; requests stay in sectors of 512 bytes", async () => {
    for (const [blkSize, exponent, least] of [
      [512, 3, 8],
      [1024, 2, 4],
      [4096, 0, 1],
    ] as const) {
      const disk = new SlowDisk(8192);
      disk.bytes.fill(7, 512, 1024);
      const block = new BlockDriver(disk, { device: { blkSize } });
      const { transport } = block.driver;
      assert.equal(transport.readConfig(20, 4), blkSize);
      assert.equal(transport.readConfig(24, 1), exponent);
      assert.equal(transport.readConfig(26, 2), least);
      assert.deepEqual((await block.read(1, 512)).data, new Uint8Array(512).fill(7));
    }
  });

  it("5.2.4: a capacity that is no multiple of the block size ends with the last whole block", () => {
    const disk = new SlowDisk(8192 + 512);
    const { driver } = new BlockDriver(disk, { device: { blkSize: 4096 } });
    assert.equal(driver.transport.readConfig(0, 4), 16);
    disk.resize(3 * 4096 - 512);
    assert.equal(driver.transport.readConfig(0, 4), 16);
    disk.resize(3 * 4096);
    assert.equal(driver.transport.readConfig(0, 4), 24);
  });
});

describe("several request queues", () => {
  for (const kind of KINDS) {
    it(`5.2.2: num_queues says how many, and each of them serves requests (${kind})`, async () => {
      const disk = new SlowDisk(8192);
      disk.bytes.forEach((_, at) => (disk.bytes[at] = at >> 9));
      const device = new BlockDevice({ id: "d", backend: disk, queues: 4 });
      const driver = Driver.start(device, { kind, queueSize: 16 });
      assert.equal(driver.transport.readConfig(34, 2), 4);
      assert.equal(driver.rings.length, 4);
      assert.deepEqual(
        device.queues.map(({ name }) => name),
        ["requestq1", "requestq2", "requestq3", "requestq4"],
      );
      const { memory } = driver;
      const answers = driver.rings.map(async (_, queue) => {
        const header = memory.put(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, queue, ...new Uint8Array(7)));
        const target = memory.allocate(513);
        const length = await driver.request(queue, [
          { address: header, length: 16 },
          { address: target, length: 513, writable: true },
        ]);
        assert.equal(length, 513);
        assert.equal(memory.u8[target + 512], OK);
        assert.deepEqual(memory.get(target, 512), new Uint8Array(512).fill(queue));
      });
      await Promise.all(answers);
      assert.equal(device.violations, 0);
    });
  }

  it("5.2.2: a disk with one queue offers no MQ and has no num_queues", async () => {
    const block = new BlockDriver(new SlowDisk(8192));
    assert.equal(block.driver.rings.length, 1);
    assert.equal(block.driver.transport.readConfig(34, 2), 0);
    assert.equal((await block.read(16, 512)).status, IOERR);
  });
});
