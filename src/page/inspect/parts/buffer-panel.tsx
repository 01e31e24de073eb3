import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "../../parts/button.tsx";
import type { ChainShown } from "../chain-shown.ts";
import { formatAddress, hexRows } from "../hex.ts";
import type { Inspection } from "../model.ts";

/** Of a buffer, as much as one reads. */
const MOST = 4096;
/** CSS pixels that a row of 16 bytes takes. */
const WIDE = 540;

export interface BufferProps {
  chain: ChainShown;
  /** Which of its buffers. */
  at: number;
  live: Inspection | undefined;
}

/** A buffer's bytes: as they were when they crossed the line, or as they are in the guest's memory. */
export function BufferPanel({ chain, at, live }: BufferProps) {
  const { address, length, sample } = chain.buffers[at]!;
  const [memory, setMemory] = useState<Uint8Array | undefined>(undefined);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const place = useRef<HTMLDivElement>(null);
  const perRow = usePerRow(place);
  const read = async (): Promise<void> => {
    if (!live) return;
    try {
      setMemory(await live.memory(address, Math.min(length, MOST)));
      setProblem(undefined);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  // What the trace has not kept is in memory, if anywhere.
  useEffect(() => {
    if (!sample) void read();
  }, []);
  const bytes = memory ?? sample;
  return (
    <section class="buffer-panel" aria-label={`Buffer at ${formatAddress(address)}`} ref={place}>
      <p class="buffer-source">
        {sourceOf(bytes, memory !== undefined, length, live !== undefined)}
        {live && <Button label={memory ? "Read again" : "Read memory now"} onClick={() => void read()} />}
      </p>
      {problem !== undefined && <p class="chain-fault">{problem}</p>}
      {bytes && (
        <pre class="buffer-bytes" tabIndex={0} aria-label="Bytes">
          {hexRows(bytes, perRow)}
        </pre>
      )}
    </section>
  );
}

function sourceOf(bytes: Uint8Array | undefined, now: boolean, length: number, live: boolean): string {
  if (!bytes) return live ? "" : "The trace has kept none of its bytes.";
  const part = bytes.length < length ? `The first ${bytes.length} of ${length} bytes` : `All ${length} bytes`;
  return `${part}, ${now ? "as they are in guest memory now" : "as they were when they crossed the line"}.`;
}

/** 16 bytes in a row where there is room, else 8. */
function usePerRow(place: { current: HTMLElement | null }): number {
  const [wide, setWide] = useState(false);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWide((entry?.contentRect.width ?? 0) >= WIDE));
    observer.observe(place.current!);
    return () => observer.disconnect();
  }, []);
  return wide ? 16 : 8;
}
