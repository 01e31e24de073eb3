import { useEffect } from "preact/hooks";
import type { Networks } from "../network/model.ts";
import type { Overall } from "../network/steady.ts";
import type { Session } from "../session.ts";
import { Disclosure } from "./disclosure.tsx";
import { NetworkEntry } from "./network-entry.tsx";
import { NetworkPlug } from "./network-plug.tsx";

export interface NetworkProps {
  session: Session;
  networks: Networks;
}

/** What the machine's network devices are plugged into: a button that tells how it is, and a panel that is live while it is open. */
export function NetworkPanel({ session, networks }: NetworkProps) {
  const overall = networks.overall.value;
  return (
    <>
      <Disclosure
        label="Network"
        icon={overall === "lost" || overall === "down" ? "networkLost" : "network"}
        panelClass="action-panel network-panel"
        open={networks.open.value}
        onToggle={(open) => (networks.open.value = open)}
        badge={<span class="network-lamp" data-network={overall} role="img" aria-label={OVERALL[overall]} />}
      >
        {() => <NetworkContent session={session} networks={networks} />}
      </Disclosure>
      <p class="unseen" role="status">
        {networks.said.value}
      </p>
    </>
  );
}

/** After the button's name, for those who do not see its lamp. */
const OVERALL: Readonly<Record<Overall, string>> = {
  unplugged: "not plugged in",
  up: "connected",
  connecting: "connecting",
  lost: "connection lost, trying again",
  down: "down",
};

function NetworkContent({ session, networks }: NetworkProps) {
  useEffect(() => networks.watch(), [networks]);
  const list = networks.list.value;
  const config = session.config.value;
  return (
    <>
      <h2 class="panel-title">Network</h2>
      {list.length === 0 && (
        <div class="network-none">
          <p>
            {config?.devices.some(({ device }) => device === "net")
              ? "The machine is not there yet."
              : "This machine has no network device."}
          </p>
          {config && !config.devices.some(({ device }) => device === "net") && (
            <div class="network-actions">
              <NetworkPlug networks={networks} config={config} id="net0" />
            </div>
          )}
        </div>
      )}
      <ul class="network-list">
        {list.map((network) => (
          <NetworkEntry key={network.id} networks={networks} network={network} config={config} />
        ))}
      </ul>
    </>
  );
}
