import { Bucket } from "./bucket.ts";

export const LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type Level = (typeof LEVELS)[number];

/** What an entry is about, besides its sentence. Never a secret, never what is in a frame. */
export type Fields = Record<string, string | number | boolean | undefined>;

export interface LogOptions {
  level: Level;
  /** `json`: an object a line, for a program that collects them. */
  format: "json" | "plain";
  write: (line: string) => void;
}

/** Entries a second, and at once: hostile clients cause them, and they must not fill a disk or slow us down. */
const RATE = { perSecond: 20, burst: 200 };

/** Characters of a field that came from outside. */
const LONGEST_FIELD = 200;

export class Log {
  readonly #options: LogOptions;
  readonly #bucket = new Bucket(RATE.perSecond, RATE.burst, performance.now());
  #left = 0;

  constructor(options: LogOptions) {
    this.#options = options;
  }

  debug(text: string, fields?: Fields): void {
    this.#log("debug", text, fields);
  }

  info(text: string, fields?: Fields): void {
    this.#log("info", text, fields);
  }

  warn(text: string, fields?: Fields): void {
    this.#log("warn", text, fields);
  }

  error(text: string, fields?: Fields): void {
    this.#log("error", text, fields);
  }

  #log(level: Level, text: string, fields: Fields = {}): void {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(this.#options.level)) return;
    if (!this.#bucket.tryTake(1, performance.now())) {
      this.#left++;
      return;
    }
    if (this.#left > 0) this.#write("warn", "There was more than is logged.", { entries: this.#left });
    this.#left = 0;
    this.#write(level, text, fields);
  }

  #write(level: Level, text: string, fields: Fields): void {
    const { format, write } = this.#options;
    const time = new Date().toISOString();
    const shown = Object.entries(fields).filter(([, value]) => value !== undefined);
    if (format === "json") {
      write(`${JSON.stringify({ time, level, text, ...Object.fromEntries(shown.map(cut)) })}\n`);
      return;
    }
    const rest = shown.map((field) => ` ${field[0]}=${JSON.stringify(cut(field)[1])}`).join("");
    write(`${time} ${level} ${text}${rest}\n`);
  }
}

function cut([name, value]: [string, Fields[string]]): [string, Fields[string]] {
  return [name, typeof value === "string" ? value.slice(0, LONGEST_FIELD) : value];
}
