import type { BootMark } from "../worker/protocol.ts";

/** How long the parts of a boot took, in milliseconds; a part is undefined until it is over. */
export interface Timings {
  /** From the page's navigation (or the power button) until the worker was asked for the machine. */
  page: number | undefined;
  /** Kernel, initial file system and processor downloaded, unpacked, verified, compiled. */
  download: number | undefined;
  /** Machine built, guest loaded into memory. */
  instantiate: number | undefined;
  /** The guest's kernel, until it starts /init. */
  kernel: number | undefined;
  /** /init loads the virtio drivers, until each device has its own. */
  drivers: number | undefined;
  /** The rest: file systems are checked or made and mounted, the shell starts. */
  prompt: number | undefined;
  total: number | undefined;
}

type Mark = "requested" | BootMark;

/** Notes the moments of a boot as performance marks `ringside:…`, which a browser's profiler shows too. */
export class BootTimings {
  readonly #marks = new Map<Mark, number>();
  #begin = 0;

  /** The first boot counts from the page's navigation, a later one from now. */
  restart(): void {
    this.#begin = performance.now();
    this.#marks.clear();
  }

  /** @param time milliseconds since 1970; only the first of a kind counts */
  note(mark: Mark, time = performance.timeOrigin + performance.now()): void {
    if (this.#marks.has(mark)) return;
    const startTime = Math.max(0, time - performance.timeOrigin);
    this.#marks.set(mark, startTime);
    performance.mark(`ringside:${mark}`, { startTime });
  }

  read(): Timings {
    const at = (mark: Mark) => this.#marks.get(mark);
    const between = (from: number | undefined, to: number | undefined) =>
      from === undefined || to === undefined ? undefined : to - from;
    return {
      page: between(this.#begin, at("requested")),
      download: between(at("requested"), at("downloaded")),
      instantiate: between(at("downloaded"), at("instantiated")),
      kernel: between(at("instantiated"), at("init")),
      drivers: between(at("init"), at("drivers")),
      prompt: between(at("drivers"), at("prompt")),
      total: between(this.#begin, at("prompt")),
    };
  }
}
