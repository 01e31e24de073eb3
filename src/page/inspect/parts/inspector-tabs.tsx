import type { Signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { InspectorView } from "./views.tsx";

export interface TabsProps {
  views: readonly InspectorView[];
  current: Signal<string>;
}

/** The names of the views. One of them is in the order of Tab; arrow keys go from one to the other. */
export function InspectorTabs({ views, current }: TabsProps) {
  const list = useRef<HTMLDivElement>(null);
  const go = (at: number): void => {
    const to = views[(at + views.length) % views.length]!;
    current.value = to.id;
    list.current?.querySelector<HTMLElement>(`#view-tab-${to.id}`)?.focus();
  };
  const keys = (event: KeyboardEvent): void => {
    const at = views.findIndex(({ id }) => id === current.value);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: views.length - 1 }[event.key];
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <div class="inspector-tabs" role="tablist" aria-label="Views" ref={list} onKeyDown={keys}>
      {views.map(({ id, label }) => {
        const selected = id === current.value;
        return (
          <button
            key={id}
            type="button"
            class="inspector-tab"
            role="tab"
            id={`view-tab-${id}`}
            aria-selected={selected}
            aria-controls="inspector-view"
            tabIndex={selected ? 0 : -1}
            onClick={() => (current.value = id)}
          >
            {label}
          </button>
        );
      })}
    </div>
  );
}
