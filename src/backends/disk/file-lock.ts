import { spawnSync } from "node:child_process";
import { DiskBusyError, DiskError } from "./errors.ts";

/** Exit status that we ask of flock(1) when the lock is taken; none of its own (sysexits are 64 and up, 1 is general). */
const TAKEN = 42;

/**
 * Locks an open file against other machines, in this process or another; shared among readers.
 *
 * Node has no flock(2), but flock(1) of util-linux can lock a descriptor that it inherits: the lock belongs to the open
 * file description, so it stays ours when the program has ended, and the kernel lets go of it when the descriptor is
 * closed, even by SIGKILL. A lock file with a process number in it would go stale, mistake another process for the
 * owner, miss hard and symbolic links, and need a directory that can be written.
 *
 * @param fd   the open file
 * @param path for messages
 * @throws DiskBusyError when another holds it, DiskError "blocked" when the system cannot lock
 */
export function lockFile(fd: number, path: string, mode: "exclusive" | "shared"): void {
  const result = spawnSync(
    "flock",
    ["--nonblock", "--conflict-exit-code", `${TAKEN}`, mode === "shared" ? "--shared" : "--exclusive", "3"],
    { stdio: ["ignore", "ignore", "pipe", fd], encoding: "utf8" },
  );
  if (result.error) {
    throw new DiskError(
      "blocked",
      `The disk file ${path} cannot be locked: the program "flock" did not start (${result.error.message}). ` +
        "It is part of util-linux.",
      { cause: result.error },
    );
  }
  if (result.status === TAKEN) {
    throw new DiskBusyError(`The disk file ${path} is open in another machine.`);
  }
  if (result.status !== 0) {
    throw new DiskError("blocked", `The disk file ${path} cannot be locked: ${result.stderr.trim()}`);
  }
}
