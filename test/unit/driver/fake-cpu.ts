import { type BlockHandlers, MMIO_BLOCK, type PortHandlers } from "../../../src/machine/cpu.ts";

/** The I/O ports and physical addresses of a CPU that runs nothing: the test makes the accesses. */
export class FakeCpu {
  readonly ports = new Map<number, PortHandlers>();
  readonly blocks = new Map<number, BlockHandlers>();

  onPort(port: number, handlers: PortHandlers): void {
    this.ports.set(port, { ...this.ports.get(port), ...handlers });
  }

  onBlock(start: number, handlers: BlockHandlers): void {
    if (start % MMIO_BLOCK !== 0) throw new RangeError("not a block");
    this.blocks.set(start, handlers);
  }

  /** `undefined` when nobody decodes an access of this width. Unsigned. */
  in(port: number, width: 1 | 2 | 4): number | undefined {
    const value = this.ports.get(port)?.[`read${(8 * width) as 8 | 16 | 32}`]?.();
    return value === undefined ? undefined : value >>> 0;
  }

  out(port: number, width: 1 | 2 | 4, value: number): void {
    this.ports.get(port)?.[`write${(8 * width) as 8 | 16 | 32}`]?.(width === 4 ? value | 0 : value);
  }

  /** All ones where nobody ever mapped anything, as v86 does. */
  read(address: number, width: 1 | 4): number {
    const block = this.blocks.get(address - (address % MMIO_BLOCK));
    return block ? block.read(address, width) : width === 1 ? 0xff : 0xffffffff;
  }

  write(address: number, width: 1 | 2 | 4, value: number): void {
    this.blocks.get(address - (address % MMIO_BLOCK))?.write(address, width, value);
  }
}
