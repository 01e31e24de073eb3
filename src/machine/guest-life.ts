/** How a guest went away, as the reason of an aborted signal. */
export class GuestEnd {
  /** A sentence. */
  readonly reason: string;
  /** The machine is off or has crashed: no other guest starts by itself. */
  readonly forGood: boolean;

  constructor(reason: string, forGood: boolean) {
    this.reason = reason;
    this.forGood = forGood;
  }
}
