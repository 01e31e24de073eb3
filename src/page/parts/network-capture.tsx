import type { NetworkStatus } from "../../worker/protocol.ts";
import { formatBytes, formatCount } from "../format.ts";
import type { Networks } from "../network/model.ts";
import { Button } from "./button.tsx";

/** Keeps what crosses between device and wire, for Wireshark and its like. */
export function NetworkCapture({ networks, network }: { networks: Networks; network: NetworkStatus }) {
  const capture = network.capturing;
  return (
    <>
      {capture?.running ? (
        <Button label="Stop the capture" icon="stop" onClick={() => void networks.stopCapture(network)} />
      ) : (
        <Button
          label={capture ? "Capture anew" : "Capture packets"}
          icon="record"
          onClick={() => void networks.startCapture(network)}
        />
      )}
      {capture && (
        <>
          <Button label="Save as pcapng" icon="download" onClick={() => void networks.saveCapture(network)} />
          <p class="network-hint">
            {formatCount(capture.packets)} packets, {formatBytes(capture.bytes)} kept
            {capture.dropped > 0 && `, ${formatCount(capture.dropped)} older ones dropped`}
          </p>
        </>
      )}
    </>
  );
}
