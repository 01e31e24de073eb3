import type { DescriptorChain } from "./ring/chain.ts";
import type { Rule } from "./strict/sentences.ts";

/** What crossed the line between guest and hypervisor. Built only while somebody listens; do not keep a chain or a packet. */
export type VirtioEvent =
  | {
      type: "access";
      device: string;
      register: string;
      offset: number;
      width: number;
      write: boolean;
      value: number;
    }
  | { type: "status"; device: string; from: number; to: number }
  | { type: "features"; device: string; negotiated: bigint; refused: string | undefined }
  | { type: "queue"; device: string; queue: number; size: number; enabled: boolean }
  | { type: "kick"; device: string; queue: number }
  /** The device took it. `readable` and `writable` in bytes. */
  | {
      type: "chain";
      device: string;
      queue: number;
      head: number;
      readable: number;
      writable: number;
      chain: DescriptorChain;
    }
  /** The device gives it back, with its buffers filled. */
  | { type: "used"; device: string; queue: number; head: number; written: number; chain: DescriptorChain }
  | { type: "interrupt"; device: string; cause: "queue" | "config"; queue: number; suppressed: boolean }
  /** The CPU took the interrupt: its handler begins. Only while somebody steps to it (src/machine/debugger.ts). */
  | { type: "delivery"; device: string; cause: "queue" | "config"; queue: number }
  | { type: "acknowledge"; device: string; isr: number }
  /** A packet (src/net/packet.ts) between a network device and its wire; `in` is towards the guest. Do not change it. */
  | { type: "frame"; device: string; direction: "in" | "out"; packet: Uint8Array }
  | { type: "reset"; device: string }
  | { type: "violation"; device: string; violation: Violation };

export type Observer = (event: VirtioEvent) => void;

/** A sentence of the specification that the driver broke. A value, not an exception: see DESIGN, "the guest is hostile". */
export interface Violation {
  /** Section of virtio 1.3. */
  rule: string;
  /** Which of its sentences: the key in strict/sentences.ts. */
  sentence: Rule;
  /** What was seen, in plain words, with the numbers. */
  what: string;
  queue: number | undefined;
  /** The index of a descriptor in the queue's table or ring. */
  descriptor: number | undefined;
}
