import { signal, type Signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { SearchMatches, TerminalView } from "../terminal/terminal.ts";
import { Button } from "./button.tsx";

/** The search bar's state; the terminal's keys and the header open it. */
export class SearchModel {
  readonly open = signal(false);
  readonly term = signal("");
  readonly matches: Signal<SearchMatches> = signal<SearchMatches>({ index: -1, count: 0 });
  /** Counts requests to open, so that asking again puts the focus back into the field. */
  readonly asked = signal(0);

  ask(): void {
    this.open.value = true;
    this.asked.value++;
  }
}

export function SearchBar({ model, terminal }: { model: SearchModel; terminal: TerminalView }) {
  const field = useRef<HTMLInputElement>(null);
  const asked = model.asked.value;
  // Not later: what is typed right after the key that opens it is not for the guest.
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, [asked]);

  if (!model.open.value) return null;
  const term = model.term.value;
  const close = () => {
    model.open.value = false;
    terminal.clearSearch();
    terminal.focus();
  };
  return (
    <search class="search-bar">
      <input
        ref={field}
        type="search"
        aria-label="Find in the terminal"
        placeholder="Find"
        spellcheck={false}
        autocomplete="off"
        value={term}
        onInput={(event) => {
          model.term.value = event.currentTarget.value;
          terminal.find(model.term.value, "next", true);
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") close();
          else if (event.key === "Enter") terminal.find(term, event.shiftKey ? "previous" : "next");
          else return;
          event.preventDefault();
        }}
      />
      <output class="search-count">{found(term, model.matches.value)}</output>
      <Button label="Previous match" icon="up" compact onClick={() => terminal.find(term, "previous")} />
      <Button label="Next match" icon="down" compact onClick={() => terminal.find(term, "next")} />
      <Button label="Close the search" icon="close" compact onClick={close} />
    </search>
  );
}

function found(term: string, { index, count }: SearchMatches): string {
  if (term === "") return "";
  if (count === 0) return "none";
  return index < 0 ? `${count}` : `${index + 1} of ${count}`;
}
