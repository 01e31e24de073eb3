import type { Driver } from "./driver.ts";
import { MmioTransport } from "./transport.ts";
import { PciTransport } from "./pci-transport.ts";

/** Resets queue `index` alone (2.6.1): queue_reset (4.1.4.3) or QueueReset (4.2.2). @throws where there is no such register. */
export function resetQueue({ transport }: Driver, index: number): void {
  transport.selectQueue(index);
  if (transport instanceof PciTransport) transport.write(0x3a, 2, 1);
  else if (transport instanceof MmioTransport) transport.registers.write(0xc0, 4, 1);
  else throw new TypeError("a transport without queue reset");
}
