import { Button } from "../../parts/button.tsx";
import { ROWS, sideOf } from "../crossings.ts";
import { formatMoment } from "../duration.ts";
import { sentenceOf } from "../event-sentence.ts";
import type { SplitModel } from "../split-model.ts";

/** What crosses, as arrows in the direction in which it goes; always as many rows, so that nothing moves. */
export function SplitLine({ model }: { model: SplitModel }) {
  const { source, crossings, look } = model;
  const rows = crossings.rows.value;
  const selected = source.selected.value;
  const summary = source.summary.value;
  const kinds = new Map(summary?.devices.map(({ name, kind }) => [name, kind]));
  const related = new Set(look.detail.value?.related.map(({ seq }) => seq));
  const following = selected.seq === undefined;
  return (
    <>
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
      <ol class="line-rows" aria-label="Crossings, oldest first">
        {rows.map(({ event, before }) => {
          const sentence = sentenceOf(event);
          return (
            <li key={event.seq} class="line-place">
              <button
                type="button"
                class="line-row"
                data-kind={kinds.get(event.device)}
                data-from={sideOf(event)}
                data-event={event.kind}
                data-related={related.has(event.seq)}
                aria-pressed={event.seq === selected.seq}
                aria-label={`${sideOf(event) === "guest" ? "From the guest" : "From the hypervisor"}: ${sentence}`}
                title={`${formatMoment(event.time)} s, event ${event.seq}: ${sentence}`}
                onClick={() => model.chooseEvent(event.seq === selected.seq ? undefined : event.seq)}
              >
                <span class="line-arrow" aria-hidden="true" />
                <span class="line-device">{event.device}</span>
                <span class="line-time">{formatMoment(event.time)}</span>
                <span class="line-words">{sentence}</span>
              </button>
              {before > 0 && <span class="line-between">{before.toLocaleString("en")} others</span>}
            </li>
          );
        })}
        {Array.from({ length: Math.max(0, ROWS - rows.length) }, (_, at) => (
          <li key={`empty-${at}`} class="line-place line-empty" aria-hidden="true" />
        ))}
      </ol>
      <p class="line-count">{counted(model)}</p>
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
  return `${all}; of those since the last look ${crossings.notListed.value.toLocaleString("en")} are not listed.`;
}
