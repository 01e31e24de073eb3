import { type Cpu, MMIO_BLOCK } from "./cpu.ts";

/** A device's memory, addressed from 0. Widths are 1, 2 or 4 bytes. */
export interface MmioRegion {
  read(offset: number, width: number): number;
  write(offset: number, width: number, value: number): void;
}

const PAGE = 0x1000;

/** Physical address space outside RAM, in pages of 4 KiB: many small devices share one of v86's 128 KiB blocks. */
export class MmioBus {
  readonly #cpu: Pick<Cpu, "onBlock">;
  readonly #blocks = new Map<number, (Mapping | undefined)[]>();
  /** In the order in which they were made: where several lie over each other, the last one answers. */
  readonly #mappings: Mapping[] = [];

  constructor(cpu: Pick<Cpu, "onBlock">) {
    this.#cpu = cpu;
  }

  /** Lets `region` answer for [start, start + size); both multiples of 4 KiB. Takes over what was there. */
  map(start: number, size: number, region: MmioRegion): void {
    const mapping = { start, end: start + size, region };
    this.#mappings.push(mapping);
    for (let page = start; page < mapping.end; page += PAGE) this.#pages(page)[pageInBlock(page)] = mapping;
  }

  /** Takes `region` away again: what lay under it answers now, or its addresses read as all ones. */
  unmap(start: number, size: number, region: MmioRegion): void {
    const index = this.#mappings.findLastIndex(
      (mapping) => mapping.start === start && mapping.region === region,
    );
    if (index >= 0) this.#mappings.splice(index, 1);
    for (let page = start; page < start + size; page += PAGE) {
      this.#pages(page)[pageInBlock(page)] = this.#mappings.findLast(
        (mapping) => page >= mapping.start && page < mapping.end,
      );
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
  end: number;
  region: MmioRegion;
}

function pageInBlock(address: number): number {
  return (address % MMIO_BLOCK) >>> 12;
}
