import { addressText } from "../../../../net/address.ts";
import { GATEWAY, GATEWAY6 } from "../addresses.ts";
import { DOMAIN, labelOf } from "../dns/label.ts";
import type { Host } from "../dns/names.ts";

/** Where the proxy is. */
export const PROXY_PORT = 3128;

export interface PageFacts {
  /** The guest that asks. */
  client: string;
  hosts: readonly Host[];
  /** There is a way out. */
  http: boolean;
  mtu: number;
}

/** The page about the network that http://gateway.ringside/ shows. */
export function gatewayPage({ client, hosts, http, mtu }: PageFacts): string {
  const gateway = addressText(GATEWAY);
  const members = hosts.flatMap(({ name, address }) => {
    const label = labelOf(name);
    return label ? [`<li>${label}.${DOMAIN}: ${escaped(address)}</li>`] : [];
  });
  const out = http
    ? `<li>HTTP to hosts outside, for as far as the fetch of whoever runs this machine reaches: in a page, to servers that allow
  other pages to read them (CORS). <code>http://NAME/</code> goes by itself. For https ask the proxy at ${gateway}:${PROXY_PORT}, in plain text:
  <code>printf 'GET https://NAME/ HTTP/1.0\\r\\n\\r\\n' | nc ${gateway} ${PROXY_PORT}</code></li>
<li>Not: TLS from within this machine, other ports, UDP, ping to outside.</li>`
    : `<li>There is no way out of this network.</li>`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>The network of this machine</title>
<h1>The network of this machine</h1>
<p>You are ${escaped(client)} in 10.77.0.0/16 and fd00:77::/64, MTU ${mtu}.</p>
<ul>
<li>The gateway gateway.${DOMAIN} is ${gateway} and ${addressText(GATEWAY6)}: DHCP, DNS, ping, this page.</li>
${out}
</ul>
<p>Names in this network:</p>
<ul>
${members.join("\n")}
</ul>
</html>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
