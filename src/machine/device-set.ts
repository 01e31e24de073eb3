import type { BlockConfig, DeviceConfig, NetConfig } from "../config/types.ts";
import { BlockDevice } from "../virtio/block.ts";
import type { BlockBackend } from "../virtio/block-backend.ts";
import { ConsoleDevice } from "../virtio/console.ts";
import type { VirtioDevice } from "../virtio/device.ts";
import { EntropyDevice } from "../virtio/entropy.ts";
import type { Gate } from "../virtio/gate.ts";
import { NetDevice } from "../virtio/net.ts";
import type { NetBackend } from "../virtio/net-backend.ts";
import type { Observer, Violation } from "../virtio/observer.ts";
import { watchStrictly } from "../virtio/strict/auditor.ts";
import { deviceView } from "../virtio/view/device-view.ts";
import type { DeviceView } from "../virtio/view/types.ts";
import { AGENT_PORTS } from "./agent.ts";
import type { Board } from "./board.ts";
import {
  type DeviceDescription,
  describeDevice,
  describeNetwork,
  type NetworkDescription,
} from "./describe.ts";
import { macOf } from "./mac.ts";
import { noWire } from "./no-wire.ts";

export interface DeviceSetOptions {
  devices: readonly DeviceConfig[];
  /** What stands behind each block device, by its id. */
  disks: ReadonlyMap<string, BlockBackend>;
  /** What each network device is plugged into, by its id; without one it has no carrier. */
  wires: ReadonlyMap<string, NetBackend>;
  strict: boolean;
  /** Between the devices and the guest. */
  gate: Gate;
  onViolation: (device: VirtioDevice, violation: Violation) => void;
}

export interface MachineDevice {
  readonly config: DeviceConfig;
  readonly device: VirtioDevice;
}

/** A disk that came while the machine was there, or that may leave it. */
export interface MachineDisk extends MachineDevice {
  readonly config: BlockConfig;
  readonly disk: BlockBackend;
}

export interface DeviceCounters {
  /** Since the machine was made, over all devices. `accesses` are to their registers, doorbells included. */
  accesses: number;
  kicks: number;
  interrupts: number;
  suppressedInterrupts: number;
  chains: number;
  /** Violations of the specification by the guest's drivers. */
  violations: number;
}

/** The devices of a machine, and the disks behind them: what stays when the guest is reset. */
export class DeviceSet {
  readonly #options: DeviceSetOptions;
  readonly #devices: (MachineDevice | MachineDisk)[] = [];
  /** What the devices that have left had counted. */
  #departed: DeviceCounters = noCounters();
  #observer: Observer | undefined;

  /** @throws RangeError when a block device has no disk. */
  constructor(options: DeviceSetOptions) {
    this.#options = options;
    for (const config of options.devices) {
      if (config.device === "blk") this.add(config, diskOf(config, options.disks));
      else this.#devices.push({ config, device: this.#prepare(config, newModel(config, options.wires)) });
    }
  }

  /** In the order in which they stand on the bus. */
  get all(): readonly MachineDevice[] {
    return this.#devices;
  }

  /** Has all events of all devices, now and later ones, go to `observer`; undefined ends it. */
  observe(observer: Observer | undefined): void {
    if (observer === this.#observer) return;
    this.#observer = observer;
    if (!this.#options.strict) for (const { device } of this.#devices) device.observer = observer;
  }

  get console(): ConsoleDevice | undefined {
    return this.#devices.map(({ device }) => device).find((device) => device instanceof ConsoleDevice);
  }

  get disks(): MachineDisk[] {
    return this.#devices.filter((device) => "disk" in device);
  }

  /** The network device of that name. */
  network(id: string): NetDevice | undefined {
    return this.#networks.find(({ config }) => config.id === id)?.device;
  }

  networks(): NetworkDescription[] {
    return this.#networks.map(({ config, device }) => describeNetwork(config, device));
  }

  get #networks(): { config: NetConfig; device: NetDevice }[] {
    const isNetwork = (entry: MachineDevice): entry is { config: NetConfig; device: NetDevice } =>
      entry.config.device === "net";
    return this.#devices.filter(isNetwork);
  }

  add(config: BlockConfig, disk: BlockBackend): MachineDisk {
    const device = this.#prepare(config, new BlockDevice({ ...config, backend: disk }));
    const added = { config, device, disk };
    this.#devices.push(added);
    return added;
  }

  /** Takes a disk out. Returns whether it was there: whoever took it out disposes of what is behind it. */
  remove(disk: MachineDisk): boolean {
    const place = this.#devices.indexOf(disk);
    if (place < 0) return false;
    this.#devices.splice(place, 1);
    this.#departed = sum(this.#departed, countersOf(disk.device));
    return true;
  }

  describe(board: Board | undefined): DeviceDescription[] {
    return this.#devices.map(({ config, device }) => describeDevice(config, device, board?.place(device)));
  }

  /** What the devices are now. */
  inspect(board: Board | undefined): DeviceView[] {
    return this.#devices.map(({ config, device }) =>
      deviceView(device, {
        kind: config.device,
        transport: config.transport,
        address: board?.place(device) ?? "",
      }),
    );
  }

  counters(): DeviceCounters {
    return this.#devices.map(({ device }) => countersOf(device)).reduce(sum, this.#departed);
  }

  #prepare(config: DeviceConfig, device: VirtioDevice): VirtioDevice {
    const { gate, onViolation, strict } = this.#options;
    device.name = "id" in config ? `${config.device} ${config.id}` : config.device;
    device.gate = gate;
    // Strict mode listens at all times, and puts itself before who listens now.
    device.observer = strict ? (event) => this.#observer?.(event) : this.#observer;
    device.onViolation = (violation) => onViolation(device, violation);
    if (strict) watchStrictly(device, config.transport.startsWith("pci") ? "pci" : "mmio");
    return device;
  }
}

function newModel(
  config: Exclude<DeviceConfig, BlockConfig>,
  wires: DeviceSetOptions["wires"],
): VirtioDevice {
  switch (config.device) {
    case "net":
      return new NetDevice({ ...config, mac: macOf(config), backend: wires.get(config.id) ?? noWire() });
    case "console":
      return new ConsoleDevice([{ console: true }, ...AGENT_PORTS.map((name) => ({ name }))], config);
    case "rng":
      return new EntropyDevice((target) => crypto.getRandomValues(target as Uint8Array<ArrayBuffer>), config);
  }
}

function diskOf({ id }: BlockConfig, disks: ReadonlyMap<string, BlockBackend>): BlockBackend {
  const disk = disks.get(id);
  if (!disk) throw new RangeError(`There is no disk for the block device "${id}".`);
  return disk;
}

function countersOf({ accesses, violations, queues }: VirtioDevice): DeviceCounters {
  const counters = { ...noCounters(), accesses, violations };
  for (const queue of queues) {
    counters.kicks += queue.counters.kicks;
    counters.chains += queue.counters.chains;
    counters.interrupts += queue.counters.interrupts;
    counters.suppressedInterrupts += queue.counters.suppressedInterrupts;
  }
  return counters;
}

function sum(one: DeviceCounters, other: DeviceCounters): DeviceCounters {
  return {
    accesses: one.accesses + other.accesses,
    kicks: one.kicks + other.kicks,
    interrupts: one.interrupts + other.interrupts,
    suppressedInterrupts: one.suppressedInterrupts + other.suppressedInterrupts,
    chains: one.chains + other.chains,
    violations: one.violations + other.violations,
  };
}

function noCounters(): DeviceCounters {
  return { accesses: 0, kicks: 0, interrupts: 0, suppressedInterrupts: 0, chains: 0, violations: 0 };
}
