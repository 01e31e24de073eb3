import { Button } from "../../parts/button.tsx";
import type { Breakpoints } from "../breakpoints.ts";
import { formatMoment } from "../duration.ts";
import { eventFields, kindName } from "../event-words.ts";
import { neighbour } from "../sequence.ts";
import type { TimeModel } from "../time-model.ts";
import { TimeSequence } from "./time-sequence.tsx";

export interface DetailProps {
  model: TimeModel;
  kinds: ReadonlyMap<string, string>;
  /** None: nothing can be stopped, the trace is a file. */
  breakpoints: Breakpoints | undefined;
}

/** The event that is looked at: what it means, what it says, and the request that it is of. */
export function TimeDetail({ model, kinds, breakpoints }: DetailProps) {
  const detail = model.detail.value;
  if (!detail)
    return (
      <section class="time-detail" aria-label="Event">
        <p class="time-hint">Select an event to see what it means and what it belongs to.</p>
      </section>
    );
  const { event, related, request } = detail;
  const go = (step: -1 | 1) => {
    const seq = neighbour(related, event.seq, step);
    return { seq, act: () => seq !== undefined && model.select(seq) };
  };
  const [before, after] = [go(-1), go(1)];
  return (
    <section class="time-detail" aria-label="Event" data-kind={kinds.get(event.device)}>
      <h3 class="time-detail-title">
        {kindName(event)} <span class="time-detail-device">{event.device}</span>
      </h3>
      <p class="time-detail-place">
        event {event.seq} at {formatMoment(event.time)} s
      </p>
      <dl class="time-fields">
        {eventFields(event).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <div class="time-actions">
        <Button
          label="Before, in this request"
          icon="up"
          disabled={before.seq === undefined}
          onClick={before.act}
        />
        <Button
          label="After, in this request"
          icon="down"
          disabled={after.seq === undefined}
          onClick={after.act}
        />
        {breakpoints && (
          <Button
            label="Stop at events like this one"
            icon="stop"
            onClick={() => void breakpoints.addLike(event)}
          />
        )}
      </div>
      {request && (
        <TimeSequence
          request={request}
          related={related}
          selected={event.seq}
          onSelect={(seq) => model.select(seq)}
        />
      )}
    </section>
  );
}
