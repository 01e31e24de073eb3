import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { MemoryCapture } from "../../src/backends/net/capture/memory.ts";
import { HEADER, packetOf } from "../../src/net/packet.ts";
import { openCapture } from "../../src/node/capture.ts";

interface Block {
  type: number;
  body: Buffer;
  options: Map<number, Buffer>;
}

const FIXED: Record<number, number> = { 0x0a0d0d0a: 16, 1: 8, 5: 12 };

/** A reader of its own, by the specification's figures. */
function parse(file: Buffer): Block[] {
  const blocks: Block[] = [];
  for (let at = 0; at < file.length;) {
    const [type, length] = [file.readUInt32LE(at), file.readUInt32LE(at + 4)];
    assert.equal(length % 4, 0);
    assert.equal(file.readUInt32LE(at + length - 4), length);
    const body = file.subarray(at + 8, at + length - 4);
    const fixed = type === 6 ? 20 + ((body.readUInt32LE(12) + 3) & ~3) : FIXED[type]!;
    const options = new Map<number, Buffer>();
    for (let from = fixed; body.readUInt16LE(from) !== 0;) {
      const size = body.readUInt16LE(from + 2);
      options.set(body.readUInt16LE(from), body.subarray(from + 4, from + 4 + size));
      from += 4 + ((size + 3) & ~3);
    }
    blocks.push({ type, body, options });
    at += length;
  }
  return blocks;
}

const frameOf = ({ body }: Block): Buffer => body.subarray(20, 20 + body.readUInt32LE(12));
const face = { name: "net0", description: "room:lab", mac: "02:00:5e:10:00:01", speed: 1000 };

function unexpected(message: string): void {
  throw new Error(message);
}

void describe("captures", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ringside-capture-"));
  });
  after(() => rm(folder, { recursive: true }));

  void it("a file has interfaces, packets with their directions, and statistics", async () => {
    const path = join(folder, "both.pcapng");
    const before = Date.now();
    const capture = await openCapture(path, [face, { ...face, name: "net1" }], unexpected);
    const frames = [61, 64, 65_550].map((length) => new Uint8Array(length).fill(length));
    capture.add(0, "in", packetOf(frames[0]!));
    capture.add(1, "out", packetOf(frames[1]!));
    capture.add(0, "out", packetOf(frames[2]!));
    await capture.end();
    assert.deepEqual(capture.status.packets, 3);
    const bytes = await readFile(path);
    assert.equal(capture.status.bytes, bytes.length);
    const blocks = parse(bytes);
    assert.deepEqual(
      blocks.map(({ type }) => type),
      [0x0a0d0d0a, 1, 1, 6, 6, 6, 5, 5],
    );
    const { options, body } = blocks[1]!;
    assert.equal(body.readUInt16LE(0), 1); // Ethernet
    assert.equal(options.get(2)!.toString(), "net0");
    assert.equal(options.get(6)!.toString("hex"), "02005e100001");
    assert.equal(options.get(8)!.readBigUInt64LE(), 1_000_000_000n);
    const packets = blocks.filter(({ type }) => type === 6);
    assert.deepEqual(
      packets.map((block) => new Uint8Array(frameOf(block))),
      frames,
    );
    assert.deepEqual(
      packets.map((block) => block.body.readUInt32LE(0)),
      [0, 1, 0],
    );
    assert.deepEqual(
      packets.map((block) => block.options.get(2)!.readUInt32LE()),
      [1, 2, 2],
    );
    for (const { body } of packets) {
      const time = (body.readUInt32LE(4) * 2 ** 32 + body.readUInt32LE(8)) / 1000;
      assert.ok(time > before - 1000 && time < Date.now() + 1000, `${time}`);
    }
    assert.equal(blocks.at(-2)!.options.get(4)!.readBigUInt64LE(), 2n);
  });

  void it("a file that cannot be made, or is full, ends the capture with a sentence", async () => {
    await assert.rejects(openCapture(join(folder, "no/where"), [face], unexpected), /cannot be written/);
    const said: string[] = [];
    const capture = await openCapture("/dev/full", [face], (message) => said.push(message));
    for (let i = 0; i < 10; i++) {
      capture.add(0, "in", packetOf(new Uint8Array(60)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await capture.end();
    assert.equal(said.length, 1);
    assert.match(said[0]!, /\/dev\/full cannot be written/);
  });

  void it("in memory the newest packets are kept, within the bound", () => {
    const capture = new MemoryCapture(face, "Ringside", 10_000);
    for (let i = 0; i < 1000; i++) capture.add("in", packetOf(new Uint8Array(100).fill(i)));
    const { packets, dropped, bytes } = capture.status;
    assert.equal(packets + dropped, 1000);
    assert.ok(bytes <= 10_000 && packets > 20, `${packets} packets, ${bytes} bytes`);
    capture.stop();
    capture.add("in", new Uint8Array(HEADER + 60));
    assert.deepEqual(capture.status, { running: false, packets, dropped, bytes });
    const blocks = parse(Buffer.concat(capture.file()));
    const kept = blocks.filter(({ type }) => type === 6);
    assert.equal(kept.length, packets);
    assert.equal(frameOf(kept.at(-1)!)[0], 999 & 255);
    assert.equal(blocks.at(-1)!.options.get(7)!.readBigUInt64LE(), BigInt(dropped));
  });
});
