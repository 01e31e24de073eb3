import { ClipboardAddon } from "@xterm/addon-clipboard";
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon, type ISearchOptions } from "@xterm/addon-search";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { WebglAddon } from "@xterm/addon-webgl";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import type { SessionTerminal } from "../session.ts";
import type { Theme } from "../theme.ts";
import type { TerminalSize } from "../../worker/protocol.ts";
import { copyText, guestClipboard, pasteText } from "./clipboard.ts";
import { searchColors, terminalThemes } from "./colors.ts";
import { keyHandler } from "./keys.ts";
import { useConstructedStyles } from "./style-elements.ts";

/** What the terminal tells the page. */
export interface TerminalEvents {
  /** Keystrokes, pastes, answers to the guest's questions. */
  onInput(data: Uint8Array): void;
  onResize(size: TerminalSize): void;
  onFind(): void;
  onLeave(): void;
  /** The person should know, such as that the browser refused the clipboard. */
  onMessage(text: string): void;
  onMatches(matches: SearchMatches): void;
}

export interface SearchMatches {
  /** From 0; -1 when none is current. */
  index: number;
  count: number;
}

/** xterm.js with what a person expects of a terminal. */
export class TerminalView implements SessionTerminal {
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #search = new SearchAddon({ highlightLimit: 2000 });
  readonly #events: TerminalEvents;
  readonly #stillness = matchMedia("(prefers-reduced-motion: reduce)");
  readonly #endStyles = useConstructedStyles(document);
  #resizing: ResizeObserver | undefined;
  #frame = 0;
  #theme: Theme;

  constructor(events: TerminalEvents, theme: Theme) {
    this.#events = events;
    this.#theme = theme;
    this.#terminal = new Terminal({
      // The search addon's decorations are still "proposed" in xterm.js 6.
      allowProposedApi: true,
      theme: terminalThemes[theme],
      fontFamily: 'ui-monospace, "Cascadia Mono", "SF Mono", Menlo, "DejaVu Sans Mono", Consolas, monospace',
      lineHeight: 1.15,
      minimumContrastRatio: 4.5,
      scrollback: 10_000,
      cursorBlink: !this.#stillness.matches,
      // A guest can print links; only to the web, and without telling it where they were followed from.
      linkHandler: { activate: (_event, uri) => openLink(uri) },
      macOptionIsMeta: true,
      rescaleOverlappingGlyphs: true,
    });
    this.#terminal.loadAddon(this.#fit);
    this.#terminal.loadAddon(this.#search);
    this.#terminal.loadAddon(new WebLinksAddon((_event, uri) => openLink(uri)));
    this.#terminal.loadAddon(new ClipboardAddon(undefined, guestClipboard));

    const encoder = new TextEncoder();
    this.#terminal.onData((text) => events.onInput(encoder.encode(text)));
    // Old mouse reports: each character is one byte.
    this.#terminal.onBinary((text) =>
      events.onInput(Uint8Array.from(text, (character) => character.charCodeAt(0))),
    );
    this.#terminal.onResize(({ cols, rows }) => events.onResize({ columns: cols, rows }));
    this.#search.onDidChangeResults(({ resultIndex, resultCount }) =>
      events.onMatches({ index: resultIndex, count: resultCount }),
    );
    this.#terminal.attachCustomKeyEventHandler(
      keyHandler({
        copy: () => void this.copy(),
        paste: () => void this.paste(),
        find: () => events.onFind(),
        leave: () => events.onLeave(),
        send: (sequence) => this.#terminal.input(sequence),
      }),
    );
    this.#stillness.addEventListener("change", this.#onStillness);
  }

  /** Puts the terminal into an element and keeps it as large as that. */
  open(container: HTMLElement): void {
    this.#terminal.open(container);
    this.#useGraphicsCard(container);
    const fit = () => {
      // The style sheets know how large text is in a window of this size.
      this.#terminal.options.fontSize = parseFloat(getComputedStyle(container).fontSize);
      this.#fit.fit();
    };
    fit();
    this.#resizing = new ResizeObserver(() => {
      cancelAnimationFrame(this.#frame);
      this.#frame = requestAnimationFrame(fit);
    });
    this.#resizing.observe(container);
  }

  get size(): TerminalSize {
    return { columns: this.#terminal.cols, rows: this.#terminal.rows };
  }

  write(data: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.#terminal.write(data, resolve));
  }

  /** As if it were typed. */
  type(text: string): void {
    this.#terminal.input(text);
  }

  focus(): void {
    this.#terminal.focus();
  }

  setTheme(theme: Theme): void {
    this.#theme = theme;
    this.#terminal.options.theme = terminalThemes[theme];
  }

  /** What is on the screen and above it, as text. */
  text(): string {
    const buffer = this.#terminal.buffer.active;
    let text = "";
    for (let y = 0; y < buffer.length; y++) {
      const line = buffer.getLine(y);
      if (!line) continue;
      if (y > 0 && !line.isWrapped) text += "\n";
      // A wrapped line's end is kept: it may be a space between words.
      text += line.translateToString(!buffer.getLine(y + 1)?.isWrapped);
    }
    return text.trimEnd();
  }

  async copy(): Promise<void> {
    const text = this.#terminal.getSelection();
    if (text !== "" && !(await copyText(text))) {
      this.#events.onMessage("The browser refused to copy. Its address bar may say why.");
    }
  }

  async paste(): Promise<void> {
    const text = await pasteText();
    if (text !== undefined) this.#terminal.paste(text);
    else this.#events.onMessage("The browser refused to paste. Its address bar may say why.");
  }

  /** Marks every match, goes to the next or the previous one. An empty term clears the marks. */
  find(term: string, direction: "next" | "previous", incremental = false): void {
    if (term === "") {
      this.clearSearch();
      return;
    }
    const { match, active, ruler } = searchColors[this.#theme];
    const options: ISearchOptions = {
      incremental,
      decorations: {
        matchBackground: match,
        activeMatchBackground: active,
        matchOverviewRuler: ruler,
        activeMatchColorOverviewRuler: ruler,
      },
    };
    if (direction === "next") this.#search.findNext(term, options);
    else this.#search.findPrevious(term, options);
  }

  clearSearch(): void {
    this.#search.clearDecorations();
    this.#terminal.clearSelection();
    this.#events.onMatches({ index: -1, count: 0 });
  }

  dispose(): void {
    this.#stillness.removeEventListener("change", this.#onStillness);
    cancelAnimationFrame(this.#frame);
    this.#resizing?.disconnect();
    this.#terminal.dispose();
    this.#endStyles();
  }

  readonly #onStillness = (): void => {
    this.#terminal.options.cursorBlink = !this.#stillness.matches;
  };

  /**
   * The WebGL renderer where there is a graphics card behind it: done in software it takes the processor from the guest.
   * When its context is lost, xterm.js's own renderer takes over.
   */
  #useGraphicsCard(container: HTMLElement): void {
    container.dataset.renderer = "dom";
    if (!hasGraphicsCard()) return;
    try {
      const webgl = new WebglAddon();
      webgl.onContextLoss(() => {
        webgl.dispose();
        container.dataset.renderer = "dom";
      });
      this.#terminal.loadAddon(webgl);
      container.dataset.renderer = "webgl";
    } catch {
      // No WebGL 2 here.
    }
  }
}

/** Whether WebGL 2 is there, and drawn by a graphics card. */
function hasGraphicsCard(): boolean {
  const gl = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  if (!gl) return false;
  // Chromium's own software renderer does not count as a caveat everywhere.
  const names = gl.getExtension("WEBGL_debug_renderer_info");
  const renderer = String(gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  // A page may have a few contexts at a time: this one shall not wait for the garbage collector.
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer);
}

function openLink(uri: string): void {
  if (/^https?:/i.test(uri)) window.open(uri, "_blank", "noopener,noreferrer");
}
