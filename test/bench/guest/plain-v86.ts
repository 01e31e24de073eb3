/** The part of v86 that the benchmark uses when it runs v86 by itself, without Ringside. */
import { V86 } from "v86";

export interface PlainV86 {
  add_listener(event: "serial0-output-byte", listener: (byte: number) => void): void;
  add_listener(event: "virtio-console0-output-bytes", listener: (bytes: Uint8Array) => void): void;
  serial0_send(text: string): void;
  run(): Promise<void>;
  stop(): Promise<void>;
  destroy(): Promise<void>;
  readonly v86: { readonly cpu: PlainCpu };
}

interface PlainCpu {
  /** 32 bits, wraps. */
  readonly instruction_counter: { readonly [index: number]: number };
  /** Looked up at every access, so that an instance can replace them. */
  readonly io: Record<PortFunction, (port: number, value?: number) => number>;
}

const PORT_FUNCTIONS = [
  ...(["port_read8", "port_read16", "port_read32"] as const),
  ...(["port_write8", "port_write16", "port_write32"] as const),
];
type PortFunction = (typeof PORT_FUNCTIONS)[number];

export interface PlainV86Options {
  wasm_path: string;
  bios: { buffer: ArrayBuffer };
  vga_bios: { buffer: ArrayBuffer };
  bzimage: { buffer: ArrayBuffer };
  initrd: { buffer: ArrayBuffer };
  cmdline: string;
  /** Bytes. */
  memory_size: number;
  hda?: { buffer: ArrayBuffer } | { url: string; async: true; size: number };
  hdb?: { buffer: ArrayBuffer };
  virtio_console?: boolean;
  net_device?: { type: "virtio" | "ne2k"; relay_url: string };
}

/** v86 as its own documentation has it, without the parts that need a page. */
export function newPlainV86(options: PlainV86Options): PlainV86 {
  return new V86({
    net_device: { type: "none" },
    ...options,
    autostart: true,
    disable_keyboard: true,
    disable_mouse: true,
    disable_speaker: true,
  } as object) as unknown as PlainV86;
}

/** A range of I/O ports, both ends in it. */
export interface PortRange {
  first: number;
  last: number;
}

/** Counts the guest's accesses to these ports from now on. It costs time: not for runs whose time is measured. */
export function countPortAccesses(emulator: PlainV86, ranges: readonly PortRange[]): () => number {
  const { io } = emulator.v86.cpu;
  const counted = new Uint8Array(0x10000);
  for (const { first, last } of ranges) counted.fill(1, first, last + 1);
  let count = 0;
  for (const name of PORT_FUNCTIONS) {
    const original = io[name].bind(io);
    io[name] = (port, value) => {
      count += counted[port & 0xffff]!;
      return original(port, value);
    };
  }
  return () => count;
}
