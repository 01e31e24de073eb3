import type { Fault } from "./fault.ts";
import { DEVICE_FAULTS } from "./faults/device.ts";
import { MODEL_FAULTS } from "./faults/models.ts";
import { SPLIT_FAULTS } from "./faults/split.ts";

export const FAULTS: readonly Fault[] = [...SPLIT_FAULTS, ...DEVICE_FAULTS, ...MODEL_FAULTS];
