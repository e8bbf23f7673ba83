/** Dark or light: the system's choice, or the one that was made here. */

export type Theme = "system" | "light" | "dark";

const KEPT = "outlive.theme";
const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

export function theme(): Theme {
  const kept = localStorage.getItem(KEPT);
  return kept === "light" || kept === "dark" ? kept : "system";
}

export function applyTheme(): void {
  document.documentElement.dataset.theme = theme();
}

export function nextTheme(): Theme {
  localStorage.setItem(KEPT, NEXT[theme()]);
  applyTheme();
  return theme();
}
