import { Field, Flag, HEADER } from "../../net/packet.ts";
import type { NetDevice } from "../net.ts";
import { Feature } from "../spec.ts";
import type { Buffers, RequestAudit } from "./buffers.ts";
import type { Report } from "./report.ts";

const ETHERNET = 14;
/** class and command of a command (5.1.6.5). */
const COMMAND = 2;

/** What drivers must keep to in a network device's queues and the device itself does not need to know (5.1.6). */
export class NetRequests implements RequestAudit {
  readonly #device: NetDevice;
  readonly #report: Report;
  readonly #header = new Uint8Array(HEADER);

  constructor(device: NetDevice, report: Report) {
    this.#device = device;
    this.#report = report;
  }

  exposed(queue: number, buffers: Buffers, head: number): void {
    const role = this.#device.role(queue);
    if (role === "receive") this.#receive(queue, buffers, head);
    else if (role === "transmit") this.#transmit(queue, buffers, head);
    else if (role === "control") this.#control(queue, buffers, head);
  }

  reset(): void {
    // Buffers stand for themselves.
  }

  #receive(queue: number, buffers: Buffers, head: number): void {
    if (buffers.readable > 0) {
      this.#report("5.1.6.3 receiveq", "a device-readable buffer in a receive queue", queue, head);
    }
    this.#checkFraming(queue, buffers, head);
    const { MRG_RXBUF, MTU } = Feature.network;
    if (this.#device.has(MRG_RXBUF) || !this.#device.has(MTU)) return;
    const least = this.#headerLength + ETHERNET + this.#device.mtu;
    if (buffers.writable >= least) return;
    const what = `a receive buffer of ${buffers.writable} bytes, the MTU needs ${least}`;
    this.#report("5.1.4.2 receive", what, queue, head);
  }

  #transmit(queue: number, buffers: Buffers, head: number): void {
    if (buffers.writable > 0) {
      this.#report("5.1.6.2 transmitq", "a device-writable buffer in a transmit queue", queue, head);
    }
    this.#checkFraming(queue, buffers, head);
    const length = this.#headerLength;
    if (buffers.read(this.#header) < length) return;
    const flags = this.#header[Field.flags]!;
    if (flags & ~Flag.NEEDS_CSUM)
      this.#report("5.1.6.2.1 flags", `flags 0x${flags.toString(16)}`, queue, head);
    const count = this.#header[Field.buffers]! | (this.#header[Field.buffers + 1]! << 8);
    if (length === HEADER && count !== 0) {
      this.#report("5.1.6.2.1 buffers", `num_buffers ${count} in a packet to transmit`, queue, head);
    }
  }

  #control(queue: number, buffers: Buffers, head: number): void {
    if (!this.#rigid) return;
    const last = buffers.count - 1;
    const apart = buffers.length(0) === COMMAND && buffers.length(last) === 1 && buffers.isWritable(last);
    if (apart && buffers.count <= 4) return;
    this.#report("5.1.6.6 control", `a command in ${buffers.count} descriptors`, queue, head);
  }

  #checkFraming(queue: number, buffers: Buffers, head: number): void {
    if (!this.#rigid || (buffers.count > 1 && buffers.length(0) === this.#headerLength)) return;
    this.#report("5.1.6.6 header", `a packet that begins with ${buffers.length(0)} bytes`, queue, head);
  }

  /** 5.1.6.6 */
  get #rigid(): boolean {
    return this.#device.legacy && !this.#device.has(Feature.common.ANY_LAYOUT);
  }

  /** 5.1.6.1 */
  get #headerLength(): number {
    return this.#device.legacy && !this.#device.has(Feature.network.MRG_RXBUF) ? Field.buffers : HEADER;
  }
}
