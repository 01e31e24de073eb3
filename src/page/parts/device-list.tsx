import { useEffect, useState } from "preact/hooks";
import type { DeviceDescription, MachineCounters } from "../../worker/protocol.ts";
import { formatCount } from "../format.ts";
import type { Session } from "../session.ts";
import { Disclosure } from "./disclosure.tsx";

/** Milliseconds between looks at the machine while the list is open. */
const interval = 500;

/** What runs on which transport: a button, and a panel that is live while it is open. */
export function DeviceList({ session }: { session: Session }) {
  const [open, setOpen] = useState(false);
  return (
    <Disclosure label="Devices" icon="devices" open={open} onToggle={setOpen}>
      {() => <Devices session={session} />}
    </Disclosure>
  );
}

function Devices({ session }: { session: Session }) {
  const [devices, setDevices] = useState<readonly DeviceDescription[]>();
  const [counters, setCounters] = useState<MachineCounters>();

  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      const [list, counts] = await Promise.all([session.devices(), session.counters()]);
      if (gone) return;
      setDevices(list);
      setCounters(counts);
      timer = setTimeout(repeat, interval);
    };
    // A worker that died is on the state line; the list keeps what it last saw.
    const repeat = () => void look().catch(() => undefined);
    repeat();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [session]);

  if (!devices) return <p class="device-empty">Looking…</p>;
  return (
    <>
      <h2 class="panel-title">Devices</h2>
      {devices.length === 0 && <p class="device-empty">No machine, no devices.</p>}
      <ul class="device-list">
        {devices.map((device, index) => (
          <Device key={index} device={device} />
        ))}
      </ul>
      {counters && <Counters counters={counters} />}
    </>
  );
}

function Device({ device }: { device: DeviceDescription }) {
  const { kind, id, transport, address, driverReady, features, queues } = device;
  return (
    <li class="device" data-kind={kind}>
      <div class="device-head">
        <span class="device-kind">{kind}</span>
        {id !== undefined && <span class="device-id">{id}</span>}
        <span class="device-place">
          {transport} <code>{address}</code>
        </span>
      </div>
      <dl class="device-facts">
        <dt>driver</dt>
        <dd data-ready={driverReady}>{driverReady ? "ready" : "not there yet"}</dd>
        <dt>queues</dt>
        <dd>
          {queues.map(({ name, size, enabled }) => (
            <span key={name} class="queue" data-ready={enabled}>
              {name} <code>{enabled ? size : "–"}</code>
            </span>
          ))}
        </dd>
        <dt>features</dt>
        <dd>
          {features.length === 0 && "none negotiated"}
          {features.map((feature) => (
            <code key={feature} class="feature">
              {feature}
            </code>
          ))}
        </dd>
      </dl>
    </li>
  );
}

function Counters({ counters }: { counters: MachineCounters }) {
  return (
    <dl class="counters">
      {Object.entries(counters)
        .filter((entry): entry is [string, number] => typeof entry[1] === "number")
        .map(([name, count]) => (
          <div key={name} class="counter">
            <dt>{name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}</dt>
            <dd>{formatCount(count)}</dd>
          </div>
        ))}
    </dl>
  );
}
