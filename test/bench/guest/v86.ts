import { readFile } from "node:fs/promises";
import { WebSocket } from "ws";
import { kernelParameters } from "../../../images/debian-busybox/kernel-parameters.ts";
import { peerFiles } from "../material.ts";
import { InitWatch } from "./marker.ts";
import { costBetween, now } from "./moment.ts";
import { fillPattern, GUEST_MEMORY, inTime, type Peer } from "./peer.ts";
import { countPortAccesses, newPlainV86, type PlainV86 } from "./plain-v86.ts";
import type { BootRequest, Cost, NetworkRequest } from "./protocol.ts";
import { assertArrived, Shell } from "./shell.ts";

/** The image's parameters, with the console on the one that this peer has. */
export const PEER_PARAMETERS = kernelParameters
  .map(({ parameter }) => parameter.replace(/^console=hvc0$/, "console=ttyS0"))
  .join(" ");

/** Boots v86 by itself, as its documentation has it: SeaBIOS, the bzImage, the disk on its IDE controller. */
export async function bootV86(request: BootRequest): Promise<Peer> {
  const files = await peerFiles();
  const hda = request.disk === undefined ? undefined : filledDisk(request.disk);
  const watch = new InitWatch();
  let accesses = (): number => 0;

  const start = now(0);
  const [bios, vgaBios, bzImage, initrd] = await Promise.all(
    [files.bios, files.vgaBios, files.bzImage, request.initrd ?? files.initrd].map(readBuffer),
  );
  const emulator = newPlainV86({
    wasm_path: files.wasm,
    bios: { buffer: bios! },
    vga_bios: { buffer: vgaBios! },
    bzimage: { buffer: bzImage! },
    initrd: { buffer: initrd! },
    cmdline: PEER_PARAMETERS,
    memory_size: GUEST_MEMORY,
    virtio_console: request.virtioConsole ?? false,
    ...(hda && { hda: { buffer: hda } }),
    ...(request.network && { net_device: cardFor(request.network) }),
  });
  const instructions = (): number => emulator.v86.cpu.instruction_counter[0]!;
  const shell = new Shell({
    type: (text) => emulator.serial0_send(text),
    instructions,
    accesses: () => accesses(),
  });
  emulator.add_listener("serial0-output-byte", (byte) => {
    watch.putByte(byte);
    shell.putByte(byte);
  });
  await inTime(watch.reached, () => watch.tail);
  const booted = costBetween(start, now(instructions()));

  return {
    booted,
    shell,
    stream: (command, stream, expected) =>
      stream === "console"
        ? shell.stream(command, expected)
        : overVirtioConsole(emulator, shell, command, expected),
    countPorts: (ranges) => {
      accesses = countPortAccesses(emulator, ranges);
    },
    pause: () => emulator.stop(),
    resume: () => emulator.run(),
  };
}

function cardFor({ relay, room, card }: NetworkRequest): { type: "virtio" | "ne2k"; relay_url: string } {
  // v86 uses the browser's, which Node 20 has not.
  globalThis.WebSocket = WebSocket as unknown as typeof globalThis.WebSocket;
  return { type: card, relay_url: `${relay}?room=${room}` };
}

async function readBuffer(path: string): Promise<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = await readFile(path);
  return buffer.slice(byteOffset, byteOffset + byteLength);
}

function filledDisk(size: number): ArrayBuffer {
  const bytes = new Uint8Array(size);
  fillPattern(bytes, 0);
  return bytes.buffer;
}

async function overVirtioConsole(
  emulator: PlainV86,
  shell: Shell,
  command: string,
  expected: string,
): Promise<Cost> {
  const onTheLine = expected.length + (expected.match(/\n/g)?.length ?? 0);
  const pieces: Uint8Array[] = [];
  let length = 0;
  let allThere!: () => void;
  const arrived = new Promise<void>((resolve) => (allThere = resolve));
  emulator.add_listener("virtio-console0-output-bytes", (bytes) => {
    pieces.push(bytes);
    length += bytes.length;
    if (length >= onTheLine) allThere();
  });
  const result = await shell.streamElsewhere(command, arrived);
  assertArrived(command, Buffer.concat(pieces).toString("latin1").replaceAll("\r\n", "\n"), expected);
  return result;
}
