import type uPlot from "uplot";
import { formatBytes, formatCount } from "../../format.ts";
import { tokenColour } from "../chart-colours.ts";
import type { QueueName, RateColumns } from "../rates.ts";
import { Chart, quietAxis } from "./time-chart.tsx";

const HEIGHT = 110;
/** Bytes: so that an axis says 2 MiB and not 1.9. */
const BINARY = Array.from({ length: 45 }, (_, power) => 2 ** power);

export interface ChartsProps {
  columns: RateColumns;
  chosen: QueueName | undefined;
  /** The colour of its device. */
  token: string;
}

/** The last minutes: events of all devices, bytes and depth of the queue that is selected. */
export function NumbersCharts({ columns, chosen, token }: ChartsProps) {
  const [time, events, bytes, depth] = columns;
  const queue = chosen && `${chosen.device}, queue ${chosen.queue}`;
  return (
    <div class="numbers-charts">
      <Rate
        title="Events a second"
        of="all devices"
        token="accent"
        time={time}
        values={events}
        format={formatCount}
      />
      {queue !== undefined && (
        <>
          <Rate
            title="Bytes a second"
            of={queue}
            token={token}
            time={time}
            values={bytes}
            format={formatBytes}
            steps={BINARY}
          />
          <Rate
            title="Requests in flight"
            of={queue}
            token={token}
            time={time}
            values={depth}
            format={formatCount}
          />
        </>
      )}
    </div>
  );
}

interface RateProps {
  title: string;
  of: string;
  time: readonly number[];
  values: readonly number[];
  format: (value: number) => string;
  /** What the axis may count by. */
  steps?: number[];
  token: string;
}

function Rate({ title, of, time, values, format, steps, token }: RateProps) {
  const now = values.at(-1) ?? 0;
  return (
    <figure class="numbers-chart">
      <figcaption>
        <span class="panel-title">{title}</span> <span class="numbers-of">{of}</span>
        <output class="numbers-now">{format(Math.round(now))}</output>
      </figcaption>
      <Chart
        label={`${title}, ${of}`}
        height={HEIGHT}
        shape={`${title} ${token}`}
        options={() => rateOptions(token, (value) => format(Math.round(value)), steps)}
        data={[time, values]}
      />
    </figure>
  );
}

function rateOptions(
  token: string,
  format: (value: number) => string,
  steps?: number[],
): Omit<uPlot.Options, "width" | "height"> {
  return {
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false }, y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.1)] } },
    // A width of its own whatever it says: the curve does not jump.
    axes: [
      quietAxis((seconds) => `${+seconds.toFixed(1)} s`, { size: 22, space: 70 }),
      quietAxis(format, { size: 62, space: 30, ...(steps && { incrs: steps }) }),
    ],
    series: [{}, { stroke: () => tokenColour(token), width: 1.5, points: { show: false }, spanGaps: true }],
  };
}
