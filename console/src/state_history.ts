/** Changes of a state with what was there before each: the API tells what was put and removed. */

import type { StateChange } from "./api";

export interface Told {
  version: number;
  at: number;
  by: string;
  lines: { path: string; before?: unknown; after?: unknown }[];
}

/** The oldest change first; changes of long ago that are no longer kept leave their `before` unknown. */
export function folded(changes: StateChange[]): Told[] {
  const known = new Map<string, unknown>();
  return changes.map((change) => {
    const lines = [
      ...change.removed.map((path) => ({ path, before: known.get(path) ?? "(what was there)" })),
      ...Object.entries(change.put).map(([path, after]) => ({ path, before: known.get(path), after })),
    ];
    for (const path of change.removed) known.delete(path);
    for (const [path, value] of Object.entries(change.put)) known.set(path, value);
    return { version: change.version, at: change.at, by: change.by, lines };
  });
}

export function at(value: unknown): string {
  return typeof value === "string" && value.startsWith("(") ? value : JSON.stringify(value);
}
