import uPlot from "uplot";
import type { Histogram, QueueStatistics } from "../../../inspect/types.ts";
import { formatCount } from "../../format.ts";
import { tokenColour } from "../chart-colours.ts";
import { formatDuration } from "../duration.ts";
import { digest, histogramColumns } from "../rates.ts";
import { Chart, quietAxis } from "./time-chart.tsx";

export interface LatencyProps {
  name: string;
  queue: QueueStatistics;
  /** The colour of its device. */
  token: string;
}

/** How long a queue's requests took: as the guest sees it, and of that the device. */
export function NumbersLatency({ name, queue, token }: LatencyProps) {
  const { guestLatency, deviceLatency } = queue;
  const columns = histogramColumns(guestLatency, deviceLatency);
  return (
    <section class="numbers-latency" aria-label={`Latency of ${name}`}>
      <h3 class="panel-title">How long requests took: {name}</h3>
      <div class="numbers-charts">
        <Bars
          title="Guest's view"
          hint="from the kick to the interrupt"
          at={columns[0]!}
          counts={columns[1]!}
          token={token}
        />
        <Bars
          title="Backend's"
          hint="from taken to given back"
          at={columns[0]!}
          counts={columns[2]!}
          token={token}
        />
      </div>
      <div class="numbers-scroll" tabIndex={0} role="group" aria-label="Latency in figures">
        <table class="numbers-table numbers-digest">
          <thead>
            <tr>
              <td />
              <th scope="col">Requests</th>
              <th scope="col">Mean</th>
              <th scope="col" title="Half of them took no longer than this">
                Half within
              </th>
              <th scope="col">99 % within</th>
              <th scope="col">Longest</th>
            </tr>
          </thead>
          <tbody>
            <Digest name="Guest's view" of={guestLatency} />
            <Digest name="Backend's" of={deviceLatency} />
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Digest({ name, of }: { name: string; of: Histogram }) {
  const { count, mean, median, p99, maximum } = digest(of);
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>{formatCount(count)}</td>
      {[mean, median, p99, maximum].map((value, at) => (
        <td key={at}>{count === 0 ? "–" : formatDuration(value)}</td>
      ))}
    </tr>
  );
}

interface BarsProps {
  title: string;
  hint: string;
  /** Exponents of two, microseconds. */
  at: readonly number[];
  counts: readonly number[];
  token: string;
}

function Bars({ title, hint, at, counts, token }: BarsProps) {
  return (
    <figure class="numbers-chart">
      <figcaption>
        <span class="panel-title">{title}</span> <span class="numbers-of">{hint}</span>
      </figcaption>
      <Chart
        label={`${title}: requests by how long they took`}
        height={130}
        shape={`${title} ${token}`}
        options={() => barOptions(token)}
        data={[at, counts]}
      />
    </figure>
  );
}

function barOptions(token: string): Omit<uPlot.Options, "width" | "height"> {
  return {
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: false, range: (_plot, least, most) => [least - 0.5, most + 0.5] },
      y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.1)] },
    },
    axes: [
      // The upper end of each bucket.
      quietAxis((exponent) => (Number.isInteger(exponent) ? formatDuration(2 ** exponent) : ""), {
        size: 22,
        space: 55,
      }),
      quietAxis((count) => (Number.isInteger(count) ? formatCount(count) : ""), { size: 52, space: 30 }),
    ],
    series: [
      {},
      {
        stroke: () => tokenColour(token),
        fill: () => tokenColour(token),
        width: 0,
        points: { show: false },
        paths: uPlot.paths.bars!({ size: [0.8, 60] }),
      },
    ],
  };
}
