import { join } from "node:path";
import { openMachine } from "../../src/node/index.ts";
import { BASE_LINES, INSTALL, LIBRARY } from "./guest.ts";

/** Makes a raw disk image with an ext4 file system and a file in it, by a guest; resolves with its path. */
export async function makeBase(folder: string): Promise<string> {
  const path = join(folder, "base.raw");
  const machine = await openMachine(`memory=96M&device=blk,id=base,store=file,path=${path},size=48M`);
  try {
    await run(INSTALL);
    await run(`. ${LIBRARY}; make base && seq ${BASE_LINES} >/mnt/base/text && umount /mnt/base`);
  } finally {
    await machine.dispose();
  }
  return path;

  async function run(command: string): Promise<void> {
    const { status, stdout, stderr } = await machine.run(command);
    if (status !== 0) throw new Error(`The guest could not make the base (${status}): ${stdout}${stderr}`);
  }
}
