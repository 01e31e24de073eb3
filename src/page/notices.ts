import { signal } from "@preact/signals";
import type { MessageLevel } from "../worker/protocol.ts";

export interface Notice {
  id: number;
  level: MessageLevel;
  text: string;
  /** How many times it was said. */
  count: number;
}

/** More than these are not read by anybody; the oldest goes. */
const most = 8;

/** What the machine has to say to the person, until it is dismissed. */
export class Notices {
  readonly list = signal<readonly Notice[]>([]);
  #nextId = 1;

  /** Returns what `dismiss` takes. */
  add(level: MessageLevel, text: string): number {
    const known = this.list.value.find((notice) => notice.level === level && notice.text === text);
    if (known) {
      this.list.value = this.list.value.map((notice) =>
        notice === known ? { ...notice, count: notice.count + 1 } : notice,
      );
      return known.id;
    }
    const id = this.#nextId++;
    this.list.value = [...this.list.value, { id, level, text, count: 1 }].slice(-most);
    return id;
  }

  dismiss(id: number): void {
    this.list.value = this.list.value.filter((notice) => notice.id !== id);
  }
}
