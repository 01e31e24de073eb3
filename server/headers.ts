/**
 * The headers that every response carries, in production and (as far as Vite's hot reload allows) in development.
 * A worker takes the policy of its own script's response, so the same policy stands on scripts and on the page.
 */

/**
 * The Content-Security-Policy.
 * - `wasm-unsafe-eval`: v86 is WebAssembly, and its JIT compiles more of it while the guest runs. JavaScript stays without eval.
 * - `style-src-attr`: xterm.js's DOM renderer writes `style` attributes for true-colour text. Its `<style>` elements are
 *   not needed: see src/page/terminal/style-elements.ts.
 * - `connect-src 'self'` covers a WebSocket to the same origin as well.
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

/** What Vite's development client needs on top: inline scripts and styles, and its own WebSocket port. */
const developmentExtras: Partial<Record<keyof typeof policy, string[]>> = {
  "script-src": ["'unsafe-inline'"],
  "style-src": ["'unsafe-inline'"],
  "connect-src": ["ws:"],
};

/** Security headers by name. `development` loosens the policy just enough for Vite's hot reload. */
export function securityHeaders(mode: "production" | "development"): Record<string, string> {
  const directives = Object.entries(policy).map(([name, sources]) => {
    const extras = mode === "development" ? (developmentExtras[name as keyof typeof policy] ?? []) : [];
    return [name, ...sources, ...extras].join(" ");
  });
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
