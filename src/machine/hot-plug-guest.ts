/**
 * What the guest is asked to do when a disk comes or goes. There is no hot-plug controller in this machine, so that Linux
 * has to be told to look at the PCI bus, and to let go of a function: by sysfs, through the agent or by the person.
 */
import type { ConsoleSink } from "../virtio/console.ts";
import type { GuestAgent } from "./agent.ts";

/** What a person types where no agent answers. */
export const RESCAN = "echo 1 >/sys/bus/pci/rescan";

/** The same for a function that is to go. `place` is as in `00:05.0`. */
export function removal(place: string): string {
  return `echo 1 >${folder(place)}/remove`;
}

/** Exit statuses of the scripts below; others are somebody else's. */
const STATUS = { inUse: 91, failed: 92 } as const;

export type GuestAnswer =
  | { done: true }
  /** `reason` is the end of a sentence: "mounted at /mnt". */
  | { done: false; inUse: boolean; reason: string };

/** Has Linux find the function at `place` and its driver. */
export function askToRescan(agent: GuestAgent, place: string, signal: AbortSignal): Promise<GuestAnswer> {
  return ask(
    agent,
    `
d=${folder(place)}
fail() { echo "$1"; exit ${STATUS.failed}; }
modprobe -q -a virtio_pci virtio_blk >/dev/null 2>&1 # nobody needed it so far; or they are built in
[ -w /sys/bus/pci/rescan ] || fail "it has no /sys/bus/pci/rescan"
${RESCAN} || fail "it could not search its PCI bus"
[ -e $d ] || fail "it found nothing new on its PCI bus"
# As the images do for disks that were there at the start: nothing behind them has an arm to spare.
for scheduler in $d/virtio*/block/*/queue/scheduler; do
  [ ! -e "$scheduler" ] || echo none >"$scheduler"
done 2>/dev/null
exit 0`,
    signal,
  );
}

/** Has Linux let go of the function at `place`, and, unless `force`, only when nothing in the guest uses its disk. */
export function askToRemove(
  agent: GuestAgent,
  place: string,
  force: boolean,
  signal: AbortSignal,
): Promise<GuestAnswer> {
  return ask(
    agent,
    `
d=${folder(place)}
fail() { echo "$1"; exit ${STATUS.failed}; }
[ -e $d ] || exit 0
${force ? "" : CHECKS}
${removal(place)} || fail "it did not remove the device"
[ ! -e $d ] || fail "it kept the device"`,
    signal,
  );
}

/**
 * Looks for mounts (of every process: they may have file systems of their own), swap, device mapper and md, loop devices,
 * open files, and last for anything else that has claimed the disk, which makes Linux refuse to read its partitions anew.
 */
const CHECKS = `
used() { echo "$1"; exit ${STATUS.inUse}; }
for b in $d/virtio*/block/*; do
  [ -e "$b/dev" ] || continue
  disk=\${b##*/} names=
  for part in "$b" "$b/$disk"*; do
    [ -e "$part/dev" ] || continue
    name=\${part##*/}
    names="$names\${names:+|}$name"
    read -r number <"$part/dev"
    mount=$(grep -hm1 -E "^[0-9]+ [0-9]+ $number | /dev/$name [^ ]*$" /proc/[0-9]*/mountinfo 2>/dev/null)
    if [ "$mount" ]; then
      set -f; set -- $mount
      used "$name is mounted at $5"
    fi
    for holder in "$part"/holders/*; do
      [ ! -e "$holder" ] || used "\${holder##*/} is made of $name"
    done
  done
  while read -r area rest; do
    case "|$names|" in *"|\${area#/dev/}|"*) used "\${area#/dev/} is swap space" ;; esac
  done </proc/swaps
  for loop in /sys/block/loop*/loop/backing_file; do
    [ -e "$loop" ] && read -r file <"$loop" || continue
    case "|$names|" in *"|\${file#/dev/}|"*) used "a loop device stands on \${file#/dev/}" ;; esac
  done
  process=$(ls -l /proc/[0-9]*/fd 2>/dev/null | awk -v names="$names" '
    BEGIN { open = " -> /dev/(" names ")$" }
    /^\\/proc\\// { split($0, path, "/"); process = path[3] }
    $0 ~ open { print process; exit }')
  if [ "$process" ]; then
    name=
    read -r name 2>/dev/null </proc/$process/comm
    used "the process $process ($name) has it open"
  fi
  claimed=$(LC_ALL=C blockdev --rereadpt "/dev/$disk" 2>&1) || case $claimed in
    *[Bb]usy*) used "the kernel uses $disk" ;;
  esac
done`;

function folder(place: string): string {
  return `/sys/bus/pci/devices/0000:${place}`;
}

async function ask(agent: GuestAgent, script: string, signal: AbortSignal): Promise<GuestAnswer> {
  const said = new Sentence();
  const status = await agent.run(script, { stdout: said, signal });
  if (status === 0) return { done: true };
  const known = status === STATUS.inUse || status === STATUS.failed;
  const reason = known && said.text !== "" ? said.text : `its shell ended with ${status}`;
  return { done: false, inUse: status === STATUS.inUse, reason };
}

/** Bytes of what the guest says that a person gets to see. */
const LONGEST = 200;

/** What a guest said, fit for a message: short, one line, nothing that could move a cursor. */
class Sentence implements ConsoleSink {
  readonly #bytes = new Uint8Array(LONGEST);
  #length = 0;

  write(data: Uint8Array): undefined {
    const piece = data.subarray(0, LONGEST - this.#length);
    this.#bytes.set(piece, this.#length);
    this.#length += piece.length;
  }

  get text(): string {
    const text = new TextDecoder().decode(this.#bytes.subarray(0, this.#length));
    return text.trim().replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\ufffd");
  }
}
