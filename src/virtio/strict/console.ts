import type { ConsoleDevice } from "../console.ts";
import { ConsoleControl, Feature } from "../spec.ts";
import type { Buffers, RequestAudit } from "./buffers.ts";
import type { Report } from "./report.ts";

const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;

/** What drivers must keep to in a console's queues (5.3.6.1, 5.3.6.2.2, 5.3.6.4). */
export class ConsoleRequests implements RequestAudit {
  readonly #device: ConsoleDevice;
  readonly #report: Report;
  readonly #message = new Uint8Array(ConsoleControl.HEADER_BYTES);
  readonly #fields = new DataView(this.#message.buffer);
  #ready = false;
  /** Ports that the device has called consoles, as it does at PORT_READY, and that were not opened yet. */
  readonly #toOpen = new Set<number>();

  constructor(device: ConsoleDevice, report: Report) {
    this.#device = device;
    this.#report = report;
  }

  exposed(queue: number, buffers: Buffers, head: number): void {
    // 5.3.2: queues come in pairs.
    const name = this.#device.queues[queue]!.name;
    if (queue % 2 === 0 && buffers.readable > 0) {
      this.#report("5.3.6.1 receiveq", `a device-readable buffer in ${name}`, queue, head);
    }
    if (queue % 2 === 1 && buffers.writable > 0) {
      this.#report("5.3.6.1 transmitq", `a device-writable buffer in ${name}`, queue, head);
    }
    if (queue !== CONTROL_RECEIVE && queue !== CONTROL_TRANSMIT) return;
    const { legacy } = this.#device;
    if (legacy && !this.#device.has(Feature.common.ANY_LAYOUT) && buffers.count !== 1) {
      this.#report("5.3.6.4 framing", `${buffers.count} descriptors for one buffer in ${name}`, queue, head);
    }
    if (queue === CONTROL_TRANSMIT && buffers.read(this.#message) === this.#message.length)
      this.#control(head);
  }

  reset(): void {
    this.#ready = false;
    this.#toOpen.clear();
  }

  #control(head: number): void {
    const id = this.#fields.getUint32(0, true);
    const event = this.#fields.getUint16(4, true);
    const value = this.#fields.getUint16(6, true);
    if (event === ConsoleControl.DEVICE_READY) this.#ready = true;
    else if (!this.#ready) {
      const what = `a control message of kind ${event} before DEVICE_READY`;
      this.#report("5.3.6.2.2 ready", what, CONTROL_TRANSMIT, head);
    }
    if (event === ConsoleControl.PORT_READY && value === 1 && this.#device.ports[id]?.console) {
      this.#toOpen.add(id);
    } else if (event === ConsoleControl.PORT_OPEN && this.#toOpen.delete(id) && value !== 1) {
      const what = `PORT_OPEN with value ${value} for port ${id}, a console`;
      this.#report("5.3.6.2.2 open", what, CONTROL_TRANSMIT, head);
    }
  }
}
