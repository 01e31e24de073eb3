import { describeEvent } from "../../../inspect/decode/describe.ts";
import { shortName, shortWords } from "../crossing-words.ts";
import type { TracedDevice } from "../../../inspect/types.ts";
import { Button } from "../../parts/button.tsx";
import { type Crossing, ROWS, sideOf } from "../crossings.ts";
import { formatMoment } from "../duration.ts";
import type { Inspection } from "../model.ts";
import type { SplitModel } from "../split-model.ts";
import { SplitRequest } from "./split-request.tsx";

/** What crosses, as arrows in the direction in which it goes; always as many rows, so that nothing moves. */
export function SplitLine({ model, live }: { model: SplitModel; live: Inspection | undefined }) {
  const { source, crossings, look } = model;
  const rows = crossings.rows.value;
  const selected = source.selected.value;
  const summary = source.summary.value;
  const devices = summary?.devices ?? [];
  const related = new Set(look.detail.value?.related.map(({ seq }) => seq));
  const following = selected.seq === undefined;
  return (
    <>
      <SplitRequest model={model} live={live} />
      <div class="line-options">
        <label class="check">
          <input
            type="checkbox"
            checked={crossings.onlyDevice.value}
            disabled={!following}
            onChange={({ currentTarget }) => (crossings.onlyDevice.value = currentTarget.checked)}
          />
          Only {selected.device ?? "one device"}
        </label>
        <Button
          label="Follow"
          disabled={following}
          tone={following ? "plain" : "primary"}
          onClick={() => model.chooseEvent(undefined)}
        />
      </div>
      <ol
        class="line-rows"
        aria-label="Crossings, oldest first"
        onPointerEnter={() => (crossings.held.value = true)}
        onPointerLeave={() => (crossings.held.value = false)}
        onFocusIn={() => (crossings.held.value = true)}
        onFocusOut={() => (crossings.held.value = false)}
      >
        {/* Places rather than events: what is new moves nothing. */}
        {Array.from({ length: ROWS }, (_, place) => {
          const row = rows[place];
          return (
            <li key={place} class="line-place">
              {row && (
                <Row
                  crossing={row}
                  devices={devices}
                  selected={row.event.seq === selected.seq}
                  related={related.has(row.event.seq)}
                  onSelect={(seq) => model.chooseEvent(seq)}
                />
              )}
            </li>
          );
        })}
      </ol>
      <p class="line-count">{counted(model)}</p>
    </>
  );
}

/** Characters of a moment, also after an hour: columns stand still. */
const MOMENT = 11;

interface RowProps {
  crossing: Crossing;
  devices: readonly TracedDevice[];
  selected: boolean;
  /** To the event that is selected. */
  related: boolean;
  onSelect: (seq: number | undefined) => void;
}

function Row({ crossing: { event, before, fresh }, devices, selected, related, onSelect }: RowProps) {
  const sentence = describeEvent(event, devices);
  const side = sideOf(event);
  return (
    <>
      <button
        type="button"
        class="line-row"
        data-kind={devices.find(({ name }) => name === event.device)?.kind}
        data-from={side}
        data-event={event.kind}
        data-related={related}
        aria-pressed={selected}
        aria-label={`${side === "guest" ? "From the guest" : "From the hypervisor"}: ${sentence}`}
        title={`${formatMoment(event.time)} s, event ${event.seq}: ${sentence}`}
        onClick={() => onSelect(selected ? undefined : event.seq)}
      >
        <span key={event.seq} class="line-arrow" data-fresh={fresh} aria-hidden="true" />
        <span class="line-head">
          <span class="line-name">{shortName(event)}</span>
          <span class="line-device">{event.device}</span>
          <span class="line-time">{formatMoment(event.time).padStart(MOMENT, "\u00a0")}</span>
        </span>
        <span class="line-words">{shortWords(event, devices)}</span>
      </button>
      {before > 0 && <span class="line-between">{before.toLocaleString("en")} others</span>}
    </>
  );
}

/** Exactly what is not in the list. */
function counted({ source, crossings }: SplitModel): string {
  const summary = source.summary.value;
  if (!summary || summary.next === 0) return "Nothing has crossed yet.";
  const all = `${summary.next.toLocaleString("en")} crossings so far`;
  if (source.selected.value.seq !== undefined)
    return `${all}. The list stands still at the event that is selected.`;
  if (crossings.held.value) return `${all}. The list stands still while you are in it.`;
  return `${all}; of those since the last look ${crossings.notListed.value.toLocaleString("en")} are not listed.`;
}
