import type { Signal } from "@preact/signals";
import type { Disks } from "../disks/model.ts";
import type { StorageUse } from "../disks/usage.ts";
import type { Networks } from "../network/model.ts";
import type { Session } from "../session.ts";
import type { ThemeChoice } from "../theme.ts";
import { Button } from "./button.tsx";
import { DeviceList } from "./device-list.tsx";
import { DisksPanel } from "./disks.tsx";
import { Guests } from "./guests.tsx";
import { Mark } from "./icons.tsx";
import { NetworkPanel } from "./network.tsx";
import { StateLine } from "./state-line.tsx";

export interface HeaderProps {
  session: Session;
  disks: Disks;
  networks: Networks;
  use: StorageUse;
  theme: ThemeChoice;
  onConfigure: () => void;
  onFind: () => void;
  inspecting: Signal<boolean>;
}

export function Header(props: HeaderProps) {
  const { session, disks, networks, use, theme, onConfigure, onFind, inspecting } = props;
  const dark = theme.current.value === "dark";
  return (
    <header class="header">
      <h1 class="brand">
        <Mark />
        <span class="brand-name">Ringside</span>
      </h1>
      <StateLine session={session} />
      <div class="controls" role="group" aria-label="Machine" id="controls">
        <DeviceList session={session} />
        <Button label="Configure" icon="configure" onClick={onConfigure} />
        <DisksPanel disks={disks} use={use} />
        <NetworkPanel session={session} networks={networks} />
        <Guests session={session} />
        <Button
          id="inspect"
          label="Inspect"
          icon="inspect"
          expanded={inspecting.value}
          controls="inspector"
          onClick={() => (inspecting.value = !inspecting.value)}
        />
        <span class="divider" />
        <MachineButtons session={session} />
        <span class="divider" />
        <Button label="Find in the terminal" icon="find" compact onClick={onFind} />
        <Button
          label={dark ? "Light theme" : "Dark theme"}
          icon={dark ? "light" : "dark"}
          compact
          onClick={() => theme.toggle()}
        />
      </div>
    </header>
  );
}

function MachineButtons({ session }: { session: Session }) {
  const state = session.state.value.name;
  const active = session.active.value;
  const paused = state === "paused";
  // A machine that failed to start is started again from its panel, where the reason is.
  const startable = state === "off" || state === "halted" || state === "crashed";
  return (
    <>
      <Button
        label={paused ? "Resume" : "Pause"}
        icon={paused ? "resume" : "pause"}
        disabled={!active}
        onClick={() => void (paused ? session.resume() : session.pause())}
      />
      <Button label="Reset" icon="reset" disabled={!active} onClick={() => void session.reset()} />
      <Button
        label={active ? "Power off" : "Power on"}
        icon="power"
        tone={active ? "plain" : "primary"}
        disabled={!active && !startable}
        onClick={() => void (active ? session.powerOff() : session.powerOn())}
      />
    </>
  );
}
