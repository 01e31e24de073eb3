import type { RequestRecord, TraceEvent } from "../../../inspect/types.ts";
import { formatBytes } from "../../format.ts";
import { formatDuration } from "../duration.ts";
import { sequenceOf } from "../sequence.ts";

export interface SequenceProps {
  request: RequestRecord;
  related: readonly TraceEvent[];
  selected: number;
  onSelect: (seq: number) => void;
}

/** A request's way between guest and device, from top to bottom, with the time between its stations. */
export function TimeSequence({ request, related, selected, onSelect }: SequenceProps) {
  const { id, device, queue, readable, writable, written, used } = request;
  return (
    <section class="sequence" aria-label={`Request ${id}`}>
      <h4 class="panel-title">
        Request {id}: {device}, queue {queue}
      </h4>
      <p class="sequence-bytes">
        {formatBytes(readable)} to the device,{" "}
        {used === undefined
          ? `room for ${formatBytes(writable)} back`
          : `${formatBytes(written)} of ${formatBytes(writable)} back`}
      </p>
      <div class="sequence-sides" aria-hidden="true">
        <span>guest</span>
        <span>device</span>
      </div>
      <ol class="sequence-stations">
        {sequenceOf(request, related).map(({ key, name, from, seq, since, missing }) => (
          <li key={key} class="station" data-from={from} data-missing={missing !== undefined}>
            <span class="station-since">{since === undefined ? "" : `+ ${formatDuration(since)}`}</span>
            <span class="station-arrow">
              {seq === undefined ? (
                <span class="station-name">
                  {name}: {missing}
                </span>
              ) : (
                <button
                  type="button"
                  class="station-name"
                  aria-current={seq === selected}
                  onClick={() => onSelect(seq)}
                >
                  {name}
                  <span class="unseen">{from === "guest" ? ", to the device" : ", to the guest"}</span>
                </button>
              )}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}
