import { type Profiler, Session } from "node:inspector";
import { fileURLToPath } from "node:url";

/** The code under test, by its path: what else runs (the harness itself, Node) does not count. */
const UNDER_TEST = /\/src\/(virtio\/|machine\/(pci-function|msix|virtio-function)\.ts)/;

/** Tells which of the code under test was executed, by V8's precise block coverage. To be made before that code is loaded. */
export class Coverage {
  readonly #session = new Session();

  constructor() {
    this.#session.connect();
    this.#post("Profiler.enable");
    this.#post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** What was executed since the last call, by files and functions. */
  take(): Profiler.ScriptCoverage[] {
    const { result } = this.#post("Profiler.takePreciseCoverage") as Profiler.TakePreciseCoverageReturnType;
    return result.filter(({ url }) => UNDER_TEST.test(url));
  }

  dispose(): void {
    this.#session.disconnect();
  }

  /** The session is in this process, so that its answers come before `post` returns. */
  #post(method: string, parameters?: object): unknown {
    let answer: unknown;
    this.#session.post(method, parameters, (error, result) => {
      if (error) throw error;
      answer = result;
    });
    return answer;
  }
}

/** States of a character: in a function that V8 knows, and in a block that was executed. */
const KNOWN = 1;
const EXECUTED = 2;

/** What was executed up to now, as characters of the compiled source. */
export class CoverageMap {
  /** By file, the state of each character. */
  readonly #files = new Map<string, Uint8Array>();

  /** Returns how many characters were executed for the first time, and remembers them unless `remember` is false. */
  look(scripts: readonly Profiler.ScriptCoverage[], remember = true): number {
    let fresh = 0;
    for (const script of scripts) {
      const now = states(script);
      const before = this.#file(script.url, now.length);
      for (let at = 0; at < now.length; at++) {
        const state = now[at]!;
        if (state <= before[at]!) continue;
        if (state === EXECUTED) fresh++;
        if (state !== EXECUTED || remember) before[at] = state;
      }
    }
    return fresh;
  }

  /** Adds what another one knows. */
  add(other: CoverageMap): void {
    for (const [url, theirs] of other.#files) {
      const mine = this.#file(url, theirs.length);
      theirs.forEach((state, at) => (mine[at] = Math.max(mine[at]!, state)));
    }
  }

  /** Executed and known characters, by file, the least covered first. */
  get files(): { file: string; covered: number; known: number }[] {
    return [...this.#files]
      .map(([url, states]) => ({
        file: fileURLToPath(url).replace(/.*\/src\//, "src/"),
        covered: states.reduce((sum, state) => sum + (state === EXECUTED ? 1 : 0), 0),
        known: states.reduce((sum, state) => sum + (state >= KNOWN ? 1 : 0), 0),
      }))
      .sort((a, b) => a.covered / a.known - b.covered / b.known);
  }

  #file(url: string, length: number): Uint8Array {
    let known = this.#files.get(url);
    if (!known || known.length < length) {
      const longer = new Uint8Array(length);
      if (known) longer.set(known);
      this.#files.set(url, (known = longer));
    }
    return known;
  }
}

/** Functions come before those inside them, a function's whole range before its blocks, and blocks before those inside them. */
function states({ functions }: Profiler.ScriptCoverage): Uint8Array {
  const length = functions.reduce((end, { ranges }) => Math.max(end, ranges[0]!.endOffset), 0);
  const states = new Uint8Array(length);
  for (const { ranges } of functions) {
    if (ranges[0]!.startOffset === 0) continue; // the module itself runs once, when it is loaded
    for (const { startOffset, endOffset, count } of ranges) {
      states.fill(count > 0 ? EXECUTED : KNOWN, startOffset, endOffset);
    }
  }
  return states;
}
