/** Disks on their way in and out, against a store and a file in memory. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import type { DiskBase } from "../../src/backends/disk/base.ts";
import { DiskError } from "../../src/backends/disk/errors.ts";
import { ChunkSink } from "../../src/backends/disk/transfer/chunk-sink.ts";
import { contentOf } from "../../src/backends/disk/transfer/content.ts";
import { type ExportFormat, exportTo } from "../../src/backends/disk/transfer/export.ts";
import { openImport } from "../../src/backends/disk/transfer/import-file.ts";
import type { Piece } from "../../src/backends/disk/transfer/source.ts";
import { makeQcow2 } from "./qcow2-image.ts";

const chunkSize = 4096;

class MemoryStore {
  readonly chunks = new Map<number, Uint8Array>();
  save(chunks: [number, Uint8Array][]): Promise<void> {
    for (const [number, data] of chunks) this.chunks.set(number, data.slice());
    return Promise.resolve();
  }
}

async function imported(file: Uint8Array<ArrayBuffer>): Promise<{ store: MemoryStore; disk: Buffer }> {
  const store = new MemoryStore();
  const source = await openImport(new Blob([file]));
  const sink = new ChunkSink(store, chunkSize);
  let end = 0;
  for await (const piece of source.pieces()) {
    await sink.put(piece);
    end = piece.offset + piece.data.length;
  }
  await sink.end();
  const disk = Buffer.alloc(Math.ceil((source.size ?? end) / 512) * 512);
  for (const [number, data] of store.chunks)
    disk.set(data.subarray(0, disk.length - number * chunkSize), number * chunkSize);
  assert.equal(source.progress > 0.5, true);
  return { store, disk };
}

async function exported(pieces: AsyncIterable<Piece>, size: number, format: ExportFormat): Promise<Buffer> {
  let file = Buffer.alloc(0);
  const grow = (bytes: number) => {
    if (bytes > file.length) file = Buffer.concat([file, Buffer.alloc(bytes - file.length)]);
  };
  await exportTo(
    {
      write: (offset, data) => {
        grow(offset + data.length);
        file.set(data, offset);
        return Promise.resolve();
      },
      setSize: (bytes) => {
        grow(bytes);
        return Promise.resolve();
      },
    },
    format,
    pieces,
    { size, signal: new AbortController().signal, onProgress: () => undefined },
  );
  return file;
}

function base(content: Buffer): DiskBase {
  return {
    label: "The image",
    size: content.length,
    identity: "x",
    holds: (offset, length) => content.subarray(offset, offset + length).some((byte) => byte !== 0),
    read: (offset, length) => {
      const bytes = new Uint8Array(length);
      bytes.set(content.subarray(offset, offset + length));
      return Promise.resolve(bytes);
    },
    dispose: () => Promise.resolve(),
  };
}

const sparse = Buffer.alloc(40 * chunkSize + 512);
sparse.fill("a", 100, 5000);
sparse.fill("b", 20 * chunkSize, 22 * chunkSize);
sparse.fill("c", 40 * chunkSize);

describe("import", () => {
  it("raw, gzip and qcow2 make the same disk, and zeros are not stored", async () => {
    for (const file of [Buffer.from(sparse), gzipSync(sparse), makeQcow2(sparse)]) {
      const { store, disk } = await imported(file);
      assert(disk.equals(sparse));
      assert.deepEqual([...store.chunks.keys()], [0, 1, 20, 21, 40]);
    }
  });

  it("a size that no sector divides is rounded up", async () => {
    assert.equal((await imported(Buffer.alloc(1000, "x"))).disk.length, 1024);
    assert.equal((await imported(gzipSync(Buffer.alloc(1000, "x")))).disk.length, 1024);
  });

  it("what is no disk is refused with a sentence", async () => {
    const packed = gzipSync(Buffer.from(Array.from({ length: 50_000 }, (_, index) => (index * 7919) >> 3)));
    const broken = Buffer.from(packed);
    broken.fill(0xff, 400, 500);
    const cases: [Buffer, RegExp][] = [
      [Buffer.alloc(0), /empty/],
      [packed.subarray(0, packed.length - 100), /damaged or cut short/],
      [broken, /damaged or cut short/],
      [gzipSync(makeQcow2(sparse)), /qcow2 image in it/],
      [Buffer.from("\xfd7zXZ\0more", "latin1"), /unxz/],
      [Buffer.from("KDMV0000"), /VMDK.*qemu-img/],
      [Buffer.from("QFI\xfb", "latin1"), /cut short/],
    ];
    for (const [file, expected] of cases) {
      await assert.rejects(
        imported(file as Buffer<ArrayBuffer>),
        (error) => error instanceof DiskError && expected.test(error.message),
        String(expected),
      );
    }
  });
});

describe("export", () => {
  it("has the changes over the base, holes as zeros, nothing beyond the end", async () => {
    const chunk = fc.integer({ min: 0, max: 30 });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 30 * 8 }),
        fc.option(fc.integer({ min: 1, max: 30 * 8 })),
        fc.uniqueArray(chunk),
        fc.uniqueArray(chunk),
        fc.constantFrom<ExportFormat>("raw", "gzip"),
        async (sectors, baseSectors, written, dropped, format) => {
          const size = sectors * 512;
          const below = baseSectors === null ? undefined : Buffer.alloc(baseSectors * 512);
          below?.forEach((_, index) => (below[index] = index % (3 * chunkSize) < chunkSize ? 0 : index));
          const holes = new Set(dropped.filter((number) => !written.includes(number)));
          const expected = Buffer.alloc(31 * chunkSize);
          if (below) expected.set(below);
          for (const number of holes) expected.fill(0, number * chunkSize, (number + 1) * chunkSize);
          for (const number of written)
            expected.fill(number + 1, number * chunkSize, (number + 1) * chunkSize);
          const pieces = contentOf({
            size,
            chunkSize,
            stored: new Set(written),
            holes,
            base: below && base(below),
            load: (numbers) =>
              Promise.resolve(numbers.map((number) => new Uint8Array(chunkSize).fill(number + 1))),
          });
          const file = await exported(pieces, size, format);
          assert((format === "gzip" ? gunzipSync(file) : file).equals(expected.subarray(0, size)));
        },
      ),
      { numRuns: 200 },
    );
  });

  it("ends with what the disk or the file fails with, and when it is cancelled", async () => {
    const failing = async function* (): AsyncGenerator<Piece> {
      yield { offset: 0, data: new Uint8Array(chunkSize).fill(1) };
      await Promise.resolve();
      throw new DiskError("io", "It is broken.");
    };
    for (const format of ["raw", "gzip"] as const) {
      await assert.rejects(exported(failing(), 2 * chunkSize, format), /It is broken/);
      const pieces = async function* (): AsyncGenerator<Piece> {
        for (let offset = 0; ; offset += chunkSize) {
          yield await Promise.resolve({ offset, data: crypto.getRandomValues(new Uint8Array(chunkSize)) });
        }
      };
      const stop = new AbortController();
      const cancelled = exportTo(
        {
          write: () => {
            stop.abort(new Error("cancelled"));
            return Promise.resolve();
          },
          setSize: () => Promise.resolve(),
        },
        format,
        pieces(),
        { size: 2 ** 40, signal: stop.signal, onProgress: () => undefined },
      );
      await assert.rejects(cancelled, /cancelled/);
      const full = exportTo(
        { write: () => Promise.reject(new DiskError("full", "No room.")), setSize: () => Promise.resolve() },
        format,
        pieces(),
        { size: 2 ** 40, signal: new AbortController().signal, onProgress: () => undefined },
      );
      await assert.rejects(full, /No room/);
    }
  });
});
