import type { DeviceView } from "../../../inspect/api.ts";
import type { DeviceStatistics, TracedDevice } from "../../../inspect/types.ts";
import { formatCount } from "../../format.ts";
import type { Inspection } from "../model.ts";
import type { SplitModel } from "../split-model.ts";
import { DeviceBackend, DeviceFeatures, DeviceRegisters } from "./device-facts.tsx";
import { DeviceStatus } from "./device-status.tsx";

/** The hypervisor's side: each device with its status, and all that is known of the selected one. */
export function SplitDevices({ model, live }: { model: SplitModel; live: Inspection | undefined }) {
  const { source } = model;
  const selected = source.selected.value.device;
  const devices = source.summary.value?.devices ?? [];
  const views = new Map(live?.deviceViews.value.map((view) => [view.name, view]));
  const statistics = new Map(source.statistics.value?.devices.map((device) => [device.name, device]));
  if (devices.length === 0) return <p class="inspector-hint">There is no device yet.</p>;
  return (
    <>
      {!live && (
        <p class="inspector-hint">
          This is a recording: what the devices were at its end is not in it, what they did is.
        </p>
      )}
      <ul class="device-sides">
        {devices.map((device) => (
          <DeviceSide
            key={device.name}
            device={device}
            view={views.get(device.name)}
            counted={statistics.get(device.name)}
            gone={live && views.size > 0 && !views.has(device.name)}
            selected={device.name === selected}
            onSelect={() => model.choose(device.name, 0)}
          />
        ))}
      </ul>
    </>
  );
}

interface DeviceSideProps {
  device: TracedDevice;
  view: DeviceView | undefined;
  counted: DeviceStatistics | undefined;
  /** The machine does not have it any more. */
  gone: boolean | undefined;
  selected: boolean;
  onSelect: () => void;
}

function DeviceSide({ device, view, counted, gone, selected, onSelect }: DeviceSideProps) {
  const { name, kind, transport } = device;
  return (
    <li class="device-side" data-kind={kind} data-selected={selected} data-gone={gone}>
      <button type="button" class="device-side-name" aria-pressed={selected} onClick={onSelect}>
        <span class="device-side-title">{name}</span>
        <span class="device-side-place">
          {transport} {view?.address}
        </span>
      </button>
      <dl class="device-side-counts">
        <Count name="exits" number={counted?.exits} />
        <Count name="kicks" number={counted?.kicks} />
        <Count name="interrupts" number={counted?.interrupts} />
      </dl>
      {gone && <p class="device-gone">Detached: only what it did is left.</p>}
      {view && <DeviceStatus view={view} />}
      {view && selected && (
        <>
          <DeviceBackend view={view} />
          <details class="device-more">
            <summary>
              Features: {view.features.filter(({ negotiated }) => negotiated).length} of{" "}
              {view.features.filter(({ offered }) => offered).length} offered are negotiated
            </summary>
            <DeviceFeatures view={view} />
          </details>
          <details class="device-more">
            <summary>Registers: {view.registers.length}</summary>
            <DeviceRegisters view={view} />
          </details>
        </>
      )}
    </li>
  );
}

function Count({ name, number = 0 }: { name: string; number: number | undefined }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{formatCount(number)}</dd>
    </div>
  );
}
