import type { TracedDevice } from "../../../inspect/types.ts";

export interface PlaceChoiceProps {
  devices: readonly TracedDevice[];
  device: string | undefined;
  /** Undefined: queues are not asked for. */
  queue?: number | undefined;
  onChoose: (device: string, queue: number) => void;
}

/** Which device, and which of its queues. */
export function PlaceChoice({ devices, device, queue, onChoose }: PlaceChoiceProps) {
  const chosen = devices.find(({ name }) => name === device);
  return (
    <div class="place-choice" data-kind={chosen?.kind}>
      <label class="panel-field">
        Device
        <select
          value={device ?? ""}
          onChange={({ currentTarget: { value } }) => onChoose(value, 0)}
          disabled={devices.length === 0}
        >
          {devices.map(({ name, transport }) => (
            <option key={name} value={name}>
              {name} ({transport})
            </option>
          ))}
        </select>
      </label>
      {queue !== undefined && (
        <label class="panel-field">
          Queue
          <select
            value={queue}
            onChange={({ currentTarget: { value } }) =>
              device !== undefined && onChoose(device, Number(value))
            }
            disabled={!chosen}
          >
            {chosen?.queues.map((name, index) => (
              <option key={name} value={index}>
                {index} {name}
              </option>
            ))}
          </select>
        </label>
      )}
    </div>
  );
}
