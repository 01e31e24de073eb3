/** What kind of register file is in front of a device. */
export type Bus = "pci" | "mmio";

/** What a register is for, whatever it is called. */
export type Role =
  | "status"
  /** The features that the device offers, those that the driver accepts, and their selectors. */
  | "offered"
  | "offeredSelect"
  | "accepted"
  | "acceptedSelect"
  | "queueSelect"
  | "enable"
  | "queueReset"
  /** Maps an event to an MSI-X vector. */
  | "vector"
  /** InterruptStatus and InterruptACK. */
  | "events"
  | "acknowledge"
  | "sharedMemory";

/** The registers of every transport by their names in events: modern and legacy PCI, MMIO of both versions. */
export const ROLES: ReadonlyMap<string, Role> = new Map<string, Role>([
  ["device_status", "status"],
  ["legacy.device_status", "status"],
  ["Status", "status"],
  ["device_feature", "offered"],
  ["legacy.device_features", "offered"],
  ["DeviceFeatures", "offered"],
  ["HostFeatures", "offered"],
  ["device_feature_select", "offeredSelect"],
  ["DeviceFeaturesSel", "offeredSelect"],
  ["HostFeaturesSel", "offeredSelect"],
  ["driver_feature", "accepted"],
  ["legacy.driver_features", "accepted"],
  ["DriverFeatures", "accepted"],
  ["GuestFeatures", "accepted"],
  ["driver_feature_select", "acceptedSelect"],
  ["DriverFeaturesSel", "acceptedSelect"],
  ["GuestFeaturesSel", "acceptedSelect"],
  ["queue_select", "queueSelect"],
  ["legacy.queue_select", "queueSelect"],
  ["QueueSel", "queueSelect"],
  ["queue_enable", "enable"],
  ["QueueReady", "enable"],
  ["queue_reset", "queueReset"],
  ["QueueReset", "queueReset"],
  ["config_msix_vector", "vector"],
  ["queue_msix_vector", "vector"],
  ["legacy.config_msix_vector", "vector"],
  ["legacy.queue_msix_vector", "vector"],
  ["InterruptStatus", "events"],
  ["InterruptACK", "acknowledge"],
  ["SHMSel", "sharedMemory"],
  ["SHMLenLow", "sharedMemory"],
  ["SHMLenHigh", "sharedMemory"],
  ["SHMBaseLow", "sharedMemory"],
  ["SHMBaseHigh", "sharedMemory"],
]);
