import { useLayoutEffect, useRef } from "preact/hooks";
import { keyHelp } from "../terminal/keys.ts";
import type { TerminalView } from "../terminal/terminal.ts";
import type { Session } from "../session.ts";
import { Overlay } from "./overlay.tsx";
import { SearchBar, type SearchModel } from "./search-bar.tsx";

export interface StageProps {
  session: Session;
  terminal: TerminalView;
  search: SearchModel;
}

/** The terminal, and what is said over it while there is nothing on it. */
export function Stage({ session, terminal, search }: StageProps) {
  const place = useRef<HTMLDivElement>(null);

  useLayoutEffect(() => {
    if (place.current) terminal.open(place.current);
    // main.tsx owns the terminal; the stage is there as long as the page.
  }, [terminal]);

  return (
    <main class="stage" id="stage">
      <section class="terminal" aria-label="Terminal" aria-describedby="terminal-keys">
        <SearchBar model={search} terminal={terminal} />
        {/* Before the terminal, which keeps Tab for itself. */}
        <Overlay session={session} />
        <div class="terminal-place" ref={place} />
      </section>
      <footer class="footer" id="terminal-keys">
        {keyHelp.map(({ keys, does }) => (
          <span key={keys} class="key-help">
            <kbd>{keys}</kbd> {does}
          </span>
        ))}
      </footer>
    </main>
  );
}
