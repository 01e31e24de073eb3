import { describeEvent } from "../../../inspect/decode/describe.ts";
import { eventSection } from "../../../inspect/decode/section.ts";
import { Button } from "../../parts/button.tsx";
import type { Breakpoints } from "../breakpoints.ts";
import { formatMoment } from "../duration.ts";
import { eventFields, kindName } from "../event-words.ts";
import type { Inspection } from "../model.ts";
import { neighbour } from "../sequence.ts";
import type { TraceSource } from "../source.ts";
import type { TimeModel } from "../time-model.ts";
import { TimeContent } from "./time-content.tsx";
import { TimeSequence } from "./time-sequence.tsx";

export interface DetailProps {
  model: TimeModel;
  source: TraceSource;
  /** The machine whose memory can be read; undefined: a recording is shown. */
  live: Inspection | undefined;
  /** None: nothing can be stopped, the trace is a file. */
  breakpoints: Breakpoints | undefined;
}

/** The event that is looked at: what it means, what it says, and the request that it is of. */
export function TimeDetail({ model, source, live, breakpoints }: DetailProps) {
  const detail = model.detail.value;
  if (!detail)
    return (
      <section class="time-detail" aria-label="Event">
        <p class="time-hint">Select an event to see what it means and what it belongs to.</p>
      </section>
    );
  const { event, related, request } = detail;
  const devices = source.summary.value?.devices ?? [];
  const traced = devices.find(({ name }) => name === event.device);
  const go = (step: -1 | 1) => {
    const seq = neighbour(related, event.seq, step);
    return { seq, act: () => seq !== undefined && model.select(seq) };
  };
  const [before, after] = [go(-1), go(1)];
  return (
    <section class="time-detail" aria-label="Event" data-kind={traced?.kind}>
      <h3 class="time-detail-title">
        {kindName(event)} <span class="time-detail-device">{event.device}</span>
      </h3>
      <p class="time-detail-place">
        event {event.seq} at {formatMoment(event.time)} s
      </p>
      <p class="time-detail-sentence">
        {describeEvent(event, devices)}.{" "}
        <span class="time-detail-section" title="The section of virtio 1.3">
          {eventSection(event, traced && { transport: traced.transport })}
        </span>
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
      <TimeContent detail={detail} source={source} live={live} />
    </section>
  );
}
