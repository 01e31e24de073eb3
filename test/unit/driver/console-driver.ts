import { ConsoleDevice, type PortModel } from "../../../src/virtio/console.ts";
import { Driver, type DriverOptions } from "./driver.ts";

/** Control events, 5.3.6.2. */
export const DEVICE_READY = 0;
export const DEVICE_ADD = 1;
export const PORT_READY = 3;
export const CONSOLE_PORT = 4;
export const RESIZE = 5;
export const PORT_OPEN = 6;
export const PORT_NAME = 7;

export const SIZE = 1n << 0n;
export const MULTIPORT = 1n << 1n;
export const EMERG_WRITE = 1n << 2n;

export interface ControlMessage {
  id: number;
  event: number;
  value: number;
  payload: Uint8Array;
}

const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;

/** A driver of the console device (5.3) that gives it one receive buffer at a time where it is told to. */
export class ConsoleDriver {
  readonly device: ConsoleDevice;
  readonly driver: Driver;
  /** Control messages received, in order. */
  readonly messages: ControlMessage[] = [];
  #controlBuffers = 0;

  constructor(ports: readonly PortModel[], options: DriverOptions = {}, device = new ConsoleDevice(ports)) {
    this.device = device;
    this.driver = Driver.start(device, options);
  }

  /** Gives buffers for control messages; each is given again when it was used. */
  listen(buffers = 8, size = 64): void {
    this.#controlBuffers = buffers;
    for (let i = 0; i < buffers; i++) void this.#listenOnce(size);
  }

  /** The whole handshake (5.3.5, 5.3.6.2). */
  async handshake(): Promise<void> {
    if (this.#controlBuffers === 0) this.listen();
    await this.control(0, DEVICE_READY, 1);
    for (const { id } of this.messages.filter(({ event }) => event === DEVICE_ADD)) {
      await this.control(id, PORT_READY, 1);
    }
    for (const { id } of this.messages.filter(({ event }) => event === CONSOLE_PORT)) {
      await this.control(id, PORT_OPEN, 1);
    }
  }

  control(id: number, event: number, value: number): Promise<number> {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, id, true);
    view.setUint16(4, event, true);
    view.setUint16(6, value, true);
    return this.controlBytes(bytes);
  }

  controlBytes(bytes: Uint8Array): Promise<number> {
    const address = this.driver.memory.put(bytes);
    return this.driver.request(CONTROL_TRANSMIT, [{ address, length: bytes.length }]);
  }

  /** Writes to a port; resolves when the device has given the buffer back. */
  write(port: number, data: Uint8Array): Promise<number> {
    const address = this.driver.memory.put(data);
    return this.driver.request(transmitQueue(port), [{ address, length: data.length }]);
  }

  /** Offers one buffer; resolves with what came in. */
  async receive(port: number, size: number): Promise<Uint8Array> {
    const address = this.driver.memory.allocate(size, 1);
    const length = await this.driver.request(transmitQueue(port) - 1, [
      { address, length: size, writable: true },
    ]);
    return this.driver.memory.get(address, length);
  }

  async #listenOnce(size: number): Promise<void> {
    const address = this.driver.memory.allocate(size, 4);
    for (;;) {
      const length = await this.driver.request(CONTROL_RECEIVE, [{ address, length: size, writable: true }]);
      const { view } = this.driver.memory;
      this.messages.push({
        id: view.getUint32(address, true),
        event: view.getUint16(address + 4, true),
        value: view.getUint16(address + 6, true),
        payload: this.driver.memory.get(address + 8, Math.max(0, length - 8)),
      });
    }
  }
}

/** 5.3.2: port 0 has queues 0 and 1, then the control queues, then the other ports. */
export function transmitQueue(port: number): number {
  return port === 0 ? 1 : 3 + 2 * port;
}
