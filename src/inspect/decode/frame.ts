import { addressText } from "../../net/address.ts";
import { ArpOperation } from "../../net/arp.ts";
import { EtherType, macText } from "../../net/ethernet.ts";
import { type DecodedLayer, hex, LayerReader, named, sizeShown } from "./layer.ts";
import { decodeIpv4, decodeIpv6 } from "./ip.ts";

/** VLAN tags in one frame. */
const MOST_TAGS = 4;

const ETHER_TYPES: Readonly<Record<number, string>> = {
  [EtherType.IPV4]: "IPv4",
  [EtherType.ARP]: "ARP",
  [EtherType.IPV6]: "IPv6",
  [EtherType.VLAN]: "802.1Q VLAN tag",
  [EtherType.SERVICE_VLAN]: "802.1ad service VLAN tag",
};

/** An Ethernet frame that begins at `at`. */
export function decodeFrame(bytes: Uint8Array, at: number): DecodedLayer[] {
  const ethernet = new LayerReader("Ethernet", bytes, at, at + 14);
  ethernet.raw("destination", 6, macShown);
  ethernet.raw("source", 6, macShown);
  let type = ethernet.number("EtherType", 2, typeShown);
  const layers = [ethernet.layer];
  let next = ethernet.at;
  for (let tags = 0; isTag(type) && tags < MOST_TAGS; tags++) {
    const tag = new LayerReader("802.1Q", bytes, next, next + 4);
    tag.number("tag", 2, (value) => ({
      value: hex(value, 4),
      meaning: `VLAN ${value & 0xfff}, priority ${value >> 13}`,
    }));
    type = tag.number("EtherType", 2, typeShown);
    layers.push(tag.layer);
    next = tag.at;
  }
  if (type === undefined || next >= bytes.length) return layers;
  return [...layers, ...decodePayload(bytes, next, type)];
}

function decodePayload(bytes: Uint8Array, at: number, type: number): DecodedLayer[] {
  if (type === EtherType.ARP) return [decodeArp(bytes, at)];
  if (type === EtherType.IPV4) return decodeIpv4(bytes, at);
  if (type === EtherType.IPV6) return decodeIpv6(bytes, at);
  const reader = new LayerReader("Payload", bytes, at);
  reader.rest("data", sizeShown);
  return [reader.layer];
}

/** RFC 826. */
function decodeArp(bytes: Uint8Array, at: number): DecodedLayer {
  const reader = new LayerReader("ARP", bytes, at);
  const hardware = reader.number("hardware type", 2, named({ 1: "Ethernet" }));
  const protocol = reader.number("protocol type", 2, typeShown);
  const lengths = [reader.number("hardware length", 1), reader.number("protocol length", 1)];
  reader.number("operation", 2, named({ [ArpOperation.REQUEST]: "request", [ArpOperation.REPLY]: "reply" }));
  const known = hardware === 1 && protocol === EtherType.IPV4 && lengths[0] === 6 && lengths[1] === 4;
  if (!known) return reader.layer;
  reader.raw("sender MAC", 6, macShown);
  reader.raw("sender address", 4, addressText);
  reader.raw("target MAC", 6, macShown);
  reader.raw("target address", 4, addressText);
  return reader.layer;
}

function isTag(type: number | undefined): boolean {
  return type === EtherType.VLAN || type === EtherType.SERVICE_VLAN;
}

function typeShown(type: number): { value: string; meaning: string } {
  return { value: hex(type, 4), meaning: ETHER_TYPES[type] ?? "not known" };
}

function macShown(mac: Uint8Array): { value: string; meaning: string | undefined } {
  const text = macText(mac);
  if (text === "ff:ff:ff:ff:ff:ff") return { value: text, meaning: "everybody" };
  return { value: text, meaning: mac[0]! & 1 ? "a group" : undefined };
}
