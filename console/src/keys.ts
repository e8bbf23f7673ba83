/** Keyboard: single keys while nothing is being typed. */

import { useEffect } from "preact/hooks";

export type Shortcuts = Record<string, () => void>;

let prefix = "";

/** `g s` means g, then s; a handler gets its key only while no field and no dialog has the focus. */
export function useShortcuts(shortcuts: Shortcuts): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const act = (prefix && shortcuts[`${prefix} ${event.key}`]) || shortcuts[event.key];
      if (act) {
        event.preventDefault();
        act();
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });
}

addEventListener("keydown", (event) => {
  if (isTyping(event.target)) return;
  if (event.key === "g" && !prefix) {
    prefix = "g";
    setTimeout(() => (prefix = ""), 1000);
  }
});

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.closest("input, textarea, select, dialog") !== null || target.isContentEditable);
}

/** Move the focus along the elements of a list. */
export function moveFocus(selector: string, by: number): void {
  const all = [...document.querySelectorAll<HTMLElement>(selector)];
  const at = all.indexOf(document.activeElement as HTMLElement);
  all[Math.min(Math.max(at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by, 0), all.length - 1)]?.focus();
}
