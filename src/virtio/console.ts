import { type DeviceOptions, VirtioDevice } from "./device.ts";
import type { QueueModel, Virtqueue } from "./queue.ts";
import type { DescriptorChain } from "./ring/chain.ts";
import { ConsoleControl, DeviceType, Feature } from "./spec.ts";
import { bytesText } from "./view/bytes-text.ts";
import type { NamedValue } from "./view/types.ts";

/** Takes what a guest writes to a port. */
export interface ConsoleSink {
  /**
   * Takes all of `data` (a view of guest memory: copy what you keep). Returns a promise when it wants no more until
   * that resolves: the guest waits meanwhile, nothing is dropped.
   */
  write(data: Uint8Array): Promise<void> | undefined;
}

export interface PortModel {
  /** Shown in the guest as /sys/class/virtio-ports/…/name; none for a plain console. */
  name?: string;
  /** A console (hvcN) rather than a character device. */
  console?: boolean;
}

/** The receive queue of port 0 comes first, then its transmit queue, then the two control queues (5.3.2). */
const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;
const CONSOLE_QUEUE = 64;
const PORT_QUEUE = 32;
/** Bytes that a sink gets at once: a driver's buffer can be as large as its memory, and a sink may copy. */
const PIECE = 65536;
/** Emergency characters that wait for a busy sink. They come through a register, which cannot hold the guest back. */
const EMERGENCY_LIMIT = 4096;

/** The console device (virtio 1.3, 5.3) with several named ports. */
export class ConsoleDevice extends VirtioDevice {
  readonly ports: readonly ConsolePort[];
  readonly #messages = new ControlMessages();
  /** The ports were announced to this driver. */
  #announced = false;
  #size = { columns: 80, rows: 25 };

  constructor(ports: readonly PortModel[], options?: DeviceOptions) {
    super(
      {
        type: DeviceType.console,
        kind: "console",
        features: [Feature.console.SIZE, Feature.console.MULTIPORT, Feature.console.EMERG_WRITE],
        queues: queueModels(ports),
        config: [
          { name: "cols", width: 2 },
          { name: "rows", width: 2 },
          { name: "max_nr_ports", width: 4 },
          { name: "emerg_wr", width: 4, writable: true },
        ],
      },
      options,
    );
    this.ports = ports.map((model, id) => {
      const { receive, transmit } = portQueues(id);
      return new ConsolePort(id, model, {
        transmit: () => this.poll(this.queues[transmit]!),
        receive: () => this.poll(this.queues[receive]!),
        announceOpen: () => this.#send(id, ConsoleControl.PORT_OPEN, 1),
      });
    });
    this.config.set("max_nr_ports", ports.length);
    this.resize(this.#size.columns, this.#size.rows);
  }

  /** Tells the driver the terminal's size, in characters. */
  resize(columns: number, rows: number): void {
    this.#size = { columns, rows };
    this.config.set("cols", columns);
    this.config.set("rows", rows);
    this.configChanged();
    for (const port of this.ports) if (port.console && port.ready) this.#sendSize(port.id);
  }

  override state(): NamedValue[] {
    const { columns, rows } = this.#size;
    return [
      { name: "terminal", value: `${columns} columns, ${rows} rows` },
      ...this.ports.flatMap((port) => {
        const name = port.name ?? `port ${port.id}`;
        return [
          { name, value: `${port.guestOpen ? "open" : "closed"} in the guest` },
          { name: `${name}: waits for the host`, value: bytesText(port.waitingOut) },
          { name: `${name}: waits for the guest`, value: bytesText(port.waitingIn) },
        ];
      }),
    ];
  }

  protected override process(queue: Virtqueue): void {
    if (queue.index === CONTROL_RECEIVE) this.#deliverControl(queue);
    else if (queue.index === CONTROL_TRANSMIT) this.#handleControl(queue);
    else {
      const port = this.ports[portOfQueue(queue.index)]!;
      if (queue.index % 2 === 0) port.fill(queue);
      else port.drain(queue);
    }
  }

  protected override onReady(): void {
    // Without MULTIPORT there is port 0 and nobody announces it.
    if (!this.has(Feature.console.MULTIPORT)) this.ports[0]?.guestOpened(true);
  }

  protected override onReset(): void {
    this.#messages.clear();
    this.#announced = false;
    for (const port of this.ports) port.reset();
  }

  protected override onConfigWrite(field: string): void {
    if (field === "emerg_wr") this.ports[0]?.emergency(this.config.get(field) & 0xff);
  }

  #deliverControl(queue: Virtqueue): void {
    const tooSmall = this.#messages.deliver(queue);
    if (tooSmall !== undefined) {
      this.violation("5.3.6.2 buffer", `a buffer of ${tooSmall} bytes for control messages`, queue.index);
    }
  }

  #handleControl(queue: Virtqueue): void {
    const message = new Uint8Array(ConsoleControl.HEADER_BYTES);
    const fields = new DataView(message.buffer);
    for (let chain = queue.take(); chain; chain = queue.take()) {
      if (chain.reader.read(message) === message.length) {
        this.#control(
          fields.getUint32(0, true),
          fields.getUint16(4, true),
          fields.getUint16(6, true),
          queue.index,
        );
      } else {
        this.violation("5.3.6.2 message", `a control message of ${chain.reader.total} bytes`, queue.index);
      }
      queue.put(chain, 0);
    }
  }

  /** A message from the driver (5.3.6.2). */
  #control(id: number, event: number, value: number, queue: number): void {
    if (event === ConsoleControl.DEVICE_READY) {
      if (value !== 1 || this.#announced) return; // 5.3.6.2.1: a port that exists is not added again
      this.#announced = true;
      for (const port of this.ports) this.#send(port.id, ConsoleControl.DEVICE_ADD, 1);
      return;
    }
    const port = this.ports[id];
    if (!port) {
      this.violation(
        "5.3.6.2 message",
        `a control message for port ${id}, there are ${this.ports.length}`,
        queue,
      );
      return;
    }
    if (event === ConsoleControl.PORT_READY) {
      port.ready = value === 1;
      if (port.ready) this.#introduce(port);
    } else if (event === ConsoleControl.PORT_OPEN) {
      port.guestOpened(value === 1);
    } else {
      this.violation("5.3.6.2 message", `a control message of kind ${event}`, queue);
    }
  }

  #introduce(port: ConsolePort): void {
    if (port.name) this.#send(port.id, ConsoleControl.PORT_NAME, 1, new TextEncoder().encode(port.name));
    if (port.console) {
      this.#send(port.id, ConsoleControl.CONSOLE_PORT, 1);
      this.#sendSize(port.id);
    }
    if (port.hostOpen) this.#send(port.id, ConsoleControl.PORT_OPEN, 1);
  }

  #sendSize(id: number): void {
    const payload = new Uint8Array(4);
    const view = new DataView(payload.buffer);
    view.setUint16(0, this.#size.columns, true);
    view.setUint16(2, this.#size.rows, true);
    this.#send(id, ConsoleControl.RESIZE, 0, payload);
  }

  #send(id: number, event: number, value: number, payload?: Uint8Array): void {
    if (!this.has(Feature.console.MULTIPORT)) return;
    this.#messages.add(id, event, value, payload);
    this.poll(this.queues[CONTROL_RECEIVE]!);
  }
}

/** One port of the console: two streams of bytes between the guest and whoever is connected here. */
export class ConsolePort {
  readonly id: number;
  readonly name: string | undefined;
  readonly console: boolean;
  /** The driver has set the port up. */
  ready = false;
  /** Told when a process in the guest opens or closes the port. */
  onGuestOpen: ((open: boolean) => void) | undefined;

  #guestOpen = false;
  #sink: ConsoleSink | undefined;
  #sinkBusy = false;
  /** A chain of which the sink has taken a part. */
  #outgoing: DescriptorChain | undefined;
  #input: { data: Uint8Array; taken: () => void }[] = [];
  readonly #emergency: number[] = [];
  readonly #device: PortDevice;

  constructor(id: number, model: PortModel, device: PortDevice) {
    this.id = id;
    this.name = model.name;
    this.console = model.console ?? false;
    this.#device = device;
  }

  get guestOpen(): boolean {
    return this.#guestOpen;
  }

  /** Bytes from the guest that the sink has not taken yet, of those that the device has. */
  get waitingOut(): number {
    const chain = this.#outgoing;
    return (chain?.inFlight ? chain.reader.remaining : 0) + this.#emergency.length;
  }

  /** Bytes for the guest that its driver has not taken yet. */
  get waitingIn(): number {
    return this.#input.reduce((sum, { data }) => sum + data.length, 0);
  }

  get hostOpen(): boolean {
    return this.#sink !== undefined;
  }

  /** Opens the host's end; what the guest writes goes to `sink`. */
  connect(sink: ConsoleSink): void {
    this.#sink = sink;
    if (this.ready) this.#device.announceOpen(); // otherwise the driver is told when it is
    this.#device.transmit();
  }

  /**
   * Bytes for the guest, in order. What is sent before the guest opens the port waits for that. The promise resolves when
   * the driver has taken all of `data`, or the guest has closed the port and the bytes are gone.
   */
  send(data: Uint8Array): Promise<void> {
    if (data.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#input.push({ data, taken: resolve });
      this.#device.receive();
    });
  }

  /** Resolves when all that the driver has made available up to now went to the sink. */
  async drained(): Promise<void> {
    this.#device.transmit();
    while (this.#sinkBusy) await this.#sinkReady;
  }

  /** Moves waiting input into the driver's buffers. */
  fill(queue: Virtqueue): void {
    while (this.#input.length > 0) {
      const chain = queue.take();
      if (!chain) return;
      while (this.#input.length > 0 && chain.writer.remaining > 0) {
        const first = this.#input[0]!;
        const done = chain.writer.write(first.data);
        first.data = first.data.subarray(done);
        if (first.data.length > 0) break;
        this.#input.shift();
        first.taken();
      }
      queue.put(chain, chain.writer.total - chain.writer.remaining);
    }
  }

  /** Moves what the guest wrote to the sink, until that asks to wait. */
  drain(queue: Virtqueue): void {
    while (!this.#sinkBusy && this.#sink) {
      this.#outgoing ??= queue.take();
      if (!this.#outgoing) return;
      const { reader } = this.#outgoing;
      while (reader.remaining > 0) {
        const goesOn = this.#give(reader.view(PIECE));
        if (!goesOn && reader.remaining > 0) return;
      }
      queue.put(this.#outgoing, 0);
      this.#outgoing = undefined;
    }
  }

  emergency(character: number): void {
    if (!this.#sinkBusy) this.#give(Uint8Array.of(character));
    else if (this.#emergency.length < EMERGENCY_LIMIT) this.#emergency.push(character);
  }

  /** Forgets what was sent and not taken: the guest it was for is gone. */
  discardInput(): void {
    for (const { taken } of this.#input.splice(0)) taken();
  }

  guestOpened(open: boolean): void {
    if (this.#guestOpen && !open) this.discardInput(); // it was not meant for the next process
    this.#guestOpen = open;
    this.onGuestOpen?.(open);
  }

  reset(): void {
    // Before the driver has set the port up, what waits is for it.
    if (this.ready) this.discardInput();
    this.ready = false;
    this.#outgoing = undefined;
    if (this.#guestOpen) this.guestOpened(false);
  }

  #sinkReady: Promise<void> = Promise.resolve();

  /** Returns false when the sink wants no more for now. */
  #give(piece: Uint8Array): boolean {
    const waiting = this.#sink?.write(piece);
    if (!waiting) return true;
    this.#sinkBusy = true;
    const again = (): void => {
      this.#sinkBusy = false;
      if (this.#emergency.length > 0) this.#give(Uint8Array.from(this.#emergency.splice(0)));
      this.#device.transmit();
    };
    this.#sinkReady = waiting.then(again, again);
    return false;
  }
}

/** What a port asks of its device. */
interface PortDevice {
  transmit(): void;
  receive(): void;
  announceOpen(): void;
}

/**
 * Messages on their way to the driver. A newer one of the same kind for the same port replaces the older, so that a
 * driver that gives no buffers cannot make the list grow beyond ports times kinds.
 */
class ControlMessages {
  readonly #waiting = new Map<number, Uint8Array>();

  add(id: number, event: number, value: number, payload: Uint8Array = new Uint8Array()): void {
    const message = new Uint8Array(ConsoleControl.HEADER_BYTES + payload.length);
    const view = new DataView(message.buffer);
    view.setUint32(0, id, true);
    view.setUint16(4, event, true);
    view.setUint16(6, value, true);
    message.set(payload, ConsoleControl.HEADER_BYTES);
    const key = id * 16 + event;
    this.#waiting.delete(key); // to the end: order between kinds matters
    this.#waiting.set(key, message);
  }

  /** Moves what waits into the driver's buffers; returns the size of one that was too small to hold a message, if any. */
  deliver(queue: Virtqueue): number | undefined {
    let tooSmall: number | undefined;
    for (const [key, message] of this.#waiting) {
      const chain = queue.take();
      if (!chain) break;
      const { writer } = chain;
      if (writer.total < message.length) tooSmall = writer.total;
      queue.put(chain, writer.write(message));
      this.#waiting.delete(key);
    }
    return tooSmall;
  }

  clear(): void {
    this.#waiting.clear();
  }
}

function portQueueModels(id: number, size: number): QueueModel[] {
  return [
    { name: `receiveq(port${id})`, size },
    // Linux waits for each piece of console output by polling the used ring.
    { name: `transmitq(port${id})`, size, interruptLater: true },
  ];
}

function queueModels(ports: readonly PortModel[]): QueueModel[] {
  return [
    ...portQueueModels(0, CONSOLE_QUEUE),
    { name: "control receiveq", size: PORT_QUEUE },
    { name: "control transmitq", size: PORT_QUEUE, interruptLater: true },
    ...ports.slice(1).flatMap((_, i) => portQueueModels(i + 1, PORT_QUEUE)),
  ];
}

function portQueues(id: number): { receive: number; transmit: number } {
  const receive = id === 0 ? 0 : 2 + 2 * id;
  return { receive, transmit: receive + 1 };
}

function portOfQueue(index: number): number {
  return index < 2 ? 0 : Math.floor(index / 2) - 1;
}
