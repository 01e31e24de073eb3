import type { VirtioDevice } from "../../src/virtio/device.ts";
import type { VirtioEvent } from "../../src/virtio/observer.ts";
import type { Virtqueue } from "../../src/virtio/queue.ts";
import type { DescriptorChain } from "../../src/virtio/ring/chain.ts";
import { DRIVER_OK, Driver, FAILED, INDIRECT_DESC, RING_PACKED, settle } from "../unit/driver/driver.ts";
import { LegacyPciTransport } from "../unit/driver/pci-legacy-transport.ts";
import { DriverGivesUp, PciTransport } from "../unit/driver/pci-transport.ts";
import { asLegacyMmio, asMmio, type DriverTransport, type Kind } from "../unit/driver/transport.ts";
import type { GuardMemory } from "./guard-memory.ts";
import { firstOutside, union } from "./ranges.ts";
import { type Offer, RingOracle } from "./ring-oracle.ts";
import { countChain, nextAction } from "./work.ts";

/** Registers that a guest can reach. A place is any 16 bits, for some offset. */
export interface Region {
  read(place: number, width: number): number;
  write(place: number, width: number, value: number): void;
}

/** Who listens: it must make no difference to the device, and stand a hostile driver as well. */
export interface Watch {
  observed: boolean;
  strict: boolean;
}

const COMMAND = 0x04;
const STATUS_INTX = 1 << 3;
const PORTS_MEMORY_MASTER = 7;
const MMIO_PAGE = 0x1000;
const GUEST_PAGE_SIZE = 0x28;

/**
 * A device behind a transport, and the watch over what it does. Each action goes through `act`, after which everything that a
 * device must not do has been looked for; what is found is thrown.
 */
export class Rig {
  readonly memory: GuardMemory;
  readonly device: VirtioDevice;
  readonly driver: Driver;
  readonly transport: DriverTransport;
  readonly regions: readonly Region[];
  readonly #kind: Kind;
  readonly #pci: PciTransport | undefined;
  readonly #oracles = new Map<Virtqueue, RingOracle>();
  readonly #inFlight = new Map<DescriptorChain, { queue: Virtqueue; offer: Offer }>();
  /** Writable ranges of chains that came back in this action. */
  #retired: number[] = [];
  /** Since a reset there was nothing that an interrupt could be for; and the messages that had arrived by then. */
  #quiet = true;
  #messages = 0;

  constructor(memory: GuardMemory, device: VirtioDevice, kind: Kind, watch: Watch) {
    this.memory = memory;
    this.device = device;
    this.#kind = kind;
    this.#watch();
    if (watch.observed) device.observer = (event) => this.#observe(event);
    this.driver = new Driver(device, { kind, memory, queueSize: 8, strict: watch.strict });
    this.transport = this.driver.transport;
    this.transport.line.onRaise = undefined;
    this.#pci = pciOf(this.transport);
    this.regions = this.#pci ? pciRegions(this.#pci, this.transport) : [mmioRegion(this.transport)];
    this.#look();
  }

  /** Does something with the device and looks at what became of it. @throws Error when an invariant is broken. */
  act(action: () => void): void {
    nextAction();
    try {
      action();
    } catch (error) {
      if (!(error instanceof DriverGivesUp)) throw error;
    }
    this.#look();
  }

  /**
   * Lets something happen on the host's side, and everything that waits. The guest does not run before that has ended: what
   * completes in one turn of the event loop is published at its end.
   */
  async turn(event?: () => void): Promise<void> {
    nextAction();
    event?.();
    await settle();
    this.#look();
  }

  /** A reset by the driver, after which nothing happens any more; then the registers as a new driver wants them. */
  async end(): Promise<void> {
    this.act(() => (this.transport.status = 0));
    await this.turn();
    if (this.#pci) {
      this.#pci.pciFunction.write(COMMAND, 2, PORTS_MEMORY_MASTER);
      if (this.#kind.endsWith("msix")) this.#pci.enableMsix(this.device.queues.length);
      else this.#pci.msixControl = 0;
    } else if (this.#kind === "mmio-legacy")
      asLegacyMmio(this.transport).registers.write(GUEST_PAGE_SIZE, 4, MMIO_PAGE);
    this.transport.acknowledge();
    this.transport.line.set(false);
    this.transport.line.onRaise = () => this.driver.interrupt();
  }

  #watch(): void {
    const { device } = this;
    const [taken, returned, reset] = [
      device.taken.bind(device),
      device.returned.bind(device),
      device.reset.bind(device),
    ];
    device.taken = (queue, chain) => {
      countChain();
      const offer = this.#oracle(queue).take();
      const { reader, writer } = chain;
      if (reader.total !== offer.readableBytes || writer.total !== offer.writableBytes) {
        throw new Error(
          `a chain of ${offer.readableBytes} readable and ${offer.writableBytes} writable bytes was taken for ${reader.total} and ${writer.total}`,
        );
      }
      this.#inFlight.set(chain, { queue, offer });
      taken(queue, chain);
    };
    device.returned = (queue, chain, written) => {
      const known = this.#inFlight.get(chain);
      if (known?.queue !== queue)
        throw new Error(`queue ${queue.index} gave a chain back that it does not have`);
      if (!(written >= 0 && written <= known.offer.writableBytes)) {
        throw new Error(`a used length of ${written}, for ${known.offer.writableBytes} writable bytes`);
      }
      this.#inFlight.delete(chain);
      for (const address of known.offer.writable) this.#retired.push(address);
      returned(queue, chain, written);
    };
    device.reset = () => {
      reset();
      this.#quiet = true;
      this.#messages = this.#pci?.messages.length ?? 0;
    };
  }

  #observe(event: VirtioEvent): void {
    if (event.type === "interrupt" && event.cause === "config" && !(this.device.status & DRIVER_OK)) {
      throw new Error("a configuration interrupt before DRIVER_OK");
    }
  }

  /** Finds everything that the device must not have done since the last look. */
  #look(): void {
    this.#forgetDead();
    const written = this.memory.settle();
    if (written.length > 0) {
      const allowed = [...this.#retired];
      for (const { ring } of this.#oracles.values()) allowed.push(...ring);
      for (const { offer } of this.#inFlight.values())
        for (const address of offer.writable) allowed.push(address);
      const outside = firstOutside(written, union(allowed));
      if (outside >= 0) {
        const [start, end] = written
          .slice(outside, outside + 2)
          .map((address) => `0x${address.toString(16)}`);
        throw new Error(`a write from ${start} to ${end}, which the driver did not offer`);
      }
    }
    this.#retired.length = 0;
    if (this.device.status !== 0 || this.device.queues.some(({ enabled }) => enabled)) this.#quiet = false;
    if (this.#quiet && this.#interrupted()) throw new Error("an interrupt after the reset");
  }

  /** Chains which a reset, of the device or of a queue, took from the device, and rings that are gone. */
  #forgetDead(): void {
    const dead = (this.device.status & FAILED) !== 0 || this.#pci?.pciFunction.busMaster === false;
    for (const queue of this.device.queues)
      if (queue.enabled) this.#oracle(queue);
      else this.#oracles.delete(queue);
    const count = new Map<Virtqueue, number>();
    for (const [chain, { queue }] of this.#inFlight) {
      if (dead || !queue.enabled) this.#inFlight.delete(chain);
      else count.set(queue, (count.get(queue) ?? 0) + 1);
    }
    for (const [queue, chains] of count) {
      if (chains > queue.size) throw new Error(`${chains} chains in flight, from a queue of ${queue.size}`);
    }
  }

  #oracle(queue: Virtqueue): RingOracle {
    let oracle = this.#oracles.get(queue);
    if (!oracle) {
      const { size, descriptors, available, used, maximumSize } = queue;
      const { negotiated } = this.device;
      oracle = new RingOracle(this.memory, {
        size,
        descriptors,
        available,
        used,
        packed: (negotiated & RING_PACKED) !== 0n,
        indirect: (negotiated & INDIRECT_DESC) !== 0n,
        longest: maximumSize,
      });
      this.#oracles.set(queue, oracle);
    }
    return oracle;
  }

  #interrupted(): boolean {
    if (!this.#pci) return this.transport.line.asserted;
    return (
      (this.#pci.pciFunction.read(0x06, 2) & STATUS_INTX) !== 0 ||
      this.#pci.messages.length !== this.#messages
    );
  }
}

function pciOf(transport: DriverTransport): PciTransport | undefined {
  if (transport instanceof LegacyPciTransport) return transport.pci;
  return transport instanceof PciTransport ? transport : undefined;
}

function pciRegions(pci: PciTransport, transport: DriverTransport): Region[] {
  const regions = [
    // Common configuration, ISR, device configuration, doorbells.
    region(pci.registers, 0x2000, [0, 0x40, 0, 0x40, 0x100, 4, 0x200, 0x80, 0x1000, 0x20]),
    region(pci.table, 0x1000, [0, 0x80, 0x800, 8]),
    // Accesses to configuration space are aligned: there is no other way to it (PCI 3.0, 3.2.2.3.2).
    region(pci.pciFunction, 256, [0, 0x40, 0x40, 0xc0], true),
  ];
  if (transport instanceof LegacyPciTransport) regions.push(region(transport.ports, 64, [0, 24, 16, 48]));
  return regions;
}

function mmioRegion(transport: DriverTransport): Region {
  const { registers } = transport.legacy ? asLegacyMmio(transport) : asMmio(transport);
  return region(registers, MMIO_PAGE, [0, 0x100, 0x20, 0x40, 0x70, 0x60, 0x100, 0x80]);
}

/** @param parts where there is something: start and length in turn. Most accesses go there, most of them aligned. */
function region(
  registers: Pick<Region, "read" | "write">,
  size: number,
  parts: readonly number[],
  aligned = false,
): Region {
  const at = (place: number, width: number): number => {
    const part = 2 * ((place >>> 8) % (parts.length / 2));
    const offset = (place >= 0xf000 ? place : parts[part]! + ((place & 0xff) % parts[part + 1]!)) % size;
    return aligned || (place & 0x800) === 0 ? offset - (offset % width) : offset;
  };
  return {
    read: (place, width) => {
      const value = registers.read(at(place, width), width);
      if (Number.isInteger(value) && value >= 0 && value < 2 ** (8 * width)) return value;
      throw new Error(`a read of ${width} bytes gave ${value}`);
    },
    write: (place, width, value) => registers.write(at(place, width), width, value),
  };
}
