import { PciCap } from "../spec.ts";

/** A vendor-specific capability of a PCI function. */
export interface VendorCapability {
  /** What follows the ID and the pointer to the next one. */
  bytes: Uint8Array;
  /** The bits of `bytes` that the driver may write; none unless given. */
  writable?: Uint8Array;
  /** Told of a write to it, which changes nothing. */
  onRefused?: () => void;
  /** Four bytes at `offset` in `bytes` that stand for something else; both calls get the capability as it is now. */
  window?: {
    offset: number;
    read(capability: DataView): number;
    write(capability: DataView, value: number): void;
  };
}

/** Where one of the structures of 4.1.4 lies in its BAR. */
export interface Structure {
  offset: number;
  length: number;
}

/** What the configuration access capability reaches. */
export interface AccessTarget {
  /** The structures that other capabilities announce, all in BAR number `bar`. */
  bar: number;
  structures: readonly Structure[];
  read(offset: number, width: number): number;
  write(offset: number, width: number, value: number): void;
  /** Told of a write while the fields describe no access to a structure (4.1.4.9.2). */
  misaimed(offset: number, length: number): void;
}

/** struct virtio_pci_cap from cap_len on (4.1.4), with 4 more bytes when there is `extra`. */
export function structureCapability(
  type: number,
  bar: number,
  { offset, length }: Structure,
  extra?: number,
): VendorCapability {
  const bytes = new Uint8Array(extra === undefined ? 14 : 18);
  const view = new DataView(bytes.buffer);
  bytes[0] = bytes.length + 2;
  bytes[1] = type;
  bytes[2] = bar;
  view.setUint32(6, offset, true);
  view.setUint32(10, length, true);
  if (extra !== undefined) view.setUint32(14, extra, true);
  return { bytes };
}

/** 4.1.4.9: every structure also through configuration space, for a driver that cannot map the BAR yet. */
export function accessCapability(target: AccessTarget): VendorCapability {
  const writable = new Uint8Array(18).fill(0xff);
  writable.fill(0, 0, 2).fill(0, 3, 6); // cap_len, cfg_type; id and padding
  return {
    ...structureCapability(PciCap.PCI, target.bar, { offset: 0, length: 0 }, 0),
    writable,
    window: {
      offset: 14, // pci_cfg_data
      // Silent where it stands for nothing: lspci -xxx reads all of configuration space.
      read: (view) => (standsForRegisters(view, target) ? target.read(...aim(view)) : 0),
      write: (view, value) => {
        const [offset, length] = aim(view);
        if (!standsForRegisters(view, target)) target.misaimed(offset, length);
        else target.write(offset, length, length === 4 ? value : value & (2 ** (8 * length) - 1));
      },
    },
  };
}

/** Whether the capability's fields describe an access to a structure. */
function standsForRegisters(view: DataView, { bar, structures }: AccessTarget): boolean {
  const [offset, length] = aim(view);
  const inside = structures.some(
    (structure) => offset >= structure.offset && offset + length <= structure.offset + structure.length,
  );
  return view.getUint8(2) === bar && inside && [1, 2, 4].includes(length) && offset % length === 0;
}

/** Offset and length as they stand in a capability. */
function aim(view: DataView): [offset: number, length: number] {
  return [view.getUint32(6, true), view.getUint32(10, true)];
}
