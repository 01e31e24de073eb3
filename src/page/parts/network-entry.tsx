import { useId } from "preact/hooks";
import type { MachineConfig } from "../../config/types.ts";
import type { NetworkStatus } from "../../worker/protocol.ts";
import type { Networks } from "../network/model.ts";
import { guestAddresses, roster, stateReason, stateWords } from "../network/words.ts";
import { NetworkCapture } from "./network-capture.tsx";
import { NetworkCounters } from "./network-counters.tsx";
import { NetworkInvitation } from "./network-invitation.tsx";
import { NetworkPlug } from "./network-plug.tsx";
import { Roster } from "./network-roster.tsx";

export interface NetworkEntryProps {
  networks: Networks;
  network: NetworkStatus;
  config: MachineConfig | undefined;
}

/** One network device: what it is plugged into and how that is, who else is there, what crossed, what can be done. */
export function NetworkEntry({ networks, network, config }: NetworkEntryProps) {
  const { id, mac, mtu, linkUp, wire, status } = network;
  const titleId = useId();
  const addresses = guestAddresses(status);
  const reason = stateReason(status, Date.now());
  const problem = networks.problems.value[id];
  return (
    <li class="network" data-kind="net" aria-labelledby={titleId}>
      <div class="network-head">
        <span class="network-id" id={titleId}>
          {id}
        </span>
        <span class="network-wire">{networks.wireOf(network)}</span>
        <span class="network-state">
          <span
            class="network-lamp"
            data-network={wire === "none" ? "unplugged" : status.state}
            aria-hidden="true"
          />
          {stateWords(wire, status)}
        </span>
      </div>
      {wire !== "none" && reason !== "" && <p class="network-reason">{reason}</p>}
      <dl class="device-facts">
        <dt>guest</dt>
        <dd>
          {addresses.length === 0
            ? "no address yet"
            : addresses.map((address) => <code key={address}>{address}</code>)}
        </dd>
        <dt>MAC</dt>
        <dd>
          <code>{mac}</code>
        </dd>
        <dt>link</dt>
        <dd>
          {linkUp ? "up" : "no carrier"}, MTU {mtu}
        </dd>
      </dl>
      <Roster members={roster(status)} self={status.self} />
      <NetworkCounters network={network} />
      <div class="network-actions">
        {config && <NetworkInvitation networks={networks} network={network} config={config} />}
        <NetworkCapture networks={networks} network={network} />
        {config && <NetworkPlug networks={networks} config={config} id={id} />}
      </div>
      {problem !== undefined && (
        <p class="field-error" role="alert">
          {problem}
        </p>
      )}
    </li>
  );
}
