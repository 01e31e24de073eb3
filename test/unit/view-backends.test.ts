/** What stands behind the devices, in words and numbers that follow what happens. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { openFileDisk } from "../../src/backends/disk/file.ts";
import { openFileOverlay } from "../../src/backends/disk/file-overlay.ts";
import { MemoryDisk } from "../../src/backends/disk/memory.ts";
import { memoryOverlay } from "../../src/backends/disk/memory-overlay.ts";
import { Front } from "../../src/backends/net/front.ts";
import { GatewayWire } from "../../src/backends/net/gateway/wire.ts";
import { NoWire } from "../../src/backends/net/none.ts";
import { Room } from "../../src/backends/net/room.ts";
import type { Socket } from "../../src/backends/net/socket.ts";
import { Tabs } from "../../src/backends/net/tabs.ts";
import { noWire } from "../../src/machine/no-wire.ts";
import { EntropyDevice } from "../../src/virtio/entropy.ts";
import { bytesText } from "../../src/virtio/view/bytes-text.ts";
import type { NamedValue } from "../../src/virtio/view/types.ts";
import { BlockDriver } from "./driver/block-driver.ts";
import { ConsoleDriver } from "./driver/console-driver.ts";
import { Driver } from "./driver/driver.ts";
import { NetDriver } from "./driver/net-driver.ts";
import { TestBase } from "./disk-base.ts";
import { pattern, read, write } from "./disk-model.ts";
import { frame, TestPort } from "./wire-support.ts";

const KiB = 1024;
const MiB = KiB * KiB;
const folder = mkdtempSync(join(tmpdir(), "ringside-view-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function value(state: readonly NamedValue[] | undefined, name: string): string | undefined {
  return state?.find((entry) => entry.name === name)?.value;
}

describe("what a disk says of itself", () => {
  it("in memory: what it takes, through writes, discards, erasing and resizing", async () => {
    const disk = new MemoryDisk(8 * MiB);
    const taken = (): string | undefined => value(disk.state(), "memory taken");
    assert.equal(value(disk.state(), "store"), "memory");
    assert.equal(taken(), "0 bytes");
    await write(disk, MiB - 512, pattern(1024, 1));
    assert.equal(taken(), "2 MiB");
    await write(disk, 0, pattern(512, 2));
    assert.equal(taken(), "2 MiB");
    disk.unmap.range(MiB, 2 * MiB);
    assert.equal(taken(), "1 MiB");
    await write(disk, 5 * MiB, pattern(512, 3));
    disk.erase(0, MiB);
    assert.equal(taken(), "1 MiB");
    disk.resize(4 * MiB);
    assert.equal(taken(), "0 bytes");
  });

  it("over a base: which one, what is cached, dirty, loaded and saved", async () => {
    const disk = memoryOverlay("The disk", new TestBase(1 * MiB));
    const state = (name: string): string | undefined => value(disk.state(), name);
    assert.equal(state("store"), "memory");
    assert.equal(state("base"), 'The image "test"');
    assert.equal(state("cached"), "0 bytes of 16 MiB");
    await read(disk, 0, 512);
    assert.match(state("loads from the base")!, /^1, /);
    await write(disk, 0, pattern(512, 1));
    assert.equal(state("dirty"), "32 KiB");
    assert.equal(state("chunks stored"), "0");
    await disk.flush();
    assert.equal(state("dirty"), "0 bytes");
    assert.equal(state("saves"), "1, 32 KiB");
    assert.equal(state("chunks stored"), "1");
    assert.equal(state("chunks over the base"), "1");
    await disk.dispose();
    assert.match(state("failure")!, /is closed/);
  });

  it("in a file, and in the file of an overlay", async () => {
    const path = join(folder, "raw");
    const disk = await openFileDisk(path, { size: MiB });
    assert.equal(value(disk.state(), "path"), path);
    disk.write(0, pattern(512, 1));
    assert.equal(value(disk.state(), "unsynced writes"), "yes");
    const flushed = disk.flush();
    await flushed;
    assert.equal(value(disk.state(), "unsynced writes"), "no");
    assert.match(value(disk.state(), "syncs")!, /^1\b/);
    await disk.dispose();

    const overlay = await openFileOverlay(join(folder, "overlay"), new TestBase(MiB));
    assert.equal(value(overlay.state(), "store"), "overlay file");
    const before = Number(value(overlay.state(), "commits"));
    await write(overlay, 0, pattern(512, 1));
    await overlay.flush();
    assert.equal(Number(value(overlay.state(), "commits")), before + 1);
    await overlay.dispose();
  });
});

describe("what a device says of what is behind it", () => {
  it("a disk: its backend, and what the guest did", async () => {
    const blk = new BlockDriver(new MemoryDisk(MiB));
    const { device } = blk;
    assert.equal(value(device.state(), "capacity"), "1 MiB");
    assert.equal(value(device.state(), "store"), "memory");
    await blk.write(0, pattern(1024, 1));
    await blk.read(0, 512);
    await blk.flush();
    assert.equal(value(device.state(), "written by the guest"), "1 KiB");
    assert.equal(value(device.state(), "read by the guest"), "512 bytes");
    assert.equal(value(device.state(), "flushes"), "1");
    assert.equal(value(device.state(), "failed requests"), "0");
  });

  it("a console: its size, and what waits on either side", async () => {
    const console = new ConsoleDriver([{ console: true }]);
    const { device } = console;
    await console.handshake();
    const state = (name: string): string | undefined => value(device.state(), name);
    assert.equal(state("terminal"), "80 columns, 25 rows");
    assert.equal(state("port 0"), "open in the guest");
    void device.ports[0]!.send(new Uint8Array(7));
    assert.equal(state("port 0: waits for the guest"), "7 bytes");
    await console.receive(0, 4);
    assert.equal(state("port 0: waits for the guest"), "3 bytes");

    let taken: () => void = () => undefined;
    device.ports[0]!.connect({ write: () => new Promise((resolve) => (taken = resolve)) });
    const written = console.write(0, new Uint8Array(70_000));
    assert.equal(state("port 0: waits for the host"), "4.4 KiB");
    taken();
    await new Promise((resolve) => setTimeout(resolve));
    taken();
    await written;
    assert.equal(state("port 0: waits for the host"), "0 bytes");
  });

  it("a source of randomness: what it gave", async () => {
    const device = new EntropyDevice((target) => target.fill(1));
    await Driver.start(device).request(0, [{ address: 0x1000, length: 100, writable: true }]);
    assert.equal(value(device.state(), "given to the guest"), "100 bytes");
  });

  it("a network device: its wire, and what went through", () => {
    const net = new NetDriver();
    net.device.setLink(true);
    assert.equal(value(net.device.state(), "carrier"), "up");
    assert.match(value(net.device.state(), "MAC address in use")!, /^([0-9a-f]{2}:){5}/);
    net.device.receive(frame(1, 2));
    assert.equal(value(net.device.state(), "dropped by the device"), "1");
    assert.equal(value(noWire().state?.(), "wire"), "none");
  });
});

describe("what a wire says of itself", () => {
  it("whatever its kind: its name, its state and its counters", async () => {
    const room = new Room({
      room: "lab",
      relays: ["ws://127.0.0.1:1/relay"],
      secret: "hush",
      open: () => SILENT,
    });
    const gateway = { mtu: 1500, http: false };
    const wires = [
      { wire: new NoWire(), kind: /^none$/ },
      { wire: new GatewayWire(gateway), kind: /^gateway$/ },
      { wire: new Tabs({ channel: "view" }), kind: /^tabs, channel view$/ },
      { wire: room, kind: /^room lab$/ },
      { wire: new Front(new Tabs({ channel: "view" }), gateway), kind: /^tabs, channel view$/ },
    ];
    for (const { wire, kind } of wires) {
      wire.connect(new TestPort(1));
      void wire.send(frame(9, 1));
      const state = wire.state();
      assert.match(value(state, "wire")!, kind);
      assert.match(value(state, "wire state")!, /^(up|connecting|down)/);
      assert.match(value(state, "from the guest")!, /packets, /);
      assert.ok(!JSON.stringify(state).includes("hush"), "no secrets");
    }
    assert.equal(value(room.state(), "waits for the network"), "0 bytes");
    assert.equal(value(wires[4]!.wire.state(), "gateway"), "in front of the wire");
    for (const { wire } of wires) await wire.dispose();
  });
});

describe("a number of bytes as text", () => {
  it("is short and right", () => {
    const texts = [0, 1, 1023, 1024, 1536, 48 * MiB, 1024 ** 4, 5000 * 1024 ** 4].map(bytesText);
    assert.deepEqual(texts, [
      "0 bytes",
      "1 byte",
      "1023 bytes",
      "1 KiB",
      "1.5 KiB",
      "48 MiB",
      "1 TiB",
      "5000 TiB",
    ]);
  });
});

function stay(): void {
  // It never opens.
}

const SILENT: Socket = {
  waiting: 0,
  ping: undefined,
  send: stay,
  whenDrained: stay,
  pause: stay,
  resume: stay,
  close: stay,
};
