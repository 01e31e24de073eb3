/** Ringside from a program in Node: the machine of a link, headless. See {@link openMachine}. */
export {
  openMachine,
  type OpenMachine,
  type OpenNetwork,
  type OpenOptions,
  type RecordOptions,
  type RunResult,
} from "./open.ts";
export type { CaptureStatus } from "./capture.ts";
export type { Cost } from "./trace/account.ts";
export type { RecordingStatus } from "./trace/recording.ts";
export { listImages, loadImage, IMAGES_FOLDER, type ListedImage } from "./images.ts";
export { parseConfig, formatConfig } from "../config/grammar.ts";
export { defaultMachine } from "../config/defaults.ts";
export { ConfigError } from "../config/error.ts";
export type { MachineConfig, DeviceConfig, BlockConfig } from "../config/types.ts";
export { GuestGoneError, type ExecOptions } from "../machine/agent.ts";
export { HotPlugError, type AttachOptions, type DetachOptions } from "../machine/hot-plug.ts";
export { ImageError } from "../machine/boot.ts";
export type {
  MachineState,
  DeviceDescription,
  DriverViolation,
  MachineCounters,
  NetworkDescription,
} from "../machine/machine.ts";
export type { WireCounters, WireStatus } from "../backends/net/wire.ts";
export type { Member } from "../net/relay-protocol.ts";
export { DiskError } from "../backends/disk/errors.ts";
export type { Debugger } from "../machine/debugger.ts";
export type { Observer, VirtioEvent } from "../virtio/observer.ts";
export type { DeviceView, QueueView } from "../virtio/view/types.ts";
export type { ConsoleSink } from "../virtio/console.ts";
