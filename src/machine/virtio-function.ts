import type { VirtioDevice } from "../virtio/device.ts";
import type { GuestMemory } from "../virtio/memory.ts";
import type { InterruptLine } from "../virtio/transport/mmio.ts";
import { LegacyPci } from "../virtio/transport/pci-legacy.ts";
import { VirtioPci } from "../virtio/transport/pci.ts";
import type { MessageSink } from "./interrupts.ts";
import { Msix } from "./msix.ts";
import type { PciBus } from "./pci.ts";
import type { Bar, PciFunction } from "./pci-function.ts";

export interface VirtioFunctionOptions {
  /** On the bus, 1 to 31. */
  slot: number;
  memory: GuestMemory;
  /** The wire of INTA#, and its number for the interrupt line register. */
  interrupt: { line: InterruptLine; irq: number };
  messages: MessageSink;
  /** Entries of the MSI-X table; 0: no MSI-X. As many as there are queues and one more unless given. */
  vectors?: number | undefined;
  /** With the legacy interface besides the modern one. */
  transitional: boolean;
}

/** As QEMU has them: the modern structures move when the legacy interface has to be in BAR 0. */
const BAR = { LEGACY: 0, MODERN: 0, MSIX: 1, TRANSITIONAL_MODERN: 4 } as const;
const CAPABILITY_VENDOR = 0x09;

/**
 * Puts a virtio device as a PCI function on the bus: its register files, MSI-X and configuration space.
 * @throws RangeError when there is no such slot, no transitional device of its type, or too many vectors.
 */
export function plugVirtio(
  bus: Pick<PciBus, "add" | "allocate">,
  device: VirtioDevice,
  options: VirtioFunctionOptions,
): PciFunction {
  const { slot, memory, interrupt, messages, transitional } = options;
  const vectors = options.vectors ?? device.queues.length + 1;
  const msix =
    vectors === 0
      ? undefined
      : new Msix(vectors, {
          // A message is a write to memory like any other: not without the right to make one.
          send: (address, data) => {
            if (pciFunction.busMaster) messages.send(address, data);
          },
        });
  const line: InterruptLine = { set: (asserted) => pciFunction.interrupt.set(asserted) };
  const transport = new VirtioPci(device, line, { transitional, ...(msix && { messages: msix }) });

  const place = (bar: Omit<Bar, "address">): Bar => ({ ...bar, address: bus.allocate(bar.space, bar.size) });
  const modern = transitional ? BAR.TRANSITIONAL_MODERN : BAR.MODERN;
  const bars = [place({ index: modern, space: "memory", size: VirtioPci.barSize, region: transport })];
  const capabilities = transport.capabilities(modern).map((fields) => ({ id: CAPABILITY_VENDOR, ...fields }));
  if (msix) {
    msix.onAccess = (offset, width, write, value) =>
      transport.observe((at) => msix.nameAt(at), offset, width, write, value);
    bars.push(place({ index: BAR.MSIX, space: "memory", size: msix.barSize, region: msix.region }));
    capabilities.push(msix.capability(BAR.MSIX));
  }
  if (transitional) {
    const legacy = new LegacyPci(transport);
    bars.push(place({ index: BAR.LEGACY, space: "ports", size: legacy.size, region: legacy }));
  }

  const pciFunction: PciFunction = bus.add(slot, {
    identity: transport.identity,
    bars,
    capabilities,
    interrupt,
    ...(msix && { messages: msix }),
  });
  device.connect(memory, transport);
  device.setBusMaster(false);
  pciFunction.onCommand = () => device.setBusMaster(pciFunction.busMaster);
  return pciFunction;
}
