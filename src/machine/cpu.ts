import "./no-nested-worker.ts"; // must run before v86 is evaluated
import { V86 } from "v86";
import { type V86Emulator, type V86Cpu, assertContract } from "./contract.ts";
import { GuestClock } from "./guest-clock.ts";
import { V86Memory } from "./memory.ts";

/** A handler for one I/O port; an absent width is not decoded. */
export interface PortHandlers {
  read8?: () => number;
  read16?: () => number;
  read32?: () => number;
  write8?: (value: number) => void;
  write16?: (value: number) => void;
  write32?: (value: number) => void;
}

/** Accesses to one of v86's 128 KiB blocks of physical addresses; the address is unsigned. */
export interface BlockHandlers {
  read(address: number, width: 1 | 4): number;
  write(address: number, width: 1 | 2 | 4, value: number): void;
}

export const MMIO_BLOCK = 0x20000;

/**
 * v86's setting (in its jit.rs) for how many pages of guest code one piece of compiled code may span; 3 unless told. A
 * booting kernel runs most of its code a few times: with 1 there is less to compile, and a quarter less work until /init.
 * What runs for long is as fast (docs/BENCHMARKS.md).
 */
const JIT_MAX_PAGES = 1;

/** v86's own constant (in its cpu.rs): after so many instructions it looks at timers, and whether its time is up. */
const LOOP_COUNTER = 100_003;
/** The interrupt flag of EFLAGS. */
const FLAG_INTERRUPT = 1 << 9;

/** Word offset of the in-service register in v86's local APIC state, and the byte's in a PIC's. */
const APIC_ISR = 24;
const PIC_ISR = 2;

/** Bytes of a gate in the interrupt table. */
const IDT_GATE = 8;

export type ChipName = "master" | "slave" | "ioapic" | "apic";

/** An interrupt chip's state, as bytes (PIC) or as 32-bit words (IOAPIC, local APIC); V86-FACTS has the layouts. */
export interface Chip {
  bytes: Uint8Array;
  words: Uint32Array;
}

export interface CpuOptions {
  /** v86.wasm, compiled. */
  wasm: WebAssembly.Module;
  /** Bytes of guest memory. */
  memory: number;
  /** A byte written to the first serial port. */
  onSerial: (byte: number) => void;
  /** The guest asked for a hard reset through the keyboard controller or port 0xCF9. */
  onReset: () => void;
  /** v86 or a device model threw: the CPU has stopped. */
  onCrash: (error: unknown) => void;
}

/**
 * The seam to v86: the only place that knows its insides (contract.ts lists them). One Cpu is one power cycle: a reset
 * makes a new one, so that no chip keeps state.
 */
export class Cpu {
  readonly memory: V86Memory;
  readonly #emulator: V86Emulator;
  readonly #cpu: V86Cpu;
  readonly #blocks = new Map<number, BlockHandlers>();
  readonly #clock: GuestClock;
  readonly #chips: Partial<Record<ChipName, Chip>> = {};
  #inGuest = false;
  #instructions = 0;
  #lastCount = 0;
  #disposed = false;
  /** Told after each slice, outside the guest. While somebody listens slices are as short as v86 can make them. */
  #onSlice: (() => void) | undefined;

  /** Builds a stopped CPU at its reset vector. Rejects with V86ContractError, or RangeError when memory is not to be had. */
  static async create(options: CpuOptions): Promise<Cpu> {
    const clock = new GuestClock();
    const emulator = await newEmulator(options, clock);
    const cpu = new Cpu(emulator, options, clock);
    // v86 gives less when it cannot address as much, and up to a block less than 2 GiB always.
    if (cpu.memory.size >= options.memory - MMIO_BLOCK) return cpu;
    cpu.dispose();
    throw noSuchMemory(options.memory, `v86 gave ${cpu.memory.size} bytes`);
  }

  private constructor(emulator: V86Emulator, options: CpuOptions, clock: GuestClock) {
    this.#emulator = emulator;
    this.#clock = clock;
    this.#cpu = emulator.v86.cpu;
    assertContract(emulator);
    this.memory = new V86Memory(this.#cpu);
    this.#cpu.set_jit_config(JIT_MAX_PAGES, 1);
    this.#watchGuest(options);
    this.#widenDoorbells();
    emulator.add_listener("serial0-output-byte", options.onSerial);
  }

  /** True while guest code is on the stack: interrupts may then only be left for the CPU to find (V86-FACTS). */
  get inGuest(): boolean {
    return this.#inGuest;
  }

  /** Guest instructions since power-on. */
  get instructions(): number {
    this.#countInstructions();
    return this.#instructions;
  }

  get running(): boolean {
    return this.#emulator.cpu_is_running;
  }

  /** From where the guest was stopped, also by its clock: a stop takes no time for it. */
  run(): void {
    this.#clock.run();
    this.#emulator.v86.run();
  }

  stop(): void {
    this.#clock.stop();
    this.#emulator.v86.stop();
  }

  /**
   * Stops the CPU at once, also from inside an access by guest code: what is left of the piece of compiled code that made the
   * access still runs. That is a few hundred instructions at most where it leads on to other code, and up to LOOP_COUNTER of
   * them in a loop that it does not leave.
   */
  stopNow(): void {
    this.stop();
    this.#endSlice();
  }

  /** Has `listener` hear of the end of each slice (about LOOP_COUNTER instructions), outside the guest; undefined ends it. */
  onSlice(listener: (() => void) | undefined): void {
    this.#onSlice = listener;
    this.#clock.shortSlices = listener !== undefined;
    if (listener) this.#endSlice();
  }

  /** Whether the guest takes an interrupt that comes now: it has not masked them, and serves none. */
  get interruptible(): boolean {
    if (!(this.#cpu.flags[0]! & FLAG_INTERRUPT)) return false;
    const { words } = this.chip("apic");
    for (let i = 0; i < 8; i++) if (words[APIC_ISR + i] !== 0) return false;
    return this.chip("master").bytes[PIC_ISR] === 0 && this.chip("slave").bytes[PIC_ISR] === 0;
  }

  /** Ends the CPU; its memory is given back when nobody holds a view of it. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { v86 } = this.#emulator;
    v86.stop();
    v86.running = false;
    v86.tick_counter++; // a tick that is already on its way is not for this CPU any more
    v86.unregister_yield();
  }

  /** Takes over an I/O port. */
  onPort(port: number, handlers: PortHandlers): void {
    const { io } = this.#cpu;
    const { read8, read16, read32, write8, write16, write32 } = handlers;
    if (read8 || read16 || read32) io.register_read(port, this, read8, read16, read32);
    if (write8 || write16 || write32) io.register_write(port, this, write8, write16, write32);
  }

  /** Takes over the 128 KiB block of physical addresses that starts at `start`. */
  onBlock(start: number, handlers: BlockHandlers): void {
    if (start % MMIO_BLOCK !== 0 || start < this.memory.size) throw new RangeError("not a free MMIO block");
    this.#blocks.set(start / MMIO_BLOCK, handlers);
    this.#cpu.io.mmap_register(
      start,
      MMIO_BLOCK,
      (address) => handlers.read(address >>> 0, 1),
      (address, value) => handlers.write(address >>> 0, 1, value),
      (address) => handlers.read(address >>> 0, 4) | 0,
      (address, value) => handlers.write(address >>> 0, 4, value >>> 0),
    );
  }

  /** The state of an interrupt chip in v86's memory. Do not keep it: that memory moves when it grows. */
  chip(name: ChipName): Chip {
    const known = this.#chips[name];
    if (known && known.bytes.length > 0) return known;
    const { buffer } = this.#cpu.wasm_memory;
    const address = this.#chipAddress(name);
    const bytes = new Uint8Array(buffer, address, 13);
    const words =
      name === "ioapic" || name === "apic" ? new Uint32Array(buffer, address, 52) : new Uint32Array();
    return (this.#chips[name] = { bytes, words });
  }

  /** Delivers what is pending now. Only from outside the guest, see `inGuest`. */
  deliverInterrupts(): void {
    if (!this.#disposed) this.#cpu.handle_irqs();
  }

  #watchGuest(options: CpuOptions): void {
    const cpu = this.#cpu;
    const mainLoop = cpu.main_loop;
    cpu.main_loop = () => {
      this.#inGuest = true;
      this.#clock.enter();
      try {
        return mainLoop();
      } catch (error) {
        this.#emulator.v86.running = false;
        // A guest that has reset or switched off its machine runs on until the slice ends; what it does is nobody's.
        if (!this.#disposed) this.#crashed(error, options);
        return 100;
      } finally {
        this.#inGuest = false;
        this.#clock.leave();
        this.#countInstructions();
        if (!this.#disposed) this.#onSlice?.();
      }
    };
    const timers = cpu.run_hardware_timers.bind(cpu);
    cpu.run_hardware_timers = (acpi, now) => timers(acpi, this.#clock.unshift(now));
    cpu.reboot_internal = () => {
      this.stop();
      options.onReset();
    };
  }

  /** What v86 gives up at. A fault without a table of handlers is how a PC is reset as the last resort (triple fault). */
  #crashed(error: unknown, { onReset, onCrash }: CpuOptions): void {
    if (!(error instanceof WebAssembly.RuntimeError)) onCrash(error);
    else if (this.#cpu.idtr_size[0]! < IDT_GATE) onReset();
    else onCrash(new Error(`The guest did what v86's CPU cannot do (${error.message}).`, { cause: error }));
  }

  /** v86 hands a 16-bit MMIO write to its handlers as two 8-bit ones; a doorbell should ring once. */
  #widenDoorbells(): void {
    const cpu = this.#cpu;
    const split = cpu.mmap_write16.bind(cpu);
    cpu.mmap_write16 = (address, value) => {
      const handlers = this.#blocks.get(address >>> 17);
      if (handlers) handlers.write(address >>> 0, 2, value);
      else split(address, value);
    };
  }

  #chipAddress(name: ChipName): number {
    if (name === "master") return this.#cpu.get_pic_addr_master();
    if (name === "slave") return this.#cpu.get_pic_addr_slave();
    return name === "apic" ? this.#cpu.get_apic_addr() : this.#cpu.get_ioapic_addr();
  }

  /** v86 compares its count of instructions, and the time, with those when it began: both move on. */
  #endSlice(): void {
    if (!this.#inGuest) return;
    this.#countInstructions();
    const counter = this.#cpu.instruction_counter;
    counter[0] = (counter[0]! + LOOP_COUNTER) >>> 0;
    this.#lastCount = counter[0];
    this.#clock.skipFrame();
  }

  #countInstructions(): void {
    const now = this.#cpu.instruction_counter[0]!;
    this.#instructions += (now - this.#lastCount) >>> 0;
    this.#lastCount = now;
  }
}

async function newEmulator({ wasm, memory }: CpuOptions, clock: GuestClock): Promise<V86Emulator> {
  const { promise, resolve, reject } = withResolvers<undefined>();
  let started: Promise<WebAssembly.Exports> | undefined;
  const emulator = new V86({
    wasm_fn: (imports: WebAssembly.Imports) => {
      imports.env!.microtick = clock.read;
      started = WebAssembly.instantiate(wasm, imports).then((instance) => instance.exports);
      return started;
    },
    memory_size: memory,
    vga_memory_size: 1 << 20,
    acpi: true,
    autostart: false,
    net_device: { type: "none" },
    disable_keyboard: true,
    disable_mouse: true,
    disable_speaker: true,
  } as object) as unknown as V86Emulator;
  emulator.add_listener("emulator-loaded", () => resolve(undefined));
  await started;
  // v86 has been constructed by now and initialises itself from a timer: what that throws is ours to report.
  assertContract(emulator, [
    "v86.init",
    "v86.constructor.microtick",
    "v86.yield",
    "v86.yield_callback",
    "v86.unregister_yield",
  ]);
  const machine = emulator.v86;
  machine.constructor.microtick = GuestClock.readRunning; // what the timers that are not in WebAssembly look at
  keepTime(machine);
  const init = machine.init.bind(machine);
  machine.init = (settings) => {
    try {
      init(settings);
    } catch (error) {
      reject(noSuchMemory(memory, String(error)));
      throw error;
    }
  };
  await promise;
  return emulator;
}

function noSuchMemory(bytes: number, reason: string): RangeError {
  return new RangeError(`The CPU could not be set up with ${bytes / 2 ** 20} MiB of memory: ${reason}`);
}

/**
 * In a browser's worker: lets v86 yield to the event loop through a message instead of a timer (which browsers delay by
 * up to 4 ms) or its own helper worker (a script from a blob: URL, which a strict Content-Security-Policy refuses).
 */
function keepTime(machine: V86Emulator["v86"]): void {
  if (typeof process !== "undefined" || typeof MessageChannel === "undefined") return;
  const channel = new MessageChannel();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tick = (number: number): void => machine.yield_callback(number);
  channel.port2.onmessage = ({ data }: MessageEvent<number>) => tick(data);
  machine.yield = (milliseconds, number) => {
    clearTimeout(timer);
    if (milliseconds < 1) channel.port1.postMessage(number);
    else timer = setTimeout(tick, milliseconds, number);
  };
  machine.unregister_yield = () => {
    clearTimeout(timer);
    channel.port1.close();
    channel.port2.close();
  };
}

function withResolvers<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
} {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
