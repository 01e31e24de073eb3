import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { DownloadProgress, StartProblem } from "../../worker/protocol.ts";
import { formatBytes } from "../format.ts";
import type { Session } from "../session.ts";
import { Button } from "./button.tsx";
import { LinkProblem } from "./link-problem.tsx";

/** Over the terminal: a card while the machine has nothing to show, a strip below its last words when it ended. */
export function Overlay({ session }: { session: Session }) {
  const state = session.state.value;
  switch (state.name) {
    case "no-machine":
      return (
        <Card title="This link is no machine" alert>
          <LinkProblem error={state.error} />
        </Card>
      );
    case "loading":
      return (
        <Card title="Loading">
          <Downloads downloads={session.downloads.value} />
        </Card>
      );
    case "failed":
      return <Failure session={session} problem={state.problem} />;
    case "off":
      return <Ended session={session} text="The machine is off." />;
    case "halted":
      return <Ended session={session} text="The guest powered off." />;
    case "crashed":
      return <Ended session={session} text={`The machine crashed: ${state.reason}`} alert />;
    case "paused":
      return (
        <Strip text="The machine is paused." paused>
          <Button label="Resume" tone="primary" onClick={() => void session.resume()} />
        </Strip>
      );
    case "booting":
    case "running": {
      const stalled = session.storage.value.find((status) => status.state === "stalled");
      if (!stalled) return null;
      const { image, reason } = stalled;
      return (
        <Strip
          text={`Waiting for the server: ${image} is not answered for (${reason}). The guest goes on when it answers.`}
          alert
        />
      );
    }
  }
}

function Failure({ session, problem }: { session: Session; problem: StartProblem & { message: string } }) {
  const retry = (label: string) => (
    <Button label={label} tone="primary" onClick={() => void session.start()} />
  );
  switch (problem.kind) {
    case "disk-busy":
    case "disk-failed": {
      const without = () =>
        void session.start({ withoutDisks: [...session.withoutDisks.value, problem.disk] });
      const temporary = () =>
        void session.start({ temporaryDisks: [...session.temporaryDisks.value, problem.disk] });
      const busy = problem.kind === "disk-busy";
      return (
        <Card
          title={
            busy ? `The disk “${problem.disk}” is in use` : `The disk “${problem.disk}” cannot be opened`
          }
          alert
        >
          <p>{problem.message}</p>
          {problem.kind === "disk-busy" && problem.hasBase && (
            <p>
              A temporary copy begins as the base of the disk, without what was changed on it; its own changes
              are kept in memory and gone with the machine.
            </p>
          )}
          <div class="actions">
            {retry("Try again")}
            {problem.kind === "disk-busy" && problem.hasBase && (
              <Button label="Start with a temporary copy" onClick={temporary} />
            )}
            <Button label="Start without this disk" onClick={without} />
          </div>
        </Card>
      );
    }
    case "download":
      return (
        <Card title="The download failed" alert>
          <p>{problem.message}</p>
          <div class="actions">{retry("Try again")}</div>
        </Card>
      );
    default:
      return (
        <Card title="The machine did not start" alert>
          <p>{problem.message}</p>
          <div class="actions">{retry("Try again")}</div>
        </Card>
      );
  }
}

function Downloads({ downloads }: { downloads: readonly DownloadProgress[] }) {
  return (
    <ul class="downloads">
      {downloads.map(({ name, received, total }) => (
        <li key={name} class="download">
          <span class="download-name">{name}</span>
          <span class="download-bytes">
            {formatBytes(received)}
            {total !== undefined && ` of ${formatBytes(total)}`}
          </span>
          <progress aria-label={name} value={received} max={total} />
        </li>
      ))}
    </ul>
  );
}

function Ended({ session, text, alert = false }: { session: Session; text: string; alert?: boolean }) {
  return (
    <Strip text={text} alert={alert}>
      <Button label="Power on" tone="primary" onClick={() => void session.powerOn()} />
    </Strip>
  );
}

function Card({
  title,
  alert = false,
  children,
}: {
  title: string;
  alert?: boolean;
  children: ComponentChildren;
}) {
  const card = useRef<HTMLDivElement>(null);
  // What failed wants an answer, and the terminal has nothing to type at.
  useEffect(() => {
    if (alert) card.current?.querySelector<HTMLElement>("a, button")?.focus();
  }, [alert]);
  return (
    <div class="overlay">
      <div class="card" ref={card} role={alert ? "alert" : "group"} aria-label={title}>
        <h2 class="card-title">{title}</h2>
        {children}
      </div>
    </div>
  );
}

interface StripProps {
  text: string;
  alert?: boolean;
  /** It says what the inspector says too, while that is open. */
  paused?: boolean;
  children?: ComponentChildren;
}

function Strip({ text, alert = false, paused = false, children }: StripProps) {
  return (
    <div class={`strip ${paused ? "paused" : ""}`} role={alert ? "alert" : "group"} aria-label={text}>
      <p>{text}</p>
      {children}
    </div>
  );
}
