/** Where to stop: with the events of real devices, whose drivers put anything into their chains. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { matcher } from "../../src/inspect/breakpoints.ts";
import type { Breakpoint, TracedDevice } from "../../src/inspect/types.ts";
import { HEADER } from "../../src/net/packet.ts";
import type { VirtioEvent } from "../../src/virtio/observer.ts";
import { BlockDriver, DISCARD, IN, OUT } from "./driver/block-driver.ts";
import { settle } from "./driver/driver.ts";
import { NetDriver } from "./driver/net-driver.ts";
import { ThinDisk } from "./driver/slow-disk.ts";
import type { Kind } from "./driver/transport.ts";

type Place = Omit<Breakpoint, "id" | "enabled">;

/** Says for which of `places` each event would stop: ids are their numbers. */
function looks(places: readonly Place[], devices: readonly TracedDevice[] = []) {
  const all = places.map((place, i) => matcher([{ id: `${i}`, enabled: true, ...place }], devices)!);
  const found: string[] = [];
  const look = (event: VirtioEvent): void => {
    const cursor = event.type === "chain" ? event.chain.reader.remaining : 0;
    all.forEach((match, i) => match(event) && found.push(`${i} ${event.type}`));
    if (event.type === "chain")
      assert.equal(event.chain.reader.remaining, cursor, "the cursor has not moved");
  };
  return { look, found };
}

function disk(places: readonly Place[]) {
  const blk = new BlockDriver(new ThinDisk(1 << 20));
  blk.device.name = "blk root";
  const { look, found } = looks(places);
  blk.device.observer = look;
  return { blk, found };
}

describe("breakpoints", () => {
  it("stop at a device, a queue, a kind and a register, all of which have to match", async () => {
    const { blk, found } = disk([
      { device: "blk root", kind: "kick" },
      { device: "blk other", kind: "kick" },
      { queue: 0, kind: "used" },
      { queue: 1 },
      { register: "device_status" },
      { register: "device_status", kind: "kick" },
    ]);
    await blk.read(0, 512);
    assert.equal(blk.driver.transport.status & 4, 4);
    assert.deepEqual(found, ["0 kick", "2 used", "4 access"]);
  });

  it("are asked in turn, and only those that are enabled", () => {
    const event: VirtioEvent = { type: "kick", device: "rng", queue: 0 };
    const [off, first, second] = [
      { id: "off", enabled: false },
      { id: "first", enabled: true, kind: "kick" as const },
      { id: "second", enabled: true },
    ];
    assert.equal(matcher([off, first, second])!(event)?.id, "first");
    assert.equal(matcher([off, second])!({ type: "reset", device: "rng" })?.id, "second");
    assert.equal(matcher([off]), undefined);
    assert.equal(matcher([]), undefined);
  });

  it("stop at requests that touch a sector, with their last and not beyond", async () => {
    const { blk, found } = disk([{ sectors: { first: 8, last: 11 } }]);
    const tries: [place: () => Promise<unknown>, stops: boolean][] = [
      [() => blk.read(4, 4 * 512), false],
      [() => blk.read(4, 5 * 512), true],
      [() => blk.read(11, 512), true],
      [() => blk.read(12, 512), false],
      [() => blk.write(7, new Uint8Array(512)), false],
      [() => blk.write(7, new Uint8Array(1024)), true],
      [() => blk.ranges(DISCARD, [{ sector: 0, count: 8 }]), false],
      [
        () =>
          blk.ranges(DISCARD, [
            { sector: 64, count: 8 },
            { sector: 8, count: 8 },
          ]),
        true,
      ],
      [() => blk.flush(), false],
    ];
    for (const [i, [run, stops]] of tries.entries()) {
      found.length = 0;
      await run();
      assert.deepEqual(found, stops ? ["0 chain"] : [], `try ${i}`);
    }
  });

  it("stop at such a request also when it is given back", async () => {
    const { blk, found } = disk([{ sectors: { first: 0, last: 0 }, kind: "used" }]);
    await blk.read(0, 512, { placement: "indirect", pieces: [3, 5] });
    assert.deepEqual(found, ["0 used"]);
  });

  it("read nothing that is not there", async () => {
    const { blk, found } = disk([{ sectors: { first: 0, last: Number.MAX_SAFE_INTEGER }, kind: "chain" }]);
    await blk.request(IN, 0, new Uint8Array(), 512, { header: 15 });
    await blk.request(IN, 0, new Uint8Array(), 0, { withoutStatus: true });
    await blk.request(OUT, 0, new Uint8Array(), 0);
    await blk.request(DISCARD, 0, new Uint8Array(15), 0);
    await blk.request(IN, (1n << 64n) - 1n, new Uint8Array(), 512);
    await settle();
    assert.deepEqual(found, []);
  });

  for (const [kind, transport] of [
    ["pci", "pci"],
    ["mmio-legacy", "mmio-legacy"],
  ] as [Kind, string][]) {
    it(`stop at an EtherType on the wire and in the queues, on ${transport}`, async () => {
      const net = new NetDriver({ kind, without: 1n << 15n });
      net.device.name = "net net0";
      const queues = net.device.queues.map(({ name }) => name);
      const devices = [{ name: "net net0", kind: "net", transport, queues }];
      const { look, found } = looks([{ etherType: 0x0806 }, { etherType: 0x0806, kind: "frame" }], devices);
      net.device.observer = look;
      await net.transmit(packet(0x0800));
      assert.deepEqual(found, []);
      await net.transmit(packet(0x0806));
      assert.deepEqual(found, ["0 chain", "0 frame", "1 frame"]);
      found.length = 0;

      net.post(1, 1600);
      net.wire.port.receive(packet(0x0806));
      await settle();
      assert.deepEqual(found, ["0 frame", "1 frame", "0 used"]);
    });
  }
});

function packet(etherType: number): Uint8Array {
  const bytes = new Uint8Array(HEADER + 60);
  bytes.fill(0xff, HEADER, HEADER + 6);
  bytes.set([2, 0, 0, 0, 0, 7, etherType >> 8, etherType & 0xff], HEADER + 6);
  return bytes;
}
