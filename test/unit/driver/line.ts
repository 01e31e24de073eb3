import type { InterruptLine } from "../../../src/virtio/transport/mmio.ts";

/** The guest's end of an interrupt line: its level, and how often it went up. */
export class TestLine implements InterruptLine {
  asserted = false;
  /** Edges from low to high. */
  raised = 0;
  /** Called when the line goes up: the interrupt handler. */
  onRaise: (() => void) | undefined;

  set(asserted: boolean): void {
    if (asserted === this.asserted) return;
    this.asserted = asserted;
    if (!asserted) return;
    this.raised++;
    this.onRaise?.();
  }
}
