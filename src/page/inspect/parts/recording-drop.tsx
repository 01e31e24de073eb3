import { useEffect, useRef, useState } from "preact/hooks";

/** A file that is dropped on the inspector is opened in it; elsewhere on the page it becomes a disk (parts/drop-zone.tsx). */
export function RecordingDrop({ onFile }: { onFile: (file: File) => void }) {
  const mark = useRef<HTMLSpanElement>(null);
  const [over, setOver] = useState(false);
  const latest = useRef(onFile);
  latest.current = onFile;
  useEffect(() => {
    const inspector = mark.current!.closest<HTMLElement>(".inspector");
    if (!inspector) return undefined;
    const dragged = (event: DragEvent): void => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      event.stopPropagation();
      setOver(true);
    };
    const left = (event: DragEvent): void => {
      // The page's own drop zone counts what comes in and what leaves.
      event.stopPropagation();
      if (!(event.relatedTarget instanceof Node && inspector.contains(event.relatedTarget))) setOver(false);
    };
    const dropped = (event: DragEvent): void => {
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      event.preventDefault();
      event.stopPropagation();
      setOver(false);
      latest.current(file);
    };
    inspector.addEventListener("dragenter", dragged);
    inspector.addEventListener("dragover", dragged);
    inspector.addEventListener("dragleave", left);
    inspector.addEventListener("drop", dropped);
    return () => {
      inspector.removeEventListener("dragenter", dragged);
      inspector.removeEventListener("dragover", dragged);
      inspector.removeEventListener("dragleave", left);
      inspector.removeEventListener("drop", dropped);
    };
  }, []);
  return (
    <span ref={mark} class="recording-drop" data-over={over}>
      {over && "Drop it to open the recording."}
    </span>
  );
}
