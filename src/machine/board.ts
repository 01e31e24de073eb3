import type { MmioAnnouncement, Transport } from "../config/types.ts";
import type { VirtioDevice } from "../virtio/device.ts";
import { VirtioMmioLegacy } from "../virtio/transport/mmio-legacy.ts";
import { MMIO_BYTES, VirtioMmio } from "../virtio/transport/mmio.ts";
import { ACPI_PORTS, type AcpiDevices, acpiTables, SLEEP } from "./acpi.ts";
import { ACPI_TABLES, loadGuest } from "./boot.ts";
import { Cpu } from "./cpu.ts";
import type { GuestImage } from "./image.ts";
import { InterruptController } from "./interrupts.ts";
import { MmioBus } from "./mmio.ts";
import { LAST_SLOT, PciBus } from "./pci.ts";
import { SMBIOS_ADDRESS, smbiosTables } from "./smbios.ts";
import { plugVirtio } from "./virtio-function.ts";

export interface BoardOptions {
  /** Bytes. */
  memory: number;
  wasm: WebAssembly.Module;
  devices: readonly BoardDevice[];
  /** Where virtio-mmio devices are announced. */
  mmio: MmioAnnouncement;
  onSerial: (byte: number) => void;
  onPowerOff: () => void;
  onReset: () => void;
  onCrash: (error: unknown) => void;
}

export interface BoardDevice {
  device: VirtioDevice;
  transport: Transport;
  /** Entries of the MSI-X table of a device on PCI; see `VirtioFunctionOptions`. */
  vectors?: number | undefined;
}

/** Where virtio-mmio devices lie, a page each: above the PCI window, below the IOAPIC, as QEMU's microvm has them. */
const MMIO_START = 0xfea00000;
const MMIO_STEP = 0x1000;
/** Two hexadecimal digits of their names in the DSDT count them. */
const MMIO_DEVICES = 256;

/** IOAPIC pins 16 to 19 carry PCI interrupts; without an IOAPIC these PIC lines do. */
const PCI_LINES = [11, 10, 5, 7].map((irq, i) => ({ gsi: 16 + i, irq }));
/** Of every slot, also of those that are empty: something may be plugged in later. */
const PCI_ROUTES = Array.from({ length: LAST_SLOT }, (_, i) => ({
  slot: i + 1,
  ...PCI_LINES[i % PCI_LINES.length]!,
}));
/** virtio-mmio interrupts must be the same number for both, so they use ISA lines that nothing else has. */
const MMIO_LINES = [5, 10, 11, 7].map((irq) => ({ gsi: irq, irq }));

/** One power cycle of a machine: a CPU, its buses with the devices plugged in, and the tables that announce them. */
export class Board {
  readonly cpu: Cpu;
  readonly interrupts: InterruptController;
  readonly #mmio: MmioBus;
  readonly #pci: PciBus;
  /** Where the guest finds each device, and its slot on PCI. */
  readonly #plugged = new Map<VirtioDevice, { place: string; slot: number | undefined }>();
  readonly #mmioDevices: AcpiDevices["mmio"][number][] = [];
  readonly #announcement: MmioAnnouncement;

  /** Rejects as Cpu.create does, and with RangeError when there are more devices than places for them. */
  static async create(options: BoardOptions): Promise<Board> {
    const cpu = await Cpu.create(options);
    try {
      return new Board(cpu, options);
    } catch (error) {
      cpu.dispose();
      throw error;
    }
  }

  private constructor(cpu: Cpu, options: BoardOptions) {
    this.cpu = cpu;
    this.#announcement = options.mmio;
    this.interrupts = new InterruptController(cpu);
    this.#mmio = new MmioBus(cpu);
    this.#pci = new PciBus(cpu, this.#mmio);
    this.#connectPower(options);
    for (const device of options.devices) this.plug(device);
  }

  /**
   * Puts a device onto its bus. A guest that runs looks for new functions on PCI when it is told to, and never for new
   * pages of virtio-mmio. @throws RangeError when there are more devices than places for them.
   */
  plug(device: BoardDevice): void {
    const plugged = onPci(device.transport) ? this.#plugPci(device) : this.#plugMmio(device);
    this.#plugged.set(device.device, plugged);
  }

  /** Takes a device off the PCI bus, whatever the guest does with it; its slot and its addresses are free again. */
  unplug(device: VirtioDevice): void {
    const slot = this.#plugged.get(device)?.slot;
    if (slot === undefined) return;
    this.#plugged.delete(device);
    this.#pci.remove(slot);
    device.dispose();
  }

  /** Where the guest finds a device: `00:02.0` on PCI, `0xfea00000` on MMIO; undefined when it is not on this board. */
  place(device: VirtioDevice): string | undefined {
    return this.#plugged.get(device)?.place;
  }

  /** The places of all devices, in the order in which they were plugged in. */
  get places(): string[] {
    return [...this.#plugged.values()].map(({ place }) => place);
  }

  /**
   * Loads the guest and everything that firmware would have left in memory. The kernel gets the image's parameters, those
   * that announce devices, and `append`, which may end with what is not for the kernel. @throws ImageError
   */
  load(image: GuestImage, append: string): void {
    const cmdline = this.#announcement === "cmdline";
    const { bytes, rsdp } = acpiTables({ pci: PCI_ROUTES, mmio: cmdline ? [] : this.#mmioDevices });
    const parameters = [
      image.manifest.kernelParameters,
      ...(cmdline ? this.#mmioDevices.map(mmioParameter) : []),
      append,
    ];
    this.cpu.memory.load(ACPI_TABLES.start, bytes);
    this.cpu.memory.load(SMBIOS_ADDRESS, smbiosTables("1"));
    loadGuest(this.cpu.memory, image, parameters.join(" ").trim(), rsdp);
  }

  dispose(): void {
    this.cpu.dispose();
  }

  #plugPci({ device, transport, vectors }: BoardDevice): { place: string; slot: number } {
    const slot = this.#pci.freeSlot();
    const { gsi, irq } = PCI_ROUTES[slot - 1]!;
    plugVirtio(this.#pci, device, {
      slot,
      memory: this.cpu.memory,
      interrupt: { line: this.interrupts.line(gsi, irq), irq },
      messages: this.interrupts,
      vectors,
      transitional: transport === "pci-transitional",
    });
    return { place: `00:${slot.toString(16).padStart(2, "0")}.0`, slot };
  }

  #plugMmio({ device, transport: version }: BoardDevice): { place: string; slot: undefined } {
    const index = this.#mmioDevices.length;
    if (index === MMIO_DEVICES)
      throw new RangeError(`There is room for ${MMIO_DEVICES} virtio-mmio devices.`);
    const { gsi, irq } = MMIO_LINES[index % MMIO_LINES.length]!;
    const start = MMIO_START + index * MMIO_STEP;
    const line = this.interrupts.line(gsi, irq);
    const transport =
      version === "mmio-legacy" ? new VirtioMmioLegacy(device, line) : new VirtioMmio(device, line);
    this.#mmio.map(start, MMIO_STEP, transport);
    device.connect(this.cpu.memory, transport);
    this.#mmioDevices.push({ start, length: MMIO_BYTES, gsi });
    return { place: `0x${start.toString(16)}`, slot: undefined };
  }

  /** Soft-off by the ACPI sleep register, reset by the reset control register. */
  #connectPower({ onPowerOff, onReset }: BoardOptions): void {
    this.cpu.onPort(ACPI_PORTS.pm1Control, {
      read8: () => 1,
      read16: () => 1, // SCI_EN: always in ACPI mode
      write16: (value) => {
        const type = (value >>> SLEEP.typeShift) & 7;
        if (!(value & SLEEP.enable) || type !== SLEEP.soft_off) return;
        this.cpu.stop();
        onPowerOff();
      },
    });
    this.#pci.onResetControl = (value) => {
      if (!(value & 4)) return; // 82371 RCR: bit 2 resets
      this.cpu.stop();
      onReset();
    };
  }
}

/** Only what is on PCI can come and go while the guest runs. */
export function onPci(transport: Transport): boolean {
  return transport === "pci" || transport === "pci-transitional";
}

/**
 * What Linux with CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES wants to be told (drivers/virtio/virtio_mmio.c). The interrupt is an
 * ISA number: the MADT says of these that they are level-triggered, which the parameter cannot.
 */
function mmioParameter({ start, length, gsi }: AcpiDevices["mmio"][number], id: number): string {
  return `virtio_mmio.device=${length}@0x${start.toString(16)}:${gsi}:${id}`;
}
