import type { DeviceStatistics, TracedDevice, TraceStatistics } from "../../../inspect/types.ts";
import { formatBytes, formatCount } from "../../format.ts";
import type { QueueName } from "../rates.ts";

export interface NumbersTableProps {
  statistics: TraceStatistics;
  devices: readonly TracedDevice[];
  selected: QueueName | undefined;
  onSelect: (name: QueueName) => void;
}

/** A row for each device, and below it one for each of its queues. */
export function NumbersTable({ statistics, devices, selected, onSelect }: NumbersTableProps) {
  const kinds = new Map(devices.map(({ name, kind }) => [name, kind]));
  return (
    <div class="numbers-scroll" tabIndex={0} role="group" aria-label="Counted so far">
      <table class="numbers-table">
        <thead>
          <tr>
            <th scope="col">Device, queue</th>
            <th scope="col">Requests</th>
            <th scope="col">To the device</th>
            <th scope="col">To the guest</th>
            <th scope="col">Exits</th>
            <th scope="col">Kicks</th>
            <th scope="col" title="Chains that were taken without a kick of their own">
              Without kick
            </th>
            <th scope="col">Interrupts</th>
            <th scope="col" title="Chains that were given back without an interrupt">
              Without interrupt
            </th>
            <th scope="col" title="Requests in flight: now, and at most">
              Depth
            </th>
          </tr>
        </thead>
        {statistics.devices.map((device) => (
          <tbody key={device.name} data-kind={kinds.get(device.name)}>
            <DeviceRow device={device} />
            {device.queues.map((queue) => {
              const name = { device: device.name, queue: queue.index };
              const isSelected = selected?.device === name.device && selected.queue === name.queue;
              return (
                <tr key={queue.index} class="numbers-queue" data-selected={isSelected}>
                  <th scope="row">
                    <button
                      type="button"
                      class="numbers-choose"
                      aria-pressed={isSelected}
                      onClick={() => onSelect(name)}
                    >
                      {queue.index} {queue.name}
                    </button>
                  </th>
                  <Figures
                    values={[
                      formatCount(queue.requests),
                      formatBytes(queue.bytesRead),
                      formatBytes(queue.bytesWritten),
                      "",
                      formatCount(queue.kicks),
                      formatCount(queue.suppressedKicks),
                      formatCount(queue.interrupts),
                      formatCount(queue.suppressedInterrupts),
                      `${queue.depth} / ${queue.maximumDepth}`,
                    ]}
                  />
                </tr>
              );
            })}
          </tbody>
        ))}
      </table>
    </div>
  );
}

function DeviceRow({
  device: { name, exits, kicks, interrupts, configInterrupts, violations, queues },
}: {
  device: DeviceStatistics;
}) {
  const sum = (of: (queue: DeviceStatistics["queues"][number]) => number) =>
    queues.reduce((total, queue) => total + of(queue), 0);
  const notes = [
    configInterrupts > 0 &&
      `${formatCount(configInterrupts)} of its interrupts say that its configuration changed`,
    violations > 0 && `${formatCount(violations)} violations`,
  ].filter(Boolean);
  return (
    <tr class="numbers-device">
      <th scope="row">
        {name}
        {notes.length > 0 && <span class="numbers-note">{notes.join(", ")}</span>}
      </th>
      <Figures
        values={[
          formatCount(sum((queue) => queue.requests)),
          formatBytes(sum((queue) => queue.bytesRead)),
          formatBytes(sum((queue) => queue.bytesWritten)),
          formatCount(exits),
          formatCount(kicks),
          formatCount(sum((queue) => queue.suppressedKicks)),
          formatCount(interrupts),
          formatCount(sum((queue) => queue.suppressedInterrupts)),
          `${sum((queue) => queue.depth)}`,
        ]}
      />
    </tr>
  );
}

function Figures({ values }: { values: readonly string[] }) {
  return (
    <>
      {values.map((value, at) => (
        <td key={at}>{value}</td>
      ))}
    </>
  );
}
