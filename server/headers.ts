/**
 * The headers that every response carries, in production and (as far as Vite's hot reload allows) in development.
 * A worker takes the policy of its own script's response, so the same policy stands on scripts and on the page.
 */

/**
 * The Content-Security-Policy.
 * - `wasm-unsafe-eval`: v86 is WebAssembly, and its JIT compiles more of it while the guest runs. JavaScript stays without eval.
 * - `style-src-attr`: xterm.js's DOM renderer writes `style` attributes for true-colour text. Its `<style>` elements are
 *   not needed: see src/page/terminal/style-elements.ts.
 * - `connect-src 'self'` covers a WebSocket to the same origin as well. The machine's worker goes further: see below.
 */
const policy = {
  "default-src": ["'none'"],
  "script-src": ["'self'", "'wasm-unsafe-eval'"],
  "worker-src": ["'self'"],
  "connect-src": ["'self'"],
  "style-src": ["'self'"],
  "style-src-attr": ["'unsafe-inline'"],
  "img-src": ["'self'"],
  "manifest-src": ["'self'"],
  "base-uri": ["'none'"],
  "form-action": ["'none'"],
  "frame-ancestors": ["'none'"],
};

type PolicyExtras = Partial<Record<keyof typeof policy, string[]>>;
type Script = "page" | "machine" | "development";

/**
 * Where the script of the machine's worker is (vite.config.ts names it). The guest's network is in that worker: it goes to
 * the relays that a link names, and fetches over HTTP from whoever lets it. The page itself and its other worker do not.
 */
export const MACHINE_SCRIPT = "/assets/machine-";
const machineExtras: PolicyExtras = { "connect-src": ["http:", "https:", "ws:", "wss:"] };

/** What Vite's development client needs on top: inline scripts and styles, and its own WebSocket port. */
const developmentExtras: PolicyExtras = {
  "script-src": ["'unsafe-inline'"],
  "style-src": ["'unsafe-inline'"],
  // There the worker's script has no path of its own.
  ...machineExtras,
};

const extras: Record<Script, PolicyExtras> = {
  page: {},
  machine: machineExtras,
  development: developmentExtras,
};

/**
 * Security headers by name: those of the page and everything else, those of the machine's worker, and those that are loose
 * enough for Vite's hot reload.
 */
export function securityHeaders(script: Script): Record<string, string> {
  const directives = Object.entries(policy).map(([name, sources]) =>
    [name, ...sources, ...(extras[script][name as keyof typeof policy] ?? [])].join(" "),
  );
  return {
    "Content-Security-Policy": directives.join("; "),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    // For browsers that do not know frame-ancestors.
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  };
}
