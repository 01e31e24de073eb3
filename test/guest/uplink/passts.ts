import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Processes of passt in this namespace. */
export function passts(): number[] {
  const mine = readlinkSync("/proc/self/ns/net");
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const name = readFileSync(`/proc/${pid}/comm`, "utf8");
        return name.startsWith("passt") && readlinkSync(`/proc/${pid}/ns/net`) === mine;
      } catch {
        return false; // it is gone, or somebody else's
      }
    })
    .map(Number);
}
