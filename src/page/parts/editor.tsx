import { useState } from "preact/hooks";
import { parseConfig } from "../../config/grammar.ts";
import { DEVICE_KINDS, entries, kindOf, MACHINE_WORDS } from "../../config/options.ts";
import {
  draftOf,
  newDevice,
  readDraft,
  type DeviceDraft,
  type DeviceKindName,
  type MachineDraft,
} from "../draft.ts";
import { formatBytes } from "../format.ts";
import { offeredImages } from "../images.ts";
import { linkTo } from "../link.ts";
import type { Session } from "../session.ts";
import { copyText } from "../terminal/clipboard.ts";
import { Button } from "./button.tsx";
import { CopyButton } from "./copy-button.tsx";
import { DeviceFields } from "./device-fields.tsx";
import { Dialog } from "./dialog.tsx";
import { OptionField } from "./option-field.tsx";

/** The machine's parts as a form. Its fields, choices and help come from the grammar's own tables. */
export function Editor({ session, onClose }: { session: Session; onClose: () => void }) {
  const [draft, setDraft] = useState<MachineDraft>(() => draftOf(session.config.value ?? parseConfig("")));
  const result = readDraft(draft);
  const images = offeredImages().value.map(({ name, title, downloadBytes }) => ({
    value: name,
    label: `${title}, ${formatBytes(downloadBytes)} to download`,
  }));
  const mistake = "error" in result ? result : undefined;

  const setDevices = (devices: readonly DeviceDraft[]) => setDraft({ ...draft, devices });
  const apply = () => {
    if (!("config" in result)) return;
    onClose();
    session.replace(result.config);
  };
  return (
    <Dialog title="Configure the machine" onCancel={onClose}>
      <form
        class="editor"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          apply();
        }}
      >
        <div class="fields">
          {entries(MACHINE_WORDS).map(([, option]) => (
            <OptionField
              key={option.word}
              option={option}
              value={draft.options[option.word] ?? ""}
              {...(option.word === "image" && { suggestions: images })}
              error={
                mistake?.device === undefined && mistake?.word === option.word ? mistake.error : undefined
              }
              onChange={(value) =>
                setDraft({ ...draft, options: { ...draft.options, [option.word]: value } })
              }
            />
          ))}
        </div>
        <h3 class="panel-title">Devices</h3>
        {draft.devices.map((device) => (
          <DeviceFields
            key={device.key}
            device={device}
            mistake={mistake?.device === device.key ? mistake : undefined}
            onChange={(changed) =>
              setDevices(draft.devices.map((other) => (other === device ? changed : other)))
            }
            onRemove={() => setDevices(draft.devices.filter((other) => other !== device))}
          />
        ))}
        <div class="actions">
          {kindsToAdd(draft).map((kind) => (
            <Button
              key={kind}
              label={`Add ${kind}`}
              icon="add"
              onClick={() => setDevices([...draft.devices, newDevice(kind, draft.devices)])}
            />
          ))}
        </div>

        <div class="dialog-foot">
          <div class="editor-result" role="status">
            {mistake ? (
              <p class="field-error">{mistake.error.message}</p>
            ) : (
              "config" in result && <code class="link-text">{linkTo(result.config)}</code>
            )}
          </div>
          <div class="actions">
            <button type="submit" class="button primary" disabled={mistake !== undefined}>
              {session.active.value ? "Restart with this machine" : "Start this machine"}
            </button>
            <CopyButton
              label="Copy the link"
              disabled={mistake !== undefined}
              copy={async () => "config" in result && copyText(linkTo(result.config))}
            />
            <Button label="Cancel" onClick={onClose} />
          </div>
        </div>
      </form>
    </Dialog>
  );
}

/** Kinds of which the machine may have another. */
function kindsToAdd({ devices }: MachineDraft): DeviceKindName[] {
  return (Object.keys(DEVICE_KINDS) as DeviceKindName[]).filter((kind) => {
    const have = devices.filter((device) => device.kind === kind).length;
    return have < (kindOf(kind).most ?? Infinity);
  });
}
