/** Disks that come and go: the bus, and what the machine does when the guest does not play along. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MOST_DEVICES } from "../../src/config/defaults.ts";
import { parseConfig, parseDisk } from "../../src/config/grammar.ts";
import type { BlockConfig } from "../../src/config/types.ts";
import { type ExecOptions, GuestGoneError } from "../../src/machine/agent.ts";
import { DeviceSet } from "../../src/machine/device-set.ts";
import { GuestEnd } from "../../src/machine/guest-life.ts";
import { HotPlug, HotPlugError, type PluggableMachine } from "../../src/machine/hot-plug.ts";
import type { GuestImage } from "../../src/machine/image.ts";
import { Machine } from "../../src/machine/machine.ts";
import { MmioBus } from "../../src/machine/mmio.ts";
import type { PciFunction } from "../../src/machine/pci-function.ts";
import { PciBus } from "../../src/machine/pci.ts";
import { plugVirtio } from "../../src/machine/virtio-function.ts";
import { loadWasm } from "../../src/node/wasm.ts";
import type { VirtioDevice } from "../../src/virtio/device.ts";
import { Gate } from "../../src/virtio/gate.ts";
import { Feature, Status } from "../../src/virtio/spec.ts";
import { FakeCpu } from "./driver/fake-cpu.ts";
import { GuestCode } from "./driver/guest-code.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { TestLine } from "./driver/line.ts";
import { FakeMemory } from "./driver/memory.ts";
import { RealBoard } from "./driver/real-board.ts";
import { SlowDisk } from "./driver/slow-disk.ts";

const MIB = 2 ** 20;

const disk = (text: string): BlockConfig => parseDisk(text, [], "node");

/** Remembers what becomes of it. */
class WatchedDisk extends SlowDisk {
  disposals = 0;

  constructor() {
    super(MIB);
  }

  override dispose(): Promise<void> {
    this.disposals++;
    return super.dispose();
  }
}

describe("the PCI bus, when functions come and go", () => {
  interface Bus {
    cpu: FakeCpu;
    bus: PciBus;
    /** Returns the slot. */
    plug: () => number;
    /** What plug made, by slot. */
    functions: Map<number, PciFunction>;
    line: TestLine;
  }

  function scene(): Bus {
    const cpu = new FakeCpu();
    const bus = new PciBus(cpu, new MmioBus(cpu));
    const line = new TestLine();
    const functions = new Map<number, PciFunction>();
    const plug = (): number => {
      const slot = bus.freeSlot();
      const pciFunction = plugVirtio(bus, new HoldDevice(), {
        slot,
        memory: new FakeMemory(),
        interrupt: { line, irq: 11 },
        messages: { send: () => undefined },
        transitional: false,
      });
      functions.set(slot, pciFunction);
      return slot;
    };
    return { cpu, bus, plug, functions, line };
  }

  const read = (cpu: FakeCpu, slot: number, offset: number): number => {
    cpu.out(0xcf8, 4, (0x80000000 | (slot << 11) | offset) >>> 0);
    return cpu.in(0xcfc, 4)!;
  };
  const enable = (cpu: FakeCpu, slot: number): void => {
    cpu.out(0xcf8, 4, (0x80000000 | (slot << 11) | 4) >>> 0);
    cpu.out(0xcfc, 2, 6);
  };

  it("a removed one answers neither in configuration space nor at its BARs, and its line is low", () => {
    const { cpu, bus, plug, functions, line } = scene();
    const [first, second] = [plug(), plug()];
    for (const slot of [first, second]) enable(cpu, slot);
    const [bar, other] = [first, second].map((slot) => read(cpu, slot, 0x10)) as [number, number];
    assert.notEqual(cpu.read(bar, 4), 0xffffffff);
    functions.get(first)!.interrupt.set(true);
    assert.equal(line.asserted, true);
    bus.remove(first);
    assert.equal(line.asserted, false);
    assert.equal(read(cpu, first, 0), 0xffffffff);
    assert.equal(cpu.read(bar, 4), 0xffffffff);
    assert.equal(read(cpu, second, 0) & 0xffff, 0x1af4);
    assert.notEqual(cpu.read(other, 4), 0xffffffff, "its neighbour is as before");
  });

  it("slots and addresses are used again, whatever the order, and never by two at once", () => {
    const { cpu, bus, plug } = scene();
    const slots = Array.from({ length: 31 }, () => plug());
    assert.deepEqual(
      slots,
      [...slots.keys()].map((slot) => slot + 1),
    );
    assert.throws(() => plug(), /^RangeError: The PCI bus has room for 31 devices/);
    const bars = (slot: number): number[] => [read(cpu, slot, 0x10), read(cpu, slot, 0x14)];
    const before = slots.flatMap(bars);
    const top = Math.max(...before);
    let state = 7;
    for (let round = 0; round < 500; round++) {
      const gone = new Set<number>();
      for (let i = 0; i < 5; i++) gone.add(1 + ((state = (state * 1103515245 + 12345) % 2 ** 31) % 31));
      for (const slot of gone) bus.remove(slot);
      assert.deepEqual(
        [...gone].map(() => plug()),
        [...gone].sort((a, b) => a - b),
      );
    }
    const after = slots.flatMap(bars);
    assert.equal(new Set(after).size, after.length);
    assert.ok(Math.max(...after) <= top + 0x2000, "nothing leaks");
  });

  it("the host bridge stays", () => {
    const { cpu, bus } = scene();
    bus.remove(0);
    assert.equal(read(cpu, 0, 0), 0x12378086);
  });

  it("on v86's CPU a program sees a device that came, and all ones where one left", async () => {
    const real = await RealBoard.create([{ device: new HoldDevice(), transport: "pci" }]);
    try {
      const { board } = real;
      const [gone, come] = [new HoldDevice(), new HoldDevice()];
      board.plug({ device: gone, transport: "pci" });
      assert.equal(board.place(gone), "00:02.0");
      board.unplug(gone);
      assert.equal(board.place(gone), undefined);
      board.plug({ device: come, transport: "pci" });
      assert.deepEqual(board.places, ["00:01.0", "00:02.0"]);
      board.unplug(come);
      board.plug({ device: gone, transport: "mmio" });
      const code = new GuestCode()
        .out(0xcf8, 4, 0x80000800)
        .in(0xcfc, 2)
        .out(0xcf8, 4, 0x80001000)
        .in(0xcfc, 2)
        .end();
      assert.deepEqual(await real.run(code), [0x1af4, 0xffff]);
    } finally {
      real.dispose();
    }
  });
});

/** A guest whose agent and driver do what the test says, around the real HotPlug. */
class Scene {
  readonly commands: string[] = [];
  readonly told: string[] = [];
  readonly plugged = new Map<VirtioDevice, string>();
  readonly devices: DeviceSet;
  readonly hotPlug: HotPlug;
  guest: AbortController | undefined = new AbortController();
  paused = false;
  ready = true;
  /** Answers a command: status and output. */
  answer: (command: string) => Promise<{ status: number; says?: string }> = (command) => {
    for (const device of this.plugged.keys()) {
      if (command.includes("rescan ||")) drive(device);
      else device.writeStatus(0);
    }
    return Promise.resolve({ status: 0 });
  };
  #slot = 1;

  constructor(text = "device=none&device=rng", { agent = true } = {}) {
    const config = parseConfig(text, "node");
    this.devices = new DeviceSet({
      ...config,
      disks: new Map(),
      wires: new Map(),
      gate: new Gate(),
      onViolation: () => undefined,
    });
    const board = {
      plug: ({ device }: { device: VirtioDevice }) => void this.plugged.set(device, `00:0${this.#slot++}.0`),
      unplug: (device: VirtioDevice) => {
        this.plugged.delete(device);
        device.dispose();
      },
      place: (device: VirtioDevice) => this.plugged.get(device),
    };
    const run = async (command: string, { stdout, signal }: ExecOptions = {}): Promise<number> => {
      this.commands.push(command);
      const given = new Promise<never>((_, reject) => {
        signal?.addEventListener("abort", () => reject(new GuestGoneError("gone")));
      });
      const { status, says } = await Promise.race([this.answer(command), given]);
      if (says !== undefined) await stdout?.write(new TextEncoder().encode(says));
      return status;
    };
    const ready = (): boolean => this.ready;
    const machine = {
      devices: this.devices,
      agent: agent
        ? {
            get ready() {
              return ready();
            },
            run,
          }
        : undefined,
      now: () => ({ board, guest: this.guest?.signal, paused: this.paused }),
      inTurn: async <T>(work: () => T) => Promise.resolve().then(work),
      tell: (level: string, message: string) => this.told.push(`${level}: ${message}`),
    };
    this.hotPlug = new HotPlug(machine as unknown as PluggableMachine);
  }

  get ids(): string[] {
    return this.devices.disks.map(({ config }) => config.id);
  }

  attach(text: string, patienceMs?: number): { disk: WatchedDisk; done: Promise<void> } {
    const backend = new WatchedDisk();
    const done = this.hotPlug.attach(disk(text), backend, patienceMs === undefined ? {} : { patienceMs });
    return { disk: backend, done };
  }

  /** The guest is gone; for good, or another one starts. */
  end(forGood: boolean): void {
    const before = this.guest;
    this.guest = forGood ? undefined : new AbortController();
    before?.abort(new GuestEnd("The guest powered off.", forGood));
  }
}

function drive(device: VirtioDevice): void {
  device.writeStatus(Status.ACKNOWLEDGE | Status.DRIVER);
  device.writeFeatures(Number(Feature.common.VERSION_1) >> 5, 1);
  for (const bit of [Status.FEATURES_OK, Status.DRIVER_OK]) device.writeStatus(device.status | bit);
}

const never = (): Promise<never> => new Promise(() => undefined);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("attach", () => {
  it("resolves when the driver is ready, and not before", async () => {
    const scene = new Scene();
    scene.answer = () => Promise.resolve({ status: 0 });
    const { done, disk } = scene.attach("blk,id=data,size=1M");
    let resolved = false;
    void done.then(() => (resolved = true));
    await turn();
    assert.match(scene.commands[0]!, /echo 1 >\/sys\/bus\/pci\/rescan/);
    assert.equal(resolved, false);
    drive([...scene.plugged.keys()][0]!);
    await done;
    assert.deepEqual([scene.ids, disk.disposals], [["data"], 0]);
  });

  it("a guest that finds nothing, has no driver, or no agent: what it says, and all is as before", async () => {
    const cases: [(scene: Scene) => void, RegExp][] = [
      [
        (scene) => (scene.answer = () => Promise.resolve({ status: 92, says: "it found \x1b[2Jnothing\n" })),
        /"data": it found \ufffd\[2Jnothing\.$/,
      ],
      [(scene) => (scene.answer = () => Promise.resolve({ status: 127 })), /its shell ended with 127/],
      [(scene) => (scene.answer = () => Promise.resolve({ status: 0 })), /has no driver that took it/],
      [(scene) => (scene.answer = never), /agent was busy with other commands/],
      [
        (scene) => ((scene.answer = never), (scene.ready = false)),
        /type "echo 1 >\/sys\/bus\/pci\/rescan" in the guest/,
      ],
    ];
    for (const [prepare, message] of cases) {
      const scene = new Scene();
      prepare(scene);
      const { done, disk } = scene.attach("blk,id=data,size=1M", 20);
      await assert.rejects(done, (error) => error instanceof HotPlugError && message.test(error.message));
      assert.deepEqual([scene.ids, scene.plugged.size, disk.disposals], [[], 0, 1]);
    }
  });

  it("without an agent the person is told what to type, and the driver that comes is enough", async () => {
    const scene = new Scene(undefined, { agent: false });
    const { done } = scene.attach("blk,id=data,size=1M");
    await turn();
    assert.match(scene.told[0]!, /^info: .*type "echo 1 >\/sys\/bus\/pci\/rescan" in it now/);
    drive([...scene.plugged.keys()][0]!);
    await done;
    assert.deepEqual(scene.ids, ["data"]);
  });

  it("the time of a guest that is paused meanwhile does not run out", async () => {
    const scene = new Scene();
    scene.answer = () => Promise.resolve({ status: 0 });
    const { done } = scene.attach("blk,id=data,size=1M", 400);
    await turn();
    scene.paused = true;
    await new Promise((resolve) => setTimeout(resolve, 900));
    assert.deepEqual(scene.ids, ["data"]);
    scene.paused = false;
    await assert.rejects(done, /has no driver/);
  });

  it("what cannot be is refused, and its disk closed: a name twice, too many, virtio-mmio, a pause", async () => {
    const scene = new Scene();
    await scene.attach("blk,id=data,size=1M").done;
    const refused = async (text: string, message: RegExp): Promise<void> => {
      const { done, disk } = scene.attach(text);
      await assert.rejects(done, message);
      assert.equal(disk.disposals, 1);
    };
    await refused("blk,id=data,size=1M", /There is a disk "data"/);
    await refused("blk,id=other,size=1M,transport=mmio", /nothing tells a running guest/);
    scene.paused = true;
    await refused("blk,id=other,size=1M", /paused: resume it first/);
    scene.paused = false;
    while (scene.devices.all.length < MOST_DEVICES)
      await scene.attach(`blk,id=d${scene.devices.all.length},size=1M`).done;
    await refused("blk,id=other,size=1M", /has 24 devices/);
    scene.end(true);
    await scene.hotPlug.detach("data", {});
    await scene.attach("blk,id=other,size=1M,transport=mmio").done;
    assert.equal(scene.plugged.size, MOST_DEVICES - 2, "the guest is gone: nothing is plugged in");
  });

  it("fails with a guest that powers off meanwhile; one that is reset finds the disk as it starts", async () => {
    for (const forGood of [true, false]) {
      const scene = new Scene();
      scene.answer = never;
      const { done, disk } = scene.attach("blk,id=data,size=1M");
      await turn();
      scene.end(forGood);
      if (forGood)
        await assert.rejects(done, /^HotPlugError: The guest powered off\. The disk "data" was not attached/);
      else await done;
      assert.deepEqual([scene.ids, disk.disposals], forGood ? [[], 1] : [["data"], 0]);
    }
  });
});

describe("detach", () => {
  async function attached(
    options = {},
  ): Promise<{ scene: Scene; disk: WatchedDisk; detach: HotPlug["detach"] }> {
    const scene = new Scene(undefined, options);
    const { done, disk } = scene.attach("blk,id=data,size=1M");
    await turn();
    for (const device of scene.plugged.keys()) drive(device);
    await done;
    return { scene, disk, detach: (id, more) => scene.hotPlug.detach(id, more) };
  }

  it("asks the guest, takes the function away, saves and closes the disk", async () => {
    const { scene, disk, detach } = await attached();
    const kicks = scene.devices.counters();
    await detach("data", {});
    assert.match(scene.commands.at(-1)!, /echo 1 >\/sys\/bus\/pci\/devices\/0000:00:01\.0\/remove/);
    assert.deepEqual([scene.ids, scene.plugged.size, disk.disposals], [[], 0, 1]);
    assert.equal(disk.calls.at(-1), "flush");
    assert.deepEqual(scene.devices.counters(), kicks, "what it counted stays");
    await assert.rejects(detach("data", {}), /There is no disk "data"/);
  });

  it("a guest that uses it keeps it, with its reason; force takes it all the same", async () => {
    const { scene, disk, detach } = await attached();
    scene.answer = (command) =>
      Promise.resolve(
        command.includes("mountinfo") ? { status: 91, says: "vda is mounted at /mnt\n" } : { status: 0 },
      );
    await assert.rejects(detach("data", {}), (error) => {
      assert.ok(error instanceof HotPlugError && error.inUse);
      assert.match(error.message, /uses the disk "data": vda is mounted at \/mnt\. End that first/);
      return true;
    });
    assert.deepEqual([scene.ids, scene.plugged.size, disk.disposals], [["data"], 1, 0]);
    await detach("data", { force: true });
    assert.deepEqual([scene.ids, scene.plugged.size, disk.disposals], [[], 0, 1]);
  });

  it("a driver that says it is gone and is not: the disk stays", async () => {
    const { scene, detach } = await attached();
    scene.answer = () => Promise.resolve({ status: 0 });
    await assert.rejects(detach("data", {}), /still holds the disk/);
    assert.deepEqual(scene.ids, ["data"]);
  });

  it("without an agent says what to type, and goes when that was done", async () => {
    const { scene, detach } = await attached({ agent: false });
    await assert.rejects(
      detach("data", {}),
      /Type "echo 1 >\/sys\/bus\/pci\/devices\/0000:00:01\.0\/remove" in the guest/,
    );
    for (const device of scene.plugged.keys()) {
      device.writeStatus(0);
      device.writeStatus(Status.ACKNOWLEDGE);
    }
    await detach("data", {});
    assert.deepEqual(scene.ids, []);
  });

  it("an agent that never answers: refused in time, taken away by force", async () => {
    const { scene, disk, detach } = await attached();
    scene.answer = never;
    await assert.rejects(
      detach("data", { patienceMs: 5 }),
      /agent is busy with other commands: the disk "data" is still/,
    );
    await detach("data", { patienceMs: 5, force: true });
    assert.equal(disk.disposals, 1);
  });

  it("a guest that powers off meanwhile needs it no more; one that is reset has it again", async () => {
    for (const forGood of [true, false]) {
      const { scene, disk, detach } = await attached();
      scene.answer = never;
      const done = detach("data", {});
      await turn();
      scene.end(forGood);
      if (forGood) await done;
      else await assert.rejects(done, /started anew meanwhile: the disk "data" is still attached/);
      assert.deepEqual([scene.ids, disk.disposals], forGood ? [[], 1] : [["data"], 0]);
    }
  });

  it("a disk that cannot be saved is told of, and closed", async () => {
    const { disk, detach } = await attached();
    disk.failing = "flush";
    await assert.rejects(
      detach("data", {}),
      /is detached, but not all .* could be saved: flush failed on purpose/,
    );
    assert.equal(disk.disposals, 1);
  });
});

describe("a machine with disks that come and go", () => {
  async function bench(): Promise<Machine> {
    return new Machine({
      config: parseConfig("memory=64M&device=none&device=rng", "node"),
      image: {
        kernel: new GuestCode().end().kernel(),
        initrd: new Uint8Array(1),
        manifest: { kernelParameters: "" } as GuestImage["manifest"],
      },
      wasm: await loadWasm(),
      disks: new Map(),
      terminal: { write: () => undefined },
    });
  }
  const ids = (machine: Machine): (string | undefined)[] => machine.describe().map(({ id }) => id);

  it("has them at its next start when it is off, and after every reset", async () => {
    const machine = await bench();
    const backend = new WatchedDisk();
    await machine.attach(disk("blk,id=data,size=1M"), backend);
    assert.deepEqual(
      machine.describe().map(({ address }) => address),
      ["", ""],
    );
    await Promise.all([machine.start(), machine.detach("data").catch(() => undefined)]);
    await machine
      .attach(disk("blk,id=more,size=1M"), new WatchedDisk(), { patienceMs: 5 })
      .catch(() => undefined);
    assert.deepEqual(ids(machine), [undefined]);
    await machine.powerOff();
    await machine.attach(disk("blk,id=later,size=1M"), backend);
    await machine.reset();
    assert.deepEqual(
      machine.describe().map(({ address }) => address),
      ["00:01.0", "00:02.0"],
    );
    await machine.dispose();
    assert.equal(backend.disposals, 2);
  });

  it("closes each exactly once when it is disposed of in the middle, and takes no more", async () => {
    const machine = await bench();
    await machine.start();
    const [first, second, third] = [new WatchedDisk(), new WatchedDisk(), new WatchedDisk()];
    const attaching = [
      machine.attach(disk("blk,id=first,size=1M"), first),
      machine.attach(disk("blk,id=second,size=1M"), second),
    ].map((done) => assert.rejects(done, HotPlugError));
    await turn();
    await machine.dispose();
    await Promise.all(attaching);
    await assert.rejects(machine.attach(disk("blk,id=third,size=1M"), third), /disposed of/);
    assert.deepEqual(
      [first, second, third].map(({ disposals }) => disposals),
      [1, 1, 1],
    );
  });
});

describe("the text of one disk", () => {
  it("is read as after device=, beside the others", () => {
    const { devices } = parseConfig("device=blk,id=home", "node");
    assert.equal(parseDisk("blk,id=data,size=64M", devices, "node").size, 64 * MIB);
    assert.equal(parseDisk("device=blk", devices, "node").id, "disk1");
    assert.throws(() => parseDisk("blk,id=home", devices, "node"), /There is a disk "home" already/);
    assert.throws(() => parseDisk("rng", devices, "node"), /This is no disk: expected blk/);
    assert.throws(() => parseDisk("blk,size=1X", devices, "node"), { piece: "1X" });
  });
});
