const LOOPBACK_NAME = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/;
const LOOPBACK_ADDRESS = /^(127\.|::1$|::ffff:127\.)/;

/**
 * Whether a page's origin is the host that the request was sent to: the page came from this server. `local`: the address that
 * the connection came in at.
 *
 * Where only this computer can connect, the host has to be called so: any name on the web can be made to lead to 127.0.0.1, and
 * the page from there would have that name for its origin and for the host. Behind a proxy the host is the public name.
 */
export function isSameHost(
  origin: string,
  host: string,
  local: string | undefined,
  behindProxy: boolean,
): boolean {
  if (!URL.canParse(origin) || host === "" || new URL(origin).host !== withoutDefaultPort(origin, host))
    return false;
  const isLoopback = LOOPBACK_ADDRESS.test(local ?? "");
  return behindProxy || !isLoopback || LOOPBACK_NAME.test(host);
}

/** A browser leaves out the port that goes without saying; others may not. */
function withoutDefaultPort(origin: string, host: string): string {
  const { protocol } = new URL(origin);
  return host.toLowerCase().replace(protocol === "https:" ? /:443$/ : /:80$/, "");
}
