import type { Rule } from "./sentences.ts";

/** Takes a mistake of the driver: the sentence, what was seen, and where. */
export type Report = (rule: Rule, what: string, queue?: number, descriptor?: number) => void;

/** The same inside one queue. */
export type QueueReport = (rule: Rule, what: string, descriptor?: number) => void;
