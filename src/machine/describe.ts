import type { DeviceConfig, NetConfig, Transport } from "../config/types.ts";
import { macText } from "../net/ethernet.ts";
import type { VirtioDevice } from "../virtio/device.ts";
import type { NetCounters, NetDevice } from "../virtio/net.ts";
import { featureNames, Status } from "../virtio/spec.ts";

const READY = Status.DRIVER_OK | Status.DEVICE_NEEDS_RESET | Status.FAILED;

/** One device as a person wants to see it. */
export interface DeviceDescription {
  kind: DeviceConfig["device"];
  /** A disk's or network device's name. */
  id: string | undefined;
  transport: Transport;
  /** Where the guest finds it: `00:02.0` on PCI, `0xfea00000` on MMIO. Empty while the machine is off. */
  address: string;
  /** The driver has set DRIVER_OK. */
  driverReady: boolean;
  status: number;
  /** Negotiated feature bits by name. */
  features: string[];
  /** Register accesses since the machine was made, doorbells included: each is an exit from the guest. */
  accesses: number;
  queues: {
    name: string;
    size: number;
    enabled: boolean;
    kicks: number;
    interrupts: number;
    chains: number;
  }[];
}

export function driverReady(device: VirtioDevice): boolean {
  return (device.status & READY) === Status.DRIVER_OK;
}

export function describeDevice(config: DeviceConfig, device: VirtioDevice, address = ""): DeviceDescription {
  return {
    kind: config.device,
    id: "id" in config ? config.id : undefined,
    transport: config.transport,
    address,
    driverReady: driverReady(device),
    status: device.status,
    features: featureNames(device.kind, device.negotiated),
    accesses: device.accesses,
    queues: device.queues.map(({ name, size, enabled, counters }) => ({
      name,
      size,
      enabled,
      kicks: counters.kicks,
      interrupts: counters.interrupts,
      chains: counters.chains,
    })),
  };
}

/** A network device and its end of the wire, a value. */
export interface NetworkDescription {
  /** The device's name. */
  id: string;
  /** The MAC address that the driver uses now, as in `02:00:5e:10:00:01`. */
  mac: string;
  /** Carrier. */
  linkUp: boolean;
  /** What the device offers, bytes. */
  mtu: number;
  /** What the device says it has, Mbit/s. */
  speed: number;
  /** What it is plugged into, as the configuration has it. */
  wire: string;
  driverReady: boolean;
  counters: NetCounters;
}

export function describeNetwork({ id, wire, speed }: NetConfig, device: NetDevice): NetworkDescription {
  return {
    id,
    mac: macText(device.mac),
    linkUp: device.linkUp,
    mtu: device.mtu,
    speed,
    wire,
    driverReady: driverReady(device),
    counters: { ...device.counters },
  };
}
