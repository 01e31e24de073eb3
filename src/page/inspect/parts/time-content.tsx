import { decodeWirePacket } from "../../../inspect/decode/buffer.ts";
import type { TraceEvent } from "../../../inspect/types.ts";
import { chainPlaces } from "../chain-places.ts";
import { chainOfEvent } from "../chain-shown.ts";
import { hexRows } from "../hex.ts";
import type { Inspection } from "../model.ts";
import type { TraceSource } from "../source.ts";
import type { EventDetail } from "../time-model.ts";
import { BufferMeaning } from "./buffer-meaning.tsx";
import { ChainPanel } from "./chain-panel.tsx";

export interface ContentProps {
  detail: EventDetail;
  source: TraceSource;
  /** The machine whose memory can be read; undefined: a recording is shown. */
  live: Inspection | undefined;
}

/** What an event carries, as bytes and as what they are: a packet, or the buffers of its request's chain. */
export function TimeContent({ detail, source, live }: ContentProps) {
  if (detail.event.kind === "frame") return <Packet event={detail.event} />;
  const chain = chainOfEvent(detail, chainPlaces(source, live));
  return chain ? <ChainPanel chain={chain} live={live} /> : null;
}

function Packet({ event: { sample, length } }: { event: Extract<TraceEvent, { kind: "frame" }> }) {
  return (
    <section class="time-packet" aria-label="Packet">
      <BufferMeaning layers={decodeWirePacket(sample)} />
      {sample.length < length && (
        <p class="time-hint">
          The trace has kept the first {sample.length} of {length} bytes.
        </p>
      )}
      <pre class="buffer-bytes" tabIndex={0} role="group" aria-label="Bytes">
        {hexRows(sample, 8)}
      </pre>
    </section>
  );
}
