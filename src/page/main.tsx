/**
 * The page's entry. Preact with signals draws it: a few kilobytes, and what changes often (bytes downloaded, the state) touches
 * only the text that shows it.
 */
import { effect, signal } from "@preact/signals";
import { render } from "preact";
import { pageApi } from "./api.ts";
import { Disks } from "./disks/model.ts";
import { StorageUse } from "./disks/usage.ts";
import { readLessonLink } from "./lessons/link.ts";
import { kept } from "./lessons/store.ts";
import { Networks } from "./network/model.ts";
import { App } from "./parts/app.tsx";
import { SearchModel } from "./parts/search-bar.tsx";
import { Session } from "./session.ts";
import { keepDisks } from "./storage.ts";
import { TerminalView } from "./terminal/terminal.ts";
import { ThemeChoice } from "./theme.ts";

// early.js found something missing, and has said so.
if (!document.documentElement.hasAttribute("data-unsupported")) void begin(document.getElementById("app")!);

async function begin(root: HTMLElement): Promise<void> {
  document.documentElement.dataset.started = "";
  let problem: string | undefined;
  // A link to a lesson says which machine it is before anything else reads the address.
  if (readLessonLink(location.search)) {
    try {
      problem = (await import("./lessons/open-link.ts")).takeLessonLink();
    } catch {
      problem = "The lessons could not be loaded.";
    }
  }
  start(root, problem);
}

function start(root: HTMLElement, problem: string | undefined): void {
  const theme = new ThemeChoice();
  const search = new SearchModel();
  const editing = signal(false);
  // A lesson that a link or a reload left in this tab goes on in the inspector.
  const inspecting = signal(kept() !== undefined);

  const terminal = new TerminalView(
    {
      onInput: (data) => void session.type(data),
      onResize: (size) => session.resizeTerminal(size),
      onFind: () => search.ask(),
      onLeave: () => firstControl()?.focus(),
      onMessage: (text) => session.notices.add("warning", text),
      onMatches: (matches) => (search.matches.value = matches),
    },
    theme.current.value,
  );
  const session = new Session(terminal);
  const disks = new Disks(session);
  const networks = new Networks(session);
  const use = new StorageUse(session.notices, disks.changes);
  effect(() => terminal.setTheme(theme.current.value));
  effect(() => {
    if (session.config.value) void keepDisks(session.config.value, session.notices);
  });
  // F6 goes round: from the terminal (which has it first, see terminal/keys.ts) to the controls, the inspector, and back.
  window.addEventListener("keydown", (event) => {
    if (
      event.key !== "F6" ||
      event.ctrlKey ||
      event.defaultPrevented ||
      document.querySelector("dialog[open]")
    )
      return;
    event.preventDefault();
    if (!focusInspector(event.target)) terminal.focus();
  });

  root.textContent = "";
  render(
    <App
      session={session}
      disks={disks}
      networks={networks}
      use={use}
      terminal={terminal}
      theme={theme}
      search={search}
      editing={editing}
      inspecting={inspecting}
    />,
    root,
  );
  window.ringside = pageApi(session, disks, networks, terminal);
  session.open();
  if (problem !== undefined) session.notices.add("warning", problem);
  terminal.focus();
}

/** Whether there is an inspector that the focus could go to, from elsewhere. */
function focusInspector(from: EventTarget | null): boolean {
  const tab = document.querySelector<HTMLElement>("#inspector [role=tab][aria-selected=true]");
  if (!tab || (from instanceof Node && tab.closest("#inspector")?.contains(from))) return false;
  tab.focus();
  return true;
}

function firstControl(): HTMLElement | null {
  return document.querySelector<HTMLElement>("#controls button:not(:disabled)");
}
