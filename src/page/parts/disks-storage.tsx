import { useEffect, useState } from "preact/hooks";
import type { Disks } from "../disks/model.ts";
import type { StorageUse } from "../disks/usage.ts";
import { formatBytes } from "../format.ts";
import { Button } from "./button.tsx";

/** What the site stores altogether, what is left, and the part that is only a copy of what is on the server. */
export function DiskStorage({ disks, use }: { disks: Disks; use: StorageUse }) {
  const [refused, setRefused] = useState(false);
  const current = use.current.value;
  const cached = disks.cached.value;
  useEffect(() => {
    void use.look();
    const timer = setInterval(() => void use.look(), 5000);
    return () => clearInterval(timer);
  }, [use]);

  return (
    <section class="disks-storage" aria-label="Storage">
      {cached !== undefined && cached > 0 && (
        <div class="disk-job">
          <span>
            Downloaded parts of images <span class="disk-figures">{formatBytes(cached)}</span>
          </span>
          <Button label="Clear downloaded parts" onClick={() => void disks.clearCache()} />
          {disks.problems.value["cache"] !== undefined && (
            <p class="field-error" role="alert">
              {disks.problems.value["cache"]}
            </p>
          )}
        </div>
      )}
      {current && (
        <div class="disk-job">
          <span>
            This site stores{" "}
            <span class="disk-figures">
              {formatBytes(current.usage)} of {formatBytes(current.quota)}
            </span>
            ; {formatBytes(Math.max(0, current.quota - current.usage))} are left.
          </span>
          <progress aria-label="Storage in use" value={current.usage} max={current.quota} />
        </div>
      )}
      {current?.kept === true && <p class="disks-hint">The browser keeps it until you delete it.</p>}
      {current?.kept === false && (
        <div class="disk-job">
          <span class="disks-hint">
            {refused
              ? "The browser refused to keep it. It may delete it all when this computer runs short of space."
              : "The browser may delete it all when this computer runs short of space."}
          </span>
          {!refused && (
            <Button
              label="Ask the browser to keep it"
              onClick={() => void use.keep().then((kept) => setRefused(!kept))}
            />
          )}
        </div>
      )}
    </section>
  );
}
