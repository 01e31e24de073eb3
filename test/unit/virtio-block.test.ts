import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BlockDevice } from "../../src/virtio/block.ts";
import { BlockDriver, FLUSH, GET_ID, IN, IOERR, OK, OUT, UNSUPP, UNTOUCHED } from "./driver/block-driver.ts";
import { Driver, NEEDS_RESET, settle } from "./driver/driver.ts";
import { FakeMemory } from "./driver/memory.ts";
import type { Placement } from "./driver/queue.ts";
import { SlowDisk } from "./driver/slow-disk.ts";
import { KINDS } from "./driver/transport.ts";

const CAPACITY = 64 * 512;
const NONE = new Uint8Array();

function bytes(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) + seed) & 0xff);
}

function diskWithPattern(): SlowDisk {
  const disk = new SlowDisk(CAPACITY);
  disk.bytes.set(bytes(CAPACITY, 1));
  return disk;
}

describe("block requests", () => {
  for (const kind of KINDS) {
    it(`5.2.6: read, write and flush move the right bytes (${kind})`, async () => {
      const disk = diskWithPattern();
      const block = new BlockDriver(disk, { kind });
      const read = await block.read(3, 1024);
      assert.deepEqual(read, { status: OK, length: 1025, data: disk.bytes.slice(1536, 2560) });
      const data = bytes(1536, 9);
      assert.deepEqual(await block.write(10, data), { status: OK, length: 1, data: NONE });
      assert.deepEqual(disk.bytes.subarray(5120, 5120 + 1536), data);
      assert.deepEqual(await block.flush(), { status: OK, length: 1, data: NONE });
      assert.equal(disk.calls.at(-1), "flush");
      assert.deepEqual(await block.read(0, 0), { status: OK, length: 1, data: NONE });
      assert.equal(block.device.violations, 0);
    });
  }

  for (const placement of ["direct", "indirect", "unaligned-indirect", "mixed"] satisfies Placement[]) {
    for (const pieces of [[1], [3], [15, 2], [16], [17], [7, 512, 1], [100000]]) {
      it(`2.7.4.1: framing means nothing: pieces of ${pieces.join(", ")} bytes (${placement})`, async () => {
        const disk = diskWithPattern();
        const block = new BlockDriver(disk);
        // Small enough for a chain of single bytes in a queue of 256; then a whole sector where it fits.
        const count = pieces.length === 1 && pieces[0]! < 3 ? 0 : 512;
        const options = { placement, pieces };
        const read = await block.read(2, count, options);
        assert.deepEqual(read.data, disk.bytes.subarray(1024, 1024 + count));
        assert.equal(read.status, OK);
        assert.equal(read.length, count + 1);
        const data = bytes(count, 77);
        assert.equal((await block.write(5, data, options)).status, OK);
        assert.deepEqual(disk.bytes.subarray(2560, 2560 + count), data);
        const id = await block.request(GET_ID, 0, NONE, 20, options);
        assert.equal(new TextDecoder().decode(id.data), "disk-under-test\0\0\0\0\0");
        assert.equal(block.device.violations, 0);
      });
    }
  }

  it("5.2.6: GET_ID gives 20 bytes without a final NUL if the name has 20, and nothing else", async () => {
    const device = new BlockDevice({ id: "12345678901234567890", backend: new SlowDisk(512) });
    const driver = Driver.start(device);
    const header = driver.memory.put(Uint8Array.of(GET_ID, ...new Uint8Array(15)));
    const target = driver.memory.allocate(24);
    const length = await driver.request(0, [
      { address: header, length: 16 },
      { address: target, length: 21, writable: true },
    ]);
    assert.equal(length, 21);
    assert.equal(new TextDecoder().decode(driver.memory.get(target, 22)), "12345678901234567890\0\0");
  });

  it("5.2.6.1: a GET_ID with room for other than 20 bytes fails", async () => {
    const block = new BlockDriver(new SlowDisk(512));
    for (const wanted of [0, 1, 19, 21, 512]) {
      const { status, length } = await block.request(GET_ID, 0, NONE, wanted);
      assert.equal(status, IOERR);
      assert.equal(length, wanted === 0 ? 1 : 0);
    }
  });

  it("5.2.6: requests that are not supported say so: discard where nothing can be given back, SCSI, nonsense", async () => {
    const block = new BlockDriver(diskWithPattern());
    for (const type of [2, 3, 5, 9, 10, 11, 14, 15, 0x80000000, 0xffffffff]) {
      const { status, length } = await block.request(type, 0, bytes(16, 0), 0);
      assert.equal(status, UNSUPP, `type ${type}`);
      assert.equal(length, 1);
    }
  });

  it("5.2.6.1: beyond the end is an error, and neither read nor written", async () => {
    const disk = diskWithPattern();
    const before = disk.bytes.slice();
    const block = new BlockDriver(disk);
    for (const sector of [64, 63, 0xffffffff, 2n ** 32n, 2n ** 55n, 2n ** 64n - 1n]) {
      const read = await block.read(sector, 1024);
      assert.equal(read.status, IOERR, `sector ${sector}`);
      assert.equal(read.length, 0, "none of the data was written");
      assert.deepEqual(read.data, new Uint8Array(1024).fill(UNTOUCHED));
      assert.equal((await block.write(sector, bytes(1024, 3))).status, IOERR);
    }
    assert.deepEqual(disk.bytes, before);
    assert.deepEqual(disk.calls, []);
    assert.equal((await block.read(63, 512)).status, OK, "the last sector is there");
    assert.equal((await block.read(64, 0)).status, OK);
  });

  it("5.2.6.1: a length that is no multiple of 512 is an error", async () => {
    const disk = diskWithPattern();
    const before = disk.bytes.slice();
    const block = new BlockDriver(disk);
    for (const length of [1, 511, 513, 1025]) {
      assert.equal((await block.read(0, length)).status, IOERR);
      assert.equal((await block.write(0, bytes(length, 3))).status, IOERR);
    }
    assert.deepEqual(disk.bytes, before);
    assert.equal(block.device.lastViolation?.rule, "5.2.6.1");
  });

  it("5.2.6: a header that is too short gets an error in its status byte", async () => {
    const block = new BlockDriver(diskWithPattern());
    for (const header of [0, 1, 15]) {
      // A chain has at least one readable byte here, or none at all.
      const { status } = await block.request(IN, 0, NONE, 512, { header, pieces: [8] });
      assert.equal(status, IOERR, `${header} bytes`);
    }
    assert.equal(block.device.violations, 3);
    assert.equal((await block.read(0, 512)).status, OK, "and the device goes on");
  });

  it("5.2.6: a request without a status byte comes back with nothing written", async () => {
    const disk = diskWithPattern();
    const block = new BlockDriver(disk);
    assert.equal((await block.write(0, bytes(512, 9), { withoutStatus: true })).length, 0);
    assert.deepEqual(disk.bytes, bytes(CAPACITY, 1));
    assert.equal(block.device.lastViolation?.rule, "5.2.6");
    assert.equal(block.driver.transport.status & NEEDS_RESET, 0);
  });

  it("5.2.6.2: a read-only disk offers RO and refuses to write", async () => {
    const disk = new SlowDisk(CAPACITY, true);
    const block = new BlockDriver(disk);
    assert.equal(block.driver.features & (1n << 5n), 1n << 5n);
    assert.equal((await block.write(0, bytes(512, 1))).status, IOERR);
    assert.equal((await block.write(0, NONE)).status, IOERR);
    assert.deepEqual(disk.bytes, new Uint8Array(CAPACITY));
    assert.equal((await block.read(0, 512)).status, OK);
    assert.equal((await block.flush()).status, OK);
    assert.equal(new BlockDriver(new SlowDisk(512)).driver.features & (1n << 5n), 0n);
  });

  it("2.7.8.2: writable bytes that a write or a flush does not fill are not counted as written", async () => {
    const block = new BlockDriver(diskWithPattern());
    for (const [type, data] of [
      [OUT, bytes(512, 1)],
      [FLUSH, NONE],
      [99, NONE],
    ] as const) {
      const answer = await block.request(type, 0, data, 8);
      assert.equal(answer.length, 0);
      assert.deepEqual(answer.data, new Uint8Array(8).fill(UNTOUCHED));
      assert.equal(answer.status, type === 99 ? UNSUPP : OK);
    }
  });

  it("5.2.6: a failed request takes no longer than a good one, however large its buffers claim to be", async () => {
    const memory = new FakeMemory(16 << 20);
    const block = new BlockDriver(diskWithPattern(), { memory });
    const header = memory.put(Uint8Array.of(IN, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0));
    const status = memory.allocate(1);
    const whole = { address: 0, length: 12 << 20, writable: true };
    const before = memory.u8.slice();
    const length = await block.driver.request(
      0,
      [
        { address: header, length: 16 },
        ...new Array<typeof whole>(253).fill(whole), // 3 GiB
        { address: status, length: 1, writable: true },
      ],
      "direct",
    );
    assert.equal(length, 0);
    assert.equal(memory.u8[status], IOERR);
    const written = memory.changedSince(before).filter((at) => memory.told[at]);
    assert.ok(written.length < 16, "the status byte and the used ring");
  });

  it("5.2.6: the backend never has to have more than 4 MiB ready, however large the request", async () => {
    const memory = new FakeMemory(16 << 20);
    for (const slow of [false, true]) {
      const disk = new SlowDisk(20 << 20);
      disk.bytes.set(bytes(512, 5), (20 << 20) - 512);
      disk.slow = slow;
      const block = new BlockDriver(disk, { memory });
      const header = memory.put(new Uint8Array(16));
      const target = { address: 8 << 20, length: 5 << 20, writable: true };
      const status = memory.allocate(1);
      const done = block.driver.request(0, [
        { address: header, length: 16 },
        ...new Array<typeof target>(4).fill(target),
        { address: status, length: 1, writable: true },
      ]);
      for (let i = 0; i < 20; i++) {
        disk.answer();
        await settle();
      }
      assert.equal(await done, (20 << 20) + 1);
      assert.equal(memory.u8[status], OK);
      assert.equal(disk.longest, 4 << 20);
      assert.deepEqual(memory.get((13 << 20) - 512, 512), bytes(512, 5));
    }
  });
});

describe("block requests that take time", () => {
  it("5.2.6: complete in the order in which the backend answers, with one interrupt a batch", async () => {
    const disk = diskWithPattern();
    disk.slow = true;
    const block = new BlockDriver(disk);
    const { line } = block.driver.transport;
    const order: number[] = [];
    const requests = [4, 2, 9].map(async (sector) => {
      const { data, status } = await block.read(sector, 512);
      assert.equal(status, OK);
      assert.deepEqual(data, disk.bytes.subarray(512 * sector, 512 * sector + 512));
      order.push(sector);
    });
    assert.equal(disk.waiting, 3);
    const raised = line.raised;
    disk.answer(1);
    await settle();
    assert.deepEqual(order, [4]);
    assert.equal(line.raised, raised + 1);
    disk.answer();
    await Promise.all(requests);
    assert.equal(line.raised, raised + 2, "two completions, one interrupt");
  });

  it("asks the backend again after every wait, and moves the bytes only when it is ready", async () => {
    const disk = diskWithPattern();
    disk.slow = true;
    const block = new BlockDriver(disk);
    const read = block.read(1, 512);
    disk.answer();
    await read;
    assert.deepEqual(disk.calls, ["read 512+512", "read 512+512"]);
  });

  for (const failing of ["prepare", "read", "write", "flush"] as const) {
    it(`5.2.6: an error of the backend in ${failing} is IOERR, and the next request works`, async () => {
      for (const slow of [false, true]) {
        const disk = diskWithPattern();
        disk.slow = slow && failing !== "prepare" && failing !== "flush";
        disk.failing = failing;
        const block = new BlockDriver(disk);
        const send = (): Promise<{ status: number; length: number }> =>
          failing === "flush"
            ? block.flush()
            : failing === "write"
              ? block.write(0, bytes(512, 1))
              : block.read(0, 512);
        const failed = send();
        disk.answer();
        const { status, length } = await failed;
        assert.equal(status, IOERR);
        assert.equal(length, failing === "read" || failing === "prepare" ? 0 : 1);
        disk.failing = "none";
        disk.slow = false;
        assert.equal((await send()).status, OK);
        assert.equal(block.device.counters.errors, 1);
      }
    });
  }

  it("5.2.6: a wait that is rejected is IOERR", async () => {
    const disk = diskWithPattern();
    disk.slow = true;
    const block = new BlockDriver(disk);
    const [read, write, flush] = [block.read(0, 512), block.write(0, bytes(512, 1)), block.flush()];
    disk.answer(3, new Error("on purpose"));
    assert.deepEqual(
      (await Promise.all([read, write, flush])).map(({ status }) => status),
      [IOERR, IOERR, IOERR],
    );
    assert.deepEqual(disk.bytes, bytes(CAPACITY, 1));
  });

  it("5.2.6.2: a flush completes only when the backend's does, and other requests pass it", async () => {
    const disk = diskWithPattern();
    const block = new BlockDriver(disk);
    await block.write(0, bytes(512, 4));
    disk.slow = true;
    let flushed = false;
    const flush = block.flush().then(() => (flushed = true));
    disk.slow = false;
    assert.equal((await block.read(0, 512)).status, OK);
    await settle();
    assert.equal(flushed, false);
    disk.answer();
    await flush;
  });

  it("2.4.1: a reset while requests wait: the guest sees nothing of them, the disk stays as it is", async () => {
    for (const error of [undefined, new Error("on purpose")]) {
      const disk = diskWithPattern();
      disk.slow = true;
      const block = new BlockDriver(disk);
      void block.read(0, 512);
      void block.write(1, bytes(512, 200));
      void block.flush();
      block.driver.transport.status = 0;
      const { raised } = block.driver.transport.line;
      const before = block.driver.memory.u8.slice();
      disk.answer(3, error);
      await settle();
      assert.deepEqual(block.driver.memory.changedSince(before), []);
      assert.deepEqual(disk.bytes, bytes(CAPACITY, 1));
      assert.equal(block.driver.transport.line.raised, raised);

      disk.slow = false;
      block.driver.start();
      assert.equal((await block.read(0, 512)).status, OK);
    }
  });

  it("5.2.6: a disk that shrinks under a waiting request is an error, not a read beyond its end", async () => {
    const disk = diskWithPattern();
    disk.slow = true;
    const block = new BlockDriver(disk);
    const read = block.read(60, 512);
    disk.resize(512 * 32);
    disk.answer();
    assert.equal((await read).status, IOERR);
  });
});

describe("block configuration space", () => {
  it("5.2.4: capacity in sectors, limits, block size and topology where the layout has them, the rest 0", () => {
    const { driver } = new BlockDriver(new SlowDisk(CAPACITY));
    const { transport } = driver;
    assert.equal(transport.readConfig(0, 4), 64);
    assert.equal(transport.readConfig(4, 4), 0);
    assert.equal(transport.readConfig(8, 4), 4 << 20, "size_max: what the backend is asked for at once");
    assert.equal(transport.readConfig(12, 4), 254, "seg_max: a queue of 256 without header and status");
    assert.equal(transport.readConfig(16, 4), 0, "geometry");
    assert.equal(transport.readConfig(20, 4), 512, "blk_size");
    assert.equal(transport.readConfig(24, 1), 3, "physical_block_exp: 8 of 512 bytes");
    assert.equal(transport.readConfig(25, 1), 0, "alignment_offset");
    assert.equal(transport.readConfig(26, 2), 8, "min_io_size");
    assert.equal(transport.readConfig(28, 4), 0, "opt_io_size");
  });

  it("5.2.4: a capacity beyond 32 bits of sectors", () => {
    const backend = new SlowDisk(512);
    backend.capacity = 2 ** 33 * 512 + 512;
    const { transport } = Driver.start(new BlockDevice({ id: "d", backend }));
    assert.equal(transport.readConfig(0, 4), 1);
    assert.equal(transport.readConfig(4, 4), 2);
  });

  for (const kind of KINDS) {
    it(`5.2.6.2: a new capacity is announced by a configuration interrupt and a new generation (${kind})`, async () => {
      const disk = new SlowDisk(CAPACITY);
      const block = new BlockDriver(disk, { kind });
      const { transport } = block.driver;
      const generation = transport.generation;
      disk.resize(CAPACITY / 2);
      assert.equal(block.driver.configChanges, 1);
      assert.notEqual(transport.generation, generation);
      assert.equal(transport.readConfig(0, 4), 32);
      assert.equal((await block.read(40, 512)).status, IOERR);
      disk.resize(CAPACITY);
      assert.equal((await block.read(40, 512)).status, OK);
      assert.equal(block.driver.configChanges, 2);
    });
  }
});
