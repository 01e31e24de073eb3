/** Sequence numbers: 32 bits that go round (RFC 9293, 3.4). */

/** How far `a` is ahead of `b`; negative: behind. */
export const ahead = (a: number, b: number): number => (a - b) | 0;

export const plus = (sequence: number, count: number): number => (sequence + count) >>> 0;
