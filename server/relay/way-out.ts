import { type MemberUplink, RETRY_AFTER, type UplinkFactory, type UplinkMember } from "./uplink.ts";

/** Packets that are kept while an uplink is being attached; what is asked in them is asked again. */
const MOST_WAITING = 32;

/** A member's uplink over its ends and new beginnings. */
export class WayOut {
  readonly #factory: UplinkFactory;
  readonly #member: UplinkMember;
  readonly #receive: (packet: Uint8Array) => void;
  readonly #failed: (reason: string) => void;
  #uplink: MemberUplink | undefined;
  #waiting: Uint8Array[] = [];
  #isAttaching = false;
  #notBefore = 0;
  #isDisposed = false;

  /** `receive`: packets from the uplink; `failed`: it could not be attached or has ended, and why. */
  constructor(
    factory: UplinkFactory,
    member: UplinkMember,
    receive: (packet: Uint8Array) => void,
    failed: (reason: string) => void,
  ) {
    this.#factory = factory;
    this.#member = member;
    this.#receive = receive;
    this.#failed = failed;
  }

  /** False: there is no uplink, the packet is dropped. */
  send(packet: Uint8Array): boolean {
    if (this.#uplink) {
      this.#uplink.send(packet);
      return true;
    }
    if (this.#isDisposed || this.#waiting.length >= MOST_WAITING) return false;
    if (!this.#isAttaching && performance.now() < this.#notBefore) return false;
    // A copy: the packet is a part of all that its sender sent with it.
    this.#waiting.push(packet.slice());
    if (!this.#isAttaching) void this.#attach();
    return true;
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#uplink?.dispose();
    this.#uplink = undefined;
    this.#waiting = [];
  }

  async #attach(): Promise<void> {
    this.#isAttaching = true;
    const attempt = { hasEnded: false };
    try {
      const uplink = await this.#factory.attach(this.#member, {
        receive: (packet) => {
          if (!this.#isDisposed && !attempt.hasEnded) this.#receive(packet);
        },
        closed: (reason) => {
          if (attempt.hasEnded) return;
          attempt.hasEnded = true;
          this.#end(reason);
        },
      });
      if (this.#isDisposed || attempt.hasEnded) uplink.dispose();
      else {
        this.#uplink = uplink;
        for (const packet of this.#waiting) uplink.send(packet);
      }
    } catch (error) {
      this.#end(error instanceof Error ? error.message : String(error));
    } finally {
      this.#isAttaching = false;
      this.#waiting = [];
    }
  }

  #end(reason: string): void {
    this.#uplink?.dispose();
    this.#uplink = undefined;
    this.#notBefore = performance.now() + RETRY_AFTER;
    if (!this.#isDisposed) this.#failed(reason);
  }
}
