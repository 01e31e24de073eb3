import { ConsoleControl } from "../../virtio/spec.ts";
import { type DecodedLayer, LayerReader, named, type Shown } from "./layer.ts";
import { textOf } from "./text.ts";

/** 5.3.6.2 */
const EVENTS: Readonly<Record<number, string>> = {
  [ConsoleControl.DEVICE_READY]: "VIRTIO_CONSOLE_DEVICE_READY: the driver is ready",
  [ConsoleControl.DEVICE_ADD]: "VIRTIO_CONSOLE_DEVICE_ADD: there is this port",
  [ConsoleControl.DEVICE_REMOVE]: "VIRTIO_CONSOLE_DEVICE_REMOVE: the port is gone",
  [ConsoleControl.PORT_READY]: "VIRTIO_CONSOLE_PORT_READY: the driver has set the port up",
  [ConsoleControl.CONSOLE_PORT]: "VIRTIO_CONSOLE_CONSOLE_PORT: the port is a console",
  [ConsoleControl.RESIZE]: "VIRTIO_CONSOLE_RESIZE: the terminal's size",
  [ConsoleControl.PORT_OPEN]: "VIRTIO_CONSOLE_PORT_OPEN: the other end was opened or closed",
  [ConsoleControl.PORT_NAME]: "VIRTIO_CONSOLE_PORT_NAME: the port's name",
};

/** struct virtio_console_control and what follows it. */
export function decodeConsoleControl(bytes: Uint8Array): DecodedLayer {
  const reader = new LayerReader("Console control message", bytes, 0, bytes.length, "5.3.6.2");
  reader.number("id", 4, (id) => `port ${id}`);
  const event = reader.number("event", 2, named(EVENTS));
  reader.number("value", 2);
  if (event === ConsoleControl.RESIZE) {
    // As Linux and QEMU have it: columns come first.
    reader.number("cols", 2);
    reader.number("rows", 2);
  } else if (event === ConsoleControl.PORT_NAME) reader.rest("name", textOf);
  return reader.layer;
}

/** What a message is about, in a sentence: "PORT_OPEN of port 1, value 1". */
export function consoleControlName(bytes: Uint8Array): string | undefined {
  if (bytes.length < ConsoleControl.HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const event = view.getUint16(4, true);
  const name = EVENTS[event]?.split(":")[0]?.replace("VIRTIO_CONSOLE_", "") ?? `message ${event}`;
  return `${name} of port ${view.getUint32(0, true)}, value ${view.getUint16(6, true)}`;
}

/** What goes through a port. */
export function decodeConsoleText(bytes: Uint8Array): DecodedLayer {
  const reader = new LayerReader("Console bytes", bytes, 0, bytes.length, "5.3.6");
  reader.rest("text", (text): Shown => textOf(text));
  return reader.layer;
}
