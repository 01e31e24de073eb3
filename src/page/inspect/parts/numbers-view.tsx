import { useEffect, useMemo, useState } from "preact/hooks";
import type { TraceSummary } from "../../../inspect/types.ts";
import { formatBytes } from "../../format.ts";
import { kindToken } from "../chart-colours.ts";
import { RateHistory } from "../rates.ts";
import type { TraceSource } from "../source.ts";
import { NumbersCharts } from "./numbers-charts.tsx";
import { NumbersLatency } from "./numbers-latency.tsx";
import { NumbersTable } from "./numbers-table.tsx";

export interface NumbersViewProps {
  source: TraceSource;
  /** The trace grows; that of a file does not, and has no rates. */
  live: boolean;
}

/** What was counted: per device and queue, over time, and how long requests took. */
export function NumbersView({ source, live }: NumbersViewProps) {
  const summary = source.summary.value;
  const statistics = source.statistics.value;
  const history = useMemo(() => new RateHistory(), [source]);
  const [columns, setColumns] = useState(() => history.columns(undefined));
  const { device, queue } = source.selected.value;
  const chosen =
    statistics?.devices
      .flatMap(({ name, queues }) =>
        queues.map((counted) => ({ device: name, queue: counted.index, counted })),
      )
      .find((one) => one.device === device && one.queue === (queue ?? 0)) ?? undefined;
  useEffect(() => {
    if (!summary || !statistics) return;
    history.add(summary, statistics);
    setColumns(history.columns(chosen));
  }, [history, summary, statistics, device, queue]);

  if (!summary || !statistics) return <p class="time-hint">Nothing has been counted yet.</p>;
  const token = kindToken(summary.devices.find(({ name }) => name === chosen?.device)?.kind);
  return (
    <div class="numbers-view">
      <NumbersTable
        statistics={statistics}
        devices={summary.devices}
        selected={chosen}
        onSelect={(name) => (source.selected.value = { ...source.selected.peek(), ...name })}
      />
      {live && <NumbersCharts columns={columns} chosen={chosen} token={token} />}
      {chosen ? (
        <NumbersLatency
          name={`${chosen.device}, ${chosen.counted.name}`}
          queue={chosen.counted}
          token={token}
        />
      ) : (
        <p class="time-hint">Select a queue to see its bytes, its depth and how long its requests took.</p>
      )}
      <Recorder summary={summary} />
    </div>
  );
}

/** The trace's own memory: bounded, and what that cost. */
function Recorder({ summary: { bytes, bound, first, next, dropped } }: { summary: TraceSummary }) {
  return (
    <section aria-label="Recorder">
      <h3 class="panel-title">Recorder</h3>
      <p class="numbers-recorder">
        {formatBytes(bytes)} of at most {formatBytes(bound)}: {(next - first).toLocaleString("en")} events
        kept, {dropped.toLocaleString("en")} older ones dropped. The figures above count those, too.
      </p>
      <meter
        class="numbers-meter"
        aria-label="The recorder's memory"
        min={0}
        max={Math.max(1, bound)}
        value={bytes}
      />
    </section>
  );
}
