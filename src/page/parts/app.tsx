import type { Signal } from "@preact/signals";
import type { Disks } from "../disks/model.ts";
import type { StorageUse } from "../disks/usage.ts";
import type { Networks } from "../network/model.ts";
import type { Session } from "../session.ts";
import type { TerminalView } from "../terminal/terminal.ts";
import type { ThemeChoice } from "../theme.ts";
import { DropZone } from "./drop-zone.tsx";
import { Editor } from "./editor.tsx";
import { Header } from "./header.tsx";
import { InspectorPlace } from "./inspector-place.tsx";
import { NoticeList } from "./notice-list.tsx";
import { Proposal } from "./proposal.tsx";
import type { SearchModel } from "./search-bar.tsx";
import { Stage } from "./stage.tsx";

export interface AppProps {
  session: Session;
  disks: Disks;
  networks: Networks;
  use: StorageUse;
  terminal: TerminalView;
  theme: ThemeChoice;
  search: SearchModel;
  editing: Signal<boolean>;
  inspecting: Signal<boolean>;
}

export function App(props: AppProps) {
  const { session, disks, networks, use, terminal, theme, search, editing, inspecting } = props;
  return (
    <div class={`page ${inspecting.value ? "inspecting" : ""}`}>
      <a
        class="skip-link"
        href="#stage"
        onClick={(event) => {
          // The fragment is the machine's.
          event.preventDefault();
          terminal.focus();
        }}
      >
        To the terminal
      </a>
      <Header
        session={session}
        disks={disks}
        networks={networks}
        use={use}
        theme={theme}
        onConfigure={() => (editing.value = true)}
        onFind={() => search.ask()}
        inspecting={inspecting}
      />
      <NoticeList notices={session.notices} />
      <Stage session={session} terminal={terminal} search={search} />
      {inspecting.value && (
        <InspectorPlace
          session={session}
          terminal={terminal}
          onClose={() => {
            inspecting.value = false;
            document.getElementById("inspect")?.focus();
          }}
        />
      )}
      {editing.value && <Editor session={session} onClose={() => (editing.value = false)} />}
      <Proposal session={session} />
      <DropZone disks={disks} />
    </div>
  );
}
