/** The way out by itself, with members that are no machines; ../uplink.test.ts runs this in a namespace. */
import assert from "node:assert/strict";
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
import { until } from "../support.ts";
import { cannotPing, DNS, Outside, PRIVATE, WEB } from "./network.ts";
import { passts } from "./passts.ts";

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
