import type { MachineConfig } from "../../config/types.ts";
import type { Session, SessionState } from "../session.ts";
import { formatBytes } from "../format.ts";

/** One line: what the machine does, and which machine it is. Read out when it changes. */
export function StateLine({ session }: { session: Session }) {
  const state = session.state.value;
  const config = session.config.value;
  return (
    <div class="state-line" data-state={state.name}>
      <span class="lamp" aria-hidden="true" />
      {/* Only the words are live: a counter of bytes would be read out without end. */}
      <span class="state-words" role="status">
        {words(state)}
      </span>
      {state.name === "loading" && <span class="state-detail">{downloaded(session)}</span>}
      {config && state.name !== "loading" && (
        <span class="state-detail" title={detail(session, config)}>
          {detail(session, config)}
        </span>
      )}
    </div>
  );
}
function detail(session: Session, { image, memory }: MachineConfig): string {
  return [
    image,
    formatBytes(memory),
    ...session.withoutDisks.value.map((id) => `without ${id}`),
    ...session.temporaryDisks.value.map((id) => `${id} temporary`),
    ...fetched(session),
  ].join(", ");
}

function words(state: SessionState): string {
  switch (state.name) {
    case "no-machine":
      return "This link is no machine";
    case "loading":
      return "Loading";
    case "failed":
      return "Did not start";
    case "off":
      return "Off";
    case "booting":
      return "Booting";
    case "running":
      return "Running";
    case "paused":
      return "Paused";
    case "halted":
      return "Halted";
    case "crashed":
      return `Crashed: ${state.reason}`;
  }
}

/** What the machine's images have fetched. */
function fetched(session: Session): string[] {
  const bytes = session.storage.value.reduce((sum, { bytesFetched }) => sum + bytesFetched, 0);
  return bytes === 0 ? [] : [`${formatBytes(bytes)} fetched`];
}

function downloaded(session: Session): string {
  const downloads = session.downloads.value;
  const received = downloads.reduce((sum, download) => sum + download.received, 0);
  const total = downloads.reduce((sum, download) => sum + (download.total ?? download.received), 0);
  return total === 0 ? "" : `${formatBytes(received)} of ${formatBytes(total)}`;
}
