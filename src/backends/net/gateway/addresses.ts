/** The gateway in a page and the way out of a room are the same to a guest. */
export * from "../../../net/guest-network.ts";
