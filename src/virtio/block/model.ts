import type { BlockBackend } from "../block-backend.ts";
import type { ConfigField, ConfigSpace } from "../config-space.ts";
import type { DeviceModel } from "../device.ts";
import { Block, DeviceType, Feature } from "../spec.ts";

/** What a disk offers besides the common features; each is on unless said otherwise. */
export interface BlockFeatureOptions {
  /** Bytes in a logical block, a power of two from 512 to 4096: the smallest that a driver should transfer. 512 unless given. */
  blkSize?: number;
  /** Request queues, 1 unless given; more than one come with VIRTIO_BLK_F_MQ. */
  queues?: number;
  /** VIRTIO_BLK_F_DISCARD, where the backend can give back storage. */
  discard?: boolean;
  /** VIRTIO_BLK_F_WRITE_ZEROES. */
  writeZeroes?: boolean;
  /** VIRTIO_BLK_F_CONFIG_WCE: the driver may switch between write-back and write-through. */
  configWce?: boolean;
  /** VIRTIO_BLK_F_SECURE_ERASE, where the backend can really erase. Off unless given. */
  secureErase?: boolean;
}

const QUEUE_SIZE = 256;

/**
 * Bytes that the backend is asked to have ready at once. Drivers' requests are smaller; one that names the same guest memory
 * again and again can be as large as the disk, and shall not make the backend hold all of it. Also SIZE_MAX.
 */
export const PIECE = 4 << 20;

/** Bytes of a physical block (TOPOLOGY): a page, in which guests' page caches write. */
const PHYSICAL_BLOCK = 4096;

/**
 * Limits of the requests that name ranges (5.2.5). Storage is given back without touching its bytes; zeroes may have to be
 * written one by one before anything else is served, so that one request gets fewer of them.
 */
export const RANGE_LIMITS = {
  discard: { bytes: 1 << 30, segments: 32 },
  writeZeroes: { bytes: 64 << 20, segments: 1 },
  secureErase: { bytes: 64 << 20, segments: 1 },
} as const;

/** The features, queues and configuration layout of a disk in front of `backend`. */
export function blockModel(backend: BlockBackend, options: BlockFeatureOptions): DeviceModel {
  const { queues = 1 } = options;
  return {
    type: DeviceType.block,
    kind: "block",
    features: blockFeatures(backend, options),
    queues: Array.from({ length: queues }, (_, index) => ({
      name: queues > 1 ? `requestq${index + 1}` : "requestq",
      size: QUEUE_SIZE,
    })),
    config: configFields(options.configWce !== false),
  };
}

/**
 * 5.2.3. LIFETIME is not among them: the wear of flash cells is nothing that memory, files or a browser's database could
 * tell (5.2.6.2 forbids to offer it then). Nor are GEOMETRY, for no disk here has cylinders, and ZONED.
 */
function blockFeatures(backend: BlockBackend, options: BlockFeatureOptions): bigint[] {
  const { SIZE_MAX, SEG_MAX, RO, BLK_SIZE, FLUSH, TOPOLOGY } = Feature.block;
  const { CONFIG_WCE, MQ, DISCARD, WRITE_ZEROES, SECURE_ERASE } = Feature.block;
  const writable = !backend.readOnly;
  const wanted: [bit: bigint, on: boolean][] = [
    [SIZE_MAX, true],
    [SEG_MAX, true],
    [RO, backend.readOnly],
    [BLK_SIZE, true],
    [FLUSH, true],
    [TOPOLOGY, true],
    [CONFIG_WCE, options.configWce !== false],
    [MQ, (options.queues ?? 1) > 1],
    [DISCARD, writable && options.discard !== false && backend.unmap !== undefined],
    [WRITE_ZEROES, writable && options.writeZeroes !== false],
    [SECURE_ERASE, writable && options.secureErase === true && backend.erase !== undefined],
  ];
  return wanted.filter(([, on]) => on).map(([bit]) => bit);
}

/** struct virtio_blk_config, 5.2.4. What belongs to features that are not offered stays 0. */
function configFields(configWce: boolean): ConfigField[] {
  return [
    { name: "capacity", width: 8 },
    { name: "size_max", width: 4 },
    { name: "seg_max", width: 4 },
    { name: "geometry.cylinders", width: 2 },
    { name: "geometry.heads", width: 1 },
    { name: "geometry.sectors", width: 1 },
    { name: "blk_size", width: 4 },
    { name: "topology.physical_block_exp", width: 1 },
    { name: "topology.alignment_offset", width: 1 },
    { name: "topology.min_io_size", width: 2 },
    { name: "topology.opt_io_size", width: 4 },
    { name: "writeback", width: 1, writable: configWce },
    { name: "num_queues", width: 2, offset: 34 },
    { name: "max_discard_sectors", width: 4 },
    { name: "max_discard_seg", width: 4 },
    { name: "discard_sector_alignment", width: 4 },
    { name: "max_write_zeroes_sectors", width: 4 },
    { name: "max_write_zeroes_seg", width: 4 },
    { name: "write_zeroes_may_unmap", width: 1 },
    { name: "max_secure_erase_sectors", width: 4, offset: 60 },
    { name: "max_secure_erase_seg", width: 4 },
    { name: "secure_erase_sector_alignment", width: 4 },
  ];
}

/** Fills in what does not change while the device exists. `offered` tells whether a feature bit is. */
export function fillConfig(
  config: ConfigSpace,
  backend: BlockBackend,
  { blkSize = Block.SECTOR, queues = 1 }: BlockFeatureOptions,
  offered: (bit: bigint) => boolean,
): void {
  const { MQ, DISCARD, WRITE_ZEROES, SECURE_ERASE } = Feature.block;
  const physical = Math.max(PHYSICAL_BLOCK, blkSize);
  config.set("size_max", PIECE);
  config.set("seg_max", QUEUE_SIZE - 2); // the header and the status byte take one descriptor each
  config.set("blk_size", blkSize);
  config.set("topology.physical_block_exp", Math.log2(physical / blkSize));
  config.set("topology.min_io_size", physical / blkSize); // opt_io_size stays 0: no transfer is too large to be good
  if (offered(MQ)) config.set("num_queues", queues);
  if (offered(DISCARD)) {
    config.set("max_discard_sectors", RANGE_LIMITS.discard.bytes / Block.SECTOR);
    config.set("max_discard_seg", RANGE_LIMITS.discard.segments);
    config.set("discard_sector_alignment", Math.max(backend.unmap!.unit, blkSize) / Block.SECTOR);
  }
  if (offered(WRITE_ZEROES)) {
    config.set("max_write_zeroes_sectors", RANGE_LIMITS.writeZeroes.bytes / Block.SECTOR);
    config.set("max_write_zeroes_seg", RANGE_LIMITS.writeZeroes.segments);
    config.set("write_zeroes_may_unmap", backend.unmap ? 1 : 0);
  }
  if (offered(SECURE_ERASE)) {
    config.set("max_secure_erase_sectors", RANGE_LIMITS.secureErase.bytes / Block.SECTOR);
    config.set("max_secure_erase_seg", RANGE_LIMITS.secureErase.segments);
    config.set("secure_erase_sector_alignment", blkSize / Block.SECTOR);
  }
}
