/** Tells all tabs and workers of the origin when a disk was made, changed, opened or closed. */
export const DISKS_CHANNEL = "ringside-disks";

/** Tells everybody that the list of disks looks otherwise now. */
export function announceDisks(): void {
  const channel = new BroadcastChannel(DISKS_CHANNEL);
  channel.postMessage("changed");
  channel.close();
}
