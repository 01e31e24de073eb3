import { readFile } from "node:fs/promises";
import { MemoryDisk } from "../../../src/backends/disk/memory.ts";
import { parseConfig } from "../../../src/config/grammar.ts";
import type { Machine as MachineClass, MachineOptions } from "../../../src/machine/machine.ts";
import { loadImage } from "../../../src/node/images.ts";
import { loadWasm } from "../../../src/node/wasm.ts";
import { openWires } from "../../../src/node/wires.ts";
import { IMAGE } from "../material.ts";
import { InitWatch } from "./marker.ts";
import { costBetween, now } from "./moment.ts";
import { fillPattern, GUEST_MEMORY, inTime, type Peer } from "./peer.ts";
import type { BootRequest } from "./protocol.ts";
import { Shell } from "./shell.ts";

const DISK = "bench";

/** Boots Ringside's machine as `ringside run` does: image read, unpacked and verified, CPU compiled, machine built. */
export async function bootOurs(request: BootRequest): Promise<Peer> {
  const { Machine } = (await import(request.core ?? "../../../src/machine/machine.ts")) as {
    Machine: typeof MachineClass;
  };
  const disks = diskFor(request.disk);
  const watch = new InitWatch();

  const start = now(0);
  const [image, wasm, initrd] = await Promise.all([
    loadImage(IMAGE),
    loadWasm(),
    request.initrd && readFile(request.initrd),
  ]);
  const config = parseConfig(configText(request), "node");
  const options: MachineOptions = {
    config,
    wires: openWires(config, {}),
    image: initrd ? { ...image, initrd } : image,
    wasm,
    disks,
    terminal: {
      write(data) {
        watch.put(data);
        shell.put(data);
        return undefined;
      },
    },
    ...(request.listener === "no-op" && { observer: () => undefined }),
  };
  const machine = new Machine(options);
  const instructions = (): number => machine.counters().instructions;
  const encoder = new TextEncoder();
  const shell = new Shell({
    type: (text) => void machine.type(encoder.encode(text)),
    instructions,
    accesses: () => machine.describe().find(({ id }) => id === DISK)?.accesses ?? 0,
  });
  await machine.start();
  await inTime(watch.reached, () => watch.tail);
  const booted = costBetween(start, now(instructions()));

  return {
    booted,
    shell,
    stream: (command, stream, expected) => {
      if (stream !== "console") throw new Error("Ringside's shell is on its virtio console.");
      return shell.stream(command, expected);
    },
    countPorts: () => {
      throw new Error("Ringside counts register accesses by itself.");
    },
    pause: () => {
      machine.pause();
      return Promise.resolve();
    },
    resume: () => {
      machine.resume();
      return Promise.resolve();
    },
  };
}

function configText({ disk, diskOptions, network }: BootRequest): string {
  const options = diskOptions === undefined ? "" : `,${diskOptions}`;
  const device = disk === undefined ? "" : `&device=blk,id=${DISK},store=memory,size=${disk}${options}`;
  const nic = network ? `&device=net,wire=room:${network.room},relay=${network.relay},gateway=off` : "";
  return `memory=${GUEST_MEMORY}&device=none&device=console&device=rng${device}${nic}`;
}

function diskFor(size: number | undefined): MachineOptions["disks"] {
  if (size === undefined) return new Map();
  const disk = new MemoryDisk(size);
  const piece = new Uint8Array(1 << 20);
  for (let at = 0; at < size; at += piece.length) {
    fillPattern(piece, at);
    disk.write(at, piece);
  }
  return new Map([[DISK, disk]]);
}
