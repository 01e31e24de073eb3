import type { Transport } from "../config/types.ts";
import type { VirtioDevice } from "../virtio/device.ts";
import { MMIO_BYTES, VirtioMmio } from "../virtio/transport/mmio.ts";
import { VirtioPci } from "../virtio/transport/pci.ts";
import { ACPI_PORTS, type AcpiDevices, acpiTables, SLEEP } from "./acpi.ts";
import { ACPI_TABLES, loadGuest } from "./boot.ts";
import { Cpu } from "./cpu.ts";
import type { GuestImage } from "./image.ts";
import { InterruptController } from "./interrupts.ts";
import { MmioBus } from "./mmio.ts";
import { PciBus } from "./pci.ts";
import { SMBIOS_ADDRESS, smbiosTables } from "./smbios.ts";

export interface BoardOptions {
  /** Bytes. */
  memory: number;
  wasm: WebAssembly.Module;
  devices: readonly { device: VirtioDevice; transport: Transport }[];
  onSerial: (byte: number) => void;
  onPowerOff: () => void;
  onReset: () => void;
  onCrash: (error: unknown) => void;
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

const CAPABILITY_VENDOR = 0x09;

/** One power cycle of a machine: a CPU, its buses with the devices plugged in, and the tables that announce them. */
export class Board {
  readonly cpu: Cpu;
  /** For each device, where the guest finds it. */
  readonly places: string[] = [];
  readonly #interrupts: InterruptController;
  readonly #mmio: MmioBus;
  readonly #pci: PciBus;
  readonly #acpi: { pci: AcpiDevices["pci"][number][]; mmio: AcpiDevices["mmio"][number][] } = {
    pci: [],
    mmio: [],
  };

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
    this.#interrupts = new InterruptController(cpu);
    this.#mmio = new MmioBus(cpu);
    this.#pci = new PciBus(cpu, this.#mmio);
    this.#connectPower(options);
    for (const { device, transport } of options.devices) {
      this.places.push(transport === "pci" ? this.#plugPci(device) : this.#plugMmio(device));
    }
  }

  /** Loads the guest and everything that firmware would have left in memory. @throws ImageError */
  load(image: GuestImage, commandLine: string): void {
    const { bytes, rsdp } = acpiTables(this.#acpi);
    this.cpu.memory.load(ACPI_TABLES.start, bytes);
    this.cpu.memory.load(SMBIOS_ADDRESS, smbiosTables("1"));
    loadGuest(this.cpu.memory, image, commandLine, rsdp);
  }

  dispose(): void {
    this.cpu.dispose();
  }

  #plugPci(device: VirtioDevice): string {
    const slot = this.#acpi.pci.length + 1;
    const { gsi, irq } = PCI_LINES[(slot - 1) % PCI_LINES.length]!;
    const transport: VirtioPci = new VirtioPci(device, {
      set: (asserted) => pciFunction.interrupt.set(asserted),
    });
    const pciFunction = this.#pci.add(slot, {
      identity: transport.identity,
      bars: [
        {
          index: 0,
          size: VirtioPci.barSize,
          address: this.#pci.allocate(VirtioPci.barSize),
          region: transport,
        },
      ],
      capabilities: transport.capabilities(0).map((fields) => ({ id: CAPABILITY_VENDOR, ...fields })),
      interrupt: { line: this.#interrupts.line(gsi, irq), irq },
    });
    device.connect(this.cpu.memory, transport);
    device.setBusMaster(false);
    pciFunction.onCommand = () => device.setBusMaster(pciFunction.busMaster);
    this.#acpi.pci.push({ slot, gsi, irq });
    return `00:${slot.toString(16).padStart(2, "0")}.0`;
  }

  #plugMmio(device: VirtioDevice): string {
    const index = this.#acpi.mmio.length;
    if (index === MMIO_DEVICES)
      throw new RangeError(`There is room for ${MMIO_DEVICES} virtio-mmio devices.`);
    const { gsi, irq } = MMIO_LINES[index % MMIO_LINES.length]!;
    const start = MMIO_START + index * MMIO_STEP;
    const transport = new VirtioMmio(device, this.#interrupts.line(gsi, irq));
    this.#mmio.map(start, MMIO_STEP, transport);
    device.connect(this.cpu.memory, transport);
    this.#acpi.mmio.push({ start, length: MMIO_BYTES, gsi });
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
