/** Makes small qcow2 images for tests, as QEMU's docs/interop/qcow2.txt has them. */
import { deflateRawSync } from "node:zlib";

export interface Qcow2Options {
  version?: 2 | 3;
  clusterBits?: number;
  /** Of the disk; by default that of the content. */
  size?: number;
  /** Whether a cluster, by its number, is stored compressed. */
  compressed?: (cluster: number) => boolean;
  /** Marks clusters as zeros (version 3), whatever is stored for them. */
  zero?: (cluster: number) => boolean;
}

/** An image of `content`. Clusters of zeros are left out, unless `zero` marks them. */
export function makeQcow2(content: Uint8Array, options: Qcow2Options = {}): Buffer<ArrayBuffer> {
  const { version = 3, clusterBits = 9, size = content.length } = options;
  const cluster = 2 ** clusterBits;
  const perTable = cluster / 8;
  const clusters = Math.ceil(size / cluster);
  const l1Entries = Math.max(1, Math.ceil(clusters / perTable));
  const file: Buffer[] = [];
  let end = 0;
  /** Appends bytes, from the next cluster on unless told otherwise; returns where they are. */
  const put = (bytes: Uint8Array, align = cluster): number => {
    const gap = (align - (end % align)) % align;
    file.push(Buffer.alloc(gap), Buffer.from(bytes));
    end += gap + bytes.length;
    return end - bytes.length;
  };

  const header = Buffer.alloc(112);
  put(header);
  const l1 = Buffer.alloc(l1Entries * 8);
  const l1Offset = put(l1);
  for (let table = 0; table < l1Entries; table++) {
    const l2 = Buffer.alloc(cluster);
    for (let index = 0; index < perTable; index++) {
      const number = table * perTable + index;
      if (number >= clusters) break;
      const data = Buffer.alloc(cluster);
      data.set(content.subarray(number * cluster, (number + 1) * cluster));
      const zero = options.zero?.(number) ?? false;
      const empty = data.every((byte) => byte === 0);
      if (empty && !zero) continue;
      if (options.compressed?.(number) && !zero) {
        const packed = deflateRawSync(data, { level: 9, windowBits: 12 });
        const offset = put(packed, 1);
        const sectors = Math.floor((offset + packed.length - 1) / 512) - Math.floor(offset / 512);
        const bits = BigInt(62 - (clusterBits - 8));
        l2.writeBigUInt64BE((1n << 62n) | (BigInt(sectors) << bits) | BigInt(offset), index * 8);
      } else {
        const offset = empty ? 0 : put(data);
        l2.writeBigUInt64BE((1n << 63n) | BigInt(offset) | (zero ? 1n : 0n), index * 8);
      }
    }
    if (l2.some((byte) => byte !== 0)) l1.writeBigUInt64BE((1n << 63n) | BigInt(put(l2)), table * 8);
  }
  put(Buffer.alloc(0)); // the last cluster is whole

  header.write("QFI\xfb", "latin1");
  header.writeUInt32BE(version, 4);
  header.writeUInt32BE(clusterBits, 20);
  header.writeBigUInt64BE(BigInt(size), 24);
  header.writeUInt32BE(l1Entries, 36);
  header.writeBigUInt64BE(BigInt(l1Offset), 40);
  if (version === 3) header.writeUInt32BE(112, 100);
  const image = Buffer.alloc(end);
  let at = 0;
  file[1] = header;
  file[3] = l1;
  for (const part of file) {
    image.set(part, at);
    at += part.length;
  }
  return image;
}
