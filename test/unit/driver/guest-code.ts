import { elf } from "./elf.ts";

const LOAD = 0x100000;
/** Where programs leave what they read, 4 bytes each. */
export const RESULTS = 0x300000;
const SERIAL = 0x3f8;
/** Written to the serial port by `end`. */
export const END = 0x21;

/** A program for the CPU, one instruction at a time: enough of x86 to make accesses and take interrupts. */
export class GuestCode {
  readonly #code: number[] = [];
  #results = 0;

  /** Reads a port; the value goes to the next place in RESULTS. */
  in(port: number, width: 1 | 2 | 4): this {
    this.#op(0x31, 0xc0).#op(0xba, ...le(port, 4)); // xor eax, eax; mov edx, port
    return this.#op(...{ 1: [0xec], 2: [0x66, 0xed], 4: [0xed] }[width]).keep();
  }

  out(port: number, width: 1 | 2 | 4, value: number): this {
    this.#op(0xb8, ...le(value, 4)).#op(0xba, ...le(port, 4)); // mov eax, value; mov edx, port
    return this.#op(...{ 1: [0xee], 2: [0x66, 0xef], 4: [0xef] }[width]);
  }

  /** Reads memory; the value goes to the next place in RESULTS. */
  read(address: number, width: 1 | 2 | 4): this {
    this.#op(0x31, 0xc0);
    return this.#op(...{ 1: [0xa0], 2: [0x66, 0xa1], 4: [0xa1] }[width], ...le(address, 4)).keep();
  }

  write(address: number, width: 1 | 2 | 4, value: number): this {
    const opcode = { 1: [0xc6, 0x05], 2: [0x66, 0xc7, 0x05], 4: [0xc7, 0x05] }[width]; // mov [address], value
    return this.#op(...opcode, ...le(address, 4), ...le(value, width));
  }

  /** Adds 1 to a word of 16 or 32 bits in memory. */
  increment(address: number, width: 2 | 4): this {
    return this.#op(...(width === 2 ? [0x66] : []), 0xff, 0x05, ...le(address, 4));
  }

  /** Stores EAX in the next place in RESULTS. */
  keep(): this {
    return this.#op(0xa3, ...le(RESULTS + 4 * this.#results++, 4));
  }

  /** ESI into EAX. */
  esi(): this {
    return this.#op(0x89, 0xf0);
  }

  /** EFLAGS into EAX. */
  flags(): this {
    return this.#op(0x9c, 0x58);
  }

  /** CR0 into EAX. */
  cr0(): this {
    return this.#op(0x0f, 0x20, 0xc0);
  }

  /** Segment register number `n` (ES, CS, SS, DS, FS, GS) into EAX. */
  segment(n: number): this {
    return this.#op(0x31, 0xc0).#op(0x8c, 0xc0 | (n << 3));
  }

  /** Waits, with interrupts on, until one came, then turns them off again. */
  waitForInterrupt(): this {
    return this.#op(0xfb, 0xf4, 0xfa); // sti; hlt; cli
  }

  /** Lets in what is pending: interrupts are taken only after the instruction that follows STI. */
  letInterruptsIn(): this {
    return this.#op(0xfb, 0x90, 0xfa); // sti; nop; cli
  }

  /** Runs `body` again and again, `times` times; the counter is at `counter`. */
  repeat(times: number, counter: number, body: (code: GuestCode) => void): this {
    this.write(counter, 4, 0);
    const start = this.#code.length;
    body(this);
    this.increment(counter, 4);
    this.#op(0x81, 0x3d, ...le(counter, 4), ...le(times, 4)); // cmp dword [counter], times
    return this.#op(0x0f, 0x82, ...le(start - this.#code.length - 6, 4)); // jb start
  }

  /** Does `body` only when the 32 bits at `address` are at least `value`. */
  whenAtLeast(address: number, value: number, body: (code: GuestCode) => void): this {
    const inner = new GuestCode();
    body(inner);
    this.#op(0x81, 0x3d, ...le(address, 4), ...le(value, 4)); // cmp dword [address], value
    return this.#op(0x0f, 0x82, ...le(inner.#code.length, 4), ...inner.#code); // jb over it
  }

  /** Puts an interrupt handler behind the code and sets its gate in the IDT at `idt`. */
  handler(idt: number, vector: number, body: (code: GuestCode) => void): this {
    const inner = new GuestCode();
    inner.#op(0x60); // pushad
    body(inner);
    inner.#op(0x61, 0xcf); // popad; iret
    const bytes = inner.#code;
    this.#op(0xe9, ...le(bytes.length, 4)); // jmp over it
    const address = LOAD + this.#code.length;
    this.#code.push(...bytes);
    const gate = [...le(address & 0xffff, 2), 0x10, 0, 0, 0x8e, ...le(address >>> 16, 2)];
    const [low, high] = [gate.slice(0, 4), gate.slice(4)].map((part) =>
      part.reduce((sum, byte, i) => sum + byte * 2 ** (8 * i), 0),
    );
    return this.write(idt + 8 * vector, 4, low!).write(idt + 8 * vector + 4, 4, high!);
  }

  /** Loads the IDT register; the 6-byte pointer is written to `pointer`. */
  loadIdt(idt: number, pointer: number): this {
    this.write(pointer, 2, 0x7ff).write(pointer + 2, 4, idt);
    return this.#op(0x0f, 0x01, 0x1d, ...le(pointer, 4));
  }

  /** A fault without any handler: the interrupt table, whose 6-byte pointer is written to `pointer`, is empty. */
  tripleFault(pointer: number): this {
    this.write(pointer, 2, 0).write(pointer + 2, 4, 0);
    return this.#op(0x0f, 0x01, 0x1d, ...le(pointer, 4), 0xcc); // lidt [pointer]; int3
  }

  /** Interrupts by a gate that is none, which v86 has no answer to; `idt` and `pointer` as for `loadIdt`. */
  badGate(idt: number, pointer: number): this {
    return this.write(idt + 8 * 3, 4, 0)
      .write(idt + 8 * 3 + 4, 4, 0)
      .loadIdt(idt, pointer)
      .#op(0xcc);
  }

  /** Says that the program is at its end, and stops. */
  end(): this {
    this.out(SERIAL, 1, END);
    return this.#op(0xfa, 0xf4, 0xeb, 0xfd); // cli; hlt; jmp to the hlt
  }

  /** As a kernel. */
  kernel(): Uint8Array {
    return elf(LOAD, [{ address: LOAD, bytes: Uint8Array.from(this.#code) }]);
  }

  get results(): number {
    return this.#results;
  }

  #op(...bytes: number[]): this {
    this.#code.push(...bytes);
    return this;
  }
}

function le(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff);
}
