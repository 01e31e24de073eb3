import type { DecodedField, DecodedLayer } from "./layer.ts";

/** A decoded packet in a few words: `ICMP echo request from 10.77.0.2 to 10.77.0.1`. Undefined when there is nothing to say. */
export function packetSummary(layers: readonly DecodedLayer[]): string | undefined {
  const find = (...titles: string[]): DecodedLayer | undefined =>
    layers.find(({ title }) => titles.includes(title));
  const arp = find("ARP");
  if (arp) return arpSummary(arp);
  const ip = find("IPv4", "IPv6");
  if (!ip) return ethernetSummary(layers);
  const last = find("DHCP", "DNS") ?? find("ICMP", "ICMPv6", "TCP", "UDP") ?? ip;
  const [from, to] = [of(ip, "source")?.value, of(ip, "destination")?.value];
  const ports = find("TCP", "UDP");
  if (from === undefined || to === undefined) return wordsOf(last);
  const [source, destination] = [of(ports, "source port"), of(ports, "destination port")];
  const at = (address: string, port: DecodedField | undefined): string =>
    port === undefined
      ? address
      : address.includes(":")
        ? `[${address}]:${port.value}`
        : `${address}:${port.value}`;
  return `${wordsOf(last)} from ${at(from, source)} to ${at(to, destination)}`;
}

/** What a layer is about. */
function wordsOf(layer: DecodedLayer): string {
  switch (layer.title) {
    case "ICMP":
    case "ICMPv6":
      return join(layer.title, of(layer, "type")?.meaning);
    case "TCP":
      return join("TCP", of(layer, "flags")?.meaning);
    case "DHCP":
      return join("DHCP", of(layer, "message type")?.meaning);
    case "DNS": {
      const question = of(layer, "question")?.value;
      const isAnswer = of(layer, "flags")?.meaning?.includes("answer");
      return join(isAnswer ? "DNS answer" : "DNS query", question && `about ${question}`);
    }
    default:
      return layer.title;
  }
}

function arpSummary(arp: DecodedLayer): string {
  const operation = of(arp, "operation")?.meaning;
  const [sender, target] = [of(arp, "sender address")?.value, of(arp, "target address")?.value];
  if (sender === undefined || target === undefined) return join("ARP", operation);
  if (operation === "request") return `ARP request: who has ${target}? Tell ${sender}`;
  return `ARP ${operation}: ${sender} is at ${of(arp, "sender MAC")?.value}`;
}

function ethernetSummary(layers: readonly DecodedLayer[]): string | undefined {
  const type = layers.flatMap(({ fields }) => fields).findLast(({ name }) => name === "EtherType");
  return type && `Ethernet frame of type ${type.value}`;
}

function of(layer: DecodedLayer | undefined, name: string): DecodedField | undefined {
  return layer?.fields.find((field) => field.name === name);
}

function join(title: string, words: string | undefined): string {
  return words === undefined ? title : `${title} ${words}`;
}
