/** The entry of the disks' worker: imports, exports and copies do not disturb the machine's. */
import { expose } from "comlink";
import { DiskService } from "./service.ts";

self.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  reportError(event.reason);
});

expose(new DiskService((name) => Promise.reject(new Error(name))));
