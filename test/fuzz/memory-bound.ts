import { getHeapStatistics } from "node:v8";

/**
 * Bytes that one input may leave behind or hold: everything a driver can make the devices allocate has a bound, and all of
 * those together, with what the harness itself needs, are far below this.
 */
const MOST_BYTES = 64 << 20;

/** Bytes in use, in V8's heap and in buffers outside of it; garbage counts until it is collected. */
export function bytesInUse(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

/** @throws Error when an input that began with so many bytes in use has come too far above. */
export function checkMemory(before: number): void {
  const grown = bytesInUse() - before;
  if (grown > MOST_BYTES) throw new Error(`one input made the devices allocate ${grown} bytes`);
}
