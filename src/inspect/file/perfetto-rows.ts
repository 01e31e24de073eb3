import { RecordingError } from "./format.ts";

/** Processes and threads of one trace: a bound for a forged one. */
const MAXIMUM_TRACKS = 1 << 16;

const CATEGORY = "virtio";

/** A thread: its numbers. */
export interface Track {
  pid: number;
  tid: number;
}

export interface Process {
  /** The thread of that name. */
  track: (name: string) => Track;
}

/** Rows of the Trace Event Format as text: one JSON object a line, with commas between them. */
export class PerfettoRows {
  readonly #processes = new Map<string, Process>();
  #tracks = 0;
  #text: string[] = [];
  #any = false;

  /** The rows since the last call. */
  take(): string {
    const text = this.#text.join("");
    this.#text = [];
    return text;
  }

  /** @throws RecordingError when there are more processes and threads than any machine has */
  process(name: string, label: string): Process {
    let process = this.#processes.get(name);
    if (!process) {
      const pid = this.#processes.size + 1;
      this.#describe("process_name", { pid, tid: 0 }, { name });
      this.#describe("process_sort_index", { pid, tid: 0 }, { sort_index: pid });
      if (label !== "") this.#describe("process_labels", { pid, tid: 0 }, { labels: label });
      const tracks = new Map<string, Track>();
      process = { track: (name) => this.#track(pid, tracks, name) };
      this.#processes.set(name, process);
    }
    return process;
  }

  /** A moment that arrows can begin and end at: a slice of no length. Arrows come after it, as Perfetto wants them. */
  mark(track: Track, name: string, time: number, args: object): void {
    this.#row({ ph: "X", cat: CATEGORY, name, ...track, ts: ts(time), dur: 0, args });
  }

  /** @param scope of the thread, or of the whole process */
  instant(track: Track, name: string, time: number, args: object, scope: "t" | "p" = "t"): void {
    this.#row({ ph: "i", s: scope, cat: CATEGORY, name, ...track, ts: ts(time), args });
  }

  begin(track: Track, name: string, id: string, time: number, args: object): void {
    this.#row({ ph: "b", cat: CATEGORY, name, id, ...track, ts: ts(time), args });
  }

  finish(track: Track, name: string, id: string, time: number, args: object): void {
    this.#row({ ph: "e", cat: CATEGORY, name, id, ...track, ts: ts(time), args });
  }

  /** An arrow's beginning, a step of it, or its end: at the mark of that time. */
  flow(phase: "s" | "t" | "f", track: Track, id: string, time: number): void {
    const bind = phase === "f" ? { bp: "e" } : {};
    this.#row({ ph: phase, ...bind, cat: CATEGORY, name: "request", id, ...track, ts: ts(time) });
  }

  counter(track: Track, name: string, time: number, requests: number): void {
    this.#row({ ph: "C", cat: CATEGORY, name, ...track, ts: ts(time), args: { requests } });
  }

  #track(pid: number, tracks: Map<string, Track>, name: string): Track {
    let track = tracks.get(name);
    if (!track) {
      // Numbers of their own throughout: Perfetto takes threads of the same number for one.
      const tid = ++this.#tracks;
      if (tid > MAXIMUM_TRACKS) throw new RecordingError(`The trace has more than ${MAXIMUM_TRACKS} queues.`);
      track = { pid, tid };
      tracks.set(name, track);
      this.#describe("thread_name", track, { name });
      this.#describe("thread_sort_index", track, { sort_index: tid });
    }
    return track;
  }

  #describe(what: string, { pid, tid }: Track, args: object): void {
    this.#row({ ph: "M", name: what, pid, tid, ts: 0, args });
  }

  #row(row: object): void {
    this.#text.push(`${this.#any ? ",\n" : ""}${JSON.stringify(row)}`);
    this.#any = true;
  }
}

/** To the nanosecond. */
function ts(time: number): number {
  return Math.round(time * 1000) / 1000;
}
