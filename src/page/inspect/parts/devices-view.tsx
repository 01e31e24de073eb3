import type { DeviceView } from "../../../inspect/api.ts";
import type { InspectorDesk } from "../desk.ts";
import { formatCount } from "../../format.ts";
import { DeviceBackend, DeviceFeatures, DeviceRegisters } from "./device-facts.tsx";
import { DeviceStatus } from "./device-status.tsx";
import { PlaceChoice } from "./place-choice.tsx";
import { useLive } from "./use-live.ts";

/** One device, with all its features and registers. */
export function DevicesView({ desk }: { desk: InspectorDesk }) {
  const source = desk.source.value;
  const live = useLive(desk);
  const devices = source.summary.value?.devices ?? [];
  const device = source.selected.value.device ?? devices[0]?.name;
  const view = live?.deviceViews.value.find(({ name }) => name === device);
  return (
    <div class="devices-view" data-kind={view?.kind}>
      <PlaceChoice
        devices={devices}
        device={device}
        onChoose={(name) => (source.selected.value = { device: name, queue: 0 })}
      />
      {view ? <Whole view={view} /> : <p class="inspector-hint">{why(live !== undefined)}</p>}
    </div>
  );
}

function Whole({ view }: { view: DeviceView }) {
  return (
    <>
      <p class="device-where">
        <span class="device-side-title">{view.name}</span> on {view.transport}
        {view.address !== "" && <> at {view.address}</>}: {formatCount(view.accesses)} register accesses since
        power-on.
      </p>
      <DeviceStatus view={view} />
      <div class="device-columns">
        <section aria-label="Queues and backend">
          <h3 class="panel-title">Queues</h3>
          <Queues view={view} />
          <h3 class="panel-title">Backend</h3>
          <DeviceBackend view={view} />
        </section>
        <section aria-label="Features">
          <h3 class="panel-title">Features</h3>
          <DeviceFeatures view={view} />
        </section>
        <section aria-label="Registers">
          <h3 class="panel-title">Registers</h3>
          <DeviceRegisters view={view} />
        </section>
      </div>
    </>
  );
}

function Queues({ view }: { view: DeviceView }) {
  return (
    <dl class="facts">
      {view.queues.map(({ index, name, size, enabled, waiting, inFlight }) => (
        <div key={index}>
          <dt>
            {index} {name}
          </dt>
          <dd>{enabled ? `${size} entries, ${waiting} wait, ${inFlight} in flight` : "not enabled"}</dd>
        </div>
      ))}
    </dl>
  );
}

function why(live: boolean): string {
  return live
    ? "There is no machine, or it does not have this device."
    : "This is a recording: what the devices were is not in it.";
}
