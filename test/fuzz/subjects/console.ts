import { ConsoleDevice, type ConsoleSink } from "../../../src/virtio/console.ts";
import type { Driver } from "../../unit/driver/driver.ts";
import type { Segment } from "../../unit/driver/queue.ts";
import { pick } from "../program.ts";
import { answered, BUFFERS, expect, type MakeSubject } from "../subject.ts";

const PORTS = [{ console: true }, { name: "a.named.port" }];
/** DEVICE_READY, PORT_READY, PORT_OPEN, and others that are not the driver's to send. */
const EVENTS = [0, 3, 6, 3, 6, 0, 1, 5];
const LENGTHS = [1, 3, 64, 512, 4096];
const HELLO = new TextEncoder().encode("hello");

/** Takes what a port says, and makes the guest wait when the input says so. */
class Sink implements ConsoleSink {
  slow = false;
  /** The last bytes taken. */
  last = new Uint8Array();
  readonly #waiting: (() => void)[] = [];

  write(data: Uint8Array): Promise<void> | undefined {
    this.last = data.slice(0, 64);
    if (!this.slow) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  go(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** 5.3 with two ports: the host writes, is busy, resizes its terminal. */
export const consoleDevice: MakeSubject = (options, { a }) => {
  const device = new ConsoleDevice(PORTS, options);
  const sinks = device.ports.map(() => new Sink());
  if (a & 1) device.ports.forEach((port, i) => port.connect(sinks[i]!));
  return {
    device,
    host: ({ a, b }) => {
      const port = device.ports[a & 1]!;
      const sink = sinks[a & 1]!;
      switch ((a >>> 1) & 7) {
        case 0:
          port.connect(sink);
          break;
        case 1:
          sink.slow = !sink.slow;
          break;
        case 2:
          device.resize(b & 0xff, b >>> 8);
          break;
        case 3:
          port.discardInput();
          break;
        case 4:
          void port.drained();
          break;
        case 5:
          sink.go();
          break;
        default:
          void port.send(new Uint8Array(pick(LENGTHS, b)).fill(b));
      }
    },
    check: () => undefined,
    calm: () => {
      for (const sink of sinks) {
        sink.slow = false;
        sink.go();
      }
      device.ports.forEach((port, i) => {
        port.connect(sinks[i]!);
        port.discardInput();
      });
    },
    /** A control message, in 8 bytes, or with some missing or too many; or a buffer for the device to fill. */
    request: ({ memory }, { a, b, c }): Segment[] => {
      const at = BUFFERS + (c & 0xfff0);
      if (a & 0x80) return [{ address: at, length: b & 0x1fff, writable: true }];
      memory.view.setUint32(at, (a & 0x40 ? 0xffff0000 : 0) + ((a >>> 3) & 3), true);
      memory.view.setUint16(at + 4, a & 0x20 ? b : pick(EVENTS, a), true);
      memory.view.setUint16(at + 6, b & 0x10 ? (b >>> 5) & 3 : 1, true);
      memory.wrote(at, at + 8);
      return [{ address: at, length: (b & 15) === 15 ? b >>> 8 : 8 }];
    },
    queueFor: ({ a, c }) => pick(a & 0x80 ? [2, 2, 0, 4] : [3, 3, 3, 3, 1, 5, 0, 2], c >>> 24),
    serve: (driver) => serve(driver, device, sinks[0]!),
  };
};

async function serve(driver: Driver, device: ConsoleDevice, sink: Sink): Promise<void> {
  const { memory } = driver;
  await handshake(driver);
  const address = memory.put(HELLO);
  await answered(driver.request(1, [{ address, length: HELLO.length }]), "output");
  expect(Buffer.compare(sink.last, HELLO) === 0, "its output");
  const buffer = memory.allocate(16);
  const sent = device.ports[0]!.send(HELLO);
  const input = driver.request(0, [{ address: buffer, length: 16, writable: true }]);
  const length = await answered(input, "input");
  expect(length === HELLO.length && Buffer.compare(memory.get(buffer, length), HELLO) === 0, "its input");
  await answered(sent, "that the input was taken");
}

/** The first message to a new driver is the answer to its first one (5.3.5): nothing of what was for the driver before it. */
async function handshake(driver: Driver): Promise<void> {
  const { memory } = driver;
  const buffer = memory.allocate(32);
  const added = driver.request(2, [{ address: buffer, length: 32, writable: true }]);
  const ready = memory.allocate(8);
  memory.view.setUint16(ready + 6, 1, true);
  await answered(driver.request(3, [{ address: ready, length: 8 }]), "DEVICE_READY");
  const length = await answered(added, "DEVICE_ADD");
  const isAdd = memory.view.getUint16(buffer + 4, true) === 1 && memory.view.getUint32(buffer, true) === 0;
  expect(length === 8 && isAdd, "the first control message");
}
