/** The parts of v86 that Ringside touches. Not its public API: contract.test.ts and `assertContract` guard them. */
export interface V86Emulator {
  readonly cpu_is_running: boolean;
  add_listener(event: string, listener: (value: number) => void): void;
  readonly v86: {
    readonly cpu: V86Cpu;
    constructor: { microtick(): number };
    running: boolean;
    tick_counter: number;
    run(): void;
    stop(): void;
    init(settings: object): void;
    yield(milliseconds: number, tick: number): void;
    yield_callback(tick: number): void;
    unregister_yield(): void;
  };
}

export interface V86Cpu {
  readonly wasm_memory: { readonly buffer: ArrayBuffer };
  readonly mem8: { readonly byteOffset: number; readonly length: number };
  readonly instruction_counter: { [index: number]: number };
  readonly flags: { readonly [index: number]: number };
  readonly idtr_size: { readonly [index: number]: number };
  readonly io: {
    register_read(
      port: number,
      device: object,
      read8?: () => number,
      read16?: () => number,
      read32?: () => number,
    ): void;
    register_write(
      port: number,
      device: object,
      write8?: (value: number) => void,
      write16?: (value: number) => void,
      write32?: (value: number) => void,
    ): void;
    mmap_register(
      address: number,
      size: number,
      read8: (address: number) => number,
      write8: (address: number, value: number) => void,
      read32: (address: number) => number,
      write32: (address: number, value: number) => void,
    ): void;
  };
  mmap_write16(address: number, value: number): void;
  main_loop: () => number;
  run_hardware_timers(acpi: number, now: number): number;
  reboot_internal(): void;
  handle_irqs(): void;
  jit_dirty_cache(start: number, end: number): void;
  set_jit_config(index: number, value: number): void;
  get_pic_addr_master(): number;
  get_pic_addr_slave(): number;
  get_apic_addr(): number;
  get_ioapic_addr(): number;
}

/** Another version of v86 lacks something that Ringside needs. */
export class V86ContractError extends Error {
  override name = "V86ContractError";
}

/** Every internal of v86 that the seam touches: where it is, what it must be, and what Ringside does with it. */
export const CONTRACT: readonly {
  path: string;
  type: "function" | "number" | "object" | "boolean";
  use: string;
}[] = [
  { path: "cpu_is_running", type: "boolean", use: "to know whether the CPU runs" },
  { path: "add_listener", type: "function", use: "to hear the serial port" },
  { path: "v86.run", type: "function", use: "to start the CPU" },
  { path: "v86.stop", type: "function", use: "to pause the CPU" },
  { path: "v86.init", type: "function", use: "to report a CPU that cannot be set up" },
  { path: "v86.running", type: "boolean", use: "to stop a CPU that crashed" },
  { path: "v86.tick_counter", type: "number", use: "to drop a tick of a CPU that is gone" },
  { path: "v86.constructor.microtick", type: "function", use: "to stop the guest's clock with the guest" },
  { path: "v86.yield", type: "function", use: "to give way to the event loop" },
  { path: "v86.yield_callback", type: "function", use: "to go on after giving way" },
  { path: "v86.unregister_yield", type: "function", use: "to end the CPU" },
  { path: "v86.cpu.wasm_memory.buffer", type: "object", use: "to reach guest memory" },
  { path: "v86.cpu.mem8.byteOffset", type: "number", use: "to find guest memory" },
  { path: "v86.cpu.mem8.length", type: "number", use: "to know how much memory the guest has" },
  { path: "v86.cpu.instruction_counter.0", type: "number", use: "to count guest instructions" },
  { path: "v86.cpu.flags.0", type: "number", use: "to know whether the guest takes interrupts" },
  { path: "v86.cpu.idtr_size.0", type: "number", use: "to tell a triple fault from a crash" },
  { path: "v86.cpu.io.register_read", type: "function", use: "to answer I/O ports" },
  { path: "v86.cpu.io.register_write", type: "function", use: "to take writes to I/O ports" },
  { path: "v86.cpu.io.mmap_register", type: "function", use: "to answer device memory" },
  { path: "v86.cpu.mmap_write16", type: "function", use: "to get a 16-bit doorbell in one piece" },
  { path: "v86.cpu.main_loop", type: "function", use: "to know when guest code runs, and to catch crashes" },
  { path: "v86.cpu.run_hardware_timers", type: "function", use: "to give timers the guest's time" },
  { path: "v86.cpu.reboot_internal", type: "function", use: "to reset the machine when the guest asks" },
  { path: "v86.cpu.handle_irqs", type: "function", use: "to deliver interrupts between slices" },
  {
    path: "v86.cpu.jit_dirty_cache",
    type: "function",
    use: "to drop code compiled from memory that a device wrote",
  },
  { path: "v86.cpu.set_jit_config", type: "function", use: "to keep compiled pieces of guest code small" },
  { path: "v86.cpu.get_pic_addr_master", type: "function", use: "to set interrupt lines" },
  { path: "v86.cpu.get_pic_addr_slave", type: "function", use: "to set interrupt lines" },
  { path: "v86.cpu.get_apic_addr", type: "function", use: "to deliver interrupts" },
  { path: "v86.cpu.get_ioapic_addr", type: "function", use: "to route interrupts" },
];

/**
 * Checks the whole contract, or these paths of it while v86 is still being built.
 * @throws V86ContractError with one plain sentence for each internal that is missing or of another kind.
 */
export function assertContract(emulator: unknown, paths?: readonly string[]): void {
  const part = CONTRACT.filter(({ path }) => paths?.includes(path) ?? true);
  const faults = part.flatMap(({ path, type, use }) => {
    const value = path
      .split(".")
      .reduce<unknown>((object, key) => (object as Record<string, unknown> | undefined)?.[key], emulator);
    const found = value === null || value === undefined ? "missing" : typeof value;
    return found === type ? [] : [`${path} is ${found} (expected: ${type}), which Ringside needs ${use}.`];
  });
  if (faults.length > 0)
    throw new V86ContractError(`This version of v86 does not fit Ringside: ${faults.join(" ")}`);
}
