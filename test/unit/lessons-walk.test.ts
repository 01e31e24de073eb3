/** Walking through a lesson: what meets a wait, and what does not. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type {
  EventQuery,
  RequestRecord,
  TraceDetail,
  TraceEvent,
  TraceSummary,
} from "../../src/inspect/types.ts";
import { Trace } from "../../src/inspect/trace.ts";
import { lessonLink, readLessonLink, withoutLesson } from "../../src/page/lessons/link.ts";
import { parseLesson } from "../../src/page/lessons/parse.ts";
import { finishedRuns } from "../../src/page/lessons/prompt.ts";
import type { Scene, TraceAccess } from "../../src/page/lessons/scene.ts";
import { Walk } from "../../src/page/lessons/walk.ts";

/** A page whose trace, terminal and machine the tests write. */
class Stage implements Scene, TraceAccess {
  readonly recorded: TraceEvent[] = [];
  readonly requests = new Map<number, RequestRecord>();
  start = 1;
  text = "";
  machine = "running";
  link: string | undefined = "";
  where: ReturnType<Scene["view"]> = { tab: "lessons", device: undefined, queue: undefined };
  /** Events that questions have brought. */
  brought = 0;
  broken = false;

  trace = () => this as TraceAccess | undefined;
  screen = () => this.text;
  state = () => this.machine;
  config = () => this.link;
  view = () => this.where;

  add(device: string, detail: TraceDetail, request?: number): TraceEvent {
    const requests = request === undefined ? {} : { requests: { first: request, last: request } };
    const event = { seq: this.recorded.length, time: this.recorded.length, device, ...requests, ...detail };
    this.recorded.push(event);
    return event;
  }

  /** Another inspection begins, as after a reload. */
  begin(): void {
    this.recorded.length = 0;
    this.start++;
  }

  summary(): Promise<TraceSummary> {
    if (this.broken) return Promise.reject(new Error("There is no machine."));
    return Promise.resolve({
      start: this.start,
      next: this.recorded.length,
      devices: [{ name: "rng", kind: "rng", transport: "pci", queues: ["requestq"] }],
    } as unknown as TraceSummary);
  }

  events({ from = 0, to = Infinity, kinds, queue, limit }: EventQuery): Promise<TraceEvent[]> {
    const found = this.recorded
      .filter((event) => event.seq >= from && event.seq < to && (kinds?.includes(event.kind) ?? true))
      .filter((event) => queue === undefined || ("queue" in event && event.queue === queue))
      .slice(0, limit);
    this.brought += found.length;
    return Promise.resolve(found);
  }

  request(id: number) {
    return Promise.resolve(this.requests.get(id));
  }

  features() {
    return Promise.resolve([{ bit: 34, name: "VIRTIO_F_RING_PACKED" }]);
  }
}

const KICK: TraceDetail = { kind: "kick", queue: 0 };

function walkThrough(...blocks: string[][]) {
  const steps = blocks.map((waits, index) => [
    `## Step ${index + 1}`,
    ...waits.map((wait) => `\`\`\`wait\n${wait}\n\`\`\``),
  ]);
  const text = `---\ntitle: T\nsummary: S\norder: 1\n---\n${steps.flat().join("\n\n")}\n`;
  const { lesson, problems } = parseLesson("t.md", text, ["lessons", "split"]);
  assert.deepEqual(problems, []);
  const stage = new Stage();
  return { stage, walk: (options = {}) => new Walk(lesson!, stage, options) };
}

/** The walk has begun its step, and looked. */
async function look(walk: Walk): Promise<number> {
  await new Promise((resolve) => setImmediate(resolve));
  await walk.look();
  return walk.seen.value.length;
}

describe("a step", () => {
  it("waits only for what happens after it began", async () => {
    const { stage, walk: start } = walkThrough(["event: kick\ndevice: rng"], ["event: kick"]);
    stage.add("rng", KICK);
    const walk = start();
    assert.equal(await look(walk), 0);
    stage.add("blk root", KICK);
    assert.equal(await look(walk), 0);
    const event = stage.add("rng", KICK);
    assert.equal(await look(walk), 1);
    assert.equal(walk.seen.value[0]!.event, event);
    assert.ok(walk.done.value.has(0), "the step is done");
    stage.add("rng", KICK);
    walk.next();
    assert.equal(walk.step.value, 1);
    assert.equal(await look(walk), 0);
    stage.add("rng", KICK);
    assert.equal(await look(walk), 1);
    assert.ok(walk.ended.value, "the lesson is done");
  });

  it("misses nothing between two looks, however much it was", async () => {
    const { stage, walk: start } = walkThrough(["event: kick\ndevice: rng"]);
    const walk = start();
    assert.equal(await look(walk), 0);
    for (let i = 0; i < 5000; i++) stage.add("blk root", KICK);
    stage.add("rng", KICK);
    for (let i = 0; i < 5000; i++) stage.add("blk root", KICK);
    assert.equal(await look(walk), 1);
    assert.equal(walk.seen.value[0]!.event?.seq, 5000);
  });

  it("looks at a flood bit by bit, and at nothing twice", async () => {
    const { stage, walk: start } = walkThrough(["event: kick\ndevice: rng"]);
    const walk = start();
    await look(walk);
    for (let i = 0; i < 30_500; i++) stage.add("blk root", KICK);
    stage.add("rng", KICK);
    assert.equal(await look(walk), 0);
    assert.equal(stage.brought, 20_000);
    assert.equal(await look(walk), 1);
    assert.equal(stage.brought, 30_501);
  });

  it("has waits one after the other, each from the one before", async () => {
    const { stage, walk: start } = walkThrough(["event: kick", "event: used", "event: kick"]);
    const walk = start();
    await look(walk);
    const used: TraceDetail = { kind: "used", queue: 0, head: 0, written: 0, sample: new Uint8Array() };
    stage.add("rng", used);
    stage.add("rng", KICK);
    assert.equal(await look(walk), 1);
    stage.add("rng", used);
    stage.add("rng", KICK);
    assert.equal(await look(walk), 3);
  });

  it("goes on with another trace from its beginning", async () => {
    const { stage, walk: start } = walkThrough(["event: kick"]);
    stage.add("rng", KICK);
    stage.add("rng", KICK);
    const walk = start();
    assert.equal(await look(walk), 0);
    stage.begin();
    stage.add("rng", KICK);
    assert.equal(await look(walk), 1);
  });

  it("outlives a machine that goes away while it looks", async () => {
    const { stage, walk: start } = walkThrough(["event: kick"]);
    stage.broken = true;
    const walk = start();
    assert.equal(await look(walk), 0);
    stage.broken = false;
    stage.add("rng", KICK);
    assert.equal(await look(walk), 1);
  });

  it("is done by the person alone where it says next, and can be left behind", async () => {
    const { stage, walk: start } = walkThrough(["next"], ["event: kick"], ["next"]);
    const walk = start();
    assert.equal(await look(walk), 0);
    walk.next();
    assert.deepEqual([...walk.done.value], [0]);
    stage.text = "";
    walk.next(); // without a kick
    assert.deepEqual([...walk.done.value], [0]);
    walk.next(); // the last
    assert.deepEqual([walk.step.value, ...walk.done.value], [2, 0, 2]);
    assert.ok(!walk.ended.value, "a step was left out");
  });

  it("begins where a link or a reload says, or at the nearest there is", () => {
    const { walk: start } = walkThrough(["next"], ["next"]);
    assert.equal(start({ step: 1 }).step.value, 1);
    assert.equal(start({ step: 99 }).step.value, 1);
    assert.equal(start({ step: NaN }).step.value, 0);
    assert.deepEqual([...start({ step: 1, done: [0, 7] }).done.value], [0]);
  });
});

describe("a wait for an event", () => {
  const meets = async (wait: string, device: string, detail: TraceDetail): Promise<boolean> => {
    const { stage, walk: start } = walkThrough([wait]);
    const walk = start();
    await look(walk);
    stage.add(device, detail);
    return (await look(walk)) === 1;
  };
  const access = (register: string, value: number, write = true): TraceDetail => ({
    kind: "access",
    register,
    offset: 0,
    width: 4,
    write,
    value,
  });

  it("knows devices by name or kind", async () => {
    assert.ok(await meets("event: kick\ndevice: net", "net net0", KICK), "by its kind");
    assert.ok(await meets("event: kick\ndevice: net net0", "net net0", KICK), "by its name");
    assert.ok(!(await meets("event: kick\ndevice: net1", "net net0", KICK)), "another");
    assert.ok(!(await meets("event: kick\nqueue: 1", "net net0", KICK)), "another queue");
  });

  it("knows registers, status bits, features, rules", async () => {
    const register = "event: access\nregister: status\nwrite: yes\nvalue: 11";
    assert.ok(await meets(register, "rng", access("device_status", 11)), "the register");
    assert.ok(!(await meets(register, "rng", access("device_status", 3))), "another value");
    assert.ok(!(await meets(register, "rng", access("device_status", 11, false))), "a read");
    const status = "event: status\nstatus: DRIVER_OK";
    assert.ok(await meets(status, "rng", { kind: "status", from: 11, to: 15 }), "the bit is set");
    assert.ok(!(await meets(status, "rng", { kind: "status", from: 15, to: 15 })), "it was set before");
    const packed = (negotiated: string): TraceDetail => ({
      kind: "features",
      negotiated,
      refused: undefined,
    });
    const feature = "event: features\nfeature: VIRTIO_F_RING_PACKED";
    assert.ok(await meets(feature, "rng", packed("500000000")), "by name");
    assert.ok(!(await meets(feature, "rng", packed("100000000"))), "not negotiated");
    assert.ok(await meets("event: features\nwithout: 34", "rng", packed("100000000")), "without it");
    const violation: TraceDetail = {
      kind: "violation",
      rule: "2.3",
      sentence: "An available buffer notification is for a queue that exists.",
      what: "a kick of queue 99",
      queue: 99,
      descriptor: undefined,
    };
    assert.ok(await meets("violation: 2.3", "rng", violation), "the rule");
    assert.ok(!(await meets("violation: 2.7", "rng", violation)), "another rule");
  });

  it("knows block requests", async () => {
    const read = (sector: number, bytes: number): TraceDetail => {
      const sample = new Uint8Array(16);
      new DataView(sample.buffer).setUint32(8, sector, true);
      return { kind: "chain", queue: 0, head: 0, readable: 16, writable: bytes + 1, buffers: [], sample };
    };
    const wait = "event: chain\noperation: read\nsectors: 16-23";
    assert.ok(await meets(wait, "blk root", read(8, 9 * 512)), "its last sector");
    assert.ok(!(await meets(wait, "blk root", read(8, 8 * 512))), "ends before");
    assert.ok(!(await meets(wait, "blk root", read(24, 512))), "begins after");
    assert.ok(!(await meets("event: chain\noperation: write", "blk root", read(0, 512))), "a read");
    const short = { ...read(0, 512), sample: new Uint8Array(3) } as TraceDetail;
    assert.ok(!(await meets(wait, "blk root", short)), "no header");
  });

  it("knows frames and what they hold", async () => {
    const frame = (type: number, protocol = 0): TraceDetail => {
      const sample = new Uint8Array(64);
      sample.set([type >> 8, type & 0xff], 24);
      sample[35] = protocol;
      sample.set([104, 105], 50);
      return { kind: "frame", direction: "out", length: 64, sample };
    };
    assert.ok(await meets("event: frame\netherType: 0x0806", "net net0", frame(0x806)), "ARP");
    assert.ok(await meets("event: frame\nprotocol: 1\ncontains: hi", "net net0", frame(0x800, 1)), "ICMP");
    assert.ok(!(await meets("event: frame\nprotocol: 1", "net net0", frame(0x86dd, 1))), "not IPv4");
    assert.ok(!(await meets("event: frame\ndirection: in", "net net0", frame(0x806))), "the other way");
    const cut: TraceDetail = { kind: "frame", direction: "in", length: 64, sample: new Uint8Array(5) };
    assert.ok(!(await meets("event: frame\netherType: 0x0806", "net net0", cut)), "cut short");
  });

  it("knows the phases of a request", async () => {
    const { stage, walk: start } = walkThrough(["request: kick, used\ndevice: rng"]);
    const walk = start();
    await look(walk);
    const used: TraceDetail = { kind: "used", queue: 0, head: 0, written: 0, sample: new Uint8Array() };
    stage.requests.set(1, { id: 1, kick: undefined, used: 0 } as RequestRecord);
    stage.requests.set(2, { id: 2, kick: 0, used: 1 } as RequestRecord);
    stage.add("rng", used, 1);
    assert.equal(await look(walk), 0);
    stage.add("rng", used, 2);
    assert.equal(await look(walk), 1);
  });
});

describe("a walk on the machine's own trace", () => {
  it("finds what was recorded since the step began, whatever went for newer events", async () => {
    const { lesson } = parseLesson(
      "t.md",
      "---\ntitle: T\nsummary: S\norder: 1\n---\n## Step\n\n```wait\nevent: status\nstatus: DRIVER_OK\n```\n",
      [],
    );
    const trace = new Trace({ bound: 0, devices: [] });
    const stage = new Stage();
    stage.summary = () => Promise.resolve(trace.summary());
    stage.events = (query) => Promise.resolve(trace.events(query));
    trace.record({ type: "status", device: "rng", from: 11, to: 15 });
    const walk = new Walk(lesson!, stage);
    assert.equal(await look(walk), 0);
    for (let i = 0; i < 30_000; i++) trace.record({ type: "kick", device: "rng", queue: 0 });
    assert.ok(trace.summary().first > 1, "nothing had to go");
    assert.equal(await look(walk), 0);
    trace.record({ type: "status", device: "rng", from: 11, to: 15 });
    assert.equal(await look(walk), 1);
    assert.equal(walk.seen.value[0]!.event?.seq, 30_001);
  });
});

describe("a wait for something else", () => {
  it("is met by the terminal, from when the step began", async () => {
    const { stage, walk: start } = walkThrough(["terminal: hello"]);
    stage.text = "hello\n";
    const walk = start();
    assert.equal(await look(walk), 0);
    stage.text = ""; // the screen was cleared
    assert.equal(await look(walk), 0);
    stage.text = "hello\n";
    assert.equal(await look(walk), 1);
  });

  it("is met by a command whose prompt is back", async () => {
    const { stage, walk: start } = walkThrough(["event: kick", "command: ls  /"]);
    stage.text = "root@ringside:~# ";
    const walk = start();
    await look(walk);
    stage.text += "ls /\n";
    assert.equal(await look(walk), 0);
    stage.text += "bin dev\nroot@ringside:~#";
    // Before the wait before it was met.
    assert.equal(await look(walk), 0);
    stage.add("rng", KICK);
    assert.equal(await look(walk), 2);
  });

  it("is met by state, view and machine", async () => {
    const waits = ["state: paused", "tab: split\ndevice: blk\nqueue: 0"];
    const { stage, walk: start } = walkThrough(waits);
    const walk = start();
    assert.equal(await look(walk), 0);
    stage.machine = "paused";
    assert.equal(await look(walk), 1);
    stage.where = { tab: "split", device: "blk root", queue: 1 };
    assert.equal(await look(walk), 1);
    stage.where = { tab: "split", device: "blk root", queue: 0 };
    assert.equal(await look(walk), 2);
  });

  it("counts commands that the guest's shell breaks where the terminal ends", () => {
    const at = (...lines: string[]) => finishedRuns(lines.join("\n"), "head -c 256 /dev/hwrng | head -n 4");
    const prompt = "root@ringside:~# ";
    assert.equal(at(`${prompt}head -c 256`, "/dev/hwrng | he", "ad -n 4", "output", prompt), 1);
    assert.equal(at(`${prompt}head -c 256`, "/dev/hwrng | he", "ad -n 4", "output"), 0);
    assert.equal(at(`${prompt}head -c 256`, "/dev/hwrng | he", "ad -n 5", prompt), 0);
    assert.equal(at(`${prompt}head -c 256`, prompt, "/dev/hwrng | head -n 4", prompt), 0);
    assert.equal(at(`${prompt}head`), 0, "the terminal's text ends in the middle of it");
  });

  it("counts commands, not their echoes", () => {
    const at = (...lines: string[]) => finishedRuns(lines.join("\n"), "cat x");
    const prompt = "root@ringside:~# ";
    assert.equal(at(`${prompt}cat x`), 0);
    assert.equal(at(`${prompt}cat x`, "output"), 0);
    assert.equal(at(`${prompt}cat x`, prompt, "user@h:/tmp$ cat  x ", prompt.trim()), 2);
    assert.equal(at(`${prompt}cat x`, `${prompt}cat x`), 1);
    // Typed while another one ran.
    assert.equal(at(`${prompt}sleep 1`, "cat x", `${prompt}cat x`), 0);
    assert.equal(at(`${prompt}sleep 1`, "cat x", `${prompt}cat x`, "output", prompt), 1);
    // The kernel said something at the prompt.
    assert.equal(at(`${prompt}[   10.1] eth0: link becomes ready`, "cat x", "output"), 0);
    assert.equal(at(`${prompt}[   10.1] eth0: link becomes ready`, "cat x", "output", prompt), 1);
    assert.equal(at(`${prompt}cat xy`, prompt), 0);
  });
});

describe("a link to a step", () => {
  it("is read and written", () => {
    const link = lessonLink("http://h/", { lesson: "driver", step: 2 }, "memory=96M&device=rng");
    assert.equal(link, "http://h/?lesson=driver&step=3#memory=96M&device=rng");
    assert.deepEqual(readLessonLink(new URL(link).search), { lesson: "driver", step: 2 });
    assert.deepEqual(readLessonLink("?lesson=driver"), { lesson: "driver", step: 0 });
    assert.deepEqual(readLessonLink("?lesson=driver&step=-4"), { lesson: "driver", step: 0 });
    assert.equal(readLessonLink("?step=2"), undefined);
    assert.equal(withoutLesson("?lesson=driver&step=2"), "");
    assert.equal(withoutLesson("?lesson=driver&a=b"), "?a=b");
  });
});
