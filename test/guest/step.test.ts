/** A real guest that is stopped at each crossing of a request, stepped through it, and stopped at any moment under load. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, afterEach, before, describe, it } from "node:test";
import type { VirtioEvent } from "../../src/virtio/observer.ts";
import { bootStepped, sleep, type SteppedGuest, type Stop } from "./stepping.ts";
import { until, within } from "./support.ts";

const ROUNDS = Number(process.env.STEP_ROUNDS ?? 1000);
/** The most guest instructions between a stop inside a register access and the stillness. */
const MOST_AFTER = 2000;

const READ = "dd if=/dev/vda of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null";
const DISK = "blk d";

void describe("a machine that is stepped", { concurrency: 1 }, () => {
  let guest: SteppedGuest;
  before(async () => {
    guest = await bootStepped("memory=64M&strict=on&device=console&device=blk,id=d,store=memory,size=32M");
    await guest.sh("true");
  });
  after(() => guest[Symbol.asyncDispose]());

  afterEach(() => {
    guest.machine.debugger.breakOn(undefined);
    guest.machine.resume(); // what a test that failed has stopped
  });

  /** Has the guest read its disk, and stops it at the first event that matches. */
  const stopAt = async (match: (event: VirtioEvent) => boolean): Promise<[Stop, Promise<string>]> => {
    const stop = guest.nextStop();
    guest.machine.debugger.breakOn((event) => event.device === DISK && match(event));
    const read = guest.sh(READ);
    const reached = await stop;
    guest.machine.debugger.breakOn(undefined);
    return [reached, read];
  };

  for (const type of ["kick", "chain", "used", "interrupt"] as const) {
    void it(`stands still at a ${type}: no instruction, no byte of its memory changes, and it goes on`, async () => {
      const [stop, read] = await stopAt((event) => event.type === type);
      assert.equal(stop.event?.type, type);
      assert.equal(guest.machine.state.name, "paused");
      await sleep(20); // what is left of the slice
      const { instructions } = guest.machine.counters();
      assert.ok(instructions - stop.instructions < MOST_AFTER, `${instructions - stop.instructions} more`);
      const memory = hash(guest.memory());
      assert.ok(guest.memory().length >= 63 * 2 ** 20, `${guest.memory().length} bytes`);
      await sleep(100);
      assert.equal(guest.machine.counters().instructions, instructions);
      assert.equal(hash(guest.memory()), memory);
      guest.machine.resume();
      await read;
      assert.equal(guest.machine.state.name, "running");
    });
  }

  void it("a step goes to the next crossing: kick, chain, used, interrupt, and the interrupt's delivery", async () => {
    const [stop, read] = await stopAt((event) => event.type === "kick");
    const seen = [stop.event!.type];
    while (seen.at(-1) !== "interrupt") {
      const next = guest.nextStop();
      guest.machine.debugger.step((event) => event.device === DISK && event.type !== "access");
      seen.push((await next).event!.type);
    }
    const delivered = guest.nextStop();
    guest.machine.debugger.stepToDelivery(DISK, 0);
    const { event, why } = await delivered;
    assert.equal(why, undefined);
    assert.deepEqual(event, { type: "delivery", device: DISK, cause: "queue", queue: 0 });
    assert.deepEqual(seen, ["kick", "chain", "used", "interrupt"]);
    guest.machine.resume();
    await read;
  });

  void it("a guest that was stopped for long has no time gone by, and complains of none", async () => {
    const uptime = async (): Promise<number> => Number((await guest.sh("cat /proc/uptime")).split(" ")[0]);
    const earlier = await uptime();
    const from = performance.now();
    const [, read] = await stopAt((event) => event.type === "chain");
    const stopped = performance.now();
    await sleep(3000);
    const stood = performance.now() - stopped;
    guest.machine.resume();
    await read;
    const gone = 1000 * ((await uptime()) - earlier);
    assert.ok(gone < performance.now() - from - stood + 500, `${gone} ms in the guest`);
    assert.doesNotMatch(await guest.sh("dmesg"), /lockup|stall|unstable/i);
  });

  void it("a step's end that cannot come any more is told, and a reset starts a machine that stands still", async () => {
    const [, read] = await stopAt((event) => event.type === "kick");
    const lost = assert.rejects(read);
    guest.machine.debugger.step((event) => event.type === "used" && event.device === "nobody");
    const stop = guest.nextStop();
    await guest.machine.reset();
    assert.match((await stop).why ?? "", /reset/);
    await lost;
    await guest.sh("true"); // its boot reads the disk, too
    const [, again] = await stopAt((event) => event.type === "chain");
    const gone = assert.rejects(again);
    await guest.machine.reset();
    await gone;
    await guest.sh("true");
  });

  void it("powers off from where it stands still, with breakpoints everywhere", async () => {
    const [, read] = await stopAt((event) => event.type === "chain");
    const ended = read.catch(() => ""); // it may still come to its end
    guest.machine.debugger.breakOn(() => true);
    await within(guest.machine.powerOff(), "power-off");
    await ended;
    guest.machine.debugger.breakOn(undefined);
    assert.equal(guest.machine.state.name, "halted");
  });
});

void describe(
  "machines that are stopped at any moment, under load of disk and network",
  { concurrency: 1 },
  () => {
    const guests: SteppedGuest[] = [];
    after(async () => {
      for (const guest of guests) await guest[Symbol.asyncDispose]();
    });

    void it(`pause, step and go on ${ROUNDS} times lose nothing`, async (test) => {
      for (const packed of ["off", "on"]) {
        const config =
          "memory=64M&strict=on&device=console" +
          `&device=blk,id=d,store=memory,size=8M,packed=${packed}&device=net,wire=tabs:steps,packed=${packed}`;
        guests.push(await bootStepped(config));
      }
      const [one, two] = guests as [SteppedGuest, SteppedGuest];
      for (const [index, guest] of guests.entries()) {
        await guest.sh(
          `ip addr flush dev eth0; ip addr add 10.9.0.${index + 1}/24 dev eth0; ip link set eth0 up; ` +
            "mkfifo /tmp/silent; dd if=/dev/urandom of=/tmp/file bs=64k count=16 2>/dev/null; md5sum </tmp/file >/tmp/sum",
        );
      }
      let over = false;
      let [copies, transfers] = [0, 0];
      const disk = async (guest: SteppedGuest): Promise<void> => {
        while (!over) {
          const read = await guest.sh(
            "dd if=/tmp/file of=/dev/vda bs=16k oflag=direct 2>/dev/null; " +
              "dd if=/dev/vda bs=16k count=64 iflag=direct 2>/dev/null | md5sum",
          );
          assert.equal(read, await guest.sh("cat /tmp/sum"));
          copies++;
        }
      };
      const network = async (from: SteppedGuest, to: SteppedGuest, address: string): Promise<void> => {
        while (!over) {
          const arrived = to.sh("nc -l -p 9000 <>/tmp/silent | md5sum");
          await from.sh(`until nc ${address} 9000 </tmp/file; do usleep 20000; done`);
          assert.equal(await arrived, await from.sh("cat /tmp/sum"));
          transfers++;
        }
      };
      const loads = Promise.all([disk(one), disk(two), network(one, two, "10.9.0.2")]);
      let [stops, steps] = [0, 0];
      const random = generator(6);
      for (let round = 0; round < ROUNDS; round++) {
        await moment(random);
        const { machine } = guests[round & 1]!;
        machine.pause();
        assert.equal(machine.state.name, "paused");
        stops++;
        await moment(random);
        const { instructions } = machine.counters();
        if (random() < 0.3) await sleep(1);
        assert.equal(machine.counters().instructions, instructions, "a machine that stands still");
        for (let step = Math.floor(3 * random()); step > 0; step--) {
          const came = guests[round & 1]!.nextStop();
          if (random() < 0.2) machine.debugger.stepToDelivery(random() < 0.5 ? DISK : "net net0", 0);
          else machine.debugger.step((event) => event.type !== "access");
          await Promise.race([came, sleep(50)]);
          machine.pause(); // nothing, when it came
          await came;
          steps++;
        }
        machine.resume();
      }
      over = true;
      await loads;
      test.diagnostic(
        `${stops} stops, ${steps} steps, ${copies} MiB through disks, ${transfers} MiB through the network`,
      );
      for (const { machine, messages, sh } of guests) {
        assert.deepEqual(machine.violations, []);
        assert.deepEqual(messages, []);
        assert.doesNotMatch(await sh("dmesg"), /lockup|stall|unstable|error/i);
      }
      assert.ok(copies > 2 && transfers > 0, `${copies} copies, ${transfers} transfers`);
      await until(() => guests.every(({ machine }) => machine.state.name === "running"), "both run");
    });
  },
);

function hash(memory: Uint8Array): string {
  return createHash("md5").update(memory).digest("hex");
}

/** Some turns of the event loop, or some milliseconds. */
async function moment(random: () => number): Promise<void> {
  if (random() < 0.3) await sleep(8 * random());
  for (let turns = 10 * random(); turns > 1; turns--) await new Promise((resolve) => setImmediate(resolve));
}

/** Numbers from 0 to 1 (xorshift32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
