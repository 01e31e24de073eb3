/** What guests reach: servers for HTTP and UDP on all addresses of their network namespace. Told to end, they are gone. */
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { createServer } from "node:http";
import { parseAddress } from "../../../src/net/address.ts";
import { DnsCode, dnsResponse, DnsType, parseQuery, responseSize } from "../../../src/net/dns.ts";
import { DNS, PRIVATE, WEB, WEB6 } from "./network.ts";

const FILE = Buffer.alloc(4 << 20, "what a guest downloads ");
/** Sent slowly enough that something can happen meanwhile: 64 KiB every 50 ms. */
const SLOW_FILE = FILE;
const seen: string[] = [];

const web = createServer((request, response) => {
  const { localAddress = "", remoteAddress = "" } = request.socket;
  seen.push(`tcp ${localAddress.replace("::ffff:", "")}`);
  if (request.url === "/file") response.end(FILE);
  else if (request.url === "/slow")
    void trickle(
      (piece) => response.write(piece),
      () => response.end(),
    );
  else if (request.url === "/sum") response.end(createHash("sha256").update(FILE).digest("hex"));
  else if (request.url === "/seen") response.end(seen.join("\n"));
  else response.end(`hello ${remoteAddress.replace("::ffff:", "")}\n`);
});
web.listen(80, "::");

async function trickle(write: (piece: Buffer) => void, end: () => void): Promise<void> {
  for (let at = 0; at < SLOW_FILE.length; at += 65536) {
    write(SLOW_FILE.subarray(at, at + 65536));
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (at === 4 * 65536) seen.push("slow");
  }
  end();
}

for (const type of ["udp4", "udp6"] as const) {
  const socket = createSocket({ type, ipv6Only: type === "udp6" });
  socket.on("message", (message, { address, port }) => {
    seen.push(`udp ${port}`);
    socket.send(`${message.toString().trim()} from port ${port}\n`, port, address);
  });
  // An answer comes from the address that was asked: a socket of all addresses would take the link's.
  socket.bind(7777, type === "udp4" ? WEB : WEB6);
}

const names = new Map([
  ["web.test", WEB],
  ["inner.test", PRIVATE[0]!],
]);
const dns = createSocket("udp4");
dns.on("message", (message, { address, port }) => {
  const query = parseQuery(message);
  if (!query) return;
  const found = names.get(query.question?.name ?? "");
  const isAddress = query.question?.type === DnsType.A;
  const answers = found && isAddress ? [{ type: DnsType.A, ttl: 60, data: parseAddress(found)! }] : [];
  const code = found ? DnsCode.OK : DnsCode.NO_NAME;
  dns.send(dnsResponse(query, { code, authoritative: true, answers }, responseSize(query)), port, address);
});
dns.bind(53, DNS);

web.on("listening", () => process.stdout.write("ready\n"));
