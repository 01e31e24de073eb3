import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConsoleDevice, type ConsoleSink } from "../../src/virtio/console.ts";
import {
  CONSOLE_PORT,
  ConsoleDriver,
  DEVICE_ADD,
  DEVICE_READY,
  EMERG_WRITE,
  MULTIPORT,
  PORT_NAME,
  PORT_OPEN,
  PORT_READY,
  RESIZE,
  SIZE,
  transmitQueue,
} from "./driver/console-driver.ts";
import { Driver, EVENT_IDX, NEEDS_RESET, settle } from "./driver/driver.ts";
import { FakeMemory } from "./driver/memory.ts";
import { KINDS, plug } from "./driver/transport.ts";

const PORTS = [{ console: true }, { name: "first" }, { name: "zweiter, größer" }];

/** Takes bytes; asks to wait after each call while `slow`. */
class Sink implements ConsoleSink {
  readonly got: number[] = [];
  slow = false;
  longest = 0;
  calls = 0;
  #resolve: (() => void) | undefined;

  get text(): string {
    return new TextDecoder().decode(Uint8Array.from(this.got));
  }

  write(data: Uint8Array): Promise<void> | undefined {
    for (const byte of data) this.got.push(byte);
    this.calls++;
    this.longest = Math.max(this.longest, data.length);
    if (!this.slow) return undefined;
    assert.equal(this.#resolve, undefined, "written to while it asked to wait");
    return new Promise((resolve) => (this.#resolve = resolve));
  }

  async ready(): Promise<void> {
    this.#resolve?.();
    this.#resolve = undefined;
    await settle();
  }
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

describe("console: the multiport handshake", () => {
  for (const kind of KINDS) {
    it(`5.3.6.2: ports are announced, named, and nominated as console (${kind})`, async () => {
      const console = new ConsoleDriver(PORTS, { kind });
      console.listen();
      await console.control(0, DEVICE_READY, 1);
      assert.deepEqual(
        console.messages.map(({ id, event }) => [id, event]),
        [
          [0, DEVICE_ADD],
          [1, DEVICE_ADD],
          [2, DEVICE_ADD],
        ],
      );
      console.messages.length = 0;
      await console.control(2, PORT_READY, 1);
      assert.deepEqual(
        console.messages.map(({ id, event, payload }) => [id, event, new TextDecoder().decode(payload)]),
        [[2, PORT_NAME, "zweiter, größer"]],
        "5.3.6.2: UTF-8, no NUL",
      );
      console.messages.length = 0;
      await console.control(0, PORT_READY, 1);
      assert.deepEqual(
        console.messages.map(({ id, event }) => [id, event]),
        [
          [0, CONSOLE_PORT],
          [0, RESIZE],
        ],
      );
    });
  }

  it("5.3.4: offers SIZE, MULTIPORT and EMERG_WRITE, and counts its ports", () => {
    const console = new ConsoleDriver(PORTS);
    assert.equal(console.driver.features & 0xffn, SIZE | MULTIPORT | EMERG_WRITE);
    assert.equal(console.driver.transport.readConfig(4, 4), 3);
    assert.equal(console.driver.queues.length, 2 * (3 + 1), "5.3.2");
  });

  it("5.3.6.2: nothing is sent before the driver said that it is ready", async () => {
    const console = new ConsoleDriver(PORTS);
    console.listen();
    console.device.ports[1]!.connect(new Sink());
    console.device.resize(100, 40);
    await settle();
    assert.deepEqual(console.messages, []);
    await console.control(0, DEVICE_READY, 0);
    assert.deepEqual(console.messages, [], "value 0 is a failure");
  });

  it("5.3.6.2.1: a port that exists is not added again, until the device was reset", async () => {
    const console = new ConsoleDriver(PORTS);
    console.listen();
    await console.control(0, DEVICE_READY, 1);
    await console.control(0, DEVICE_READY, 1);
    assert.equal(console.messages.filter(({ event }) => event === DEVICE_ADD).length, 3);

    const again = new ConsoleDriver(PORTS, {}, console.device);
    again.listen();
    await again.control(0, DEVICE_READY, 1);
    assert.equal(again.messages.filter(({ event }) => event === DEVICE_ADD).length, 3);
  });

  it("5.3.6.2: the host's end is announced as open once the port is ready, whichever comes first", async () => {
    const console = new ConsoleDriver(PORTS);
    console.device.ports[1]!.connect(new Sink());
    await console.handshake();
    const opened = (): number[] =>
      console.messages.filter(({ event, value }) => event === PORT_OPEN && value === 1).map(({ id }) => id);
    assert.deepEqual(opened(), [1]);
    console.device.ports[2]!.connect(new Sink());
    await settle();
    assert.deepEqual(opened(), [1, 2]);
  });

  it("5.3.6.2: messages wait for buffers, in order, and a newer one of a kind replaces the older", async () => {
    const console = new ConsoleDriver(PORTS);
    await console.control(0, DEVICE_READY, 1);
    await console.control(0, PORT_READY, 1);
    for (let columns = 1; columns <= 1000; columns++) console.device.resize(columns, 2 * columns);
    console.listen(4);
    await settle();
    assert.deepEqual(
      console.messages.map(({ id, event }) => [id, event]),
      [
        [0, DEVICE_ADD],
        [1, DEVICE_ADD],
        [2, DEVICE_ADD],
        [0, CONSOLE_PORT],
        [0, RESIZE],
      ],
    );
    assert.deepEqual([...console.messages[4]!.payload], [1000 & 255, 1000 >> 8, 2000 & 255, 2000 >> 8]);
  });

  it("5.3.6.2: what is sent again moves behind what was sent meanwhile", async () => {
    const console = new ConsoleDriver(PORTS);
    for (const id of [0, 1]) await console.control(id, PORT_READY, 1);
    console.device.ports[1]!.connect(new Sink());
    console.device.resize(50, 20);
    console.listen(4);
    await settle();
    assert.deepEqual(
      console.messages.map(({ id, event }) => [id, event]),
      [
        [0, CONSOLE_PORT],
        [1, PORT_NAME],
        [1, PORT_OPEN],
        [0, RESIZE],
      ],
    );
  });

  it("5.3.6.2: the guest's end of a port opens and closes", async () => {
    const console = new ConsoleDriver(PORTS);
    const told: boolean[] = [];
    console.device.ports[1]!.onGuestOpen = (open) => told.push(open);
    await console.handshake();
    await console.control(1, PORT_OPEN, 1);
    assert.equal(console.device.ports[1]!.guestOpen, true);
    await console.control(1, PORT_OPEN, 0);
    assert.deepEqual(told, [true, false]);
    await console.control(1, PORT_OPEN, 1);
    console.driver.transport.status = 0;
    assert.deepEqual(told, [true, false, true, false], "a reset closes it");
    assert.equal(console.device.ports[1]!.ready, false);
  });

  const abuse: [what: string, message: Uint8Array][] = [
    ["a port that does not exist", Uint8Array.of(3, 0, 0, 0, PORT_READY, 0, 1, 0)],
    ["port 0xffffffff", Uint8Array.of(255, 255, 255, 255, PORT_OPEN, 0, 1, 0)],
    ["an unknown event", Uint8Array.of(0, 0, 0, 0, 99, 0, 1, 0)],
    ["an event that is the device's", Uint8Array.of(0, 0, 0, 0, DEVICE_ADD, 0, 1, 0)],
    ["7 bytes", new Uint8Array(7)],
    ["no bytes", new Uint8Array(0)],
  ];
  for (const [what, message] of abuse) {
    it(`5.3.6.2: a control message with ${what} is reported, and the device goes on`, async () => {
      const console = new ConsoleDriver(PORTS);
      assert.equal(await console.controlBytes(message), 0);
      assert.equal(console.device.lastViolation?.rule, "5.3.6.2");
      assert.equal(console.driver.transport.status & NEEDS_RESET, 0);
      await console.handshake();
      assert.ok(console.messages.length > 3);
    });
  }

  it("5.3.6.2: a buffer too small for a control message is reported", async () => {
    const console = new ConsoleDriver(PORTS);
    console.listen(1, 4);
    await console.control(0, DEVICE_READY, 1);
    assert.equal(console.device.lastViolation?.rule, "5.3.6.2");
  });
});

describe("console: the size", () => {
  it("5.3.6.2: a RESIZE message is columns, then rows, 16 bits each, to console ports only", async () => {
    const console = new ConsoleDriver(PORTS);
    await console.handshake();
    console.messages.length = 0;
    console.device.resize(0x1234, 0x0056);
    await settle();
    assert.deepEqual(
      console.messages.map(({ id, event, payload }) => [id, event, [...payload]]),
      [[0, RESIZE, [0x34, 0x12, 0x56, 0x00]]],
    );
  });

  for (const without of [0n, MULTIPORT]) {
    it(`5.3.6, 2.5: a new size is a configuration change, ${without ? "without" : "with"} MULTIPORT`, () => {
      const console = new ConsoleDriver(PORTS, { without });
      const { transport } = console.driver;
      const generation = transport.generation;
      console.device.resize(132, 50);
      assert.equal(transport.readConfig(0, 2), 132);
      assert.equal(transport.readConfig(2, 2), 50);
      assert.notEqual(transport.generation, generation);
      assert.equal(console.driver.configChanges, 1);
    });
  }
});

describe("console: output", () => {
  it("5.3.6: every byte goes to the sink in order, used.len 0, whatever the segments", async () => {
    const console = new ConsoleDriver(PORTS);
    const sink = new Sink();
    console.device.ports[2]!.connect(sink);
    assert.equal(await console.write(2, bytes("hello ")), 0);
    const parts = ["wor", "", "ld"].map((text) => {
      const data = bytes(text);
      return { address: console.driver.memory.put(data), length: data.length };
    });
    await console.driver.request(transmitQueue(2), parts, "indirect");
    assert.equal(sink.text, "hello world");
  });

  for (const without of [0n, EVENT_IDX]) {
    it(`a slow sink holds the guest back: no byte lost, no kick while it is busy (${without ? "flags" : "EVENT_IDX"})`, async () => {
      const console = new ConsoleDriver(PORTS, { without });
      const sink = new Sink();
      sink.slow = true;
      console.device.ports[0]!.connect(sink);
      const kicks = (): number => console.device.queues[1]!.counters.kicks;
      let expected = "";
      let done = 0;
      for (let i = 0; i < 50; i++) {
        const text = `line ${i}\n`;
        expected += text;
        void console.write(0, bytes(text)).then(() => done++);
      }
      await settle();
      assert.equal(sink.calls, 1);
      assert.equal(done, 1, "taken whole by the sink, so it is given back");
      assert.ok(kicks() <= 2, `${kicks()} kicks`);
      for (let i = 0; i < 50; i++) await sink.ready();
      assert.equal(sink.text, expected);
      assert.equal(done, 50);
      const before = kicks();
      sink.slow = false;
      await sink.ready();
      await console.write(0, bytes("x"));
      assert.equal(kicks(), before + 1, "idle again: the next one is told");
    });
  }

  it("a chain of which the sink has taken a part is gone on with where it stopped, and given back once", async () => {
    const console = new ConsoleDriver(PORTS);
    const sink = new Sink();
    sink.slow = true;
    console.device.ports[0]!.connect(sink);
    const parts = ["ab", "cd", "ef"].map((text) => ({
      address: console.driver.memory.put(bytes(text)),
      length: 2,
    }));
    let done = false;
    void console.driver.request(1, parts).then(() => (done = true));
    for (const text of ["ab", "abcd", "abcdef"]) {
      await settle();
      assert.equal(sink.text, text);
      assert.equal(done, text === "abcdef");
      await sink.ready();
    }
  });

  it("a sink gets at most 64 KiB at once, however large the guest's buffer is", async () => {
    const memory = new FakeMemory(1 << 20);
    const console = new ConsoleDriver(PORTS, { memory });
    const sink = new Sink();
    sink.slow = true;
    console.device.ports[0]!.connect(sink);
    const done = console.driver.request(1, [{ address: 0, length: 200_000 }]);
    for (let i = 0; i < 4; i++) await sink.ready();
    await done;
    assert.equal(sink.got.length, 200_000);
    assert.equal(sink.longest, 65536);
  });

  it("what the guest writes before anybody listens waits in its queue", async () => {
    const console = new ConsoleDriver(PORTS);
    const early = console.write(1, bytes("early"));
    await settle();
    const sink = new Sink();
    console.device.ports[1]!.connect(sink);
    await early;
    assert.equal(sink.text, "early");
  });

  it("a sink that fails does not stop the console", async () => {
    const console = new ConsoleDriver(PORTS);
    const got: number[] = [];
    console.device.ports[0]!.connect({
      write: (data) => {
        got.push(...data);
        return Promise.reject(new Error("on purpose"));
      },
    });
    await console.write(0, bytes("a"));
    await console.write(0, bytes("b"));
    assert.deepEqual(got, [97, 98]);
  });

  it("2.4.1: a reset while the sink is busy: the old chain is forgotten, the next driver's output follows", async () => {
    const console = new ConsoleDriver(PORTS);
    const sink = new Sink();
    sink.slow = true;
    console.device.ports[0]!.connect(sink);
    void console.driver.request(
      1,
      ["ab", "cd"].map((text) => ({ address: console.driver.memory.put(bytes(text)), length: 2 })),
    );
    console.driver.start();
    void console.write(0, bytes("new"));
    await settle();
    assert.equal(sink.text, "ab");
    await sink.ready();
    assert.equal(sink.text, "abnew");
  });

  it("drained() resolves when everything made available so far is with the sink", async () => {
    const console = new ConsoleDriver(PORTS);
    const sink = new Sink();
    sink.slow = true;
    console.device.ports[1]!.connect(sink);
    for (const text of ["a", "b", "c"]) void console.write(1, bytes(text));
    let drained = false;
    const wait = console.device.ports[1]!.drained().then(() => (drained = true));
    for (let i = 0; i < 2; i++) await sink.ready();
    assert.equal(sink.text, "abc");
    assert.equal(drained, false, "the sink has not taken the last one");
    await sink.ready();
    await wait;
  });
});

describe("console: input", () => {
  it("5.3.6: comes in order, fills buffers of any size, and resolves when the guest has taken all of it", async () => {
    const console = new ConsoleDriver(PORTS);
    const port = console.device.ports[1]!;
    let taken = false;
    const sent = port.send(bytes("0123456789")).then(() => (taken = true));
    assert.equal(new TextDecoder().decode(await console.receive(1, 4)), "0123");
    await settle();
    assert.equal(taken, false);
    void port.send(bytes("ab"));
    void port.send(bytes("cd"));
    assert.equal(new TextDecoder().decode(await console.receive(1, 9)), "456789abc");
    await sent;
    const rest = console.receive(1, 9);
    assert.equal(new TextDecoder().decode(await rest), "d");
  });

  it("2.7.10.2: buffers that wait for input are not kicked for; when there is more input than buffers, they are", async () => {
    const console = new ConsoleDriver(PORTS);
    const port = console.device.ports[0]!;
    const receives = Array.from({ length: 20 }, () => console.receive(0, 4));
    const { counters } = console.device.queues[0]!;
    assert.ok(counters.kicks <= 1, `${counters.kicks} kicks`);
    const sent = port.send(new Uint8Array(84).fill(1));
    await Promise.all(receives);
    const kicks = counters.kicks;
    await console.receive(0, 4);
    await sent;
    assert.equal(counters.kicks, kicks + 1);
  });

  it("one interrupt for all the buffers that one piece of input fills", async () => {
    const console = new ConsoleDriver(PORTS);
    const receives = Array.from({ length: 10 }, () => console.receive(0, 4));
    const { raised } = console.driver.transport.line;
    await console.device.ports[0]!.send(new Uint8Array(40));
    await Promise.all(receives);
    assert.equal(console.driver.transport.line.raised, raised + 1);
  });

  it("nothing at all is sent at once, and uses up no buffer", async () => {
    const console = new ConsoleDriver(PORTS);
    const receive = console.receive(0, 4);
    await console.device.ports[0]!.send(new Uint8Array());
    void console.device.ports[0]!.send(bytes("x"));
    assert.deepEqual(await receive, bytes("x"));
  });

  it("a buffer without room comes back empty, and the input goes into the next", async () => {
    const console = new ConsoleDriver(PORTS);
    const empty = console.driver.request(0, [{ address: 0x100, length: 0, writable: true }]);
    const good = console.receive(0, 4);
    void console.device.ports[0]!.send(bytes("x"));
    assert.equal(await empty, 0);
    assert.deepEqual(await good, bytes("x"));
  });

  it("what is typed before the guest opens the port waits for it, through the driver's own reset", async () => {
    const console = new ConsoleDriver(PORTS);
    void console.device.ports[0]!.send(bytes("typed ahead"));
    console.driver.start();
    await console.handshake();
    assert.deepEqual(await console.receive(0, 64), bytes("typed ahead"));
  });

  for (const how of ["closes the port", "is reset"]) {
    it(`what was meant for a process is not given to the next one when the guest ${how}`, async () => {
      const console = new ConsoleDriver(PORTS);
      await console.handshake();
      await console.control(1, PORT_OPEN, 1);
      const port = console.device.ports[1]!;
      const stale = port.send(bytes("stale"));
      if (how === "is reset") {
        console.driver.start();
        console.messages.length = 0;
        console.listen();
        await console.handshake();
      } else {
        await console.control(1, PORT_OPEN, 0);
      }
      await stale;
      await console.control(1, PORT_OPEN, 1);
      void port.send(bytes("fresh"));
      assert.deepEqual(await console.receive(1, 64), bytes("fresh"));
    });
  }
});

describe("console: without MULTIPORT", () => {
  it("5.3.2: port 0 works at once, there are no control messages", async () => {
    const device = new ConsoleDevice(PORTS);
    const sink = new Sink();
    device.ports[0]!.connect(sink);
    const console = new ConsoleDriver(PORTS, { without: MULTIPORT, queues: 2 }, device);
    assert.equal(device.ports[0]!.guestOpen, true);
    await console.write(0, bytes("out"));
    assert.equal(sink.text, "out");
    const receive = console.receive(0, 16);
    void device.ports[0]!.send(bytes("in"));
    assert.deepEqual(await receive, bytes("in"));
    device.resize(10, 10);
    assert.equal(device.violations, 0);
  });
});

describe("console: emergency writes", () => {
  for (const kind of KINDS) {
    it(`5.3.5.1: the lower byte goes out, even on an unconfigured device (${kind})`, () => {
      const device = new ConsoleDevice(PORTS);
      const sink = new Sink();
      device.ports[0]!.connect(sink);
      const transport = plug(device, kind, new FakeMemory());
      assert.equal(transport.status, 0);
      for (const character of bytes("Panic!")) transport.writeConfig(8, 4, 0xabcdef00 + character);
      assert.equal(sink.text, "Panic!");
      assert.equal(device.violations, 0);
    });
  }

  it("wait for a busy sink, in order, and take no more than 4096 bytes of the host's memory", async () => {
    const console = new ConsoleDriver(PORTS);
    const sink = new Sink();
    sink.slow = true;
    console.device.ports[0]!.connect(sink);
    void console.write(0, bytes("a"));
    for (let i = 0; i < 10_000; i++) console.driver.transport.writeConfig(8, 4, 0x62);
    assert.equal(sink.text, "a");
    await sink.ready();
    await sink.ready();
    assert.equal(sink.text, `a${"b".repeat(4096)}`);
  });

  it("5.3.4: columns, rows and the number of ports are read-only", () => {
    const { device, transport } = (() => {
      const device = new ConsoleDevice(PORTS);
      return { device, transport: Driver.start(device).transport };
    })();
    transport.writeConfig(0, 2, 1);
    transport.writeConfig(2, 2, 1);
    transport.writeConfig(4, 4, 1);
    assert.equal(transport.readConfig(0, 4), 80 + 65536 * 25);
    assert.equal(transport.readConfig(4, 4), 3);
    assert.equal(device.violations, 3);
  });
});

describe("console: interrupts for output", () => {
  for (const kind of KINDS) {
    it(`2.7.10: none for a driver that has found the used buffer by polling (${kind})`, async () => {
      const console = new ConsoleDriver(PORTS, { kind });
      await console.handshake();
      console.device.ports[0]!.connect(new Sink());
      const { driver } = console;
      const before = driver.queueInterrupts;
      for (let i = 0; i < 100; i++) {
        const used = driver.queues[1]!.usedIndex;
        void console.write(0, bytes("polled"));
        assert.equal(driver.queues[1]!.usedIndex, (used + 1) & 0xffff, "used at once, for whoever polls");
        driver.reap(1); // moves used_event on, as Linux does
      }
      await settle();
      assert.equal(driver.queueInterrupts, before);
    });

    it(`2.7.10: one for a driver that waits (${kind})`, async () => {
      const console = new ConsoleDriver(PORTS, { kind });
      await console.handshake();
      console.device.ports[0]!.connect(new Sink());
      const { driver } = console;
      const before = driver.queueInterrupts;
      await Promise.all([console.write(0, bytes("waited")), console.write(0, bytes(" for"))]);
      assert.equal(driver.queueInterrupts, before + 1, "both buffers in one interrupt");
    });
  }
});
