import { HEADER } from "../../net/packet.ts";
import { interfaceBlock, packetBlock, sectionBlock } from "../../net/pcapng.ts";
import type { TraceEvent, TracedDevice } from "../types.ts";
import type { TraceHead } from "./format.ts";
import { joined } from "./members.ts";
import type { Bytes, TraceWriter } from "./writer.ts";

/** Interfaces of a file: a bound for a forged trace, whose other frames are left out. */
const MAXIMUM_INTERFACES = 1024;

/** The frames of a trace as pcapng, each device an interface. A frame of which the trace has only a sample keeps its true length. */
export class FramesWriter implements TraceWriter {
  readonly #interfaces = new Map<string, number>();
  readonly #known = new Map<string, TracedDevice>();
  #start = 0;

  begin({ start, devices }: TraceHead): Bytes {
    this.#start = start;
    this.#learn(devices);
    return sectionBlock("Ringside");
  }

  add(events: readonly TraceEvent[], devices?: readonly TracedDevice[]): Bytes {
    if (devices) this.#learn(devices);
    const blocks: Uint8Array[] = [];
    for (const event of events) {
      if (event.kind !== "frame") continue;
      const face = this.#interface(event.device, blocks);
      if (face === undefined) continue;
      const time = this.#start + event.time / 1000;
      const length = Math.max(0, event.length - HEADER);
      const frame = event.sample.subarray(HEADER, HEADER + length);
      blocks.push(packetBlock(face, time, event.direction, frame, length));
    }
    return joined(
      blocks,
      blocks.reduce((sum, block) => sum + block.length, 0),
    );
  }

  flush(): Bytes {
    return new Uint8Array();
  }

  end(): Bytes {
    return new Uint8Array();
  }

  #learn(devices: readonly TracedDevice[]): void {
    for (const device of devices) this.#known.set(device.name, device);
  }

  /** Its number; its own block comes right before its first frame. */
  #interface(name: string, blocks: Uint8Array[]): number | undefined {
    const before = this.#interfaces.get(name);
    if (before !== undefined || this.#interfaces.size === MAXIMUM_INTERFACES) return before;
    const number = this.#interfaces.size;
    this.#interfaces.set(name, number);
    const transport = this.#known.get(name)?.transport;
    const description = transport === undefined ? "virtio-net" : `virtio-net on ${transport}`;
    blocks.push(interfaceBlock({ name, description }));
    return number;
  }
}
