import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Disks } from "../disks/model.ts";
import type { StorageUse } from "../disks/usage.ts";
import { Button } from "./button.tsx";
import { Disclosure } from "./disclosure.tsx";
import { DiskEntry } from "./disks-entry.tsx";
import { DiskJobs } from "./disks-jobs.tsx";
import { NewDisk } from "./disks-new.tsx";
import { DiskStorage } from "./disks-storage.tsx";

export interface DisksProps {
  disks: Disks;
  use: StorageUse;
}

/** The disks of this browser: a button, and a panel that is live while it is open. */
export function DisksPanel({ disks, use }: DisksProps) {
  const running = disks.running.value;
  return (
    <>
      <Disclosure
        label="Disks"
        icon="disks"
        panelClass="action-panel disks-panel"
        open={disks.open.value}
        onToggle={(open) => (disks.open.value = open)}
        badge={
          running > 0 && (
            <span class="badge" aria-label={`${running} under way`}>
              {running}
            </span>
          )
        }
      >
        {() => <DisksContent disks={disks} use={use} />}
      </Disclosure>
      {/* Outside the panel: what it began may end when it is closed. */}
      <p class="unseen" role="status">
        {disks.said.value}
      </p>
    </>
  );
}

function DisksContent({ disks, use }: DisksProps) {
  const [making, setMaking] = useState(false);
  useEffect(() => disks.watch(), [disks]);

  const list = disks.list.value;
  const problem = disks.problems.value["list"];
  return (
    <>
      <div class="disks-head">
        <h2 class="panel-title">Disks</h2>
        <Button label="New disk" icon="add" expanded={making} onClick={() => setMaking(!making)} />
        <ImportButton disks={disks} />
      </div>
      {making && <NewDisk disks={disks} onClose={() => setMaking(false)} />}
      {problem !== undefined && (
        <p class="field-error" role="alert">
          {problem}
        </p>
      )}
      <DiskJobs disks={disks} jobs={disks.jobs.value.filter(({ database }) => database === undefined)} />
      {!list && problem === undefined && <p class="disks-empty">Looking…</p>}
      {list?.length === 0 && (
        <p class="disks-empty">
          No disks yet. A machine's disks with store=idb come to be here, and so does what you import.
        </p>
      )}
      <ul class="disks-list">
        {list?.map((disk) => (
          <DiskEntry key={disk.database} disks={disks} disk={disk} />
        ))}
      </ul>
      <DiskStorage disks={disks} use={use} />
    </>
  );
}

function ImportButton({ disks }: { disks: Disks }) {
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  return (
    <>
      <Button label="Import" icon="import" onClick={() => field.current?.click()} />
      <input
        ref={field}
        id={id}
        type="file"
        multiple
        hidden
        aria-label="Disk images to import: raw, gzip or qcow2"
        onChange={(event) => {
          for (const file of event.currentTarget.files ?? []) void disks.import(file);
          // The same file again is a change, too.
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}
