/** Guests behind a relay's way out, in the network of ./network.ts; ../uplink.test.ts runs this in a namespace. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, describe, it } from "node:test";
import { Uplink } from "../../../server/relay/uplink/uplink.ts";
import { uplinkSettings } from "../../../server/relay/uplink/options.ts";
import type { MemberUplink } from "../../../server/relay/uplink.ts";
import { parseAddress } from "../../../src/net/address.ts";
import { GATEWAY_MAC, guestAddress } from "../../../src/net/guest-network.ts";
import { icmpFault, icmpPacket } from "../../../src/net/icmp.ts";
import { type Ip, IP_AT, parseIp, Protocol, type Route } from "../../../src/net/ip.ts";
import { parseUdp, udpPacket } from "../../../src/net/udp.ts";
import { ensureTool } from "../../tools/ensure.ts";
import { startRelay, type RelayProcess } from "../../tools/relay-process.ts";
import { boot, type Guest, until } from "../support.ts";
import { ALLOWED, cannotPing, DNS, HERE, Outside, PRIVATE, PRIVATE6, WEB, WEB6 } from "./network.ts";

const FILE_SIZE = 4 << 20;

void describe("guests with a way out", { concurrency: 1 }, () => {
  let outside: Outside | undefined;
  let relay: RelayProcess;
  let one: Guest;
  let two: Guest;
  /** In the order in which they are to be closed. */
  const guests: Guest[] = [];
  const relays: RelayProcess[] = [];

  before(async () => {
    outside = await Outside.start();
    await serveHere();
    const passt = await ensureTool("passt");
    const path = `${passt.command.replace(/\/[^/]*$/, "")}:${process.env.PATH ?? ""}`;
    relay = await startRelay(
      ["--uplink", "out", "--uplink-dns", DNS, "--uplink-allow", `${ALLOWED}/32:80`, "--log", "warn"],
      { ...passt.env, PATH: path },
    );
    relays.push(relay);
    [one, two] = (await Promise.all(["one", "two"].map(enter))) as [Guest, Guest];
  });
  after(async () => {
    await Promise.all(guests.map((guest) => guest[Symbol.asyncDispose]()));
    await Promise.all(relays.map((each) => each.kill()));
    await until(() => passts().length === 0, "the passts of a relay that was killed end by themselves");
    await outside?.[Symbol.asyncDispose]();
  });

  const enter = async (name: string): Promise<Guest> => {
    const guest = await boot(`device=net,wire=room:out,relay=${relay.url},name=${name}`);
    guests.push(guest);
    return guest;
  };
  const both = [() => one, () => two] as const;
  const seen = async (): Promise<string[]> => (await (await fetch(`http://${WEB}/seen`)).text()).split("\n");

  void it("have different addresses by DHCP, and the gateway as router and DNS server", async () => {
    for (const guest of both) await until(async () => (await addressOf(guest())) !== "", "it has an address");
    const addresses = await Promise.all(both.map((guest) => addressOf(guest())));
    assert.notEqual(addresses[0], addresses[1]);
    for (const address of addresses) assert.match(address, /^10\.77\./);
    for (const guest of both) {
      assert.match(await guest().sh("route -n"), /^0\.0\.0\.0 +10\.77\.0\.1 /m);
      assert.match(await guest().sh("cat /etc/resolv.conf"), /^nameserver 10\.77\.0\.1$/m);
      assert.match(await guest().sh("ping -c 2 -W 5 10.77.0.1"), / 0% packet loss/);
    }
  });

  void it("see the internet with the host's address, by the names that the host's DNS server has, both at once", async () => {
    const answers = await Promise.all(both.map((guest) => guest().sh("wget -q -O - http://web.test/")));
    assert.deepEqual(answers, [`hello ${HERE}`, `hello ${HERE}`]);
  });

  void it("download a file as it is", async () => {
    const sum = await (await fetch(`http://${WEB}/sum`)).text();
    const got = await Promise.all(
      both.map((guest) => guest().sh(`wget -q -O - http://${WEB}/file | sha256sum`)),
    );
    assert.deepEqual(got, [`${sum}  -`, `${sum}  -`]);
  });

  void it("send UDP to the internet, and get their own answers", async () => {
    const ask = (guest: Guest): Promise<string> => guest.sh(`nslookup web.test ${DNS}`);
    const answers = await Promise.all([ask(one), ask(two)]);
    for (const answer of answers)
      assert.match(answer, new RegExp(`web.test[^]*${WEB.replaceAll(".", "\\.")}`));
  });

  void it("ping the internet", async (test) => {
    const obstacle = cannotPing();
    if (obstacle !== false) {
      test.skip(obstacle);
      return;
    }
    const answers = await Promise.all(both.map((guest) => guest().sh(`ping -c 3 -W 5 ${WEB}`)));
    for (const answer of answers) assert.match(answer, / 0% packet loss/);
  });

  void it("have IPv6 where the host has", async () => {
    await until(
      async () => (await one.sh("ifconfig eth0")).includes("fd00:77::"),
      "an address of the network",
    );
    assert.match(await one.sh(`wget -q -O - http://[${WEB6}]/`), /^hello 2001:db8:1::2$/);
    if (!cannotPing()) assert.match(await one.sh(`ping -6 -c 2 -W 5 ${WEB6}`), / 0% packet loss/);
  });

  void it("do not get to private networks, and hear it at once", async () => {
    for (const address of PRIVATE) {
      const answer = await one.sh(`timeout 20 wget -q -O - http://${address}/ 2>&1 || true`);
      assert.match(answer, /can't connect.*(host|[Pp]rohibited|denied|unreachable)/i, answer);
    }
    assert.match(await one.sh(`timeout 20 wget -q -O - http://[${PRIVATE6}]/ 2>&1 || true`), /can't connect/);
    await one.sh(`timeout 20 wget -q -O - http://inner.test/ 2>&1 || true`);
    assert.doesNotMatch(await one.sh(`ping -c 1 -W 3 ${PRIVATE[0]!} || true`), / 0% packet loss/);
    const reached = (await seen()).filter((entry) =>
      [...PRIVATE, PRIVATE6].some((each) => entry.endsWith(each)),
    );
    assert.deepEqual(reached, []);
  });

  void it("get where the host allows it, and to no other port there", async () => {
    assert.equal(await one.sh(`wget -q -O - http://${ALLOWED}/`), `hello ${HERE}`);
    assert.match(
      await one.sh(`timeout 20 wget -q -O - http://${ALLOWED}:8080/ 2>&1 || true`),
      /can't connect/,
    );
  });

  void it("do not get to the host itself, by the gateway's address or its own", async () => {
    for (const address of ["10.77.0.1:9999", "10.77.0.1:9998", `${HERE}:9998`, "127.0.0.1:9999"]) {
      assert.match(
        await one.sh(`timeout 20 wget -q -O - http://${address}/ 2>&1 || true`),
        /can't connect|error/,
      );
    }
    assert.deepEqual(visits, []);
  });

  void it("lose a download when passt is killed, and go on with another one", async () => {
    const download = one.sh(`timeout 20 wget -q -O - http://${WEB}/slow | wc -c`);
    await until(async () => (await seen()).includes("slow"), "the download has begun");
    const killed = passts();
    assert.equal(killed.length, 2);
    for (const pid of killed) process.kill(pid, "SIGKILL");
    assert.ok(Number(await download) < FILE_SIZE);
    assert.match(
      await one.sh(
        `for i in 1 2 3 4 5 6 7 8 9; do timeout 20 wget -q -O - http://web.test/ && break; sleep 1; done`,
      ),
      /^hello /,
    );
    assert.match(
      await (await fetch(relay.url.replace("ws:", "http:").replace("/relay", "/metrics"))).text(),
      /uplink_processes [12]\n/,
    );
  });
});

void describe("two members of one mind", () => {
  const macs = ["02:00:5e:10:00:01", "02:00:5e:10:00:02"];
  let outside: Outside;
  let uplink: Uplink;

  before(async () => {
    outside = await Outside.start();
    const passt = await ensureTool("passt");
    uplink = new Uplink({
      ...uplinkSettings({ uplink: ["out"], "uplink-dns": DNS, "uplink-most": "2" }, passt.env)!,
      program: passt.command,
    });
  });
  after(async () => {
    await uplink.dispose();
    assert.deepEqual(passts(), [], "an uplink that was disposed of leaves no passt behind");
    await outside[Symbol.asyncDispose]();
  });

  void it("use the same UDP port and echo identifier, and get each their own answers", async () => {
    const members = await Promise.all(macs.map((mac) => Member.enter(uplink, mac)));
    for (const [index, member] of members.entries()) {
      const payload = Buffer.from(`member ${index}`);
      member.send(udpPacket(member.route(WEB), { sourcePort: 5000, destinationPort: 7777, payload }));
      member.send(udpPacket(member.route(PRIVATE[0]!), { sourcePort: 5000, destinationPort: 7777, payload }));
      member.send(icmpPacket(member.route(WEB), 8, 0, Uint8Array.of(0, 7, 0, index, 1, 2, 3, 4)));
    }
    const pings = cannotPing() === false;
    for (const [index, member] of members.entries()) {
      const text = (): string[] =>
        member.got.flatMap((packet) => {
          const ip = parseIp(packet) as Ip;
          if (ip.protocol !== Protocol.UDP) return [];
          const udp = parseUdp(packet, ip, false);
          assert.ok(typeof udp !== "string", "its checksum is right");
          assert.equal(udp.destinationPort, 5000);
          return [Buffer.from(udp.payload).toString()];
        });
      const icmp = (type: number): Uint8Array[] =>
        member.got.filter((packet) => packet[IP_AT + 9] === Protocol.ICMP && packet[IP_AT + 20] === type);
      await until(() => text().length > 0 && (!pings || icmp(0).length > 0), "answers");
      assert.match(text().join(), new RegExp(`^member ${index} from port \\d+\n$`));
      assert.equal(icmp(3).length, 1, "the private address is refused");
      assert.equal(icmp(3)[0]![IP_AT + 21], 13);
      for (const reply of icmp(0)) {
        assert.deepEqual([...reply.subarray(IP_AT + 24, IP_AT + 32)], [0, 7, 0, index, 1, 2, 3, 4]);
        assert.equal(icmpFault(reply, parseIp(reply) as Ip), undefined);
      }
    }
    await assert.rejects(Member.enter(uplink, "02:00:5e:10:00:03"), /^Error: 2 members have a way out/);
    for (const member of members) member.dispose();
    await until(() => passts().length === 0, "their passts end");
    assert.match(uplink.metrics(), /uplink_dropped_packets_total\{reason="private"\} 2\n/);
  });

  void it("decline an address that somebody else has, and get another one", async () => {
    const member = await Member.enter(uplink, macs[0]!);
    const decline = new Uint8Array(300);
    decline.set([1, 1, 6, 0, 1, 2, 3, 4]);
    decline.set(member.mac, 28);
    decline.set([0x63, 0x82, 0x53, 0x63, 53, 1, 4, 50, 4, ...member.address, 255], 236);
    const route = { ...member.route("255.255.255.255"), source: new Uint8Array(4) };
    member.send(udpPacket(route, { sourcePort: 68, destinationPort: 67, payload: decline }));
    assert.match(member.closed ?? "", /Somebody else has the address/);
    const again = await Member.enter(uplink, macs[0]!, 1);
    again.send(icmpPacket(again.route("10.77.0.1"), 8, 0, new Uint8Array(8)));
    assert.equal(again.got[0]![IP_AT + 20], 0, "the gateway answers the new address");
    again.dispose();
  });

  void it("are told by a sentence when passt cannot work", async () => {
    const settings = uplinkSettings({ uplink: ["out"] }, process.env)!;
    assert.throws(() => new Uplink({ ...settings, program: "/no/such/passt" }), /apt install passt$/);
    const broken = new Uplink({ ...settings, program: "/bin/false" });
    await assert.rejects(Member.enter(broken, macs[0]!), /^Error: passt ended \(status 1\)/);
    await broken.dispose();
  });
});

/** A member that is no machine. */
class Member {
  readonly mac: Uint8Array;
  readonly address: Uint8Array;
  readonly got: Uint8Array[] = [];
  closed: string | undefined;
  #uplink: MemberUplink | undefined;

  constructor(mac: string, attempt: number) {
    this.mac = Uint8Array.from(mac.split(":"), (byte) => parseInt(byte, 16));
    this.address = guestAddress(this.mac, attempt);
  }

  static async enter(uplink: Uplink, mac: string, attempt = 0): Promise<Member> {
    const member = new Member(mac, attempt);
    member.#uplink = await uplink.attach(
      { room: "out", id: mac, mac },
      {
        receive: (packet) => void member.got.push(packet),
        closed: (reason) => (member.closed = reason),
      },
    );
    return member;
  }

  route(destination: string): Route {
    return {
      sourceMac: this.mac,
      destinationMac: GATEWAY_MAC,
      source: this.address,
      destination: parseAddress(destination)!,
    };
  }

  send(packet: Uint8Array): void {
    this.#uplink!.send(packet);
  }

  dispose(): void {
    this.#uplink!.dispose();
  }
}

/** What only this computer may reach: whoever did. */
const visits: string[] = [];

async function serveHere(): Promise<void> {
  for (const [port, host] of [
    [9999, "127.0.0.1"],
    [9998, "0.0.0.0"],
  ] as const) {
    const server = createServer((_, response) => {
      visits.push(`tcp ${port}`);
      response.end("secret\n");
    }).listen(port, host);
    server.unref();
    await once(server, "listening");
  }
  const socket = createSocket("udp4").bind(9997);
  socket.on("message", () => visits.push("udp")).unref();
  await once(socket, "listening");
}

async function addressOf(guest: Guest): Promise<string> {
  return /inet (?:addr:)?(\S+)/.exec(await guest.sh("ifconfig eth0"))?.[1] ?? "";
}

/** Processes of passt in this namespace. */
function passts(): number[] {
  const mine = readlinkSync("/proc/self/ns/net");
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const name = readFileSync(`/proc/${pid}/comm`, "utf8");
        return name.startsWith("passt") && readlinkSync(`/proc/${pid}/ns/net`) === mine;
      } catch {
        return false; // it is gone, or somebody else's
      }
    })
    .map(Number);
}
