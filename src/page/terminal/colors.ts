import type { ITheme } from "@xterm/xterm";
import type { Theme } from "../theme.ts";

/** The sixteen colours in the page's two themes; backgrounds equal the stage's in styles/tokens.css. */
export const terminalThemes: Record<Theme, ITheme> = {
  dark: {
    background: "#101315",
    foreground: "#d9dfdc",
    cursor: "#4cc3a0",
    cursorAccent: "#101315",
    selectionBackground: "#2e5a4d",
    black: "#1d2225",
    red: "#e5736a",
    green: "#72b886",
    yellow: "#d6a95b",
    blue: "#6fa5da",
    magenta: "#b58fd6",
    cyan: "#5bbcb4",
    white: "#c3cac7",
    brightBlack: "#7b8682",
    brightRed: "#f29389",
    brightGreen: "#94d1a4",
    brightYellow: "#e9c583",
    brightBlue: "#97c2ec",
    brightMagenta: "#cfb0ea",
    brightCyan: "#86d6ce",
    brightWhite: "#f2f5f3",
  },
  light: {
    background: "#fdfcf9",
    foreground: "#22282a",
    cursor: "#0d7558",
    cursorAccent: "#fdfcf9",
    selectionBackground: "#bfe3d6",
    black: "#22282a",
    red: "#b3362c",
    green: "#2c7a45",
    yellow: "#8a6108",
    blue: "#2563a8",
    magenta: "#7d469f",
    cyan: "#0b736c",
    white: "#6a716e",
    brightBlack: "#565e5b",
    brightRed: "#cb4237",
    brightGreen: "#338a4f",
    brightYellow: "#9c6f10",
    brightBlue: "#2f74c0",
    brightMagenta: "#9055b4",
    brightCyan: "#0f847c",
    brightWhite: "#3b4245",
  },
};

/** What search marks in the terminal. The addon wants #RRGGBB. */
export const searchColors: Record<Theme, { match: string; active: string; ruler: string }> = {
  dark: { match: "#4d4422", active: "#8a6a1c", ruler: "#d6a95b" },
  light: { match: "#f3e3b3", active: "#e7c25a", ruler: "#8a6108" },
};
