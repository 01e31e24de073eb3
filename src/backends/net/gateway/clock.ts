/** Time as the gateway sees it; tests have their own. */
export interface Clock {
  /** Milliseconds, from anywhere. */
  now(): number;
  /** Calls `action` once, after so many milliseconds; what it returns takes that back. */
  after(milliseconds: number, action: () => void): () => void;
}

export const realClock: Clock = {
  now: () => performance.now(),
  after(milliseconds, action) {
    const timer = setTimeout(action, milliseconds);
    return () => clearTimeout(timer);
  },
};
