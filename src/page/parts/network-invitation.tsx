import { useState } from "preact/hooks";
import { roomOf } from "../../config/wire.ts";
import type { MachineConfig } from "../../config/types.ts";
import type { NetworkStatus } from "../../worker/protocol.ts";
import { invitation, nicOf } from "../network/links.ts";
import type { Networks } from "../network/model.ts";
import { CopyButton } from "./copy-button.tsx";

export interface NetworkInvitationProps {
  networks: Networks;
  network: NetworkStatus;
  config: MachineConfig;
}

/** A link for somebody else to come into the same room, or for another tab of this browser. */
export function NetworkInvitation({ networks, network: { id, wire }, config }: NetworkInvitationProps) {
  const [withSecret, setWithSecret] = useState(false);
  const isRoom = roomOf(wire) !== undefined;
  if (!isRoom && !wire.startsWith("tabs:")) return null;
  const hasSecret = nicOf(config, id)?.secret !== undefined;
  const local = isRoom && ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  return (
    <>
      <CopyButton
        label={isRoom ? "Copy a link to this room" : "Copy a link for another tab"}
        copy={() => networks.copyLink(invitation(config, id, withSecret))}
      />
      {hasSecret && (
        <label class="check">
          <input
            type="checkbox"
            checked={withSecret}
            onChange={(event) => setWithSecret(event.currentTarget.checked)}
          />
          with the room's secret
        </label>
      )}
      {local && (
        <p class="network-hint">It begins with {location.hostname}: only this computer can open it.</p>
      )}
    </>
  );
}
