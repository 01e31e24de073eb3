import type { Fault } from "./fault.ts";
import { CHAIN_FAULTS } from "./faults/chain.ts";
import { DEVICE_FAULTS } from "./faults/device.ts";
import { DISK_FAULTS } from "./faults/disks.ts";
import { MMIO_FAULTS } from "./faults/mmio.ts";
import { MODEL_FAULTS } from "./faults/models.ts";
import { NET_FAULTS } from "./faults/net.ts";
import { PACKED_FAULTS } from "./faults/packed.ts";
import { PCI_FAULTS } from "./faults/pci.ts";
import { SPLIT_FAULTS } from "./faults/split.ts";

export const FAULTS: readonly Fault[] = [
  ...CHAIN_FAULTS,
  ...SPLIT_FAULTS,
  ...PACKED_FAULTS,
  ...DEVICE_FAULTS,
  ...PCI_FAULTS,
  ...MMIO_FAULTS,
  ...MODEL_FAULTS,
  ...NET_FAULTS,
  ...DISK_FAULTS,
];
