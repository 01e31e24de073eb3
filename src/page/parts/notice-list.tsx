import type { Notices } from "../notices.ts";
import { Button } from "./button.tsx";

/** What the machine has to say. Read out when it comes; gone when it is dismissed. */
export function NoticeList({ notices }: { notices: Notices }) {
  return (
    <div class="notices" role="log" aria-label="Messages">
      {notices.list.value.map(({ id, level, text, count }) => (
        <div key={id} class="notice" data-level={level}>
          <p>
            {text}
            {count > 1 && <span class="notice-count"> ({count} times)</span>}
          </p>
          <Button label="Dismiss" icon="close" compact onClick={() => notices.dismiss(id)} />
        </div>
      ))}
    </div>
  );
}
