import { BLOCK, FILES_KEPT, FILE_EVERY, RING, blockText } from "./guest.ts";

/** Something that was synced and is not there, or that was never written. */
export class Loss extends Error {
  override readonly name = "Loss";
}

/** What one disk has to hold: which blocks were logged as durable, and which may have been begun. */
export class Ledger {
  readonly disk: string;
  /** The next block to write. */
  next = 1;
  /** The last block that was logged; what is behind it up to `next` was begun, and may be there. */
  #logged = 0;
  /** Numbers below `next` that were not logged, of all runs. */
  readonly #unknown = new Set<number>();

  constructor(disk: string) {
    this.disk = disk;
  }

  get logged(): number {
    return this.next - 1 - this.#unknown.size;
  }

  /** Blocks from `next` on are about to be written; returns the first. */
  begin(count: number): number {
    const first = this.next;
    for (let n = first; n < first + count; n++) this.#unknown.add(n);
    this.next += count;
    return first;
  }

  /** They were written and synced. */
  log(first: number, count: number): void {
    for (let n = first; n < first + count; n++) this.#unknown.delete(n);
    this.#logged = Math.max(this.#logged, first + count - 1);
  }

  /** Compares with what the guest dumped. Throws a Loss. Returns how many logged blocks and files were looked at. */
  verify(dump: string): number {
    const files = parse(dump);
    let checked = this.#verifyRing(files.get("ring") ?? "");
    for (let n = this.#firstFile(); n < this.next; n += FILE_EVERY) {
      if (this.#unknown.has(n)) continue;
      const content = files.get(`d/${n}`);
      if (content === undefined) throw this.#loss(`the file d/${n}, which was synced, is not there`);
      if (content !== blockText(n)) throw this.#loss(`the file d/${n} is not what was synced`);
      checked++;
    }
    for (const name of files.keys()) {
      const n = Number(name.slice(2));
      if (name !== "ring" && !(n < this.next && n % FILE_EVERY === 0))
        throw this.#loss(`${name} was never written`);
    }
    return checked;
  }

  #verifyRing(ring: string): number {
    let checked = 0;
    for (let at = 0; at < RING; at++) {
      const wanted = this.#lastLogged(at);
      const block = ring.slice(at * BLOCK, (at + 1) * BLOCK);
      const found = /^\d{10} /.test(block) ? Number(block.slice(0, 10)) : 0;
      if (found < wanted)
        throw this.#loss(`block ${wanted}, which was synced, is not there, but ${found} (0: nothing)`);
      if (found === 0) {
        if (/[^\0]/.test(block)) throw this.#loss(`place ${at} of the ring holds what was never written`);
        continue;
      }
      if (found >= this.next || found % RING !== at || block !== blockText(found)) {
        throw this.#loss(`block ${found} at place ${at} of the ring is not what was written`);
      }
      if (wanted > 0) checked++;
    }
    return checked;
  }

  /** The number of the last block that was logged for a place in the ring; 0 for none. */
  #lastLogged(place: number): number {
    const last = this.next - 1;
    let n = last - ((((last - place) % RING) + RING) % RING);
    while (n > 0 && this.#unknown.has(n)) n -= RING;
    return Math.max(n, 0);
  }

  /** The first block whose file has certainly not been removed, nor been about to be. */
  #firstFile(): number {
    const first = Math.max(this.next - FILES_KEPT, 1);
    return Math.ceil(first / FILE_EVERY) * FILE_EVERY;
  }

  #loss(what: string): Loss {
    return new Loss(
      `On the disk "${this.disk}" ${what}. Logged up to ${this.#logged}, begun up to ${this.next - 1}.`,
    );
  }
}

/** The files in a dump. */
function parse(dump: string): Map<string, string> {
  const end = dump.indexOf("--\n");
  const files = new Map<string, string>();
  let at = end + 3;
  for (const line of dump.slice(0, end).split("\n")) {
    const [, name, size] = /^(\S+) (\d+)$/.exec(line) ?? [];
    if (name === undefined) continue;
    files.set(name, dump.slice(at, at + Number(size)));
    at += Number(size);
  }
  if (end === -1 || at !== dump.length) throw new Loss("The guest could not read its files back.");
  return files;
}
