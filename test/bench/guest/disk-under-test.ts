/** A guest's disk: where it is, and what the guest's own kernel says about it. */
import type { PeerName } from "./protocol.ts";
import type { PortRange } from "./plain-v86.ts";
import type { GuestSession } from "./session.ts";

/** What the guest's kernel has counted so far. */
export interface KernelCounts {
  /** Completed reads and writes of the disk (the kernel's Documentation/block/stat.rst). */
  requests: number;
  interrupts: number;
}

export class DiskUnderTest {
  readonly session: GuestSession;
  /** As in /dev. */
  readonly name: string;
  /** How /proc/interrupts calls it, before the `-req.0` of a queue with a vector of its own. */
  readonly #interruptName: string;

  private constructor(session: GuestSession, name: string, interruptName: string) {
    this.session = session;
    this.name = name;
    this.#interruptName = interruptName;
  }

  /** Has the guest find its disk. */
  static async find(session: GuestSession, peer: PeerName): Promise<DiskUnderTest> {
    if (peer === "ours") {
      const device = await session.output("readlink -f /sys/block/vda/device");
      return new DiskUnderTest(session, "vda", device.trim().split("/").at(-1)!);
    }
    await session.output(". /bench/ide");
    // The controller is probed in the background.
    await session.output(
      "n=0; until [ -b /dev/sda ]; do [ $((n += 1)) -le 100 ] || break; usleep 100000; done; [ -b /dev/sda ]",
    );
    // As the image's /init does for virtio disks: the disks are compared, not what the kernel puts before them.
    await session.output("echo none >/sys/block/sda/queue/scheduler");
    return new DiskUnderTest(session, "sda", "ata_piix");
  }

  async counts(): Promise<KernelCounts> {
    const stat = (await this.session.output(`cat /sys/block/${this.name}/stat`))
      .trim()
      .split(/\s+/)
      .map(Number);
    const interrupts = (await this.session.output("cat /proc/interrupts"))
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter((words) => words.at(-1)!.split("-")[0] === this.#interruptName);
    if (interrupts.length === 0)
      throw new Error(`No interrupt of ${this.#interruptName} in /proc/interrupts.`);
    return {
      requests: stat[0]! + stat[4]!,
      interrupts: interrupts.reduce((sum, words) => sum + Number(words[1]), 0),
    };
  }

  /** The I/O ports of the IDE controller. */
  async ports(): Promise<PortRange[]> {
    const lines = await this.session.output("cat /proc/ioports");
    const ranges = [...lines.matchAll(/([0-9a-f]{4})-([0-9a-f]{4}) : ata_piix/g)];
    if (ranges.length === 0) throw new Error("No ports of ata_piix in /proc/ioports.");
    return ranges.map(([, first, last]) => ({ first: parseInt(first!, 16), last: parseInt(last!, 16) }));
  }

  /** Empties the page cache, so that the disk is read again. */
  async forget(): Promise<void> {
    await this.session.output("sync; echo 3 >/proc/sys/vm/drop_caches");
  }
}
