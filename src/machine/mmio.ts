import { type Cpu, MMIO_BLOCK } from "./cpu.ts";

/** A device's memory, addressed from 0. Widths are 1, 2 or 4 bytes. */
export interface MmioRegion {
  read(offset: number, width: number): number;
  write(offset: number, width: number, value: number): void;
}

const PAGE = 0x1000;

/** Physical address space outside RAM, in pages of 4 KiB: many small devices share one of v86's 128 KiB blocks. */
export class MmioBus {
  readonly #cpu: Cpu;
  readonly #blocks = new Map<number, (Mapping | undefined)[]>();

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
  }

  /** Lets `region` answer for [start, start + size); both multiples of 4 KiB. Takes over what was there. */
  map(start: number, size: number, region: MmioRegion): void {
    const mapping = { start, region };
    for (let page = start; page < start + size; page += PAGE) this.#pages(page)[pageInBlock(page)] = mapping;
  }

  /** Takes `region` away again: its addresses read as all ones, unless another one was mapped over it. */
  unmap(start: number, size: number, region: MmioRegion): void {
    for (let page = start; page < start + size; page += PAGE) {
      const pages = this.#pages(page);
      if (pages[pageInBlock(page)]?.region === region) pages[pageInBlock(page)] = undefined;
    }
  }

  #pages(address: number): (Mapping | undefined)[] {
    const block = address - (address % MMIO_BLOCK);
    let pages = this.#blocks.get(block);
    if (!pages) {
      pages = new Array<Mapping | undefined>(MMIO_BLOCK / PAGE).fill(undefined);
      this.#blocks.set(block, pages);
      this.#connect(block, pages);
    }
    return pages;
  }

  #connect(block: number, pages: (Mapping | undefined)[]): void {
    this.#cpu.onBlock(block, {
      read: (address, width) => {
        const mapping = pages[pageInBlock(address)];
        return mapping
          ? mapping.region.read(address - mapping.start, width)
          : width === 1
            ? 0xff
            : 0xffffffff;
      },
      write: (address, width, value) => {
        const mapping = pages[pageInBlock(address)];
        mapping?.region.write(address - mapping.start, width, value);
      },
    });
  }
}

interface Mapping {
  start: number;
  region: MmioRegion;
}

function pageInBlock(address: number): number {
  return (address % MMIO_BLOCK) >>> 12;
}
