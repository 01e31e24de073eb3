import type { InterruptLine } from "../virtio/transport/mmio.ts";
import type { Cpu } from "./cpu.ts";

/** Where messages of devices go: a write of 32 bits of `data` to `address`. */
export interface MessageSink {
  send(address: number, data: number): void;
}

/** What was requested of the CPU: a vector of its local APIC, a pin of the PIC pair, or (Linux masks the PIC) both, or none. */
export interface Delivery {
  vector: number | undefined;
  irq: number | undefined;
}

/**
 * Interrupt lines, level-triggered, into v86's PIC and IOAPIC, and messages into its local APIC.
 *
 * Raising a line through v86's own call enters the guest's handler at once, in the middle of the instruction that made
 * the access, and interrupts get lost (V86-FACTS). So the line is set in the chips' state, as their wires would; the CPU
 * takes the interrupt at its next safe point. Outside the guest it is delivered right away.
 */
export class InterruptController implements MessageSink {
  readonly #cpu: Pick<Cpu, "chip" | "inGuest" | "deliverInterrupts">;
  /** How many devices assert each pin: those of the IOAPIC by number, those of the PIC pair from PIC_PINS on. */
  readonly #asserted = new Uint32Array(PIC_PINS + 16);

  #record: Delivery | undefined;

  constructor(cpu: Pick<Cpu, "chip" | "inGuest" | "deliverInterrupts">) {
    this.#cpu = cpu;
  }

  /**
   * A device's end of a wire. `gsi` is the IOAPIC pin (0 to 23) and `irq` the pin of the PIC pair (0 to 15) for guests
   * without IOAPIC. Devices may share either: a pin is high while any of them asserts it.
   */
  line(gsi: number, irq: number): InterruptLine {
    this.#makeLevel(irq);
    let mine = false;
    return {
      set: (asserted) => {
        if (asserted === mine) return;
        mine = asserted;
        if (asserted) this.#raise(gsi, irq);
        else this.#lower(gsi, irq);
      },
    };
  }

  /**
   * A message-signalled interrupt (Intel SDM volume 3, 10.11). Dropped without a word is what no processor takes: an
   * address that is not the APICs', another destination than our CPU, delivery modes that v86 has not, and the vectors that
   * a local APIC refuses. To program these is no mistake that virtio speaks of, and on a PC nobody hears of them either.
   */
  send(address: number, data: number): void {
    if (!this.#accepts(address)) return;
    const vector = data & 0xff;
    if (vector < LOWEST_VECTOR || (data & MESSAGE.deliveryMode) > MESSAGE.lowestPriority) return;
    const level = (data & MESSAGE.level) !== 0;
    if (level && !(data & MESSAGE.assert)) return;
    this.#request(vector, level);
    if (!this.#cpu.inGuest) this.#cpu.deliverInterrupts();
  }

  /** Whether a message to `address` is for our one CPU (10.11.1, 10.6.2). */
  #accepts(address: number): boolean {
    if (address >>> 20 !== APIC_ADDRESSES) return false;
    const destination = (address >>> 12) & 0xff;
    const { words } = this.#cpu.chip("apic");
    if (!(address & MESSAGE.logical)) return destination === 0xff || destination === words[APIC.id]! >>> 24;
    const mine = words[APIC.logicalDestination]! >>> 24;
    const flat = words[APIC.destinationFormat]! >>> 28 === 0xf;
    if (flat) return (mine & destination) !== 0;
    const cluster = destination >>> 4 === 0xf || destination >>> 4 === mine >>> 4;
    return cluster && (mine & destination & 0xf) !== 0;
  }

  /** Does what may raise an interrupt, and returns what was requested of the CPU. */
  recorded(raise: () => void): Delivery {
    const delivery: Delivery = { vector: undefined, irq: undefined };
    this.#record = delivery;
    try {
      raise();
    } finally {
      this.#record = undefined;
    }
    return delivery;
  }

  /** Whether the CPU has taken what was requested: its handler has begun. */
  taken({ vector, irq }: Delivery): boolean {
    if (vector !== undefined) {
      const { words } = this.#cpu.chip("apic");
      if (!(words[APIC.irr + (vector >> 5)]! & (1 << (vector & 31)))) return true;
    }
    if (irq === undefined) return false;
    return (this.#cpu.chip(irq < 8 ? "master" : "slave").bytes[PIC.isr]! & (1 << (irq & 7))) !== 0;
  }

  /** PCI and virtio-mmio interrupts are level-triggered, which firmware would have said in the ELCR. */
  #makeLevel(irq: number): void {
    const { bytes } = this.#cpu.chip(irq < 8 ? "master" : "slave");
    bytes[PIC.elcr]! |= 1 << (irq & 7);
  }

  #raise(gsi: number, irq: number): void {
    const pic = this.#asserted[PIC_PINS + irq]!++ === 0;
    const ioapic = this.#asserted[gsi]!++ === 0;
    if (pic) this.#raisePic(irq);
    if (ioapic) this.#raiseIoapic(gsi);
    if ((pic || ioapic) && !this.#cpu.inGuest) this.#cpu.deliverInterrupts();
  }

  #lower(gsi: number, irq: number): void {
    if (--this.#asserted[PIC_PINS + irq]! === 0) this.#lowerPic(irq);
    if (--this.#asserted[gsi]! === 0) this.#lowerIoapic(gsi);
  }

  #raisePic(irq: number): void {
    const { bytes } = this.#cpu.chip(irq < 8 ? "master" : "slave");
    if (this.#record) this.#record.irq = irq;
    const mask = 1 << (irq & 7);
    bytes[PIC.irr]! |= mask;
    bytes[PIC.level]! |= mask;
    if (irq >= 8) this.#cascade(bytes);
  }

  #lowerPic(irq: number): void {
    const { bytes } = this.#cpu.chip(irq < 8 ? "master" : "slave");
    const mask = ~(1 << (irq & 7));
    bytes[PIC.level]! &= mask;
    bytes[PIC.irr]! &= mask;
    if (irq >= 8) this.#cascade(bytes);
  }

  /** The slave's output is line 2 of the master. */
  #cascade(slave: Uint8Array): void {
    const { bytes: master } = this.#cpu.chip("master");
    const requested = slave[PIC.irr]! & slave[PIC.mask]!;
    const first = requested & -requested;
    const inService = slave[PIC.isr]! & -slave[PIC.isr]!;
    if (first !== 0 && (inService === 0 || first < inService)) {
      master[PIC.irr]! |= 4;
      master[PIC.level]! |= 4;
    } else {
      // v86 keeps the request. When the CPU then takes it, the slave has nothing to say, and the master waits for ever for
      // the end of an interrupt that nobody heard of.
      master[PIC.irr]! &= ~4;
      master[PIC.level]! &= ~4;
    }
  }

  #raiseIoapic(gsi: number): void {
    const { words } = this.#cpu.chip("ioapic");
    const mask = 1 << gsi;
    words[IOAPIC.level]! |= mask;
    words[IOAPIC.irr]! |= mask;
    const entry = words[gsi]!;
    if (entry & IOAPIC.masked) return; // the chip looks again when the guest unmasks it
    if (entry & IOAPIC.levelTriggered) {
      words[gsi]! |= IOAPIC.remoteIrr;
      if (entry & IOAPIC.remoteIrr) return; // in service: the chip looks again at its end
    } else {
      words[IOAPIC.irr]! &= ~mask;
    }
    if ((entry & IOAPIC.deliveryMode) > IOAPIC.lowestPriority) return; // SMI, NMI, INIT, ExtINT: v86 knows none of them
    this.#request(entry & 0xff, (entry & IOAPIC.levelTriggered) !== 0);
  }

  #lowerIoapic(gsi: number): void {
    const { words } = this.#cpu.chip("ioapic");
    const mask = ~(1 << gsi);
    words[IOAPIC.level]! &= mask;
    // Also of an entry that is not level-triggered (yet): a line that is low must not interrupt once it is.
    words[IOAPIC.irr]! &= mask;
  }

  /** Sets a vector in the local APIC's request register. */
  #request(vector: number, level: boolean): void {
    if (this.#record) this.#record.vector = vector;
    const { words } = this.#cpu.chip("apic");
    const word = vector >> 5;
    const bit = 1 << (vector & 31);
    if (words[APIC.irr + word]! & bit) return;
    words[APIC.irr + word]! |= bit;
    if (level) words[APIC.tmr + word]! |= bit;
    else words[APIC.tmr + word]! &= ~bit;
  }
}

const PIC_PINS = 24;

/** Byte offsets in v86's PIC state (V86-FACTS). */
const PIC = { mask: 0, isr: 2, irr: 3, elcr: 10, level: 11 } as const;

/** Word offsets in v86's IOAPIC state; words 0 to 23 are the redirection entries. */
const IOAPIC = {
  irr: 50,
  level: 51,
  deliveryMode: 7 << 8,
  lowestPriority: 1 << 8,
  remoteIrr: 1 << 14,
  levelTriggered: 1 << 15,
  masked: 1 << 16,
} as const;

/** Word offsets in v86's local APIC state. */
const APIC = { id: 0, irr: 16, tmr: 32, destinationFormat: 41, logicalDestination: 42 } as const;

/** Bits 31 to 20 of the addresses that messages to local APICs have. */
const APIC_ADDRESSES = 0xfee;
/** Bits of a message's address (logical) and data (the others). */
const MESSAGE = {
  logical: 1 << 2,
  deliveryMode: 7 << 8,
  lowestPriority: 1 << 8,
  assert: 1 << 14,
  level: 1 << 15,
} as const;
/** Vectors below are illegal for interrupts. */
const LOWEST_VECTOR = 16;
