import type { TraceEvent } from "../../inspect/types.ts";
import { eventLine, kindName } from "./event-words.ts";

/** An event as a sentence. */
export function sentenceOf(event: TraceEvent): string {
  return `${kindName(event)}: ${eventLine(event)}`;
}
