import { addressText } from "../../net/address.ts";
import { get32 } from "../../net/bytes.ts";
import { DhcpOption, DhcpType } from "../../net/dhcp.ts";
import { macText } from "../../net/ethernet.ts";
import { type DecodedLayer, flags, hexShown, LayerReader, named, type Shown, sizeShown } from "./layer.ts";
import { textOf } from "./text.ts";

/** Options that are shown. */
const MOST_OPTIONS = 64;

const TYPES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(DhcpType).map(([name, type]) => [type, name]),
);

const addresses = (bytes: Uint8Array): Shown =>
  bytes.length % 4 === 0 && bytes.length > 0
    ? Array.from({ length: bytes.length / 4 }, (_, i) => addressText(bytes.subarray(4 * i, 4 * i + 4))).join(
        ", ",
      )
    : sizeShown(bytes);
const seconds = (bytes: Uint8Array): Shown =>
  bytes.length === 4 ? `${get32(bytes, 0)} seconds` : sizeShown(bytes);

/** RFC 2132. */
const OPTIONS: Readonly<Record<number, readonly [name: string, show: (bytes: Uint8Array) => Shown]>> = {
  [DhcpOption.NETMASK]: ["subnet mask", addresses],
  [DhcpOption.ROUTERS]: ["routers", addresses],
  [DhcpOption.DNS_SERVERS]: ["DNS servers", addresses],
  [DhcpOption.HOST_NAME]: ["host name", textOf],
  [DhcpOption.DOMAIN]: ["domain", textOf],
  [DhcpOption.BROADCAST]: ["broadcast address", addresses],
  [DhcpOption.REQUESTED_ADDRESS]: ["requested address", addresses],
  [DhcpOption.LEASE_TIME]: ["lease time", seconds],
  [DhcpOption.TYPE]: ["message type", (bytes) => named(TYPES)(bytes[0] ?? 0)],
  [DhcpOption.SERVER]: ["server", addresses],
  [DhcpOption.RENEWAL_TIME]: ["renewal time", seconds],
  [DhcpOption.REBINDING_TIME]: ["rebinding time", seconds],
};

/** RFC 2131. */
export function decodeDhcp(bytes: Uint8Array, at: number, end: number): DecodedLayer {
  const reader = new LayerReader("DHCP", bytes, at, end);
  reader.number("op", 1, named({ 1: "from a client", 2: "from a server" }));
  reader.skip(3);
  reader.number("transaction", 4, hexShown(8));
  reader.number("seconds", 2);
  reader.number("flags", 2, flags([[0x8000, "broadcast"]], 4));
  for (const name of ["client address", "your address", "server address", "relay address"])
    reader.raw(name, 4, addressText);
  reader.raw("client MAC", 6, macText);
  reader.skip(10 + 64 + 128);
  if (reader.number("cookie", 4, hexShown(8)) === undefined) return reader.layer;
  for (let i = 0; i < MOST_OPTIONS && reader.left > 0; i++) {
    const code = bytes[reader.at]!;
    if (code === 255) break;
    if (code === 0) {
      reader.skip(1);
      continue;
    }
    const [name, show] = OPTIONS[code] ?? [`option ${code}`, sizeShown];
    const length = reader.left > 1 ? bytes[reader.at + 1]! : 0;
    // The field is the option with its code and length.
    if (!reader.raw(name, 2 + length, (option) => show(option.subarray(2)))) break;
  }
  return reader.layer;
}
