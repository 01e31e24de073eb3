/** A lock between processes of one machine: a file that names its holder. A holder that died holds nothing. */
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { readFileSync } from "node:fs";

/**
 * Waits for the lock (`onWait` is called once if it must), runs `work`, and releases the lock. The holder is a process:
 * within one, take it once at a time.
 */
export async function withLock<T>(path: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  const me = identity(process.pid);
  let waiting = false;
  for (;;) {
    const outcome = await take(path, me);
    if (outcome === "taken") break;
    if (outcome === "freed") continue;
    if (!waiting) onWait();
    waiting = true;
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** "freed": its holder is dead and its file taken away, so that it can be tried again at once. */
async function take(path: string, me: string): Promise<"taken" | "held" | "freed"> {
  // Linked, not written, into place: whoever sees the file sees its holder.
  const candidate = `${path}.${process.pid}.new`;
  await writeFile(candidate, me);
  try {
    await link(candidate, path);
    return "taken";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(candidate, { force: true });
  }
  const holder = await readFile(path, "utf8").catch(() => me);
  if (holder !== "" && holder === identity(Number.parseInt(holder, 10))) return "held";
  await removeStale(path, holder);
  return "freed";
}

/** Takes the dead holder's file away; if another process did so and took the lock in between, gives it back. */
async function removeStale(path: string, holder: string): Promise<void> {
  const aside = `${path}.${process.pid}`;
  try {
    await rename(path, aside);
    if ((await readFile(aside, "utf8")) !== holder) await link(aside, path);
  } catch {
    // Someone else was quicker, which is as good.
  } finally {
    await rm(aside, { force: true });
  }
}

/** A process number, with its start time where the system tells it: numbers are used again. "" for no such process. */
function identity(pid: number): string {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return "";
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return `${pid} ${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""}`;
  } catch {
    return `${pid}`;
  }
}
