import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { entries, kindOf, type Option } from "../../config/options.ts";
import { parseWire, WIRES } from "../../config/wire.ts";
import { changedWords, type DeviceDraft, type DraftError, type OptionTexts, withOption } from "../draft.ts";
import { Button } from "./button.tsx";
import { OptionField } from "./option-field.tsx";

export interface DeviceFieldsProps {
  device: DeviceDraft;
  mistake: DraftError | undefined;
  onChange: (device: DeviceDraft) => void;
  onRemove: () => void;
}

type AnyOption = Option<object, unknown>;

/** One device of the editor's form: what it is first, and its feature bits behind a line of their own. */
export function DeviceFields({ device, mistake, onChange, onRemove }: DeviceFieldsProps) {
  const { kind, options } = device;
  const shown = entries(kindOf(kind).options).map(([, option]) => option);
  const field = (option: AnyOption) => (
    <OptionField
      key={option.word}
      option={option}
      value={options[option.word] ?? ""}
      suggestions={suggestionsFor(device, option)}
      error={mistake?.word === option.word ? mistake.error : undefined}
      onChange={(value) => onChange(withOption(device, option.word, value))}
    />
  );
  const name = options.id ?? "";
  return (
    <fieldset class="device-fields" data-kind={kind}>
      <legend>
        <span class="device-kind">{kind}</span> {name}
      </legend>
      <div class="fields">
        {shown.filter((option) => !isFeature(option) && isOfUse(option, options)).map(field)}
      </div>
      <Features device={device} mistake={mistake}>
        {shown.filter(isFeature).map(field)}
      </Features>
      <Button label={`Remove ${kind} ${name}`.trim()} icon="close" compact onClick={onRemove} />
    </fieldset>
  );
}

function Features({
  device,
  mistake,
  children,
}: {
  device: DeviceDraft;
  mistake: DraftError | undefined;
  children: ComponentChildren;
}) {
  const [open, setOpen] = useState(false);
  const words = entries(kindOf(device.kind).options)
    .filter(([, option]) => isFeature(option))
    .map(([, { word }]) => word);
  const changed = changedWords(device).filter((word) => words.includes(word));
  const wrong = mistake?.word !== undefined && words.includes(mistake.word);
  return (
    <details class="features" open={open || wrong} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        Feature bits{" "}
        <span class="field-help">
          {changed.length === 0
            ? "all as usual"
            : changed.map((word) => `${word}=${device.options[word]}`).join(", ")}
        </span>
      </summary>
      <div class="fields">{children}</div>
    </details>
  );
}

/** Whether an option says no more than whether one of virtio's feature bits is offered. */
function isFeature({ help, type }: AnyOption): boolean {
  return type.choices?.join() === "on,off" && help.startsWith("offer VIRTIO_");
}

/** A file's path is for the command line; a relay, and the secret of a room there, are for rooms. */
function isOfUse({ word }: AnyOption, options: OptionTexts): boolean {
  if (word === "relay" || word === "secret")
    return (options.wire ?? "").startsWith("room:") || options[word] !== "";
  return word !== "path";
}

/** Values to begin with, and what they mean. */
function suggestionsFor(
  { kind, options }: DeviceDraft,
  { word }: AnyOption,
): readonly { value: string; label: string }[] {
  if (kind !== "net" || word !== "wire") return [];
  const known = [
    { value: "gateway", label: WIRES.gateway },
    { value: "room:lobby", label: WIRES["room:NAME"] },
    { value: "tabs:lab", label: WIRES["tabs:NAME"] },
    { value: "none", label: WIRES.none },
  ];
  const value = options.wire ?? "";
  const { kind: own } = parseWire(value);
  if ((own !== "room" && own !== "tabs") || known.some((other) => other.value === value)) return known;
  return [...known, { value, label: WIRES[`${own}:NAME`] }];
}
