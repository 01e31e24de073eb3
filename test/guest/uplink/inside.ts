/** Guests behind a relay's way out, in the network of ./network.ts; ../uplink.test.ts runs this in a namespace. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, it } from "node:test";
import { ensureTool } from "../../tools/ensure.ts";
import { startRelay, type RelayProcess } from "../../tools/relay-process.ts";
import { boot, type Guest, until } from "../support.ts";
import { ALLOWED, cannotPing, DNS, HERE, Outside, PRIVATE, PRIVATE6, WEB, WEB6 } from "./network.ts";
import { passts } from "./passts.ts";

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
