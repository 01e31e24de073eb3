import { useEffect, useState } from "preact/hooks";
import type { Inspector } from "../inspect/parts/inspector.tsx";
import type { Session } from "../session.ts";
import type { TerminalView } from "../terminal/terminal.ts";

export interface InspectorPlaceProps {
  session: Session;
  terminal: TerminalView;
  onClose: () => void;
}

/** Where the inspector is; its code comes when it is opened for the first time. */
export function InspectorPlace({ session, terminal, onClose }: InspectorPlaceProps) {
  const [loaded, setLoaded] = useState<{ Inspector: typeof Inspector } | undefined>(undefined);
  useEffect(() => {
    let closed = false;
    import("../inspect/parts/inspector.tsx").then(
      (module) => {
        if (!closed) setLoaded(module);
      },
      () => {
        if (closed) return;
        session.notices.add("error", "The inspector could not be loaded. Try again, or reload the page.");
        onClose();
      },
    );
    return () => {
      closed = true;
    };
  }, []);
  return (
    <aside class="inspector" id="inspector" aria-label="Inspector" aria-busy={!loaded}>
      {loaded && <loaded.Inspector session={session} terminal={terminal} onClose={onClose} />}
    </aside>
  );
}
