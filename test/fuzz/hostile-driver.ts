import { resetQueue } from "../unit/driver/queue-reset.ts";
import {
  ACKNOWLEDGE,
  DRIVER,
  DRIVER_OK,
  FEATURES_OK,
  RING_PACKED,
  VERSION_1,
} from "../unit/driver/driver.ts";
import type { Placement, Segment } from "../unit/driver/queue.ts";
import { type Instruction, pick } from "./program.ts";
import type { Rig } from "./rig.ts";
import { type Areas, RingWriter } from "./ring-writer.ts";
import { BUFFERS, type Subject } from "./subject.ts";

/** Queue i lies here, in the first half of memory. */
const QUEUE_STEP = 0x2000;
const QUEUES = 6;
const PAGE = 4096;
const SIZES = [4, 8, 1, 2, 16, 32, 64, 128, 256, 3, 5, 7, 100, 255, 0, 512];
const PLACEMENTS: readonly Placement[] = ["direct", "direct", "indirect", "mixed", "unaligned-indirect"];
const LENGTHS = [0, 1, 15, 16, 17, 0x10000, 0x20000, 0xffff, 0x80000000, 0xffffffff, 0xfffffff0, 0x1f000];
const WIDTHS = [4, 2, 1, 4] as const;
const MOST_PENDING = 300;

/** A driver that does what an input's instructions say: anything, but with a good chance of getting somewhere. */
export class HostileDriver {
  readonly #rig: Rig;
  readonly #subject: Subject;
  readonly #writers: (RingWriter | undefined)[] = [];
  /** Buffers of the chain that is being made. */
  #pending: Segment[] = [];

  constructor(rig: Rig, subject: Subject) {
    this.#rig = rig;
    this.#subject = subject;
  }

  /** The instructions, by name: a target takes those that it wants. */
  readonly actions: Readonly<Record<ActionName, (instruction: Instruction) => void | Promise<void>>> = {
    setUp: (instruction) => this.#setUp(instruction),
    queue: (instruction) => this.#queue(instruction),
    status: ({ a }) => this.#rig.act(() => (this.#rig.transport.status = a)),
    write: ({ a, b, c }) =>
      this.#rig.act(() => {
        const region = pick(this.#rig.regions, a >>> 2);
        const width = pick(WIDTHS, a);
        // As the CPU hands them over: of the width, and those of 32 bits with a sign.
        region.write(b, width, width === 4 ? c | 0 : c & (2 ** (8 * width) - 1));
      }),
    read: ({ a, b }) => this.#rig.act(() => pick(this.#rig.regions, a >>> 2).read(b, pick(WIDTHS, a))),
    config: ({ a, b, c }) =>
      this.#rig.act(() => {
        const { transport } = this.#rig;
        if (a & 0x80) Reflect.get(transport, "generation"); // as Linux does around a read
        if (a & 4) transport.readConfig(b & 127, pick(WIDTHS, a));
        else transport.writeConfig(b & 127, pick(WIDTHS, a), c);
      }),
    kick: ({ a, b }) => this.#rig.act(() => this.#rig.transport.notify(a & 7, b & 1 ? b : undefined)),
    acknowledge: () => this.#rig.act(() => this.#rig.transport.acknowledge()),
    buffer: ({ a, b, c }) => {
      if (this.#pending.length >= MOST_PENDING) return;
      for (let i = 0; i <= a >>> 5; i++) {
        this.#pending.push({ address: this.#address(a, c), length: length(b), writable: (a & 1) !== 0 });
      }
    },
    request: (instruction) => {
      this.#pending = this.#subject.request(this.#rig, instruction);
    },
    send: (instruction) => {
      const queue = this.#subject.queueFor?.(instruction) ?? (instruction.c >>> 24) & 7;
      const segments = this.#subject.request(this.#rig, instruction);
      this.#writers[queue]?.add(segments, "direct", 0);
      this.#rig.act(() => this.#rig.transport.notify(queue));
    },
    chain: ({ a, b, c }) => {
      const writer = this.#writers[a & 7];
      // One chain may stand for many, of the same buffers.
      for (let i = 0; writer && i <= c >>> 28; i++) {
        writer.add(this.#pending, pick(PLACEMENTS, a >>> 4), b & 0x8000 ? b & 0x7fff : 0);
      }
      if (!(c & 2)) this.#pending = [];
      if (c & 1) this.#rig.act(() => this.#rig.transport.notify(a & 7));
    },
    describe: ({ a, b, c }) =>
      this.#writers[a & 7]?.describe(b >>> 4, this.#address(a, c), length(c >>> 16), b & 7, a >>> 3),
    push: ({ a, b }) => this.#writers[a & 7]?.push(b & 0x100 ? b : b & 0xff),
    ring: ({ a, b, c }) => this.#writers[a & 7]?.poke(b, c),
    poke: ({ a, b, c }) => this.#anyWriter.set(((a & 1) << 16) | b, a & 2 ? 2 : 4, c),
    host: (instruction) => this.#rig.turn(() => this.#subject.host(instruction)),
    turn: () => this.#rig.turn(),
  };

  /** The initialisation (3.1.1), perhaps with steps left out. */
  #setUp({ a, b, c }: Instruction): void {
    const rig = this.#rig;
    const { transport } = rig;
    if (!(a & 1)) rig.act(() => (transport.status = 0));
    rig.act(() => {
      transport.status = ACKNOWLEDGE;
      transport.status = ACKNOWLEDGE | DRIVER;
      transport.acceptFeatures((transport.deviceFeatures() & chosen(b)) | (a & 2 ? 0n : VERSION_1));
      if (!transport.legacy) transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
    });
    const size = pick(SIZES, c);
    for (let index = 0; index < QUEUES; index++) {
      if (!((c >>> (8 + index)) & 1)) rig.act(() => this.#place(index, size, 0));
    }
    if (!(a & 4)) rig.act(() => (transport.status = transport.status | DRIVER_OK));
  }

  /** One queue: set up somewhere, enabled or taken away. */
  #queue({ a, b, c }: Instruction): void {
    const { driver } = this.#rig;
    const { transport } = driver;
    const index = a & 7;
    this.#rig.act(() => {
      if (a & 0x10) {
        if (!transport.legacy && b & 1) resetQueue(driver, index);
        else this.#takeAway(index);
      } else this.#place(index, a & 0x20 ? b : pick(SIZES, b), c);
    });
  }

  #takeAway(index: number): void {
    const { transport } = this.#rig;
    transport.selectQueue(index);
    if (transport.legacy) transport.setAreas({ descriptors: 0, available: 0, used: 0 });
    transport.enableQueue(0);
  }

  #place(index: number, wanted: number, shift: number): void {
    const { transport, memory, device } = this.#rig;
    transport.selectQueue(index);
    const size = transport.legacy?.sizeFixed ? transport.maximumSize() : Math.min(wanted, 0xffff);
    if (size === 0 && transport.legacy?.sizeFixed) return;
    const start = index * QUEUE_STEP;
    const legacy = transport.legacy !== undefined;
    const available = start + (legacy ? 16 * size : 0x1000);
    const areas: Areas = {
      // Some of the time not where it should be: on other queues, on buffers, on an odd address.
      descriptors: start + (shift & 0x1fff) * (shift & 0x2000 ? 16 : 0),
      available: available + ((shift >>> 16) & 0xff),
      used: legacy ? Math.ceil((available + 6 + 2 * size) / PAGE) * PAGE : start + 0x1400 + (shift >>> 24),
    };
    transport.setQueueSize(size);
    transport.setAreas(areas);
    transport.enableQueue();
    const packed = (device.negotiated & RING_PACKED) !== 0n;
    this.#writers[index] = new RingWriter(memory, Math.min(size, 512), areas, packed);
  }

  get #anyWriter(): RingWriter {
    return (this.#writers[7] ??= new RingWriter(
      this.#rig.memory,
      1,
      { descriptors: 0, available: 0, used: 0 },
      false,
    ));
  }

  /** In the second half of memory, where buffers are, or over a ring, at memory's end, or outside of it. */
  #address(a: number, c: number): number {
    const low = c & 0xffff;
    switch ((a >>> 1) & 15) {
      case 1:
        return low;
      case 2:
        return this.#rig.memory.size - (low & 0xff);
      case 3:
        return c;
      case 4:
        return low * 2 ** 32 + BUFFERS;
      default:
        return BUFFERS + low;
    }
  }
}

export type ActionName =
  | "setUp"
  | "queue"
  | "status"
  | "write"
  | "read"
  | "config"
  | "kick"
  | "acknowledge"
  | "buffer"
  | "request"
  | "send"
  | "chain"
  | "describe"
  | "push"
  | "ring"
  | "poke"
  | "host"
  | "turn";

/** A set of features out of 16 bits: the common ones of section 6 by one bit each, the device's own by the rest. */
function chosen(bits: number): bigint {
  const common = [28n, 29n, 34n, 35n, 38n, 39n, 40n];
  const set = common.reduce((set, bit, i) => ((bits >>> i) & 1 ? set : set | (1n << bit)), 0n);
  const own = bits & 0x80 ? 0 : 0xffffff & ~((bits >>> 8) * 0x10101);
  return set | BigInt(own);
}

function length(b: number): number {
  return (b & 0xff00) === 0xff00 ? pick(LENGTHS, b) : b & 0x1fff;
}
