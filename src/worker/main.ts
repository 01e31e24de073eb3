/** The worker's entry: one MachineHost, called by the page through comlink. */
import { expose } from "comlink";
import { MachineHost } from "./host.ts";

// A promise that nobody looks at must not fail in silence: the page hears of it as of every error (connection.ts).
self.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  reportError(event.reason);
});

expose(new MachineHost(new URL("/", location.href)));
