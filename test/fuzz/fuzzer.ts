import { type Coverage, CoverageMap } from "./coverage.ts";
import { fresh, mutate, remove } from "./mutate.ts";
import { HEADER_BYTES, INSTRUCTION_BYTES } from "./program.ts";
import type { Random } from "./random.ts";
import type { Target } from "./targets.ts";

/** Inputs between two looks at coverage, each of which costs as much as several inputs. */
const BATCH = 64;

/** What an input broke. */
export class Crash extends Error {
  readonly input: Uint8Array;

  constructor(input: Uint8Array, cause: Error) {
    super(cause.message, { cause });
    this.input = input;
  }
}

/** Runs an input; returns what was special about the run beside the code that it executed. */
export type Execute = (target: Target, input: Uint8Array) => Promise<string[]>;

/** Looks for inputs that make the devices do what none has made them do before, and for those that break something. */
export class Fuzzer {
  /** Inputs executed. */
  executions = 0;
  /** Inputs each of which does something that none before it does. */
  corpus: Uint8Array[] = [];
  map = new CoverageMap();
  readonly #target: Target;
  readonly #execute: Execute;
  readonly #coverage: Coverage;
  readonly #random: Random;
  #traits = new Set<string>();

  constructor(target: Target, execute: Execute, coverage: Coverage, random: Random) {
    this.#target = target;
    this.#execute = execute;
    this.#coverage = coverage;
    this.#random = random;
  }

  /** Takes those of some inputs into the corpus that do something new. @throws Crash */
  async seed(inputs: readonly Uint8Array[]): Promise<void> {
    this.#coverage.take();
    for (const input of inputs) {
      const traits = await this.#run(input);
      if (this.map.look(this.#coverage.take()) > 0 || this.#isNew(traits)) this.#keep(input, traits);
    }
  }

  /** Tries a few inputs. @throws Crash */
  async step(): Promise<void> {
    await this.#search(Array.from({ length: BATCH }, () => this.#next()));
  }

  /** Takes those into the corpus that do something new; where it is code that nobody executed before, halves find which. */
  async #search(inputs: readonly Uint8Array[]): Promise<void> {
    for (const input of inputs) {
      const traits = await this.#run(input);
      if (this.#isNew(traits)) this.#keep(input, traits);
    }
    const alone = inputs.length === 1;
    if (this.map.look(this.#coverage.take(), alone) === 0) return;
    if (alone) this.#keep(inputs[0]!, []);
    else {
      const half = inputs.length >>> 1;
      await this.#search(inputs.slice(0, half));
      await this.#search(inputs.slice(half));
    }
  }

  #keep(input: Uint8Array, traits: readonly string[]): void {
    this.corpus.push(input);
    for (const trait of traits) this.#traits.add(trait);
  }

  /** Makes the corpus small: short inputs first, none that adds nothing, and none with an instruction too many. @throws Crash */
  async minimise(): Promise<void> {
    const all = this.corpus.sort((a, b) => a.length - b.length);
    [this.corpus, this.map, this.#traits] = [[], new CoverageMap(), new Set()];
    for (const input of all) {
      const gain = await this.#gain(input);
      if (gain.characters === 0 && gain.traits.length === 0) continue;
      const short = await shorten(input, async (candidate) => {
        const other = await this.#gain(candidate);
        return (
          other.characters >= gain.characters && gain.traits.every((trait) => other.traits.includes(trait))
        );
      });
      await this.seed([short]);
    }
  }

  /** What an input would add. */
  async #gain(input: Uint8Array): Promise<{ characters: number; traits: string[] }> {
    this.#coverage.take();
    const traits = (await this.#run(input)).filter((trait) => !this.#traits.has(trait));
    return { characters: this.map.look(this.#coverage.take(), false), traits };
  }

  async #run(input: Uint8Array): Promise<string[]> {
    this.executions++;
    try {
      return await this.#execute(this.#target, input);
    } catch (error) {
      throw new Crash(input, error instanceof Error ? error : new Error(String(error)));
    }
  }

  #isNew(traits: readonly string[]): boolean {
    return traits.some((trait) => !this.#traits.has(trait));
  }

  #next(): Uint8Array {
    const { corpus } = this;
    const random = this.#random;
    if (corpus.length === 0 || random.below(20) === 0) {
      return fresh(random, this.#target.actions.indexOf("setUp"), 1 + random.below(60));
    }
    // Newer inputs have been tried less often, and lead further.
    const newest = Math.min(corpus.length, 16);
    const index = random.below(2) ? random.below(corpus.length) : corpus.length - 1 - random.below(newest);
    return mutate(corpus[index]!, corpus[random.below(corpus.length)]!, random);
  }
}

/** Takes instructions out of an input as long as it stays as good. */
export async function shorten(
  input: Uint8Array,
  asGood: (candidate: Uint8Array) => Promise<boolean>,
): Promise<Uint8Array> {
  let best = input;
  const count = (): number => Math.floor((best.length - HEADER_BYTES) / INSTRUCTION_BYTES);
  for (let step = count() >>> 1 || 1; step >= 1; step >>>= 1) {
    for (let first = count() - step; first >= 0; first -= step) {
      const candidate = remove(best, first, step);
      if (await asGood(candidate)) best = candidate;
    }
  }
  return best;
}
