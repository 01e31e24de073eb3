import { addressText, parseAddress } from "../../../../net/address.ts";
import { sameBytes } from "../../../../net/bytes.ts";
import { GATEWAY, GATEWAY6, isInNetwork } from "../addresses.ts";
import { DOMAIN } from "../dns/label.ts";
import { isInPool, type NamePool } from "../dns/pool.ts";
import { HttpError } from "./error.ts";
import { headerOf, type RequestHead } from "./request.ts";

export interface TargetOptions {
  /** The page may only fetch over https. */
  secure: boolean;
  pool: NamePool | undefined;
}

/** What a request is for: a URL to be fetched, or a path on the gateway itself. */
export type Target = { url: URL } | { path: string };

/** `to` is the address that the connection was made to. Throws HttpError for what cannot be fetched. */
export function targetOf(head: RequestHead, to: Uint8Array, options: TargetOptions): Target {
  if (head.method === "CONNECT")
    throw new HttpError(
      501,
      "This proxy cannot pass TLS on (CONNECT): a page can only fetch. Ask for http://, or for an https:// URL as the target of a plain request to the proxy.",
    );
  if (head.headers.filter(([name]) => name === "host").length > 1)
    throw new HttpError(400, "The request has more than one Host.");
  const url = absolute(head, to, options.pool);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const address = parseAddress(host);
  if (isGateway(host, address)) {
    if (options.pool === undefined || url.protocol === "http:") return { path: url.pathname };
    throw new HttpError(502, "The gateway itself has no https.");
  }
  if (address && isInPool(address)) {
    const name = options.pool?.nameOf(address);
    if (name === undefined)
      throw new HttpError(502, `${host} stands for no name any more: look it up again.`);
    url.hostname = name;
  }
  if (host === DOMAIN || host.endsWith(`.${DOMAIN}`) || (address && isInNetwork(address)))
    throw new HttpError(502, `${host} would be in this network itself, but nobody has that name or address.`);
  if (options.secure && url.protocol === "http:") url.protocol = "https:";
  return { url };
}

function isGateway(host: string, address: Uint8Array | undefined): boolean {
  if (address) return sameBytes(address, GATEWAY) || sameBytes(address, GATEWAY6);
  return host === `gateway.${DOMAIN}` || host === "gateway";
}

function absolute(head: RequestHead, to: Uint8Array, pool: NamePool | undefined): URL {
  let text = head.target;
  if (!/^https?:\/\//i.test(text)) {
    if (!text.startsWith("/")) throw new HttpError(400, "That is no path, and no URL of http or https.");
    const host = headerOf(head, "host") ?? defaultHost(head, to, pool);
    if (/[/?#@\\\s]/.test(host)) throw new HttpError(400, "The request's Host is no host.");
    text = `http://${host}${text}`;
  }
  let url;
  try {
    url = new URL(text);
  } catch {
    throw new HttpError(400, "That is no URL.");
  }
  if (url.username || url.password)
    throw new HttpError(400, "A URL with a password cannot be fetched; send it in a header.");
  return url;
}

/** HTTP/1.0 need not say it. */
function defaultHost({ minor }: RequestHead, to: Uint8Array, pool: NamePool | undefined): string {
  if (minor === 1) throw new HttpError(400, "The request has no Host.");
  const text = addressText(to);
  return pool?.nameOf(to) ?? (to.length === 16 ? `[${text}]` : text);
}
