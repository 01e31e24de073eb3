import { useRef } from "preact/hooks";
import uPlot from "uplot";
import type { TracedDevice } from "../../../inspect/types.ts";
import { formatCount } from "../../format.ts";
import { kindToken, tokenColour } from "../chart-colours.ts";
import { formatMoment } from "../duration.ts";
import type { TimeModel } from "../time-model.ts";
import { laneRange, SPANS, timelineColumns, type TimeWindow } from "../time-window.ts";
import { Chart, quietAxis } from "./time-chart.tsx";

/** CSS pixels of a device's lane, and of the axis below them. */
const LANE = 30;
const AXIS = 24;

/** What crossed the line over time, a lane for each device; pointer and keys move along it. */
export function TimeLine({ model, devices }: { model: TimeModel; devices: readonly TracedDevice[] }) {
  const timeline = model.timeline.value;
  const window = model.window.value;
  const event = model.following.value ? undefined : model.detail.value?.event;
  const kinds = new Map(devices.map(({ name, kind }) => [name, kind]));
  const lanes = timeline?.devices ?? [];
  return (
    <section class="time-line" aria-label="Timeline">
      <div class="time-line-head">
        <Spans model={model} />
        <button
          type="button"
          class="button time-follow"
          aria-pressed={model.following.value}
          onClick={() => model.select(undefined)}
        >
          Follow the newest
        </button>
        <output class="time-place">
          {event ? `${formatMoment(event.time)} s, event ${event.seq}` : "following the newest"}
        </output>
      </div>
      <div class="time-lanes">
        <ul class="time-lane-names" style={{ height: `${lanes.length * LANE}px` }}>
          {lanes.map(({ name, events }) => (
            <li key={name} data-kind={kinds.get(name)} style={{ height: `${LANE}px` }}>
              <span class="time-lane-name">{name}</span>
              <span class="time-lane-count">
                {formatCount(events.reduce((sum, count) => sum + count, 0))}
              </span>
            </li>
          ))}
        </ul>
        {timeline && window && (
          <Track model={model} window={window} at={event}>
            <Chart
              label={`Events of ${lanes.length} devices over time`}
              height={lanes.length * LANE + AXIS}
              shape={lanes.map(({ name }) => `${name}/${kinds.get(name) ?? ""}`).join(" ")}
              options={() =>
                lanesOf(
                  lanes.map(({ name }) => kinds.get(name)),
                  model,
                )
              }
              data={timelineColumns(timeline)}
            />
          </Track>
        )}
      </div>
    </section>
  );
}

function Spans({ model }: { model: TimeModel }) {
  return (
    <fieldset class="segments">
      <legend class="unseen">How much of the trace</legend>
      {SPANS.map(({ seconds, name }) => (
        <label key={name}>
          <input
            type="radio"
            name="time-span"
            checked={model.span.value === seconds}
            onChange={() => (model.span.value = seconds)}
          />
          <span>{name}</span>
        </label>
      ))}
    </fieldset>
  );
}

interface TrackProps {
  model: TimeModel;
  window: TimeWindow;
  at: { seq: number; time: number } | undefined;
  children: preact.ComponentChildren;
}

/** Where one scrubs. A slider for those who do not see it. */
function Track({ model, window: { from, to }, at, children }: TrackProps) {
  const track = useRef<HTMLDivElement>(null);
  const timeAt = (clientX: number): number => {
    const { left, width } = track.current!.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (clientX - left) / Math.max(1, width)));
    return Math.round(from + share * (to - from));
  };
  const keys: Record<string, () => void> = {
    ArrowLeft: () => void model.step(-1),
    ArrowRight: () => void model.step(1),
    PageUp: () => model.scrub((at?.time ?? to) - (to - from) / 10),
    PageDown: () => model.scrub((at?.time ?? to) + (to - from) / 10),
    Home: () => void model.stepToEnd("first"),
    End: () => void model.stepToEnd("last"),
  };
  const share = at && (at.time - from) / (to - from);
  return (
    <div
      class="time-track"
      ref={track}
      role="slider"
      tabIndex={0}
      aria-label="Moment of the trace"
      aria-valuemin={from / 1_000_000}
      aria-valuemax={to / 1_000_000}
      aria-valuenow={(at?.time ?? to) / 1_000_000}
      aria-valuetext={at ? `${formatMoment(at.time)} seconds, event ${at.seq}` : "the newest event"}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        model.scrub(timeAt(event.clientX));
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) model.scrub(timeAt(event.clientX));
      }}
      onKeyDown={(event) => {
        const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
        if (!act) return;
        event.preventDefault();
        act();
      }}
    >
      {children}
      {share !== undefined && share >= 0 && share <= 1 && (
        <div class="time-mark" style={{ left: `${share * 100}%` }} />
      )}
    </div>
  );
}

/** Each device has a scale of its own: a quiet one is seen beside a busy one. */
function lanesOf(
  kinds: readonly (string | undefined)[],
  model: TimeModel,
): Omit<uPlot.Options, "width" | "height"> {
  const token = (lane: number) => kindToken(kinds[lane]);
  return {
    padding: [0, 0, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: {
        time: false,
        range: () => {
          const { from, to } = model.window.peek() ?? { from: 0, to: 1 };
          return [from / 1_000_000, to / 1_000_000];
        },
      },
      ...Object.fromEntries(
        kinds.map((_, lane) => [
          `lane${lane}`,
          { range: (_plot: uPlot, _least: number, most: number) => laneRange(lane, kinds.length, most) },
        ]),
      ),
    },
    axes: [quietAxis((seconds) => `${+seconds.toFixed(3)} s`, { size: AXIS, space: 70 })],
    series: [
      {},
      ...kinds.map((_, lane): uPlot.Series => ({
        scale: `lane${lane}`,
        stroke: () => tokenColour(token(lane)),
        fill: () => tokenColour(token(lane)),
        width: 1,
        points: { show: false },
        paths: uPlot.paths.bars!({ size: [1, Infinity], align: 1 }),
        fillTo: 0,
      })),
    ],
  };
}
