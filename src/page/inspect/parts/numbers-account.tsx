import { useState } from "preact/hooks";
import type { Account, TracedDevice } from "../../../inspect/types.ts";
import { formatBytes, formatCount } from "../../format.ts";
import { formatDuration } from "../duration.ts";
import type { StepSource } from "../source.ts";

export interface NumbersAccountProps {
  machine: Pick<StepSource, "account">;
  devices: readonly TracedDevice[];
}

/** Characters of a command's output that are shown. */
const SHOWN = 2000;

/** Runs a command in the guest, and shows what crossed the line meanwhile. */
export function NumbersAccount({ machine, devices }: NumbersAccountProps) {
  const [command, setCommand] = useState("sync");
  const [running, setRunning] = useState(false);
  const [account, setAccount] = useState<Account | undefined>(undefined);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const run = async (): Promise<void> => {
    setRunning(true);
    setProblem(undefined);
    try {
      setAccount(await machine.account(command.trim()));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
    setRunning(false);
  };
  return (
    <section class="account" aria-label="What did this command cost?">
      <h3 class="panel-title">What did this command cost?</h3>
      <form
        class="account-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (running) return;
          if (command.trim() === "") setProblem("Type a command first.");
          else void run();
        }}
      >
        <input
          type="text"
          aria-label="Command to run in the guest"
          spellcheck={false}
          autocomplete="off"
          autocapitalize="off"
          value={command}
          onInput={({ currentTarget }) => setCommand(currentTarget.value)}
        />
        <button type="submit" class="button primary" disabled={running}>
          {running ? "Running" : "Run"}
        </button>
      </form>
      <p class="time-problem" role="alert">
        {problem}
      </p>
      {account && <Costs account={account} kinds={new Map(devices.map(({ name, kind }) => [name, kind]))} />}
    </section>
  );
}

function Costs({ account, kinds }: { account: Account; kinds: ReadonlyMap<string, string> }) {
  const { command, status, stdout, stderr, milliseconds, instructions, devices } = account;
  const said = (stdout + stderr).trim();
  return (
    <div class="account-result">
      <p>
        <code>{command}</code> ended with status {status} after {formatDuration(milliseconds * 1000)} and{" "}
        {formatCount(instructions)} instructions. Whatever else ran meanwhile is counted, too.
      </p>
      <div class="numbers-scroll" tabIndex={0} role="group" aria-label="Costs">
        <table class="numbers-table account-table">
          <thead>
            <tr>
              <th scope="col">Device</th>
              <th scope="col">Requests</th>
              <th scope="col">To the device</th>
              <th scope="col">To the guest</th>
              <th scope="col">Exits</th>
              <th scope="col">Kicks</th>
              <th scope="col">Interrupts</th>
            </tr>
          </thead>
          <tbody>
            {devices.map((device) => (
              <tr key={device.name} class="numbers-device" data-kind={kinds.get(device.name)}>
                <th scope="row">{device.name}</th>
                <td>{formatCount(device.requests)}</td>
                <td>{formatBytes(device.bytesRead)}</td>
                <td>{formatBytes(device.bytesWritten)}</td>
                <td>{formatCount(device.exits)}</td>
                <td>{formatCount(device.kicks)}</td>
                <td>{formatCount(device.interrupts)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {said !== "" && (
        <pre class="account-output">
          {said.slice(0, SHOWN)}
          {said.length > SHOWN && " …"}
        </pre>
      )}
    </div>
  );
}
