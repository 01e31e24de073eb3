import type { Cpu } from "./cpu.ts";
import type { MmioRegion } from "./mmio.ts";

/** I/O ports of PCI functions, which the guest may move: where several lie over each other, the last one answers. */
export class PortBus {
  readonly #cpu: Pick<Cpu, "onPort">;
  readonly #mappings: Mapping[] = [];
  /** Who answers at each port that was ever mapped. v86 cannot give a port back, so these stay ours. */
  readonly #owners = new Map<number, Mapping | undefined>();

  constructor(cpu: Pick<Cpu, "onPort">) {
    this.#cpu = cpu;
  }

  /** Lets `region` answer for the ports [start, start + size). Takes over what was there. */
  map(start: number, size: number, region: MmioRegion): void {
    const mapping = { start, end: start + size, region };
    this.#mappings.push(mapping);
    for (let port = start; port < mapping.end; port++) {
      if (!this.#owners.has(port)) this.#connect(port);
      this.#owners.set(port, mapping);
    }
  }

  /** Takes `region` away again: what lay under it answers now, or the ports read as all ones. */
  unmap(start: number, size: number, region: MmioRegion): void {
    const index = this.#mappings.findLastIndex(
      (mapping) => mapping.start === start && mapping.region === region,
    );
    if (index >= 0) this.#mappings.splice(index, 1);
    for (let port = start; port < start + size; port++) {
      this.#owners.set(
        port,
        this.#mappings.findLast((mapping) => port >= mapping.start && port < mapping.end),
      );
    }
  }

  #connect(port: number): void {
    const read = (width: number): number => {
      const mapping = this.#owners.get(port);
      return mapping ? mapping.region.read(port - mapping.start, width) : 2 ** (8 * width) - 1;
    };
    const write = (width: number, value: number): void => {
      const mapping = this.#owners.get(port);
      mapping?.region.write(port - mapping.start, width, value);
    };
    this.#cpu.onPort(port, {
      read8: () => read(1),
      read16: () => read(2),
      read32: () => read(4) | 0,
      write8: (value) => write(1, value & 0xff),
      write16: (value) => write(2, value & 0xffff),
      write32: (value) => write(4, value >>> 0),
    });
  }
}

interface Mapping {
  start: number;
  end: number;
  region: MmioRegion;
}
