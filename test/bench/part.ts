import type { Row } from "./result.ts";

export interface PartOptions {
  /** How many times each thing is measured, in turns. */
  rounds: number;
  /** Tells a person what is going on. */
  progress: (text: string) => void;
}

/** A group of measurements that can be asked for by its name. */
export interface Part {
  name: string;
  title: string;
  /** Rounds unless `--rounds` says otherwise. */
  rounds: number;
  run(options: PartOptions): Promise<Row[]>;
}
