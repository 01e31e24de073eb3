import type { NetworkStatus } from "../../worker/protocol.ts";

/** Milliseconds: a loss that is shorter is not shown, */
export const SHORT = 3_000;
/** and one that lasts so long is told. */
export const LONG = 20_000;

/** The network in one word, for the header. `unplugged`: no device, or none with a wire. */
export type Overall = "unplugged" | "up" | "connecting" | "lost" | "down";

/** Worst first. */
const RANK: readonly Overall[] = ["down", "lost", "connecting", "up", "unplugged"];

export interface SteadyListener {
  /** What the header shows; only changes are told. */
  onOverall(overall: Overall): void;
  /** This one has been without its wire for long, or for good. Told once, until it is back. */
  onLost(network: NetworkStatus): void;
  /** One that `onLost` told of is up again, or gone. */
  onBack(network: NetworkStatus): void;
}

interface Watched {
  network: NetworkStatus;
  /** It was up since it is known. */
  wasUp: boolean;
  /** When it was first seen not to be up, milliseconds since 1970; undefined while it is. */
  missingSince: number | undefined;
  told: boolean;
}

/** Makes what is shown of a network steadier than the network: short losses pass unnoticed, long ones are told once. */
export class SteadyNetwork {
  readonly #listener: SteadyListener;
  #watched: Watched[] = [];
  #overall: Overall = "unplugged";
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(listener: SteadyListener) {
    this.#listener = listener;
  }

  /** The networks as they are now. */
  see(networks: readonly NetworkStatus[]): void {
    const before = this.#watched;
    const now = Date.now();
    this.#watched = networks
      .filter(({ wire }) => wire !== "none")
      .map((network) => {
        const known = before.find((other) => other.network.id === network.id);
        const up = network.status.state === "up";
        return {
          network,
          wasUp: up || (known?.wasUp ?? false),
          missingSince: up ? undefined : (known?.missingSince ?? now),
          told: known?.told ?? false,
        };
      });
    for (const gone of before) {
      const isThere = this.#watched.some(({ network }) => network.id === gone.network.id);
      if (gone.told && !isThere) this.#listener.onBack(gone.network);
    }
    this.#look();
  }

  /** Tells what has come to be so by now, and looks again when the next thing may. */
  #look(): void {
    clearTimeout(this.#timer);
    const now = Date.now();
    let next = Infinity;
    for (const watched of this.#watched) {
      const { network, missingSince, told } = watched;
      const patience = network.status.state === "down" ? 0 : LONG;
      const isLost = missingSince !== undefined && now - missingSince >= patience;
      if (isLost && !told) this.#listener.onLost(network);
      if (told && missingSince === undefined) this.#listener.onBack(network);
      watched.told = isLost || (told && missingSince !== undefined);
      if (missingSince === undefined) continue;
      for (const time of [missingSince + SHORT, missingSince + LONG])
        if (time > now) next = Math.min(next, time);
    }
    this.#show(now);
    if (next < Infinity) this.#timer = setTimeout(() => this.#look(), next - now);
  }

  #show(now: number): void {
    const states = this.#watched.map((watched) => this.#shown(watched, now));
    const overall = RANK.find((state) => states.includes(state)) ?? "unplugged";
    if (overall === this.#overall) return;
    this.#overall = overall;
    this.#listener.onOverall(overall);
  }

  #shown({ network, wasUp, missingSince }: Watched, now: number): Overall {
    if (missingSince === undefined) return "up";
    if (network.status.state === "down") return "down";
    if (!wasUp) return "connecting";
    return now - missingSince < SHORT ? "up" : "lost";
  }
}
