/** Interrupt lines against v86's own: the same wires must leave the same state in its chips. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import type { Chip, ChipName, Cpu } from "../../src/machine/cpu.ts";
import { InterruptController } from "../../src/machine/interrupts.ts";
import { RealBoard } from "./driver/real-board.ts";

/** The lines that devices get, for which IOAPIC pin and PIC pin have the same number. */
const LINES = [5, 7, 10, 11];
const CHIPS: readonly ChipName[] = ["master", "slave", "ioapic", "apic"];

interface State {
  master: number[];
  slave: number[];
  ioapic: number[];
  apic: number[];
}

interface Setting {
  /** 1 = the line is let through. */
  masks: [master: number, slave: number];
  inService: [master: number, slave: number];
  /** Redirection entry of each of LINES. */
  entries: number[];
  wires: { line: number; high: boolean }[];
}

const setting: fc.Arbitrary<Setting> = fc.record({
  masks: fc.tuple(fc.nat(255), fc.nat(255)),
  inService: fc.tuple(fc.constantFrom(0, 0, 1, 4, 0x20, 0x80), fc.constantFrom(0, 0, 1, 4, 8, 0x80)),
  entries: fc.array(
    fc
      .tuple(fc.integer({ min: 0x10, max: 0xfe }), fc.constantFrom(0, 1, 2, 4, 7), fc.nat(7))
      .map(
        ([vector, mode, bits]) =>
          vector | (mode << 8) | ((bits & 1) << 15) | ((bits & 2) << 15) | ((bits & 4) << 12),
      ),
    { minLength: LINES.length, maxLength: LINES.length },
  ),
  wires: fc.array(fc.record({ line: fc.constantFrom(...LINES), high: fc.boolean() }), {
    minLength: 1,
    maxLength: 20,
  }),
});

describe("interrupt lines on v86's chips", () => {
  let real: RealBoard;
  let cpu: Cpu;
  before(async () => {
    real = await RealBoard.create();
    cpu = real.board.cpu;
  });
  after(() => real.dispose());

  const state = (): State => ({
    master: [...cpu.chip("master").bytes],
    slave: [...cpu.chip("slave").bytes],
    ioapic: [...cpu.chip("ioapic").words],
    apic: [...cpu.chip("apic").words.subarray(0, 46)],
  });

  const prepare = ({ masks, inService, entries }: Setting): void => {
    for (const name of CHIPS) {
      const { bytes, words } = cpu.chip(name);
      if (name === "master" || name === "slave") bytes.fill(0, 0, 4);
      else if (name === "ioapic") words.fill(0, 48).fill(1 << 16, 0, 24);
      else words.fill(0, 16, 40);
      bytes.fill(0, 10, 12);
    }
    (["master", "slave"] as const).forEach((name, i) => {
      const { bytes } = cpu.chip(name);
      bytes[0] = masks[i]!;
      bytes[2] = inService[i]!;
      for (const line of LINES) if (line < 8 === (name === "master")) bytes[10]! |= 1 << (line & 7);
    });
    const { words } = cpu.chip("ioapic");
    LINES.forEach((line, i) => (words[line] = entries[i]!));
  };

  /** What is meant to differ from v86, in its direction. */
  const allowFor = (ours: State, entries: readonly number[]): State => {
    const allowed = structuredClone(ours);
    // We take back the master's request when the slave's goes away, v86 does not (interrupts.ts says why).
    if (!(allowed.master[11]! & 4)) allowed.master[3]! |= 4;
    // v86 forgets a line that went up while its entry was masked and edge-triggered; it is still high, and we remember.
    LINES.forEach((line, i) => {
      if ((entries[i]! & (1 << 15)) === 0 && entries[i]! & (1 << 16)) allowed.ioapic[50]! &= ~(1 << line);
    });
    return allowed;
  };

  it("every sequence of wires leaves PIC, IOAPIC and local APIC as v86's device_raise_irq and device_lower_irq do", () => {
    const controller = new InterruptController(cpu);
    const lines = new Map(LINES.map((line) => [line, controller.line(line, line)]));
    const seen = { vectors: 0, cascades: 0 };
    fc.assert(
      fc.property(setting, (setting) => {
        const changes = wireChanges(setting.wires);
        prepare(setting);
        const ours = changes.map(({ line, high }) => {
          lines.get(line)!.set(high);
          return state();
        });
        for (const line of lines.values()) line.set(false);

        prepare(setting);
        changes.forEach(({ line, high }, i) => {
          if (high) real.exports.device_raise_irq(line);
          else real.exports.device_lower_irq(line);
          const theirs = state();
          if (!(theirs.master[11]! & 4)) theirs.master[3]! |= 4;
          assert.deepEqual(allowFor(ours[i]!, setting.entries), theirs, `after ${i + 1} changes`);
          if (theirs.apic.slice(16, 24).some((word) => word !== 0)) seen.vectors++;
          if (theirs.master[11]! & 4) seen.cascades++;
        });
      }),
      { numRuns: 1500 },
    );
    assert.ok(seen.vectors > 500 && seen.cascades > 400, JSON.stringify(seen));
  });

  it("a cascade that goes low takes its request back", () => {
    prepare({ masks: [0xff, 0xff], inService: [0, 0], entries: LINES.map(() => 1 << 16), wires: [] });
    const line = new InterruptController(cpu).line(11, 11);
    line.set(true);
    assert.equal(state().master[3]! & 4, 4);
    line.set(false);
    assert.equal(state().master[3]! & 4, 0);
  });

  it("a line that was high and low again leaves nothing in a masked entry, whatever the entry becomes", () => {
    prepare({ masks: [0, 0], inService: [0, 0], entries: LINES.map(() => 1 << 16), wires: [] });
    const line = new InterruptController(cpu).line(5, 5);
    line.set(true);
    assert.equal(state().ioapic[50]! & (1 << 5), 1 << 5);
    line.set(false);
    assert.equal(state().ioapic[50]! & (1 << 5), 0);
  });

  it("makes its lines level-triggered in the ELCR, which firmware would have done", () => {
    for (const name of ["master", "slave"] as const) cpu.chip(name).bytes[10] = 0;
    const controller = new InterruptController(cpu);
    controller.line(16, 11);
    controller.line(5, 5);
    assert.equal(cpu.chip("slave").bytes[10], 1 << 3);
    assert.equal(cpu.chip("master").bytes[10], 1 << 5);
  });
});

/** Chips in plain arrays. */
class FakeChips {
  readonly inGuest: boolean = true;
  delivered = 0;
  readonly #chips = new Map<ChipName, Chip>(
    CHIPS.map((name) => {
      const words = new Uint32Array(52);
      return [name, { bytes: new Uint8Array(words.buffer), words }];
    }),
  );

  chip(name: ChipName): Chip {
    return this.#chips.get(name)!;
  }

  deliverInterrupts(): void {
    this.delivered++;
  }

  pic(irq: number): boolean {
    return (this.chip(irq < 8 ? "master" : "slave").bytes[11]! & (1 << (irq & 7))) !== 0;
  }

  ioapic(gsi: number): boolean {
    return (this.chip("ioapic").words[51]! & (1 << gsi)) !== 0;
  }
}

describe("shared wires", () => {
  it("a pin is high while any of its devices asserts it, and each device counts once", () => {
    const chips = new FakeChips();
    const controller = new InterruptController(chips);
    const [a, b] = [controller.line(17, 10), controller.line(17, 10)];
    a.set(true);
    a.set(true);
    b.set(true);
    a.set(false);
    assert.deepEqual([chips.pic(10), chips.ioapic(17)], [true, true]);
    a.set(false);
    assert.deepEqual([chips.pic(10), chips.ioapic(17)], [true, true]);
    b.set(false);
    assert.deepEqual([chips.pic(10), chips.ioapic(17)], [false, false]);
  });

  it("wires to different IOAPIC pins may meet at one pin of the PIC (the first PCI slot and the third MMIO device)", () => {
    const chips = new FakeChips();
    const controller = new InterruptController(chips);
    const [pci, mmio] = [controller.line(16, 11), controller.line(11, 11)];
    pci.set(true);
    mmio.set(true);
    pci.set(false);
    assert.deepEqual([chips.pic(11), chips.ioapic(16), chips.ioapic(11)], [true, false, true]);
    pci.set(true);
    mmio.set(false);
    assert.deepEqual([chips.pic(11), chips.ioapic(16), chips.ioapic(11)], [true, true, false]);
    pci.set(false);
    assert.equal(chips.pic(11), false);
  });

  it("is delivered at once only while the guest is not running", () => {
    const inside = new FakeChips();
    new InterruptController(inside).line(5, 5).set(true);
    assert.equal(inside.delivered, 0);
    const outside = new (class extends FakeChips {
      override readonly inGuest = false;
    })();
    const line = new InterruptController(outside).line(5, 5);
    line.set(true);
    line.set(true);
    line.set(false);
    assert.equal(outside.delivered, 1);
  });
});

describe("messages into the local APIC (Intel SDM volume 3, 10.11)", () => {
  const FIXED = 0;
  const LOWEST_PRIORITY = 1 << 8;

  /** A CPU whose APIC has this ID, logical destination and destination format. */
  const apic = (id = 0, logical = 1, flat = true): { chips: FakeChips; controller: InterruptController } => {
    const chips = new FakeChips();
    const { words } = chips.chip("apic");
    words[0] = id << 24;
    words[41] = flat ? 0xffffffff : 0x0fffffff;
    words[42] = (logical << 24) >>> 0;
    return { chips, controller: new InterruptController(chips) };
  };
  const address = (destination: number, bits = 0): number => (0xfee00000 | (destination << 12) | bits) >>> 0;
  const requested = (chips: FakeChips): number[] => {
    const { words } = chips.chip("apic");
    return Array.from({ length: 256 }, (_, i) => i).filter((i) => words[16 + (i >> 5)]! & (1 << (i & 31)));
  };
  const LOGICAL = 4;
  const HINT = 8;

  it("set the vector's request bit; edge-triggered, so its trigger mode bit is cleared", () => {
    const { chips, controller } = apic();
    const { words } = chips.chip("apic");
    words.fill(0xffffffff, 32, 40);
    for (const vector of [16, 0x41, 0xfe]) controller.send(address(0), vector | FIXED);
    assert.deepEqual(requested(chips), [16, 0x41, 0xfe]);
    for (const vector of [16, 0x41, 0xfe]) assert.equal(words[32 + (vector >> 5)]! & (1 << (vector & 31)), 0);
    controller.send(address(0), 0x41);
    assert.deepEqual(requested(chips), [16, 0x41, 0xfe], "one that waits already takes it in");
    assert.deepEqual([...words.subarray(24, 32)], Array<number>(8).fill(0));
  });

  it("by physical destination: our ID and the broadcast", () => {
    for (const [id, destination, mine] of [
      [0, 0, true],
      [0, 1, false],
      [3, 3, true],
      [3, 0, false],
      [3, 0xff, true],
    ] as const) {
      const { chips, controller } = apic(id);
      controller.send(address(destination, HINT), 0x50);
      assert.equal(requested(chips).length, mine ? 1 : 0, `${destination} to ${id}`);
    }
  });

  it("by logical destination: any of our bits in the flat model, of our cluster in the other", () => {
    for (const [logical, flat, destination, mine] of [
      [1, true, 1, true],
      [1, true, 3, true],
      [1, true, 2, false],
      [1, true, 0xff, true],
      [0x21, false, 0x21, true],
      [0x21, false, 0x23, true],
      [0x21, false, 0x22, false],
      [0x21, false, 0x11, false],
      [0x21, false, 0xff, true],
    ] as const) {
      const { chips, controller } = apic(0, logical, flat);
      controller.send(address(destination, LOGICAL), 0x50 | LOWEST_PRIORITY);
      assert.equal(requested(chips).length, mine ? 1 : 0, `${destination} to ${logical}`);
    }
  });

  it("nobody takes other addresses, other delivery modes, and vectors below 16", () => {
    const { chips, controller } = apic();
    for (const elsewhere of [0, 0x1000, 0xfec00000, 0xfed00000, 0xfef00000, 0xffffffff]) {
      controller.send(elsewhere, 0x50);
    }
    for (const mode of [2, 3, 4, 5, 6, 7]) controller.send(address(0), 0x50 | (mode << 8));
    for (const vector of [0, 2, 15]) controller.send(address(0), vector);
    assert.deepEqual(requested(chips), []);
  });

  it("level-triggered ones say whether the line goes up", () => {
    const { chips, controller } = apic();
    controller.send(address(0), 0x50 | (1 << 15));
    assert.deepEqual(requested(chips), []);
    controller.send(address(0), 0x50 | (1 << 15) | (1 << 14));
    assert.deepEqual(requested(chips), [0x50]);
    assert.equal(chips.chip("apic").words[32 + 2]! & (1 << 16), 1 << 16);
  });

  it("are delivered at once only while the guest is not running", () => {
    const { chips, controller } = apic();
    controller.send(address(0), 0x50);
    assert.equal(chips.delivered, 0);
    const outside = new (class extends FakeChips {
      override readonly inGuest = false;
    })();
    new InterruptController(outside).send(address(0), 0x50);
    assert.equal(outside.delivered, 1);
    new InterruptController(outside).send(0, 0x50);
    assert.equal(outside.delivered, 1);
  });
});

/** Only what changes a wire: v86's calls are made on edges. */
function wireChanges(wires: Setting["wires"]): Setting["wires"] {
  const high = new Set<number>();
  return wires.filter(({ line, high: wanted }) => {
    if (high.has(line) === wanted) return false;
    if (wanted) high.add(line);
    else high.delete(line);
    return true;
  });
}
