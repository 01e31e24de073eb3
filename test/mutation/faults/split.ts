import type { Fault } from "../fault.ts";

export const SPLIT_FAULTS: readonly Fault[] = [];
