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
import { PciBus } from "./pci.ts";
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
/** virtio-mmio interrupts must be the same number for both, so they use ISA lines that nothing else has. */
const MMIO_LINES = [5, 10, 11, 7].map((irq) => ({ gsi: irq, irq }));

/** One power cycle of a machine: a CPU, its buses with the devices plugged in, and the tables that announce them. */
export class Board {
  readonly cpu: Cpu;
  /** For each device, where the guest finds it. */
  readonly places: string[] = [];
  readonly #interrupts: InterruptController;
  readonly #mmio: MmioBus;
  readonly #pci: PciBus;
  readonly #pciDevices: AcpiDevices["pci"][number][] = [];
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
    this.#interrupts = new InterruptController(cpu);
    this.#mmio = new MmioBus(cpu);
    this.#pci = new PciBus(cpu, this.#mmio);
    this.#connectPower(options);
    for (const device of options.devices) {
      const onPci = device.transport === "pci" || device.transport === "pci-transitional";
      this.places.push(onPci ? this.#plugPci(device) : this.#plugMmio(device));
    }
  }

  /**
   * Loads the guest and everything that firmware would have left in memory. The kernel gets the image's parameters, those
   * that announce devices, and `append`, which may end with what is not for the kernel. @throws ImageError
   */
  load(image: GuestImage, append: string): void {
    const cmdline = this.#announcement === "cmdline";
    const { bytes, rsdp } = acpiTables({ pci: this.#pciDevices, mmio: cmdline ? [] : this.#mmioDevices });
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

  #plugPci({ device, transport, vectors }: BoardDevice): string {
    const slot = this.#pciDevices.length + 1;
    const { gsi, irq } = PCI_LINES[(slot - 1) % PCI_LINES.length]!;
    plugVirtio(this.#pci, device, {
      slot,
      memory: this.cpu.memory,
      interrupt: { line: this.#interrupts.line(gsi, irq), irq },
      messages: this.#interrupts,
      vectors,
      transitional: transport === "pci-transitional",
    });
    this.#pciDevices.push({ slot, gsi, irq });
    return `00:${slot.toString(16).padStart(2, "0")}.0`;
  }

  #plugMmio({ device, transport: version }: BoardDevice): string {
    const index = this.#mmioDevices.length;
    if (index === MMIO_DEVICES)
      throw new RangeError(`There is room for ${MMIO_DEVICES} virtio-mmio devices.`);
    const { gsi, irq } = MMIO_LINES[index % MMIO_LINES.length]!;
    const start = MMIO_START + index * MMIO_STEP;
    const line = this.#interrupts.line(gsi, irq);
    const transport =
      version === "mmio-legacy" ? new VirtioMmioLegacy(device, line) : new VirtioMmio(device, line);
    this.#mmio.map(start, MMIO_STEP, transport);
    device.connect(this.cpu.memory, transport);
    this.#mmioDevices.push({ start, length: MMIO_BYTES, gsi });
    return `0x${start.toString(16)}`;
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

/**
 * What Linux with CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES wants to be told (drivers/virtio/virtio_mmio.c). The interrupt is an
 * ISA number: the MADT says of these that they are level-triggered, which the parameter cannot.
 */
function mmioParameter({ start, length, gsi }: AcpiDevices["mmio"][number], id: number): string {
  return `virtio_mmio.device=${length}@0x${start.toString(16)}:${gsi}:${id}`;
}
