import { Status } from "../spec.ts";
import type { DeviceView } from "./types.ts";

/** The status field's bits (2.1), in the order in which a driver sets them; the device's own and the last resort come last. */
const BITS: readonly { name: string; bit: number; meaning: string; section: string }[] = [
  {
    name: "ACKNOWLEDGE",
    bit: Status.ACKNOWLEDGE,
    meaning: "The guest has found the device and knows that it is a virtio device.",
    section: "2.1",
  },
  {
    name: "DRIVER",
    bit: Status.DRIVER,
    meaning: "The guest has a driver for this kind of device.",
    section: "2.1",
  },
  {
    name: "FEATURES_OK",
    bit: Status.FEATURES_OK,
    meaning: "The driver has written the features that it accepts, and the device agrees.",
    section: "2.1",
  },
  {
    name: "DRIVER_OK",
    bit: Status.DRIVER_OK,
    meaning: "The driver is set up: the device may use its queues.",
    section: "2.1",
  },
  {
    name: "DEVICE_NEEDS_RESET",
    bit: Status.DEVICE_NEEDS_RESET,
    meaning: "The device met an error that only a reset gets it out of.",
    section: "2.1.2",
  },
  {
    name: "FAILED",
    bit: Status.FAILED,
    meaning: "The driver has given the device up.",
    section: "2.1",
  },
];

/** What each bit of a status says. */
export function statusBits(status: number): DeviceView["statusBits"] {
  return BITS.map(({ name, bit, meaning, section }) => ({
    name,
    set: (status & bit) !== 0,
    meaning,
    section,
  }));
}
