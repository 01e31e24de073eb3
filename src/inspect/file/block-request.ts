import { Block } from "../../virtio/spec.ts";

/** What the header of a block request says (5.2.6), as far as the sample has it. */
export function blockRequest(sample: Uint8Array): { name: string; sector: number | undefined } | undefined {
  if (sample.length < Block.HEADER_BYTES) return undefined;
  const view = new DataView(sample.buffer, sample.byteOffset);
  const type = view.getUint32(0, true);
  const moves = type === Block.IN || type === Block.OUT;
  return {
    name: NAMES[type] ?? `request of type ${type}`,
    sector: moves ? Number(view.getBigUint64(8, true)) : undefined,
  };
}

const NAMES: Readonly<Record<number, string>> = {
  [Block.IN]: "read",
  [Block.OUT]: "write",
  [Block.FLUSH]: "flush",
  [Block.GET_ID]: "get ID",
  [Block.DISCARD]: "discard",
  [Block.WRITE_ZEROES]: "write zeroes",
  [Block.SECURE_ERASE]: "secure erase",
};
