/** Which relay to try next. */
export class Relays {
  readonly #configured: readonly string[];
  #others: readonly string[] = [];
  #index = 0;
  /** Those that said that it is no use to try again. */
  readonly #refused = new Set<string>();

  /** @param configured URLs, at least one */
  constructor(configured: readonly string[]) {
    this.#configured = configured;
  }

  get current(): string {
    return this.#all[this.#index]!;
  }

  get count(): number {
    return this.#all.length;
  }

  /** The next one that has not refused. False: all have. */
  next(): boolean {
    const all = this.#all;
    for (let step = 1; step <= all.length; step++) {
      const index = (this.#index + step) % all.length;
      if (this.#refused.has(all[index]!)) continue;
      this.#index = index;
      return true;
    }
    return false;
  }

  refuse(): void {
    this.#refused.add(this.current);
  }

  /** They may have changed their minds. */
  forgive(): void {
    this.#refused.clear();
  }

  /** The relay that is connected to knows of these. What it may not lead to is left out: see {@link leads}. */
  learn(others: readonly string[]): void {
    const { current } = this;
    this.#others = others.filter((url) => !this.#configured.includes(url) && leads(current, url));
    // The current one stays, even when it came from a list that does not name itself.
    if (!this.#all.includes(current)) this.#others = [current, ...this.#others];
    this.#index = this.#all.indexOf(current);
  }

  get #all(): string[] {
    return [...this.#configured, ...this.#others];
  }
}

/**
 * Whether a relay may name that one as another of its kind. A relay of the internet shall not have us knock at doors in our own
 * network, nor get a secret sent in the clear.
 */
export function leads(from: string, to: string): boolean {
  if (!URL.canParse(to)) return false;
  const [here, there] = [new URL(from), new URL(to)];
  if (there.protocol !== "wss:" && (there.protocol !== "ws:" || here.protocol === "wss:")) return false;
  return isPrivate(here.hostname) || !isPrivate(there.hostname);
}

/** By its name alone: of this computer, of a network that is not the internet, or without a domain. */
function isPrivate(hostname: string): boolean {
  if (hostname.startsWith("[")) return /^\[(::|f[cde])/.test(hostname);
  if (
    /^(0|10|127|169\.254|192\.168|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./.test(
      hostname,
    )
  )
    return true;
  return !hostname.includes(".") || /\.(localhost|local|internal|lan|home\.arpa)\.?$/.test(hostname);
}
