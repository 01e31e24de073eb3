import type { GuestSession } from "./guest/session.ts";

/**
 * Lets a paused guest run for the length of `work`, so that guests that are measured in turns do not disturb each
 * other. It is given a moment first: it has missed timer ticks, and works them off.
 */
export async function inTurns<T>(session: GuestSession, work: () => Promise<T>): Promise<T> {
  await session.resume();
  try {
    await session.run("usleep 200000");
    return await work();
  } finally {
    await session.pause();
  }
}
