import type { RegisterView } from "../view/types.ts";
import type { VirtioPci } from "./pci.ts";
import { mapQueueVector, mapVector, queueVector } from "./pci-common.ts";
import { type Register, RegisterFile } from "./registers.ts";

/** 4.1.5.1.3.1: what Queue Address counts in, and the alignment of the used ring. */
const PAGE = 4096;
const STATUS = 18;
const HEADER_BYTES = 20;
/** With the two vector fields, which are there only while MSI-X is enabled. */
const MSIX_HEADER_BYTES = 24;

/**
 * The legacy interface of a transitional device (virtio 1.3, 4.1.4.10): one structure in I/O ports for drivers from before
 * version 1.0, in front of the same device, selectors and interrupts as the modern one.
 */
export class LegacyPci {
  /** Ports of the BAR, a power of two. */
  readonly size: number;
  readonly #pci: VirtioPci;

  constructor(pci: VirtioPci) {
    this.#pci = pci;
    pci.legacyInterface = this;
    this.size = 2 ** Math.ceil(Math.log2(MSIX_HEADER_BYTES + pci.device.config.size));
  }

  read(offset: number, width: number): number {
    this.#pci.enter(true);
    const header = this.#headerBytes;
    const value =
      offset >= header
        ? this.#pci.device.config.read(offset - header, width)
        : registers.read(this.#pci, offset, width);
    this.#pci.observe(this.#nameAt, offset, width, false, value);
    return value;
  }

  write(offset: number, width: number, value: number): void {
    this.#pci.observe(this.#nameAt, offset, width, true, value);
    if (!this.#pci.enter(true) && offset !== STATUS) {
      this.#pci.wrongInterface(true);
      return;
    }
    const header = this.#headerBytes;
    if (offset >= header) this.#writeConfig(offset - header, width, value);
    else {
      const complaint = registers.write(this.#pci, offset, width, value);
      if (complaint) this.#pci.device.violation("4.1.4.10 registers", complaint.what);
    }
  }

  /** 4.1.4.10: accesses of any width, so a field may come in pieces, and one access may hold several fields. */
  #writeConfig(offset: number, width: number, value: number): void {
    const { device } = this.#pci;
    if (device.config.nameAt(offset) === device.config.nameAt(offset + width - 1)) {
      device.writeConfig(offset, width, value);
      return;
    }
    for (let i = 0; i < width; i++) device.writeConfig(offset + i, 1, (value >>> (8 * i)) & 0xff);
  }

  /** The header's registers as they are; nothing changes by it. */
  look(): RegisterView[] {
    const header = this.#headerBytes;
    return registers.look(this.#pci, "legacy.").filter(({ offset }) => offset < header);
  }

  get #headerBytes(): number {
    return this.#pci.vectors.enabled ? MSIX_HEADER_BYTES : HEADER_BYTES;
  }

  readonly #nameAt = (offset: number): string => {
    const header = this.#headerBytes;
    if (offset >= header) return `config.${this.#pci.device.config.nameAt(offset - header)}`;
    return `legacy.${registers.at(offset)?.name ?? "reserved"}`;
  };
}

/** 4.1.4.10, the legacy header. The last two are there only with MSI-X: without it, device configuration is in their place. */
const table: Register<VirtioPci>[] = [
  { name: "device_features", offset: 0, width: 4, read: (t) => low32(t.device.offered) },
  {
    name: "driver_features",
    offset: 4,
    width: 4,
    read: (t) => low32(t.device.negotiated),
    write: (t, value) => t.device.writeFeatures(0, value),
  },
  {
    name: "queue_address",
    offset: 8,
    width: 4,
    read: (t) => Number((t.state.queue?.descriptors ?? 0n) / BigInt(PAGE)),
    write: placeQueue,
  },
  { name: "queue_size", offset: 12, width: 2, read: (t) => t.state.queue?.size ?? 0 },
  {
    name: "queue_select",
    offset: 14,
    width: 2,
    read: (t) => t.state.queueSelect,
    write: (t, value) => (t.state.queueSelect = value),
  },
  { name: "queue_notify", offset: 16, width: 2, write: (t, value) => t.device.kick(value) },
  {
    name: "device_status",
    offset: STATUS,
    width: 1,
    read: (t) => t.device.status,
    write: (t, value) => t.writeStatus(value),
  },
  { name: "isr_status", offset: 19, width: 1, read: (t) => t.readIsr(), peek: (t) => t.isr },
  {
    name: "config_msix_vector",
    offset: 20,
    width: 2,
    read: (t) => t.vectors.vectorOf(t.vectors.configEvent),
    write: (t, value) => mapVector(t, t.vectors.configEvent, value),
  },
  { name: "queue_msix_vector", offset: 22, width: 2, read: queueVector, write: mapQueueVector },
];

/** 4.1.5.1.3.1: the queue's page, with which it starts; 0 takes it away. */
function placeQueue({ device, state }: VirtioPci, page: number): void {
  const { queue, queueSelect } = state;
  if (!queue)
    device.violation("4.1.5.1.3 queue", `an address for queue ${queueSelect}, though there is no such queue`);
  else if (page === 0) device.disableQueue(queue);
  else if (queue.enabled)
    device.violation("4.1.5.1.3 queue", `queue ${queueSelect} moved while in use`, queueSelect);
  else {
    queue.place(page * PAGE, PAGE);
    device.enableQueue(queue);
  }
}

function low32(features: bigint): number {
  return Number(features & 0xffffffffn);
}

const registers = new RegisterFile(table, MSIX_HEADER_BYTES);
