import { signal } from "@preact/signals";
import type { MachineConfig } from "../../config/types.ts";
import type { NetworkStatus } from "../../worker/protocol.ts";
import { linkTo } from "../link.ts";
import { download } from "../download.ts";
import type { Session } from "../session.ts";
import { copyText } from "../terminal/clipboard.ts";
import { type Overall, SteadyNetwork } from "./steady.ts";
import { wireWords } from "./words.ts";

/** Milliseconds between looks at the counters, while they are shown. */
const INTERVAL = 500;

/** What a script holds of a capture that it began. */
export interface NetworkCapture {
  /** What was kept so far, a pcapng file. */
  read(): Promise<Blob>;
  /** Ends it, and resolves with the file. */
  stop(): Promise<Blob>;
}

/** The machine's network as the panel shows it: what is slow to change comes by itself, counters are looked at. */
export class Networks {
  readonly open = signal(false);
  readonly list = signal<readonly NetworkStatus[]>([]);
  /** What the header shows. */
  readonly overall = signal<Overall>("unplugged");
  /** What was done or has happened, for those who hear the page. */
  readonly said = signal("");
  /** What was refused, by device. */
  readonly problems = signal<Readonly<Record<string, string>>>({});

  readonly #session: Session;
  /** Notices of networks that are lost, by device. */
  readonly #notices = new Map<string, number>();

  constructor(session: Session) {
    this.#session = session;
    const steady = new SteadyNetwork({
      onOverall: (overall) => (this.overall.value = overall),
      onLost: (network) => this.#lost(network),
      onBack: (network) => this.#back(network),
    });
    session.networks.subscribe((networks) => {
      this.list.value = networks;
      steady.see(networks);
    });
  }

  /** Keeps the counters up to date while they are shown; returns what ends that. */
  watch(): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let gone = false;
    const look = async (): Promise<void> => {
      // A worker that died is on the state line; the panel keeps what it last saw.
      await this.refresh().catch(() => undefined);
      if (!gone) timer = setTimeout(() => void look(), INTERVAL);
    };
    void look();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }

  async refresh(): Promise<void> {
    this.list.value = await this.#session.lookAtNetworks();
  }

  /** As at the beginning of a sentence. */
  wireOf({ wire, status }: NetworkStatus): string {
    return wireWords(wire, status.relay, location.host);
  }

  /** Keeps what crosses between the device and its wire from now on; what was kept before is forgotten. */
  startCapture({ id }: NetworkStatus): Promise<void> {
    return this.#act(id, `Capturing on ${id}.`, () => this.#session.startCapture(id));
  }

  /** Ends a capture; what it kept can still be saved. */
  stopCapture({ id }: NetworkStatus): Promise<void> {
    return this.#act(id, `The capture on ${id} ended.`, () => this.#session.stopCapture(id));
  }

  /** Hands what was kept to the browser's downloads, as a pcapng file. */
  saveCapture({ id }: NetworkStatus): Promise<void> {
    return this.#act(id, `The capture of ${id} was saved.`, async () => {
      const file = await this.#session.readCapture(id);
      const time = new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-");
      void download(file, `${id}-${time}.pcapng`);
    });
  }

  /** For scripts; see api.ts. */
  async capture(id: string): Promise<NetworkCapture> {
    await this.#session.startCapture(id);
    return {
      read: () => this.#session.readCapture(id),
      stop: async () => {
        await this.#session.stopCapture(id);
        return this.#session.readCapture(id);
      },
    };
  }

  /** Puts a machine into the address: while one runs, the page asks first. */
  propose(config: MachineConfig): void {
    this.open.value = false;
    location.hash = new URL(linkTo(config)).hash;
  }

  /** Resolves with whether the browser took it. */
  copyLink(config: MachineConfig): Promise<boolean> {
    return copyText(linkTo(config));
  }

  async #act(id: string, done: string, work: () => Promise<void>): Promise<void> {
    this.#complain(id, undefined);
    try {
      await work();
      this.said.value = done;
    } catch (error) {
      this.#complain(id, error instanceof Error ? error.message : String(error));
    }
    await this.refresh().catch(() => undefined);
  }

  /** Notes what was refused; undefined takes it back. */
  #complain(id: string, problem: string | undefined): void {
    const others = Object.entries(this.problems.value).filter(([other]) => other !== id);
    this.problems.value = Object.fromEntries(problem === undefined ? others : [...others, [id, problem]]);
  }

  #lost(network: NetworkStatus): void {
    const { state, reason } = network.status;
    const wire = this.wireOf(network);
    const text =
      state === "down"
        ? `${wire}: ${reason ?? "the connection has ended"} The guest's ${network.id} has no carrier.`
        : `${wire} has been out of reach for some time. ${reason ?? ""} The guest's ${network.id} has no carrier until it is back; ` +
          "the page keeps trying.";
    this.#notices.set(network.id, this.#session.notices.add("warning", text.replace(/ {2,}/g, " ")));
  }

  #back(network: NetworkStatus): void {
    const notice = this.#notices.get(network.id);
    this.#notices.delete(network.id);
    if (notice !== undefined) this.#session.notices.dismiss(notice);
    if (network.status.state === "up") this.said.value = `${this.wireOf(network)} is back.`;
  }
}
