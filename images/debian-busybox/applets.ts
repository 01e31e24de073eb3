/** Which programs a busybox binary contains. It could list them itself, but only on a machine that runs i386 code. */
import { ImageBuildError } from "../errors.ts";

/** The applets' names, from the table in the binary: names in order, each ended by a zero byte, "[" first. */
export function applets(busybox: Uint8Array): string[] {
  const bytes = Buffer.from(busybox.buffer, busybox.byteOffset, busybox.byteLength);
  const start = bytes.indexOf("\0[\0[[\0", 0, "latin1") + 1;
  const end = bytes.indexOf("\0\0", start, "latin1");
  const names = start > 0 && end > 0 ? bytes.toString("latin1", start, end).split("\0") : [];
  const plausible = names.length > 100 && names.every((name) => /^[a-z0-9_.[-]+$/.test(name));
  const needed = ["init", "modprobe", "mount", "poweroff", "sh"].filter((name) => !names.includes(name));
  if (!plausible || needed.length > 0) {
    throw new ImageBuildError(
      plausible
        ? `This busybox lacks ${needed.join(", ")}.`
        : "The table of applets in the busybox binary is not where it used to be.",
    );
  }
  return names;
}
