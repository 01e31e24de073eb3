/** The entry of the disks' worker: imports, exports and copies do not disturb the machine's. */
import { expose } from "comlink";
import { openBase } from "../bases.ts";
import { DiskService } from "./service.ts";

self.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  reportError(event.reason);
});

const site = new URL("/", location.href);

expose(new DiskService((name) => openBase(name, site, { timeoutMs: 30_000 })));
