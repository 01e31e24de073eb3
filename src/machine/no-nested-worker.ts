// v86 decides when it is evaluated how to yield: where `Worker` exists, it starts one from a blob: URL for each CPU.
// In our own worker that is not wanted (the page's Content-Security-Policy refuses blob: scripts, and cpu.ts has a
// quicker way), so it must not find the constructor. On a page and in Node nothing changes.
if (typeof WorkerGlobalScope !== "undefined" && globalThis instanceof WorkerGlobalScope) {
  Object.defineProperty(globalThis, "Worker", { value: undefined, configurable: true });
}
