import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ConfigError } from "../../config/error.ts";
import type { MachineConfig } from "../../config/types.ts";
import { parseWire, WIRES, type Wire } from "../../config/wire.ts";
import { sameMachine } from "../link.ts";
import { newRoomName, nicOf, plugOf, rewired, type Plug } from "../network/links.ts";
import type { Networks } from "../network/model.ts";
import { Button } from "./button.tsx";
import { CopyButton } from "./copy-button.tsx";
import { PanelField } from "./panel-field.tsx";
import { PanelForm } from "./panel-form.tsx";

export interface NetworkPlugProps {
  networks: Networks;
  config: MachineConfig;
  /** The network device; one that the machine does not have is added. */
  id: string;
}

/** Another wire for a device. What it is plugged into is part of the machine: the form makes a link, and starts that. */
export function NetworkPlug(props: NetworkPlugProps) {
  const [open, setOpen] = useState(false);
  const { kind } = parseWire(plugOf(props.config, props.id).wire);
  const joined = kind === "room" || kind === "tabs";
  const opener = useRef<HTMLButtonElement>(null);
  return (
    <>
      <Button
        label={joined ? "Plug in elsewhere" : "Join a room"}
        icon="plug"
        buttonRef={opener}
        expanded={open}
        onClick={() => setOpen(!open)}
      />
      {open && (
        <PlugForm
          {...props}
          onEnd={() => {
            setOpen(false);
            opener.current?.focus();
          }}
        />
      )}
    </>
  );
}

type Kind = Wire["kind"];

const KINDS: readonly { kind: Kind; label: string; help: string }[] = [
  { kind: "room", label: "A room at a relay", help: WIRES["room:NAME"] },
  { kind: "tabs", label: "Tabs of this browser", help: WIRES["tabs:NAME"] },
  { kind: "gateway", label: "The gateway alone", help: WIRES.gateway },
  { kind: "none", label: "Nothing", help: WIRES.none },
];

function PlugForm({ networks, config, id, onEnd }: NetworkPlugProps & { onEnd: () => void }) {
  const present = plugOf(config, id);
  const wire = parseWire(present.wire);
  const [kind, setKind] = useState<Kind>(
    wire.kind === "gateway" || wire.kind === "none" ? "room" : wire.kind,
  );
  const [name, setName] = useState("name" in wire ? wire.name : newRoomName());
  const [relay, setRelay] = useState(present.relay);
  const [secret, setSecret] = useState(present.secret);
  const first = useRef<HTMLSelectElement>(null);
  const problemId = useId();
  useLayoutEffect(() => first.current?.focus(), []);

  const hasName = kind === "room" || kind === "tabs";
  const result = tryRewire(config, id, { wire: hasName ? `${kind}:${name}` : kind, relay, secret });
  const machine = "config" in result ? result.config : undefined;
  const unchanged = machine !== undefined && sameMachine(machine, config);
  const word = "word" in result ? result.word : undefined;
  return (
    <PanelForm
      label={nicOf(config, id) ? `Plug ${id} in elsewhere` : "Plug this machine in"}
      onCancel={onEnd}
      onSubmit={() => {
        if (machine && !unchanged) networks.propose(machine);
      }}
    >
      <label class="panel-field">
        Plugged into
        <select ref={first} value={kind} onChange={(event) => setKind(event.currentTarget.value as Kind)}>
          {KINDS.map(({ kind, label }) => (
            <option key={kind} value={kind}>
              {label}
            </option>
          ))}
        </select>
      </label>
      {hasName && (
        <PanelField
          label="Name"
          value={name}
          invalid={word === "wire"}
          problemId={problemId}
          onInput={setName}
        />
      )}
      {kind === "room" && (
        <>
          <PanelField
            label="Relay"
            placeholder="this page's own"
            value={relay}
            invalid={word === "relay"}
            problemId={problemId}
            onInput={setRelay}
          />
          <PanelField
            label="Secret"
            placeholder="if it has one"
            value={secret}
            invalid={word === "secret"}
            problemId={problemId}
            onInput={setSecret}
          />
        </>
      )}
      <p class="network-hint">{KINDS.find((choice) => choice.kind === kind)!.help}.</p>
      <button type="submit" class="button primary" disabled={!machine || unchanged}>
        Restart there
      </button>
      <CopyButton
        label="Copy the link"
        disabled={!machine}
        copy={() => (machine ? networks.copyLink(machine) : Promise.resolve(false))}
      />
      <Button label="Cancel" onClick={onEnd} />
      <p class="field-error" id={problemId} role="status">
        {"problem" in result ? result.problem : ""}
      </p>
    </PanelForm>
  );
}

/** What the grammar says of a form's words. */
function tryRewire(
  config: MachineConfig,
  id: string,
  plug: Plug,
): { config: MachineConfig } | { problem: string; word: string | undefined } {
  try {
    return { config: rewired(config, id, plug) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { text, offset } = error.place ?? { text: "", offset: 0 };
    const word = /(\w+)=[^,=]*$/.exec(text.slice(0, offset))?.[1];
    return {
      problem: error.expected === undefined ? `${error.problem}.` : `Expected: ${error.expected}.`,
      word,
    };
  }
}
