import { useEffect, useState } from "preact/hooks";
import type { Disks } from "../disks/model.ts";

/** Files that are dropped anywhere on the page become disks. Shown while something is dragged over the page. */
export function DropZone({ disks }: { disks: Disks }) {
  const [over, setOver] = useState(false);
  useEffect(() => {
    // One enters the next element before one leaves the last.
    let depth = 0;
    const show = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      if (event.type === "dragenter") depth++;
      setOver(true);
    };
    const hide = () => {
      depth = Math.max(0, depth - 1);
      if (depth === 0) setOver(false);
    };
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      disks.open.value = true;
      for (const file of event.dataTransfer?.files ?? []) void disks.import(file);
    };
    addEventListener("dragenter", show);
    addEventListener("dragover", show);
    addEventListener("dragleave", hide);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragenter", show);
      removeEventListener("dragover", show);
      removeEventListener("dragleave", hide);
      removeEventListener("drop", drop);
    };
  }, [disks]);
  if (!over) return null;
  return (
    <div class="drop-zone">
      <p>
        <strong>Drop it to make a disk of it.</strong> A raw image, a gzip file of one, or a qcow2 image.
      </p>
    </div>
  );
}

function hasFiles({ dataTransfer }: DragEvent): boolean {
  return dataTransfer?.types.includes("Files") ?? false;
}
