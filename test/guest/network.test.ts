/** Two real guests in one room, over the real relay in a process of its own. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { startRelay, type RelayProcess } from "../tools/relay-process.ts";
import { boot, type Guest, until } from "./support.ts";

const MIB = 2 ** 20;
/** What the relay says of ordinary events is nothing for the test's report. */
const QUIET = ["--log", "warn"];

void describe("two guests in a room", { concurrency: 1 }, () => {
  let relay: RelayProcess;
  let one: Guest;
  let two: Guest;
  const opened: AsyncDisposable[] = [];

  before(async () => {
    relay = await startRelay(QUIET);
    opened.push(relay);
    [one, two] = (await Promise.all(["one", "two"].map((name) => enter(name)))) as [Guest, Guest];
    opened.push(one, two);
  });
  after(async () => {
    for (const each of opened.reverse()) await each[Symbol.asyncDispose]();
  });

  const enter = (name: string): Promise<Guest> =>
    boot(`image=debian&memory=192M&strict=on&device=net,wire=room:lab,relay=${relay.url},name=${name}`);

  void it("have addresses by DHCP, different ones, and reach each other by address and by name", async () => {
    const addresses = await Promise.all([one, two].map(addressOf));
    assert.notEqual(addresses[0], addresses[1]);
    assert.match(await one.sh(`ping -c3 -i0.2 ${addresses[1]!}`), / 0% packet loss/);
    assert.match(
      await two.sh("ping -c3 -i0.2 one.ringside"),
      new RegExp(`${addresses[0]!}.* 0% packet`, "s"),
    );
    const roster = one.machine.networks()[0]!.status.members;
    assert.deepEqual(roster.map(({ name }) => name).sort(), ["one", "two"]);
    assert.ok(
      roster.some((member) => member.addresses.includes(addresses[1]!)),
      JSON.stringify(roster),
    );
  });

  void it("iperf3 moves 32 MiB each way, in segments that cross whole", async () => {
    await two.sh("iperf3 -s -D");
    for (const direction of ["", "-R"]) {
      const before = received(two, one);
      const report = await one.sh(`iperf3 -c two.ringside -n 32M -J ${direction}`);
      const { end } = JSON.parse(report) as { end: { sum_received: { bytes: number } } };
      assert.ok(end.sum_received.bytes >= 30 * MIB, report);
      // 32 MiB in frames of 1,514 bytes would be 23,000 of them.
      const packets = received(two, one) - before;
      assert.ok(packets < 15_000, `${packets} packets`);
    }
  });

  void it("a file of 64 MiB arrives as it was", async () => {
    const arrived = one.sh("busybox nc -l -p 9001 | md5sum");
    const sent = two.sh(
      "head -c 64M /dev/urandom >/tmp/file; " +
        "until bash -c 'cat /tmp/file >/dev/tcp/one.ringside/9001'; do sleep 0.3; done 2>/dev/null; " +
        "md5sum </tmp/file",
    );
    assert.equal(await arrived, await sent);
    assert.equal(await two.sh("stat -c %s /tmp/file"), String(64 * MIB));
  });

  void it("IPv6: all nodes answer a multicast, and an address of the network reaches the other", async () => {
    const neighbour = await two.sh("ip -6 -o addr show dev eth0 scope link | awk '{print $4}' | cut -d/ -f1");
    const replies = await one.sh("ping -6 -c2 -i0.5 ff02::1%eth0");
    assert.ok(replies.includes(neighbour), `${neighbour} is not among:\n${replies}`);
    const global = await two.sh("ip -6 -o addr show dev eth0 scope global | awk '{print $4}' | cut -d/ -f1");
    assert.match(global, /^fd00:77:/);
    assert.match(await one.sh(`ping -6 -c2 -i0.2 ${global}`), / 0% packet loss/);
  });

  void it("a VLAN is a network of its own", async () => {
    for (const [index, guest] of [one, two].entries()) {
      await guest.sh(
        "ip link add link eth0 name lab.5 type vlan id 5 && " +
          `ip addr add 10.5.0.${index + 1}/24 dev lab.5 && ip link set lab.5 up`,
      );
    }
    assert.match(await one.sh("ping -c2 -i0.2 10.5.0.2"), / 0% packet loss/);
    // Without an end: tcpdump may take its time to start.
    await two.sh("(ping -i0.3 10.5.0.1 >/dev/null 2>&1 &)");
    assert.match(await one.sh("timeout 60 tcpdump -eni eth0 -c1 'vlan 5 and icmp' 2>/dev/null"), /vlan 5,/);
    await two.sh("pkill ping");
  });

  void it("a multicast group has those who joined it", async () => {
    await two.sh("sysctl -qw net.ipv4.icmp_echo_ignore_broadcasts=0");
    await two.sh("ip addr add 239.1.2.3/32 dev eth0 autojoin");
    const answers = await one.sh(`ping -c2 -i0.3 -I eth0 239.1.2.3`);
    assert.ok(answers.includes(await addressOf(two)), answers);
  });

  void it("lose their carrier when the relay dies, and go on when it is back", async () => {
    await one.sh("(stdbuf -oL ping -i0.2 two.ringside >/tmp/pings 2>&1 &)");
    const replies = async (): Promise<number> =>
      Number(await one.sh("grep -c 'bytes from' /tmp/pings || true"));
    await until(async () => (await replies()) > 0, "a reply");
    const { port } = relay;
    await relay.kill();
    await until(async () => (await carrier(one)) === "0" && (await carrier(two)) === "0", "no carrier");
    relay = await startRelay(["--port", String(port), ...QUIET]);
    opened.unshift(relay);
    await until(
      async () => (await carrier(one)) === "1" && (await carrier(two)) === "1",
      "the carrier is back",
    );
    const before = await replies();
    await until(async () => (await replies()) > before + 3, "the same ping goes on");
    await one.sh("pkill ping");
  });

  void it("their drivers kept to the specification", () => {
    assert.deepEqual(
      [one, two].map(({ machine }) => machine.violations),
      [[], []],
    );
  });
});

async function addressOf({ sh }: Guest): Promise<string> {
  const address = await sh(
    "ip -4 -o addr show dev eth0 scope global | awk '{print $4}' | cut -d/ -f1 | head -n1",
  );
  assert.match(address, /^10\.77\.\d+\.\d+$/);
  return address;
}

async function carrier({ sh }: Guest): Promise<string> {
  return sh("cat /sys/class/net/eth0/carrier");
}

/** Packets that the devices of these guests gave to their drivers. */
function received(...guests: Guest[]): number {
  return guests.reduce((sum, { machine }) => sum + machine.networks()[0]!.counters.packetsIn, 0);
}
