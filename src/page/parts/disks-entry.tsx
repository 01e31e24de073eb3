import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { DiskListing } from "../../worker/disk/protocol.ts";
import type { Disks } from "../disks/model.ts";
import { formatBytes } from "../format.ts";
import { Button } from "./button.tsx";
import { DiskJobs } from "./disks-jobs.tsx";
import { wrong } from "./disks-new.tsx";
import { PanelField } from "./panel-field.tsx";
import { PanelForm } from "./panel-form.tsx";

export interface DiskEntryProps {
  disks: Disks;
  disk: DiskListing;
}

/** One disk: what it is, who has it open, what can be done with it. */
export function DiskEntry({ disks, disk }: DiskEntryProps) {
  const { database, name, size, stored, base, removal, problem } = disk;
  const titleId = useId();
  const refused = disks.problems.value[database];
  const openIn = disks.openIn(disk);
  const facts = [
    size !== undefined && formatBytes(size),
    stored !== undefined && `${formatBytes(stored)} stored`,
    base !== undefined && `over ${base.charAt(0).toLowerCase()}${base.slice(1)}`,
  ].filter((fact) => fact !== false);
  return (
    <li class="disk" data-kind="blk" data-deleted={removal !== undefined} aria-labelledby={titleId}>
      <div class="disk-head">
        <span class="disk-name" id={titleId}>
          {name}
        </span>
        <span class="disk-figures">{facts.join(", ")}</span>
      </div>
      {openIn !== undefined && <p class="disk-holder">{openIn}</p>}
      {problem !== undefined && <p class="field-error">{problem}</p>}
      {removal === undefined ? (
        <Actions disks={disks} disk={disk} />
      ) : (
        <Deleted disks={disks} disk={disk} removal={removal} />
      )}
      <DiskJobs disks={disks} jobs={disks.jobs.value.filter((job) => job.database === database)} />
      {refused !== undefined && (
        <p class="field-error" role="alert">
          {refused}
        </p>
      )}
      {disks.inUseByGuest.value.has(database) && (
        <Button label={`Detach ${name} all the same`} onClick={() => void disks.detach(disk, true)} />
      )}
    </li>
  );
}

type Doing = "rename" | "reset" | undefined;

function Actions({ disks, disk }: DiskEntryProps) {
  const [more, setMore] = useState(false);
  const [doing, setDoing] = useState<Doing>();
  const moreButton = useRef<HTMLButtonElement>(null);
  const id = useId();
  const { name, base } = disk;
  const inMachine = disks.inMachine(disk);
  const end = () => {
    setDoing(undefined);
    moreButton.current?.focus();
  };
  return (
    <>
      <div class="disk-actions">
        <Button
          label={inMachine ? `Detach ${name}` : `Attach ${name}`}
          onClick={() => void (inMachine ? disks.detach(disk) : disks.attach(disk))}
        />
        <Button
          label={`More for ${name}`}
          icon="more"
          compact
          buttonRef={moreButton}
          expanded={more}
          controls={id}
          onClick={() => {
            setMore(!more);
            setDoing(undefined);
          }}
        />
      </div>
      <div class="disk-more" id={id} hidden={!more}>
        <Action does="Rename" name={name} onClick={() => setDoing("rename")} />
        <Action does="Duplicate" name={name} onClick={() => void disks.duplicate(disk)} />
        <Action does="Export raw" name={name} onClick={() => void disks.export(disk, "raw")} />
        <Action does="Export gzip" name={name} onClick={() => void disks.export(disk, "gzip")} />
        <Action
          does={base === undefined ? "Empty" : "Reset to base"}
          name={name}
          onClick={() => setDoing("reset")}
        />
        <Action does="Delete" name={name} onClick={() => void disks.remove(disk)} />
      </div>
      {more && doing === "rename" && <Rename disks={disks} disk={disk} onEnd={end} />}
      {more && doing === "reset" && <Reset disks={disks} disk={disk} onEnd={end} />}
    </>
  );
}

/** A button whose name says which disk it is about, also to those who do not see where it stands. */
function Action({ does, name, onClick }: { does: string; name: string; onClick: () => void }) {
  return (
    <button type="button" class="button" onClick={onClick}>
      {does}
      <span class="unseen"> {name}</span>
    </button>
  );
}

function Rename({ disks, disk, onEnd }: DiskEntryProps & { onEnd: () => void }) {
  const [name, setName] = useState(disk.name);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, []);
  const mistake = wrong("id", name);
  const submit = async () => {
    if (name === disk.name || (await disks.rename(disk, name))) onEnd();
  };
  return (
    <PanelForm
      label={`Rename ${disk.name}`}
      onCancel={onEnd}
      onSubmit={() => {
        if (mistake === "") void submit();
      }}
    >
      <PanelField
        label="New name"
        value={name}
        invalid={mistake !== ""}
        problemId={id}
        inputRef={field}
        onInput={setName}
      />
      <button type="submit" class="button primary" disabled={mistake !== ""}>
        Rename
      </button>
      <Button label="Cancel" onClick={onEnd} />
      <p class="field-error" id={id} role="status">
        {mistake}
      </p>
    </PanelForm>
  );
}

function Reset({ disks, disk, onEnd }: DiskEntryProps & { onEnd: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => button.current?.focus(), []);
  const what = disk.base === undefined ? "All that is on it is lost" : "All that was changed on it is lost";
  return (
    <PanelForm
      label={`Reset ${disk.name}`}
      onCancel={onEnd}
      onSubmit={() => void disks.reset(disk).then((done) => done && onEnd())}
    >
      <p>{what}; this cannot be undone. A duplicate keeps it.</p>
      <button type="submit" class="button danger" ref={button}>
        {disk.base === undefined ? "Empty it" : "Reset it"}
      </button>
      <Button label="Cancel" onClick={onEnd} />
    </PanelForm>
  );
}

function Deleted({ disks, disk, removal }: DiskEntryProps & { removal: number }) {
  const undo = useRef<HTMLButtonElement>(null);
  // The button that deleted it is gone, and with it the focus.
  useEffect(() => {
    if (document.activeElement === document.body) undo.current?.focus();
  }, []);
  const time = new Date(removal).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return (
    <>
      <p class="disk-holder">Deleted. It can be brought back until {time}; then it is removed for good.</p>
      <div class="disk-actions">
        <Button
          label={`Undo: bring ${disk.name} back`}
          buttonRef={undo}
          onClick={() => void disks.restore(disk)}
        />
        <Button label={`Remove ${disk.name} now`} onClick={() => void disks.purge(disk)} />
      </div>
    </>
  );
}
