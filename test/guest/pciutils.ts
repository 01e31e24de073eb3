/** Debian's lspci for the guest: an archive on a disk, unpacked there with busybox's cpio. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeCpio } from "../../images/pack/cpio.ts";
import { CACHE, commandIn, type GuestProgram, programEntries } from "./programs.ts";
import type { Guest } from "./support.ts";

const LSPCI: GuestProgram = {
  name: "lspci",
  packages: "pciutils pci.ids libpci3 libkmod2 libudev1 zlib1g liblzma5 libzstd1 libssl3 libc6".split(" "),
  path: "usr/bin/lspci",
  // The names of vendors and devices.
  files: { "pci.ids": "usr/share/misc/pci.ids" },
};

/** The options of a disk with lspci on it, for `boot`; see `unpackLspci`. */
export async function lspciDisk(): Promise<string> {
  const entries = await programEntries(LSPCI);
  const archive = join(CACHE, LSPCI.name, "lspci.cpio");
  await writeFile(archive, writeCpio(entries, 0));
  return `device=blk,id=lspci,store=file,path=${archive},readonly=on,transport=mmio`;
}

/** Unpacks the archive in a guest that has that disk; returns the command that is lspci there. */
export async function unpackLspci({ sh }: Guest): Promise<string> {
  await sh(
    "mkdir /lspci; cd /lspci; cpio -id <$(grep -l '^lspci$' /sys/block/vd*/serial | sed 's,/sys/block/\\(.*\\)/serial,/dev/\\1,') 2>/dev/null",
  );
  return `${commandIn("/lspci", LSPCI)} -i /lspci/pci.ids`;
}
