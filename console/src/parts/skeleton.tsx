/** What stands in for a page while it loads: about its shape, so that little moves once it is there. */

export type Shape = "turns" | "rows" | "cards" | "numbers" | "table" | "columns";

const HOW_MANY: Record<Shape, number> = { turns: 4, rows: 8, cards: 3, numbers: 4, table: 8, columns: 2 };

/** It shows after a moment only: most pages are there before. */
export function Skeleton({ kind }: { kind: Shape }) {
  return (
    <div class={`skeleton of-${kind}`} role="status" aria-label="Loading">
      {Array.from({ length: HOW_MANY[kind] }, (_, number) => <span key={number} class="bone" />)}
      {kind === "numbers" && <span class="bone chart-bone" />}
    </div>
  );
}
