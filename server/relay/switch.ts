import { AGEING, MOST_MACS } from "./limits.ts";

/** Which port of a room has which MAC address: the table of a learning switch. `Port` is whatever stands behind a port. */
export class MacTable<Port> {
  readonly #entries = new Map<number, Entry<Port>>();
  readonly #counts = new Map<Port, number>();

  /** Where a frame to this address goes; undefined: to all. */
  portOf(mac: number): Port | undefined {
    return this.#entries.get(mac)?.port;
  }

  /**
   * A frame from this address came in at this port. `new`: the port did not have it before. Otherwise the frame is to be
   * dropped: `taken`, another port has the address, or `full`, this port has as many as it may.
   */
  learn(mac: number, port: Port, now: number, most = MOST_MACS): "known" | "new" | "taken" | "full" {
    const entry = this.#entries.get(mac);
    if (entry?.port === port) {
      entry.seen = now;
      return "known";
    }
    if (entry && !isOld(entry, now)) return "taken";
    if ((this.#counts.get(port) ?? 0) >= most) return "full";
    this.assign(mac, port, now);
    return "new";
  }

  /** The port has this address from now on, whoever had it. `kept`: for as long as the port is there. */
  assign(mac: number, port: Port, now: number, kept = false): void {
    this.remove(mac);
    this.#entries.set(mac, { port, seen: now, kept });
    this.#counts.set(port, (this.#counts.get(port) ?? 0) + 1);
  }

  /** Of those that do not age, the port has these alone. */
  keepOnly(port: Port, macs: ReadonlySet<number>): void {
    for (const [mac, entry] of this.#entries) {
      if (entry.port === port && entry.kept && !macs.has(mac)) this.remove(mac);
    }
  }

  *entries(): Generator<[mac: number, port: Port]> {
    for (const [mac, { port }] of this.#entries) yield [mac, port];
  }

  removePort(port: Port): void {
    for (const [mac, entry] of this.#entries) if (entry.port === port) this.remove(mac);
    this.#counts.delete(port);
  }

  /** Forgets what nobody has used for long. Returns the ports that lost something. */
  age(now: number): Set<Port> {
    const changed = new Set<Port>();
    for (const [mac, entry] of this.#entries) {
      if (!isOld(entry, now)) continue;
      changed.add(entry.port);
      this.remove(mac);
    }
    return changed;
  }

  get size(): number {
    return this.#entries.size;
  }

  remove(mac: number): void {
    const entry = this.#entries.get(mac);
    if (!entry) return;
    this.#entries.delete(mac);
    this.#counts.set(entry.port, this.#counts.get(entry.port)! - 1);
  }
}

interface Entry<Port> {
  port: Port;
  /** When it was used last. */
  seen: number;
  /** It does not age. */
  kept: boolean;
}

function isOld({ seen, kept }: Entry<unknown>, now: number): boolean {
  return !kept && now - seen > AGEING;
}
