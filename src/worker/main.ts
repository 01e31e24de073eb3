/** The worker's entry: one MachineHost, called by the page through comlink. */
import { expose } from "comlink";
import { MachineHost } from "./host.ts";

expose(new MachineHost(new URL("/", location.href)));
