import { effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";

export type Theme = "light" | "dark";

const key = "ringside.theme";

/** Light or dark: the system's preference until the person chooses, then the choice, remembered. */
export class ThemeChoice {
  readonly #theme: Signal<Theme>;
  readonly #system = matchMedia("(prefers-color-scheme: dark)");
  readonly #stop: () => void;

  constructor() {
    this.#theme = signal<Theme>(remembered() ?? this.#preference());
    this.#system.addEventListener("change", this.#follow);
    this.#stop = effect(() => {
      document.documentElement.dataset.theme = this.#theme.value;
    });
  }

  get current(): ReadonlySignal<Theme> {
    return this.#theme;
  }

  toggle(): void {
    this.#theme.value = this.#theme.value === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(key, this.#theme.value);
    } catch {
      // Storage is blocked: the choice holds for this visit.
    }
  }

  dispose(): void {
    this.#system.removeEventListener("change", this.#follow);
    this.#stop();
  }

  readonly #follow = (): void => {
    if (!remembered()) this.#theme.value = this.#preference();
  };

  #preference(): Theme {
    return this.#system.matches ? "dark" : "light";
  }
}

function remembered(): Theme | undefined {
  try {
    const value = localStorage.getItem(key);
    return value === "light" || value === "dark" ? value : undefined;
  } catch {
    return undefined;
  }
}
