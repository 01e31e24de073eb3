import type { VirtioDevice } from "../device.ts";
import type { VirtioEvent } from "../observer.ts";
import { Feature, Status } from "../spec.ts";
import type { Bus } from "./register-roles.ts";
import type { Report } from "./report.ts";

type Access = Extract<VirtioEvent, { type: "access" }>;

/** Fields of configuration spaces that are there with a feature only (5.1.4, 5.2.4, 5.3.4). */
const OPTIONAL: Readonly<Record<string, Readonly<Record<string, bigint>>>> = {
  network: {
    status: Feature.network.STATUS,
    max_virtqueue_pairs: Feature.network.MQ,
    mtu: Feature.network.MTU,
    speed: Feature.network.SPEED_DUPLEX,
    duplex: Feature.network.SPEED_DUPLEX,
  },
  block: {
    size_max: Feature.block.SIZE_MAX,
    seg_max: Feature.block.SEG_MAX,
    "geometry.cylinders": Feature.block.GEOMETRY,
    "geometry.heads": Feature.block.GEOMETRY,
    "geometry.sectors": Feature.block.GEOMETRY,
    blk_size: Feature.block.BLK_SIZE,
    "topology.physical_block_exp": Feature.block.TOPOLOGY,
    "topology.alignment_offset": Feature.block.TOPOLOGY,
    "topology.min_io_size": Feature.block.TOPOLOGY,
    "topology.opt_io_size": Feature.block.TOPOLOGY,
    writeback: Feature.block.CONFIG_WCE,
    num_queues: Feature.block.MQ,
    max_discard_sectors: Feature.block.DISCARD,
    max_discard_seg: Feature.block.DISCARD,
    discard_sector_alignment: Feature.block.DISCARD,
    max_write_zeroes_sectors: Feature.block.WRITE_ZEROES,
    max_write_zeroes_seg: Feature.block.WRITE_ZEROES,
    write_zeroes_may_unmap: Feature.block.WRITE_ZEROES,
    max_secure_erase_sectors: Feature.block.SECURE_ERASE,
    max_secure_erase_seg: Feature.block.SECURE_ERASE,
    secure_erase_sector_alignment: Feature.block.SECURE_ERASE,
  },
  console: {
    cols: Feature.console.SIZE,
    rows: Feature.console.SIZE,
    max_nr_ports: Feature.console.MULTIPORT,
    emerg_wr: Feature.console.EMERG_WRITE,
  },
};

/** 5.2.5.1: not to be read before FEATURES_OK. */
const WRITEBACK = "writeback";

const PREFIX = "config.";

/** Checks an access of the driver to the device's configuration space (2.5.1, 3.1.1). */
export function checkConfiguration(device: VirtioDevice, bus: Bus, report: Report, event: Access): void {
  if (!event.register.startsWith(PREFIX)) return;
  const name = event.register.slice(PREFIX.length);
  const how = `${event.write ? "written" : "read"} at status 0x${device.status.toString(16)}`;
  // 5.3.5.1: emergency output works on a device that nobody has set up.
  if (!device.legacy && name !== "emerg_wr") {
    if (event.write && !(device.status & Status.FEATURES_OK)) report("3.1.1 early", `${name} ${how}`);
    if (!event.write && !(device.status & Status.DRIVER)) report("3.1.1 look", `${name} ${how}`);
  }
  if (name === WRITEBACK && !event.write && !(device.status & Status.FEATURES_OK) && !device.legacy) {
    report("5.2.5.1 writeback", `${name} ${how}`);
  }
  const feature = OPTIONAL[device.kind]?.[name];
  if (feature !== undefined && !((device.offered >> feature) & 1n)) {
    report("2.5.1 optional", `${name} ${how}, and feature bit ${feature} is not offered`);
  }
  const known = device.config.fields.some((field) => field.name === name);
  if (known || bus === "mmio" || device.legacy) return; // on MMIO the transport does it
  report(
    "2.5.1 optional",
    `an access at offset 0x${event.offset.toString(16)}, beyond the fields of this device`,
  );
}
