/** Light or dark: the system's choice, unless the viewer has made one. Kept in this browser. */
import { makeStore, useStore } from "./store.ts";

export type Theme = "system" | "light" | "dark";
export const THEMES: readonly Theme[] = ["system", "light", "dark"];

const KEY = "tocsin.theme";
const store = makeStore<Theme>("system");

export function restoreTheme(): void {
  const kept = localStorage.getItem(KEY);
  chooseTheme(THEMES.find((each) => each === kept) ?? "system");
}

export function chooseTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme);
  document.documentElement.dataset["theme"] = theme;
  store.set(theme);
}

export function useTheme(): Theme {
  return useStore(store);
}
